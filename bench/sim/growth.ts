/**
 * What do more stores, and more groups, cost? 3 to 25 stores with one group, 1 to 256 groups on three stores; no
 * faults, twenty operations a second, hash and checks on. `node bench/sim/growth.ts [--json]`.
 * No promise; a cost per event that grows with the cluster is a list walked where a map should be.
 */
import { drawPlan, scenario, simulate, type OnlineChecker, type Plan, type WorldView } from "#sim"
import { onlineCheckers } from "#sim/check/oracles.ts"
import { frameItems } from "#kernel"
import { collectGarbage } from "../support/heap.ts"
import { about, benchOptions, cpuSeconds, printReport, type Row } from "../support/report.ts"

benchOptions(import.meta.filename, {})
const SECONDS = 20
const RUNS = 3
const CONFIGURATIONS = [
  { stores: 3, groups: 1 },
  { stores: 5, groups: 1 },
  { stores: 7, groups: 1 },
  { stores: 25, groups: 1 },
  { stores: 3, groups: 4 },
  { stores: 3, groups: 16 },
  { stores: 3, groups: 64 },
  { stores: 3, groups: 256 },
]

/** Looks at the heap once, near the end, while the whole cluster is alive. */
class HeapProbe implements OnlineChecker {
  readonly name = "heap"
  heapBytes = 0

  stepped(world: WorldView): void {
    if (this.heapBytes > 0 || world.now < SECONDS * 0.95e6) return
    collectGarbage()
    this.heapBytes = process.memoryUsage().heapUsed
  }
}

function planOf(stores: number, groups: number): Plan {
  return drawPlan(
    scenario({
      name: "growth",
      about: "A cluster of this size under a light load, and nothing goes wrong.",
      cluster: { stores, spares: 0, ranges: groups, tenants: 1, replicas: stores },
      workload: { kinds: ["register"], clients: 8, operations: 20 * SECONDS, keys: Math.max(8, groups) },
      faults: {},
      host: { transport: "objects" },
      phases: { rounds: 1, faultsUs: (SECONDS * 1e6) / 2, quietUs: (SECONDS * 1e6) / 2 },
    }),
    1,
  )
}

function timed(stores: number, groups: number): Row {
  const plan = planOf(stores, groups)
  const start = cpuSeconds()
  const { events, simulatedUs, verdict } = simulate(plan)
  const cpuS = cpuSeconds() - start
  return {
    "simulated s/CPU s": about(simulatedUs / 1e6 / cpuS),
    "events/simulated s": about(events / (simulatedUs / 1e6)),
    "µs/event": about((cpuS / events) * 1e6),
    verdict,
  }
}

function heapMiB(stores: number, groups: number): number {
  const plan = planOf(stores, groups)
  const probe = new HeapProbe()
  collectGarbage()
  const before = process.memoryUsage().heapUsed
  simulate(plan, { checkers: [...onlineCheckers(plan, frameItems), probe] })
  return about((probe.heapBytes - before) / 2 ** 20)
}

// The engine takes some 300,000 events to learn what is hot: a cold run is five times as slow.
for (let round = 0; round < 15; round++) for (const groups of [1, 16]) timed(5, groups)
const middles = CONFIGURATIONS.map(({ stores, groups }) => {
  const runs = Array.from({ length: RUNS }, () => timed(stores, groups))
  return runs.toSorted((a, b) => Number(a["µs/event"]) - Number(b["µs/event"]))[RUNS >> 1]!
})
// Afterwards, since a collection that is asked for throws away what the engine has learnt.
const rows: Record<string, Row> = {}
CONFIGURATIONS.forEach(({ stores, groups }, at) => {
  const name = `${stores} stores, ${groups} ${groups === 1 ? "group" : "groups"}`
  rows[name] = { ...middles[at]!, "heap, MiB": heapMiB(stores, groups) }
})
printReport({
  bench: "sim/growth",
  question: "What do more stores, and more groups, cost?",
  rows,
  notes: [`The median of ${RUNS} runs of ${SECONDS} simulated s.`],
})
