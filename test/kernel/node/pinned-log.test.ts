import { assert, test } from "vitest"
import { configurationOf, DESCRIPTOR } from "../../support/raft-group.ts"
import { Cluster, configOf, TENANT_VOLUME } from "../../support/store-rig.ts"

const SEGMENT_BYTES = 1 << 13

/** A group that writes now and then beside one that writes all the time, in one log. */
function busyAndSlow(pinnedSegmentsMax: number): Cluster {
  const busy = { ...DESCRIPTOR, end: "m" }
  const slow = { ...DESCRIPTOR, rangeId: 2, groupId: 2, start: "m" }
  const groups = [busy, slow].map((descriptor) => ({ descriptor, configuration: configurationOf([1]) }))
  const config = configOf(1, [1])
  const limits = {
    ...config.limits,
    segmentBytesFirst: SEGMENT_BYTES,
    segmentBytesMax: SEGMENT_BYTES,
    checkpointLogBytes: SEGMENT_BYTES,
    logKeepEntries: 50,
    pinnedSegmentsMax,
  }
  const bootstrap = { ...config.bootstrap!, groups }
  const cluster = new Cluster([1], () => ({ ...config, bootstrap, limits }))
  const store = cluster.elect()
  cluster.pass(5_000_000)
  for (let i = 0; i < 400; i++) {
    store.request([{ type: "put", key: `k${i % 10}`, value: "v".repeat(400) }])
    if (i % 100 === 0) store.request([{ type: "put", key: "slow", value: `${i}` }], { rangeId: 2 })
    cluster.settle()
  }
  return cluster
}

function segmentsOf(cluster: Cluster): number {
  return cluster.stores[0]!.disk.get(TENANT_VOLUME)!.segments.size
}

test("a few old entries of a slow group keep no more of a busy log than the limit", () => {
  const cluster = busyAndSlow(2)
  const [store] = cluster.stores
  assert.include(store!.marks, "wal.unpinned")
  // What the busy group keeps for followers, the limit, and one that is filled and one made ahead.
  const kept = Math.ceil((50 * 600) / SEGMENT_BYTES)
  assert.isAtMost(segmentsOf(cluster), kept + 2 + 3)
})

test("below the limit they keep it all: that is what the limit is for", () => {
  const cluster = busyAndSlow(1_000)
  assert.notInclude(cluster.stores[0]!.marks, "wal.unpinned")
  assert.isAbove(segmentsOf(cluster), 20)
})

test("what was let go of is not needed: a start finds both groups as they were", () => {
  const cluster = busyAndSlow(2)
  const store = cluster.stores[0]!
  const before = store.kernel.status().map(({ group, hashHigh, hashLow }) => [group, hashHigh, hashLow])
  store.boot()
  cluster.pass(5_000_000)
  const after = store.kernel.status().map(({ group, hashHigh, hashLow }) => [group, hashHigh, hashLow])
  assert.deepEqual(after, before)
  store.replies.length = 0
  store.request([{ type: "get", key: "slow" }], { rangeId: 2 })
  cluster.settle()
  const [reply] = store.replies
  assert.deepEqual(reply!.type === "ok" && reply!.results, [{ type: "value", value: "300" }])
})
