/**
 * What does a group cost that nobody uses, and one that is used? Three stores, 1 to 4,096 groups on each, for some
 * simulated seconds after all have elected a leader: first nobody asks anything, then 200 puts a second go round all
 * groups; and a cluster of a hundred stores. `node bench/sim/groups.ts [--seconds 5] [--max 4096] [--json]`.
 * Promised (DESIGN §13): 4,096 groups of a store cost nothing while idle: events a simulated second that do not grow
 * with the groups. No checkers and no hash: this is of the kernel and its host.
 */
import { drawPlan, scenario, type Plan } from "#sim"
import { kernelBuild } from "#sim/build.ts"
import { Clients } from "#sim/workload/clients.ts"
import { World } from "#sim/world.ts"
import { withGroups } from "../support/groups.ts"
import { collectGarbage } from "../support/heap.ts"
import { about, benchOptions, cpuSeconds, printReport, type Row } from "../support/report.ts"

const SECOND = 1_000_000
/** Elections are over by then, also where the first attempt of some was split. */
const WARM_US = 8 * SECOND
const PUTS_A_SECOND = 200
const { seconds, max: groupsMax } = benchOptions(import.meta.filename, { seconds: 5, max: 4_096 })

function planOf(stores: number, groups: number, isActive: boolean): Plan {
  const spanUs = seconds * SECOND
  const drawn = drawPlan(
    scenario({
      name: "groups",
      about: "Many groups on few stores, and nothing goes wrong.",
      cluster: { stores, spares: 0, ranges: 1, tenants: 1, replicas: stores },
      workload: { kinds: ["register"], clients: 1, operations: 1 },
      faults: {},
      host: { transport: "objects" },
      phases: { rounds: 1, faultsUs: WARM_US, quietUs: spanUs },
    }),
    1,
  )
  const operations = isActive ? PUTS_A_SECOND * seconds : 0
  return withGroups(drawn, groups, { operations, fromUs: WARM_US, overUs: spanUs, clients: 64 })
}

function measured(stores: number, groups: number, isActive: boolean): Row {
  const plan = planOf(stores, groups, isActive)
  collectGarbage()
  const heapBefore = process.memoryUsage().heapUsed
  const clients = new Clients(plan, plan.workload.ops)
  const world = new World({ plan, build: kernelBuild, checkers: [], clients, listener: null, hash: false })
  clients.start(world)
  world.runUntil(WARM_US)
  const events = world.event
  const start = cpuSeconds()
  world.runUntil(WARM_US + seconds * SECOND)
  const cpuMs = (cpuSeconds() - start) * 1_000
  const led = new Set<number>()
  for (let store = 1; store <= world.storeCount; store++)
    for (const { group, role } of world.statusOf(store)) if (role === "leader") led.add(group)
  collectGarbage()
  const heap = process.memoryUsage().heapUsed - heapBefore
  return {
    "events/simulated s": about((world.event - events) / seconds),
    "CPU ms/simulated s": about(cpuMs / seconds),
    "µs/group and simulated s": about((cpuMs * 1_000) / seconds / groups),
    "puts acknowledged": clients.ok,
    "heap KiB/replica": about(heap / 1_024 / groups / Math.min(3, stores)),
    "all led": led.size === groups ? "yes" : "no",
  }
}

// The engine learns what is hot before anything is measured.
for (let round = 0; round < 3; round++) measured(3, 16, true)
const rows: Record<string, Row> = {}
for (const isActive of [false, true]) {
  for (let groups = 1; groups <= groupsMax; groups *= 8) {
    rows[`3 stores, ${groups} ${groups === 1 ? "group" : "groups"}, ${isActive ? "active" : "idle"}`] =
      measured(3, groups, isActive)
  }
}
for (const isActive of [false, true])
  rows[`100 stores, 100 groups, ${isActive ? "active" : "idle"}`] = measured(100, 100, isActive)
printReport({
  bench: "sim/groups",
  question: "What does a group cost that nobody uses, and one that is used?",
  rows,
  notes: [
    `${seconds} simulated s after ${WARM_US / SECOND} s to elect; active is ${PUTS_A_SECOND} puts/s over all groups.`,
  ],
})
