import { assert, test } from "vitest"
import { ByteReader } from "#kernel/lib/bytes.ts"
import { DEFAULT_LIMITS } from "#kernel/node/config.ts"
import { SnapshotTraffic } from "#kernel/snapshot/traffic.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"

const LIMITS = { ...DEFAULT_LIMITS, snapshotsSendingMax: 1 }
const PATIENCE = 1_000

/** Asked at this time, and back within `PATIENCE`. */
function take(traffic: SnapshotTraffic, group: number, mono: number): boolean {
  return traffic.takeSlot(group, mono, mono + PATIENCE)
}

test("a slot goes to whoever waits longest, whatever order they ask in", () => {
  const traffic = new SnapshotTraffic(LIMITS)
  assert.isTrue(take(traffic, 1, 0))
  assert.isFalse(take(traffic, 3, 10))
  assert.isFalse(take(traffic, 2, 20))
  traffic.freeSlot(1)
  assert.isFalse(take(traffic, 2, 30), "3 came first")
  assert.isFalse(take(traffic, 1, 40), "whoever gave it up is last")
  assert.isTrue(take(traffic, 3, 50))
  traffic.freeSlot(3)
  assert.isFalse(take(traffic, 1, 60))
  assert.isTrue(take(traffic, 2, 70))
})

test("two that give a slot up and take it again in turn do not keep it from a third (campaign seed 300779)", () => {
  const traffic = new SnapshotTraffic(LIMITS)
  let holder = 1
  assert.isTrue(take(traffic, holder, 0))
  const served = new Set([holder])
  for (let mono = 0; mono < 20_000; mono += 100) {
    // Whenever it is free, 1 and 2 ask before 3 does.
    if (mono % 500 === 0) {
      traffic.freeSlot(holder)
      holder = 0
    }
    for (const group of [1, 2, 3]) {
      if (holder === 0 && take(traffic, group, mono)) served.add((holder = group))
      else if (holder !== group) assert.isFalse(take(traffic, group, mono))
    }
  }
  assert.sameMembers([...served], [1, 2, 3])
})

test("a place is lost by who does not come back in time, and by a group that is gone", () => {
  const traffic = new SnapshotTraffic(LIMITS)
  take(traffic, 1, 0)
  take(traffic, 2, 0)
  take(traffic, 3, 500)
  take(traffic, 4, 500)
  traffic.freeSlot(1)
  traffic.forget(3)
  assert.isTrue(take(traffic, 4, PATIENCE + 1))
})

test("who waits, and in which order, is saved", () => {
  const traffic = new SnapshotTraffic(LIMITS)
  take(traffic, 1, 0)
  take(traffic, 3, 0)
  take(traffic, 2, 0)
  const bytes = bytesOf(traffic)
  const again = SnapshotTraffic.load(new ByteReader(bytes), LIMITS)
  assert.deepEqual(bytesOf(again), bytes)
  again.freeSlot(1)
  assert.isFalse(take(again, 2, 1))
  assert.isTrue(take(again, 3, 1))
})
