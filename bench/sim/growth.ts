/**
 * What do more stores, and more groups, cost? 3 to 25 stores with one group, 1 to 256 groups on three stores; no
 * faults, twenty operations a second, hash and checks on. `node bench/sim/growth.ts [--json]`.
 * No promise; a cost per event that grows with the cluster is a list walked where a map should be.
 */
import { drawPlan, simulate, type OnlineChecker, scenario, type WorldView } from "#sim"
import { onlineCheckers } from "#sim/check/oracles.ts"
import { frameItems } from "#kernel"
import { collectGarbage } from "../support/heap.ts"
import { about, cpuSeconds, printReport, type Row } from "../support/report.ts"

const SECONDS = 20
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
  cpuS = 0

  stepped(world: WorldView): void {
    if (this.heapBytes > 0 || world.now < SECONDS * 0.95e6) return
    const start = cpuSeconds()
    collectGarbage()
    this.heapBytes = process.memoryUsage().heapUsed
    this.cpuS = cpuSeconds() - start
  }
}

function run(stores: number, groups: number): Row {
  const plan = drawPlan(
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
  const probe = new HeapProbe()
  collectGarbage()
  const heapBefore = process.memoryUsage().heapUsed
  const start = cpuSeconds()
  const { events, simulatedUs, verdict } = simulate(plan, {
    checkers: [...onlineCheckers(plan, frameItems), probe],
  })
  const cpuS = cpuSeconds() - start - probe.cpuS
  return {
    "simulated s/CPU s": about(simulatedUs / 1e6 / cpuS),
    "events/simulated s": about(events / (simulatedUs / 1e6)),
    "µs/event": about((cpuS / events) * 1e6),
    "heap, MiB": about((probe.heapBytes - heapBefore) / 2 ** 20),
    verdict,
  }
}

run(3, 4)
run(5, 1)
const rows: Record<string, Row> = {}
for (const { stores, groups } of CONFIGURATIONS) {
  rows[`${stores} stores, ${groups} ${groups === 1 ? "group" : "groups"}`] = run(stores, groups)
}
printReport({ bench: "sim/growth", question: "What do more stores, and more groups, cost?", rows, notes: [] })
