import { assert, test } from "vitest"
import type { ReadView } from "#kernel/engine/engine.ts"
import { SPACE_STAGING } from "#kernel/engine/engine.ts"
import { StateHash } from "#kernel/range/state-hash.ts"
import { ROW_SPACES } from "#kernel/snapshot/head.ts"
import { lagging, type Lagging } from "../../support/lagging.ts"
import { TENANT_VOLUME, type Store } from "../../support/store-rig.ts"

/** Entries the follower sleeps through. */
const WRITES = 40

/** Small enough that a snapshot takes some twenty chunks, and checkpoints fall between them. */
const LIMITS = { checkpointLogBytes: 700, snapshotChunkBytes: 200, snapshotWindowChunks: 2 }

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
 * point is before each thing that happens to the first of `victims`; at each of `crashes` all of them die.
 * Gives how many points there were.
 */
function live(
  { cluster, follower }: Lagging,
  victims: readonly Store[],
  crashes: readonly number[],
  about: string,
): number {
  let points = 0
  const before = follower.status!.lastIndex
  /** True when the victims have just died. */
  const isDead = (store: Store): boolean => {
    if (store !== victims[0] || !crashes.includes(points++)) return false
    for (const victim of victims) {
      victim.boot()
      victim.settle()
      assert.isNull(victim.fatal, about)
      assertWhole(victim, about)
    }
    if (victims.includes(follower)) {
      const { appliedIndex, firstIndex, lastIndex } = follower.status!
      assert.isTrue(appliedIndex <= before || appliedIndex > WRITES, `${about}: applied ${appliedIndex}`)
      assert.isAtMost(firstIndex, appliedIndex + 1, about)
      assert.isAtLeast(lastIndex, appliedIndex, about)
    }
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

const SIDES: Readonly<Record<string, (lagging: Lagging) => readonly Store[]>> = {
  receiver: ({ follower }) => [follower],
  sender: ({ leader }) => [leader],
  "both ends": ({ follower, leader }) => [follower, leader],
}

test.each(Object.keys(SIDES))(
  "a snapshot survives the death of %s at every point, once and twice: old state or new, whole, and up to date in the end",
  { timeout: 240_000 },
  (side) => {
    const marks = new Set<string>()
    const victimsOf = SIDES[side]!
    const whole = lagging(LIMITS, WRITES)
    const points = live(whole, victimsOf(whole), [], "nobody dies")
    assertDone(whole, "nobody dies")
    assert.isAbove(points, 20)
    for (let first = 0; first < points; first++) {
      // Again in the life that follows, at once or a little later.
      for (const crashes of [[first], [first, first + 1 + (first % 5)]]) {
        const again = lagging(LIMITS, WRITES)
        const about = `${side} at ${crashes.join(" and ")} of ${points}`
        live(again, victimsOf(again), crashes, about)
        assertDone(again, about)
        for (const store of again.cluster.stores) for (const name of store.marks) marks.add(name)
      }
    }
    assert.isTrue(marks.has("raft.snapshot.switched"), [...marks].join(", "))
    if (side === "receiver") assert.isTrue(marks.has("raft.snapshot.resumed"), [...marks].join(", "))
  },
)
