/**
 * Does a campaign worker keep what it should forget? One process runs seeds of the default campaign one after the
 * other. `node bench/sim/memory.ts [--seeds 50] [--json]`. No promise; heap after a collection should not grow with
 * the number of seeds.
 */
import { drawPlan, simulate } from "#sim"
import { main as campaign } from "#scenarios/campaign.ts"
import { collectGarbage } from "../support/heap.ts"
import { about, numberOption, printReport, type Row } from "../support/report.ts"

const MIB = 2 ** 20
const seeds = numberOption("seeds", 50)
const looks = new Set([1, Math.ceil(seeds / 5), Math.ceil(seeds / 2), seeds])
const rows: Record<string, Row> = {}
let events = 0
let rssPeak = 0
for (let seed = 1; seed <= seeds; seed++) {
  events += simulate(drawPlan(campaign, seed)).events
  const { rss, heapUsed } = process.memoryUsage()
  rssPeak = Math.max(rssPeak, rss)
  if (!looks.has(seed)) continue
  collectGarbage()
  const after = process.memoryUsage()
  rows[`after ${seed} ${seed === 1 ? "seed" : "seeds"}`] = {
    events,
    "heap, MiB": about(heapUsed / MIB),
    "heap collected, MiB": about(after.heapUsed / MIB),
    "buffers collected, MiB": about(after.arrayBuffers / MIB),
    "rss, MiB": about(rss / MIB),
    "rss peak, MiB": about(rssPeak / MIB),
  }
}
printReport({
  bench: "sim/memory",
  question: "How much memory does a campaign worker take?",
  rows,
  notes: [],
})
