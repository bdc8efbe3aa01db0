import { parseArgs } from "node:util"
import { drawPlan, simulate } from "#sim"
import { main as campaign } from "#scenarios/campaign.ts"
import { mirroredBuild, newTally } from "./mirror.ts"

// `node test/conformance/run.ts [--traces 1000] [--from 1]`: seeds of the default campaign, each with a mirror beside every
// kernel that hears all by bytes, and each again as it is. Exits 1 at any difference.

const { values } = parseArgs({
  options: { traces: { type: "string", default: "1000" }, from: { type: "string", default: "1" } },
})
const [traces, from] = [Number(values.traces), Number(values.from)]
const SAY_MS = 10_000

const tally = newTally()
let events = 0
let same = 0
const started = performance.now()
let saidAt = started
for (let seed = from; seed < from + traces; seed++) {
  const plan = drawPlan(campaign, seed)
  const before = tally.differences.length
  const mirrored = simulate(plan, { build: mirroredBuild(tally), checkers: [] })
  const alone = simulate(plan, { checkers: [] })
  const isSame = mirrored.traceHash === alone.traceHash && mirrored.stateHash === alone.stateHash
  if (!isSame) tally.differences.push(`seed ${seed}: another trace with mirrors beside it`)
  if (tally.differences.length === before) same++
  for (const difference of tally.differences.slice(before)) console.log(`seed ${seed}: ${difference}`)
  events += mirrored.events
  const now = performance.now()
  if (now - saidAt < SAY_MS) continue
  saidAt = now
  const done = seed - from + 1
  const left = ((now - started) / done) * (traces - done)
  console.error(`${done}/${traces} traces, ${traces - done} to go, about ${Math.round(left / 1_000)} s`)
}
console.table({
  traces,
  same,
  "starts of a store": tally.lives,
  events,
  "steps held": tally.steps,
  "frames through the codec": tally.frames,
  "effects compared": tally.effects,
  "MiB of inputs": Math.round(tally.inputBytes / 2 ** 20),
  seconds: Math.round((performance.now() - started) / 1_000),
})
process.exitCode = same === traces ? 0 : 1
