import assert from "node:assert/strict"
import { test } from "vitest"
import { kernelBuild } from "#sim/build.ts"
import { drawPlan } from "#sim/plan/draw.ts"
import type { FaultKind, Plan, PlanFault, PlanOp } from "#sim/plan/plan.ts"
import { scenario } from "#sim/plan/scenario.ts"
import { Clients } from "#sim/workload/clients.ts"
import { World } from "#sim/world.ts"

const MS = 1_000
const SECOND = 1_000_000
const CLIENTS = 12
/** Elections are over, and every client knows its leader. */
const STEADY_AT = 4 * SECOND
/** A client sends its next write this much later, or when the last one ended. */
const EVERY_US = 40 * MS
const PUTS = CLIENTS * 180
/** An append of two values, four of them in flight: the window closes at once. */
const VALUE = "v".repeat(2_000)

const calm = scenario({
  name: "flow-control",
  about: "Three stores, one group, and clients that put at a steady rate.",
  cluster: {
    stores: 3,
    ranges: 1,
    tenants: 1,
    limits: {
      windowMessagesMax: 4,
      windowBytesMax: 16_384,
      appendBytesMax: 4_096,
      requestsMax: 1_024,
      uncommittedBytesMax: 1 << 20,
      pendingLogBytesMax: 1 << 20,
      logKeepEntries: 64,
      checkpointLogBytes: 65_536,
      segmentBytesFirst: 65_536,
      segmentBytesMax: 65_536,
    },
  },
  workload: { kinds: ["register"], operations: 1 },
  phases: { rounds: 1, faultsUs: 14 * SECOND, quietUs: 2 * SECOND },
  // Of two followers the faster one counts. Where latencies vary much, one alone is slower than that by itself:
  // here they vary little, so that what is left is what a leader does about the slow one.
  host: { latencyUsMin: 800, latencyUsMean: 200, syncUsMin: 900, syncUsMean: 200, turnUsMax: 50 },
  smallBecause: "It is run for its latencies, with one thing slow or nothing.",
})

function steadyPuts(seed: number): Plan {
  const plan = drawPlan(calm, seed)
  const range = plan.cluster.ranges[0]!.descriptor.rangeId
  const ops = Array.from({ length: PUTS }, (_, id): PlanOp => {
    const client = id % CLIENTS
    const at = SECOND + Math.floor(id / CLIENTS) * EVERY_US + client * Math.floor(EVERY_US / CLIENTS)
    const put = { type: "put" as const, key: `key ${id % 97}`, value: `${id} ${VALUE}` }
    const op = { ops: [put], range, token: true, timeoutUs: 5 * SECOND, copies: 1, abandoned: false }
    return { id, at, client, op: { ...op, read: "strong" } }
  })
  return { ...plan, faults: [], workload: { kind: "register", clients: CLIENTS, ops } }
}

function slowed(store: number, factor: number): readonly PlanFault[] {
  return (["slowDisk", "slowProcess"] satisfies FaultKind[]).map((kind, index) => ({
    id: index + 1,
    at: STEADY_AT,
    until: 14 * SECOND,
    kind,
    target: { role: "stores", stores: [store], peers: [], group: 0 },
    args: { factor },
  }))
}

/** Latencies of puts sent while the follower is slow, ascending, and what became of leader and window. */
function run(plan: Plan) {
  const clients = new Clients(plan, plan.workload.ops)
  const world = new World({ plan, build: kernelBuild, checkers: [], clients, listener: null })
  clients.start(world)
  assert.ok(world.runUntil(STEADY_AT), world.violation?.message ?? "")
  const leader = leaderOf(world)
  const full = world.marks()["raft.window.full"] ?? 0
  assert.ok(world.runUntil(9 * SECOND), world.violation?.message ?? "")
  const latencies = clients.history
    .filter(({ invokedAt, outcome }) => invokedAt >= STEADY_AT && invokedAt < 8 * SECOND && outcome === "ok")
    .map(({ invokedAt, endedAt }) => endedAt - invokedAt)
    .sort((a, b) => a - b)
  return {
    latencies,
    leader,
    after: leaderOf(world),
    windowFull: (world.marks()["raft.window.full"] ?? 0) - full,
  }
}

function leaderOf(world: World): number {
  for (let store = 1; store <= world.storeCount; store++) {
    if (
      world
        .host(store)
        .kernel?.status()
        .some(({ role }) => role === "leader") === true
    )
      return store
  }
  return 0
}

function p99(latencies: readonly number[]): number {
  return latencies[Math.floor(latencies.length * 0.99)]!
}

for (const seed of [1, 2]) {
  test(`a follower a hundred times slower than the others is paced and delays no quorum, seed ${seed}`, () => {
    const plan = steadyPuts(seed)
    const usual = run(plan)
    const follower = (usual.leader % 3) + 1
    const slow = run({ ...plan, faults: slowed(follower, 100) })
    assert.notEqual(usual.leader, 0)
    assert.deepEqual(
      [usual.after, slow.leader, slow.after],
      Array.from({ length: 3 }, () => usual.leader),
    )
    assert.equal(usual.windowFull, 0)
    assert.ok(slow.windowFull > 0, "The window to the slow follower never closed")
    assert.ok(usual.latencies.length >= 1_000, `${usual.latencies.length} puts`)
    assert.equal(slow.latencies.length, usual.latencies.length)
    assert.ok(
      p99(slow.latencies) <= 1.2 * p99(usual.latencies),
      `99 of 100 puts took ${p99(slow.latencies)} µs or less; without the slow follower ${p99(usual.latencies)} µs`,
    )
  })
}
