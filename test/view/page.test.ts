import assert from "node:assert/strict"
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import type { Browser, Page } from "playwright-core"
import { afterAll, beforeAll, describe, test } from "vitest"
import { simulate, type Plan } from "#sim"
import { editPlan, inspectStore, runPlan, type Edit } from "#view"
import { fillPage } from "#view/bundle/fill.ts"
import { bundlePage } from "#view/bundle/page.ts"
import { CHROMIUM, launch } from "./chromium.ts"
import { EARLY_ACKNOWLEDGEMENT, planted, runPlanted } from "./planted.ts"
import { regression } from "./support.ts"

// The page as people have it: one file, opened by a real browser without a network.

if (CHROMIUM === null) {
  process.stderr.write(
    "\n!! SKIPPED: no chromium on this machine, so nobody looked at the page (.ci/browser installs one)\n\n",
  )
}

const TEMP = mkdtempSync(join(tmpdir(), "orrery-view-"))
const MEGABYTE = 1 << 20
const NAMES = ["removed-rows-came-back", "replica-name-given-twice"] as const

let empty = ""
let browser: Browser

function pageOf(name: string, plan: Plan, traceHash: string, page = empty): string {
  const path = join(TEMP, `${name}.html`)
  const expected = { oracle: "X", message: "", traceHash, command: "", version: "" }
  writeFileSync(path, fillPage(page, { name, plan, recordings: [], expected, version: "0", build: "0" }))
  return path
}

/** Opens the file and waits until its run is over. Everything it asks anybody for is kept. */
async function open(
  path: string,
): Promise<{ readonly page: Page; readonly asked: string[]; readonly errors: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } })
  const asked: string[] = []
  const errors: string[] = []
  page.on("request", (request) => asked.push(request.url()))
  page.on("pageerror", (error) => errors.push(error.message))
  page.on("console", (line) => {
    if (line.type() === "error") errors.push(line.text())
  })
  await page.goto(pathToFileURL(path).href)
  await settled(page)
  return { page, asked, errors }
}

async function settled(page: Page): Promise<void> {
  await page.waitForSelector("#hash")
  await page.waitForSelector("#busy", { state: "detached" })
}

const text = async (page: Page, selector: string): Promise<string> => (await page.textContent(selector)) ?? ""

