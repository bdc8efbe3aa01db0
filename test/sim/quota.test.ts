import assert from "node:assert/strict"
import { test } from "vitest"
import { frameItems } from "#kernel"
import { onlineCheckers } from "#sim/check/oracles.ts"
import { kernelBuild } from "#sim/build.ts"
import { drawPlan } from "#sim/plan/draw.ts"
import type { Plan, PlanFault, PlanOp } from "#sim/plan/plan.ts"
import { scenario } from "#sim/plan/scenario.ts"
import { Clients } from "#sim/workload/clients.ts"
import { World } from "#sim/world.ts"

const SECOND = 1_000_000
const CLIENTS = 4
const BEGINS = 2 * SECOND
/** The faults part ends here, and with it every fault. */
const ENDS = 22 * SECOND
const FREE_BYTES = 2 * 16_384 + 15_500

const calm = scenario({
  name: "quota",
  about: "Three stores, one group, and clients that put the same few keys again and again.",
  cluster: {
    stores: 3,
    ranges: 1,
    tenants: 1,
    // Nothing makes room by itself: no checkpoint is due before the disk is full.
    limits: {
      checkpointLogBytes: 64 << 20,
      logKeepEntries: 4_096,
      segmentBytesFirst: 16_384,
      segmentBytesMax: 16_384,
    },
  },
  workload: { kinds: ["register"], operations: 1 },
  phases: { rounds: 1, faultsUs: ENDS, quietUs: 5 * SECOND },
  smallBecause: "It is run for what disks hold.",
})

function puts(stores: readonly number[], bytes: number = FREE_BYTES): Plan {
  const plan = drawPlan(calm, 1)
  const range = plan.cluster.ranges[0]!.descriptor.rangeId
  const ops = Array.from({ length: CLIENTS * 190 }, (_, id): PlanOp => {
    const put = { type: "put" as const, key: `key ${id % 7}`, value: `${id}` }
    const op = { ops: [put], range, token: false, timeoutUs: 2 * SECOND, copies: 1, abandoned: false }
    const at = SECOND + Math.floor(id / CLIENTS) * 100_000
    return { id, at, client: id % CLIENTS, op: { ...op, read: "strong" } }
  })
  const fault: PlanFault = {
    id: 1,
    at: BEGINS,
    until: ENDS,
    kind: "diskQuota",
    target: { role: "stores", stores, peers: [], group: 0 },
    args: { bytes },
  }
  return { ...plan, faults: [fault], workload: { kind: "register", clients: CLIENTS, ops } }
}

test("writes fill a disk of so many bytes, and go on when a checkpoint has let the log go, under the same quota", () => {
  const plan = puts([1, 2, 3])
  const clients = new Clients(plan, plan.workload.ops)
  const world = new World({ plan, build: kernelBuild, checkers: [], clients, listener: null })
  clients.start(world)
  world.runUntil(BEGINS - 1)
  const held = [1, 2, 3].map((store) => world.host(store).disk.usedBytes)
  let freedAt = Infinity
  for (let now = BEGINS; now < ENDS; now += 100_000) {
    assert.ok(world.runUntil(now), world.violation?.message ?? "")
    for (const store of [1, 2, 3]) {
      // Side slots are written in place: they are small, and nobody refuses them.
      const allowed = held[store - 1]! + FREE_BYTES + 1_024
      assert.ok(world.host(store).disk.usedBytes <= allowed, `store ${store} holds more than it may`)
    }
    if ((world.marks()["wal.madeRoom"] ?? 0) < 3 || freedAt < now) continue
    freedAt = now
    assert.ok((world.marks()["range.diskFull.refused"] ?? 0) > 0, "writes were refused before")
  }
  assert.ok(freedAt < ENDS, "every store has made room for itself while the quota is in force")
  const taken = clients.history.filter(
    ({ outcome, invokedAt, endedAt }) => outcome === "ok" && invokedAt > freedAt && endedAt < ENDS,
  )
  assert.ok(taken.length > 100, `${taken.length} puts were taken after that`)
  assert.equal(world.faultCounts().diskQuota?.effective, 1)
})

test("a quota on the leader's disk alone moves the group to a store that has room", () => {
  const plan = puts([1])
  const ops = plan.workload.ops
  const led = new World({
    plan: { ...plan, cluster: neverFreed(plan) },
    build: kernelBuild,
    checkers: [],
    clients: null,
    listener: null,
  })
  led.runUntil(BEGINS - 1)
  const [leader] = [1, 2, 3].filter((store) => led.leaderOf(1) === store)
  assert.ok(leader !== undefined)
  const struck = { ...puts([leader]), cluster: neverFreed(plan) }
  const clients = new Clients(struck, ops)
  const world = new World({ plan: struck, build: kernelBuild, checkers: [], clients, listener: null })
  clients.start(world)
  world.runUntil(ENDS - 1)
  assert.ok((world.marks()["node.handOver.asked"] ?? 0) > 0)
  assert.notEqual(world.leaderOf(1), leader)
})

/** One segment weighs more than the disk has left: what a checkpoint lets go of is never enough. */
function neverFreed(plan: Plan): Plan["cluster"] {
  const { config } = plan.cluster
  const limits = { ...config.limits, segmentBytesFirst: 131_072, segmentBytesMax: 131_072 }
  return { ...plan.cluster, config: { ...config, limits } }
}

test("where less is left than a checkpoint takes nothing makes room: writes are refused by name until space returns, and none is lost", () => {
  const returns = 12 * SECOND
  // Two segments have their place; behind them next to nothing is left, and nothing is kept for the checkpoint.
  const drawn = puts([1, 2, 3], 2 * 16_384 + 300)
  const plan = { ...drawn, faults: drawn.faults.map((fault) => ({ ...fault, until: returns })) }
  const clients = new Clients(plan, plan.workload.ops)
  const checkers = onlineCheckers(plan, frameItems)
  const world = new World({ plan, build: kernelBuild, checkers, clients, listener: null })
  clients.start(world)
  assert.ok(world.runUntil(returns - 1), world.violation?.message ?? "")
  assert.ok((world.marks()["engine.checkpoint.refused"] ?? 0) > 0)
  assert.ok((world.marks()["range.diskFull.refused"] ?? 0) > 0)
  assert.equal(world.marks()["wal.madeRoom"] ?? 0, 0)
  assert.ok(world.runUntil(ENDS), world.violation?.message ?? "")
  const later = clients.history.filter(
    ({ invokedAt, endedAt }) => invokedAt > returns + 2 * SECOND && endedAt < ENDS,
  )
  assert.ok(later.length > 100, `${later.length} puts came after that`)
  assert.ok(later.every(({ outcome }) => outcome === "ok"))
})
