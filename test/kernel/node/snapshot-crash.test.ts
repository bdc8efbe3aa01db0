import { assert, test } from "vitest"
import type { ReadView } from "#kernel/engine/engine.ts"
import { SPACE_STAGING } from "#kernel/engine/engine.ts"
import type { KernelConfig } from "#kernel/node/config.ts"
import { StateHash } from "#kernel/range/state-hash.ts"
import { ROW_SPACES } from "#kernel/snapshot/head.ts"
import { Cluster, configOf, TENANT_VOLUME, type Store } from "../../support/store-rig.ts"

/** Small enough that a snapshot takes some twenty chunks, and checkpoints fall between them. */
function configFor(id: number): KernelConfig {
  const config = configOf(id)
  return {
    ...config,
    limits: {
      ...config.limits,
      checkpointLogBytes: 700,
      logKeepEntries: 2,
      snapshotChunkBytes: 200,
      snapshotWindowChunks: 2,
    },
  }
}

type Lagging = { readonly cluster: Cluster; readonly leader: Store; readonly follower: Store }

/** Entries the follower sleeps through. */
const WRITES = 40

/** A cluster whose follower is before the start of its leader's log, and can hear it again. */
function lagging(): Lagging {
  const cluster = new Cluster([1, 2, 3], configFor)
  const leader = cluster.elect()
  const follower = cluster.stores.find((store) => store !== leader)!
  leader.request([{ type: "put", key: "k0", value: "old" }], { id: 1 })
  cluster.settle()
  cluster.cut.add(follower.id)
  for (let i = 0; i < WRITES; i++) {
    leader.request([{ type: "put", key: `k${i}`, value: "v".repeat(100) }], { id: i + 2 })
    cluster.settle()
  }
  cluster.pass(300_000)
  assert.isAbove(leader.status!.firstIndex, follower.status!.lastIndex + 1)
  cluster.cut.clear()
  for (const store of cluster.stores) store.marks.length = 0
  return { cluster, leader, follower }
}

/** The rows are exactly those whose sum the range keeps: a state of one moment, whole. */
function assertWhole(store: Store, context: string): void {
  const view: ReadView = store.kernel.view(TENANT_VOLUME)
  const hash = new StateHash()
  for (const space of ROW_SPACES) {
    for (const cursor = view.cursor(space, "", "", false); cursor.valid; cursor.next())
      hash.add(space, cursor.key, cursor.value)
  }
  const { hashHigh, hashLow } = store.status!
  assert.deepEqual([hash.high, hash.low], [hashHigh, hashLow], context)
}

function isStagingEmpty(store: Store): boolean {
  return !store.kernel.view(TENANT_VOLUME).cursor(SPACE_STAGING, "", "", false).valid
}

/**
 * Lives through the bringing up of the follower one thing at a time: an operation of a disk, a message. A
 * point is before each thing that happens to `victim`; at point `crashAt` it dies. Gives how many points it had.
 */
function live({ cluster, leader, follower }: Lagging, victim: Store, crashAt: number): number {
  let points = 0
  const before = follower.status!.lastIndex
  /** True when the victim has just died. */
  const isDead = (store: Store): boolean => {
    if (store !== victim || points++ !== crashAt) return false
    const context = `store ${store.id} of leader ${leader.id} dies at point ${crashAt}`
    store.boot()
    store.settle()
    assert.isNull(store.fatal, context)
    if (store === follower) {
      const { appliedIndex, firstIndex, lastIndex } = store.status!
      assert.isTrue(appliedIndex <= before || appliedIndex > WRITES, `${context}: applied ${appliedIndex}`)
      assert.isAtMost(firstIndex, appliedIndex + 1, context)
      assert.isAtLeast(lastIndex, appliedIndex, context)
    }
    assertWhole(store, context)
    return true
  }
  for (let round = 0; round < 400; round++) {
    for (const store of cluster.stores) {
      store.endTurn()
      for (let at = store.doing.length - 1; at >= 0; at--) if (isDead(store) || !store.complete(at)) break
    }
    for (const from of cluster.stores) {
      for (const send of from.take()) {
        const to = cluster.store(send.to)
        if (!isDead(to)) cluster.deliver(from, send)
      }
    }
    const isThere =
      cluster.leader !== undefined &&
      follower.status!.appliedIndex > WRITES &&
      follower.status!.firstIndex > 2 &&
      cluster.stores.every((store) => store.status!.appliedIndex === cluster.leader!.status!.lastIndex)
    if (isThere) break
    for (const store of cluster.stores) {
      store.mono += 20_000
      if (store.wakeAt !== null && store.wakeAt <= store.mono) store.step({ type: "wake" })
    }
  }
  return points
}

function assertDone({ cluster, follower }: Lagging, context: string): void {
  cluster.pass(1_000_000)
  const leader = cluster.leader
  assert.isDefined(leader, context)
  assert.equal(follower.status!.appliedIndex, leader.status!.appliedIndex, context)
  assert.equal(follower.status!.hashLow, leader.status!.hashLow, context)
  for (const store of cluster.stores) {
    assertWhole(store, context)
    assert.isTrue(isStagingEmpty(store), `${context}: nothing is left in the staging space`)
  }
}

for (const side of ["receiver", "sender"] as const) {
  test(
    `a snapshot survives the death of its ${side} at every point: old state or new, whole, and up to date in the end`,
    { timeout: 240_000 },
    () => {
      const marks = new Set<string>()
      const whole = lagging()
      const victimOf = ({ leader, follower }: Lagging): Store => (side === "receiver" ? follower : leader)
      const points = live(whole, victimOf(whole), Infinity)
      assertDone(whole, "nobody dies")
      assert.isAbove(points, 20)
      for (let crashAt = 0; crashAt < points; crashAt++) {
        const again = lagging()
        const victim = victimOf(again)
        live(again, victim, crashAt)
        assertDone(again, `the ${side} dies at point ${crashAt} of ${points}`)
        for (const store of again.cluster.stores) for (const name of store.marks) marks.add(name)
      }
      assert.isTrue(marks.has("raft.snapshot.switched"), [...marks].join(", "))
      if (side === "receiver") assert.isTrue(marks.has("raft.snapshot.resumed"), [...marks].join(", "))
    },
  )
}
