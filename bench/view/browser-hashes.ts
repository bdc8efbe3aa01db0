/**
 * Does a browser come to the trace hashes that Node comes to? Runs seeds of the default campaign in the worker of the page,
 * in a real Chromium, and in this process. `node bench/view/browser-hashes.ts [--seeds 50] [--from 1] [--json]`.
 * Promised (issue 5): no difference. Exits 3 where there is one.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { pathToFileURL } from "node:url"
import { chromium } from "playwright-core"
import { drawPlan, simulate } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { fillPage } from "#view/bundle/fill.ts"
import { bundlePage } from "#view/bundle/page.ts"
import { benchOptions, printReport } from "../support/report.ts"

const {
  seeds,
  from,
  chromium: executablePath,
} = benchOptions(import.meta.filename, {
  seeds: 50,
  from: 1,
  chromium: "/usr/bin/chromium",
})
const scenario = scenarioOf("campaign")
if (scenario === null) throw new Error("There is no default campaign")

const folder = mkdtempSync(join(tmpdir(), "orrery-hashes-"))
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] })
try {
  const file = join(folder, "page.html")
  const plan = drawPlan(scenario, from)
  const subject = { name: "hashes", plan, recordings: [], expected: null, version: "", build: "" }
  writeFileSync(file, fillPage(await bundlePage(), subject))
  const page = await browser.newPage()
  await page.goto(pathToFileURL(file).href)
  let same = 0
  let events = 0
  const others: string[] = []
  for (let seed = from; seed < from + seeds; seed++) {
    const drawn = drawPlan(scenario, seed)
    const here = simulate(drawn)
    // A worker of its own for each seed, made of the script that stands in the page.
    const there = (await page.evaluate(
      `new Promise((settle, refuse) => {
        const script = document.querySelector("#worker").textContent
        const worker = new Worker(URL.createObjectURL(new Blob([script])))
        worker.onmessage = ({ data }) => {
          if (data.type === "progress") return
          worker.terminate()
          if (data.type === "answer") settle([data.value.traceHash, data.value.stateHash])
          else refuse(new Error(data.message))
        }
        worker.postMessage({ id: 1, call: "open", plan: ${JSON.stringify(drawn)} })
      })`,
    )) as readonly string[]
    events += here.events
    if (there[0] === here.traceHash && there[1] === here.stateHash) same++
    else
      others.push(`seed ${seed}: ${there.join(" ")} in the browser, ${here.traceHash} ${here.stateHash} here`)
  }
  const browserName = `Chromium ${browser.version()}`
  printReport({
    bench: "view/browser-hashes",
    question: "does a browser come to the hashes that Node comes to?",
    rows: { [browserName]: { seeds, same, others: others.length, events } },
    notes: others,
  })
  if (others.length > 0) process.exitCode = 3
} finally {
  await browser.close()
  rmSync(folder, { recursive: true, force: true })
}
