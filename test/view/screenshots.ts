/**
 * Takes the pictures of docs/view: a stale read on a kernel whose leader confirms its reads to itself, and a run that
 * passes. `node test/view/screenshots.ts`, with chromium on the machine.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { isPlanError, parseCapsule, type Capsule } from "#sim"
import { orreryVersion } from "#cli/build-id.ts"
import { fillPage } from "#view/bundle/fill.ts"
import { bundlePage } from "#view/bundle/page.ts"
import { launch } from "./chromium.ts"
import { OWN_CONFIRMATION, planted, runPlanted } from "./planted.ts"

const ROOT = join(import.meta.dirname, "../..")
const OUT = join(ROOT, "docs/view")
type Scheme = "light" | "dark"
type Shot = {
  readonly name: string
  readonly scheme: Scheme
  readonly keys: readonly string[]
  readonly wait: string
}

const SHOTS: readonly Shot[] = [
  { name: "event-light", scheme: "light", keys: ["v", "1"], wait: "#chain li" },
  { name: "store-dark", scheme: "dark", keys: ["v", "2"], wait: "#store-line" },
  { name: "plan-light", scheme: "light", keys: ["v", "c", "0", "3"], wait: ".faults li" },
  {
    name: "compare-dark",
    scheme: "dark",
    keys: ["v", "5", "#nearest", "wait #neighbour", "#probe"],
    wait: "#inevitable",
  },
]

function capsuleOf(path: string): Capsule {
  const capsule = parseCapsule(JSON.parse(readFileSync(path, "utf8")))
  if (isPlanError(capsule)) throw new Error(capsule.message)
  return capsule
}

const folder = mkdtempSync(join(tmpdir(), "orrery-shots-"))
const browser = await launch()
try {
  const capsule = capsuleOf(join(import.meta.dirname, "stale-read.json"))
  const { plan, oracle, command } = capsule
  // As a capsule made on this very kernel says it: the one that is kept may be of an older one.
  const { traceHash, message } = await runPlanted(OWN_CONFIRMATION, plan)
  const empty = await bundlePage({ edit: (path, source) => planted(OWN_CONFIRMATION, path, source) })
  const version = orreryVersion()
  const expected = { oracle, message, traceHash, command, version }
  const build = "with a planted bug"
  const file = join(folder, "stale-read.html")
  writeFileSync(
    file,
    fillPage(empty, { name: "stale-read.json", plan, recordings: [], expected, version, build }),
  )
  mkdirSync(OUT, { recursive: true })
  for (const { name, scheme, keys, wait } of SHOTS) {
    const page = await browser.newPage({ viewport: { width: 1280, height: 800 }, colorScheme: scheme })
    await page.goto(pathToFileURL(file).href)
    await page.waitForSelector("#hash")
    await page.waitForSelector("#busy", { state: "detached" })
    if ((await page.textContent("#verdict")) !== oracle)
      throw new Error(`The run no longer fails by ${oracle}`)
    for (const key of keys) {
      if (key.startsWith("wait ")) await page.waitForSelector(key.slice(5))
      else await (key.startsWith("#") ? page.click(key) : page.keyboard.press(key))
    }
    await page.waitForSelector(wait, { timeout: 120_000 })
    // The picture is drawn once the scene of the last window is there.
    await page.waitForFunction(
      () => document.querySelector("#busy") === null && document.fonts.status === "loaded",
    )
    await page.waitForTimeout(800)
    await page.screenshot({ path: join(OUT, `${name}.png`) })
    await page.close()
    console.log(`docs/view/${name}.png`)
  }
} finally {
  await browser.close()
  rmSync(folder, { recursive: true, force: true })
}
