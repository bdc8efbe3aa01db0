import { mkdtempSync, rmSync } from "node:fs"
import { drawPlan } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { conform, newTally } from "./trace.ts"
const [name, from, n] = process.argv.slice(2)
const tally = newTally()
const t0 = performance.now()
for (let seed = Number(from); seed < Number(from) + Number(n); seed++) {
  const d = mkdtempSync("/dev/shm/oc-")
  const b = tally.differences.length
  await conform(drawPlan(scenarioOf(name!)!, seed), d, tally)
  rmSync(d, { recursive: true })
  for (const x of tally.differences.slice(b)) console.log(seed, x)
}
console.log(performance.now() - t0, process.cpuUsage(), tally)