describe.skipIf(CHROMIUM === null)("the page", () => {
  beforeAll(async () => {
    empty = await bundlePage()
    browser = await launch()
  })
  afterAll(async () => {
    await browser?.close()
    rmSync(TEMP, { recursive: true, force: true })
  })

  test.each(NAMES)("runs %s to the hash that Node gives, in one file and asking nobody", async (name) => {
    const { plan } = regression(name)
    const path = pageOf(name, plan, simulate(plan).traceHash)
    assert.ok(statSync(path).size < 5 * MEGABYTE)
    assert.doesNotMatch(readFileSync(path, "utf8"), /<(?:link|img|script)[^>]+(?:src|href)=/)
    const { page, asked, errors } = await open(path)
    assert.equal(await text(page, "#hash"), simulate(plan).traceHash)
    assert.match(await text(page, ".hash"), /as the capsule says/)
    assert.equal(await text(page, "#verdict"), "passes")
    assert.deepEqual(errors, [])
    assert.deepEqual(
      asked.filter((url) => !/^(?:file|blob|data):/.test(url)),
      [],
    )
    await page.close()
  })

  test("goes to any event, steps both ways, and shows the store as Node has it there", async () => {
    const { plan } = regression("removed-rows-came-back")
    const run = runPlan(plan)
    const { page, errors } = await open(pageOf("steps", plan, ""))
    const goTo = async (event: number): Promise<void> => {
      await page.keyboard.press("/")
      await page.fill("#query", `#${event}`)
      await page.keyboard.press("Enter")
      await at(event)
      await page.keyboard.press("Escape")
    }
    const at = (event: number): Promise<unknown> =>
      page.waitForFunction(
        (wanted) => document.querySelector("#event")?.textContent?.replaceAll(",", "") === String(wanted),
        event,
      )
    const middle = Math.floor(run.result.events / 2)
    await goTo(middle)
    await page.keyboard.press("ArrowRight")
    await at(middle + 1)
    await page.keyboard.press("ArrowLeft")
    await page.keyboard.press("ArrowLeft")
    await at(middle - 1)
    await page.click("#tab-event")
    await page.click("#forward")
    await at(middle)
    await page.keyboard.press("2")
    for (const event of [middle, 400, run.result.events]) {
      await goTo(event)
      await page.keyboard.press("2")
      const store = run.recorder.stores.at(event - 1)
      const line = `after its event ${event.toLocaleString("en")};`
      await page.waitForFunction(
        (wanted) => document.querySelector("#store-line")?.textContent?.includes(wanted),
        line,
      )
      const shown = await page.$$eval(".facts tr:not(.changed)", (rows) =>
        rows.map((row) => [row.children[0]!.textContent, row.children[1]!.textContent]),
      )
      const facts = inspectStore(run, store, event).sections.flatMap((section) => section.facts)
      const wanted = facts.filter((fact) => fact.before === undefined && !fact.name.includes("@"))
      assert.ok(wanted.length > 5)
      for (const { name, value } of wanted) {
        assert.ok(
          shown.some(([th, td]) => th === name && td === value),
          `event ${event}: ${name} ${value}`,
        )
      }
    }
    assert.deepEqual(errors, [])
    await page.close()
  })

  test("runs an edited plan in its place, to the hash that Node gives for it, and goes back", async () => {
    const { plan } = regression("state-of-the-one-before")
    const first = simulate(plan).traceHash
    const { page } = await open(pageOf("edits", plan, first))
    await page.click("#tab-plan")
    const id = plan.faults.at(-1)!.id
    await page.click(`li[data-fault="${id}"] .drop`)
    const dropped = editPlan(plan, { type: "dropFault", id }) as Plan
    await hasHash(page, simulate(dropped).traceHash)
    const moved = dropped.faults[0]!
    const at = moved.at + 250_000
    await page.fill(`li[data-fault="${moved.id}"] .time`, (at / 1_000_000).toFixed(6))
    await page.keyboard.press("Enter")
    await hasHash(
      page,
      simulate(editPlan(dropped, { type: "moveFault", id: moved.id, at }) as Plan).traceHash,
    )
    await page.click("#reset")
    await hasHash(page, first)
    await page.keyboard.press("Home")
    await page.selectOption("#add select", "pause")
    const chosen = /add to store (\d+) at (\S+) s/.exec(await text(page, "#add button"))!
    await page.click("#add button")
    const added: Edit = {
      type: "addFault",
      kind: "pause",
      store: Number(chosen[1]),
      at: Number(chosen[2]) * 1e6,
    }
    await hasHash(page, simulate(editPlan(plan, added) as Plan).traceHash)
    await page.click("#reset")
    await hasHash(page, first)
    await page.fill(`li[data-fault="${moved.id}"] .time`, "-3")
    await page.keyboard.press("Enter")
    await page.waitForSelector(".trouble")
    assert.equal(await text(page, "#hash"), first)
    await page.close()
  })

  test("finds words, and says who wrote a value", async () => {
    const { plan } = regression("removed-rows-came-back")
    const { page, errors } = await open(pageOf("words", plan, ""))
    await page.keyboard.press("/")
    await page.fill("#query", "leader in term")
    await page.keyboard.press("Enter")
    await page.waitForSelector(".hits li")
    const hit = (await text(page, ".hits li button")).replaceAll(",", "")
    await page.click(".hits li button")
    await page.waitForFunction(
      (wanted) => document.querySelector("#event")?.textContent?.replaceAll(",", "") === wanted,
      hit,
    )
    await page.keyboard.press("End")
    await page.keyboard.press("2")
    for (let store = 1; store <= plan.cluster.stores && (await rowsOf(page)) === 0; store++) {
      await page.click(`.stores button:nth-child(${store})`)
      await page.waitForFunction(
        (wanted) => document.querySelector("#store-line")?.textContent?.startsWith(`store ${wanted} `),
        store,
      )
    }
    await page.click('summary:has-text("rows of tenant") + table th button')
    await page.waitForSelector("#provenance li")
    assert.match(await text(page, "#provenance"), /has it from here on|was on the disk/)
    assert.match(await text(page, "#provenance"), /begins operation/)
    assert.deepEqual(errors, [])
    await page.close()
  })

  test("finds the nearest passing run beside itself, and says where they part", async () => {
    const { plan } = regression("state-of-the-one-before")
    const { page } = await open(pageOf("near", plan, ""))
    await page.click("#tab-compare")
    await page.click("#nearest")
    await page.waitForSelector("#neighbour")
    assert.match(await text(page, "#neighbour"), /without fault \d+.*passes.*one run up to event/s)
    await page.close()
  })

  test("shows a planted bug where Node sees it, with what led to it", async () => {
    const { plan } = regression("removed-rows-came-back")
    const bug = EARLY_ACKNOWLEDGEMENT
    const node = await runPlanted(bug, plan)
    assert.equal(node.oracle, bug.oracle)
    const empty = await bundlePage({ edit: (file, source) => planted(bug, file, source) })
    const { page } = await open(pageOf("planted", plan, node.traceHash, empty))
    assert.equal(await text(page, "#hash"), node.traceHash)
    assert.equal(await text(page, "#verdict"), bug.oracle)
    await page.waitForSelector("#chain li")
    await page.keyboard.press("5")
    await page.click("#probe")
    await page.waitForSelector("#inevitable rect.sure")
    assert.equal(Number((await text(page, "#event")).replaceAll(",", "")), node.events)
    await page.close()
  })

  test("is light or dark as the system says and as it is told, and tells its keys", async () => {
    const { plan } = regression("state-of-the-one-before")
    const { page } = await open(pageOf("looks", plan, ""))
    const ground = (): Promise<string> => page.evaluate(() => getComputedStyle(document.body).backgroundColor)
    await page.emulateMedia({ colorScheme: "light" })
    const light = await ground()
    await page.emulateMedia({ colorScheme: "dark" })
    const dark = await ground()
    assert.notEqual(light, dark)
    await page.click("#theme")
    assert.equal(await ground(), light)
    await page.click("#theme")
    await page.emulateMedia({ colorScheme: "light" })
    assert.equal(await ground(), dark)
    await page.keyboard.press("?")
    await page.waitForSelector(".help")
    await page.keyboard.press("Escape")
    await page.waitForSelector(".help", { state: "detached" })
    // Nothing is cut off at the side of a small laptop.
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth))
    await page.close()
  })
})

function rowsOf(page: Page): Promise<number> {
  return page.locator('summary:has-text("rows of tenant") + table th button').count()
}

async function hasHash(page: Page, hash: string): Promise<void> {
  await page.waitForFunction((wanted) => document.querySelector("#hash")?.textContent === wanted, hash)
  await settled(page)
}
