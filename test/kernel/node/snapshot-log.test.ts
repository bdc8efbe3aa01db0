import { assert, test } from "vitest"
import { lagging, type Lagging } from "../../support/lagging.ts"

/** The log that a leader keeps for a snapshot under way, as long as that is of use to anybody. */
const LOG_BYTES_MAX = 2_000
const VALUE_BYTES = 100

/** The writes that the follower has slept through, some 40 KiB of rows. */
const SLEPT = 300

function laggingAt(snapshotBytesPerSecond: number): Lagging {
  const limits = { checkpointLogBytes: 700, snapshotChunkBytes: 200, snapshotLogBytesMax: LOG_BYTES_MAX }
  return lagging({ ...limits, snapshotBytesPerSecond }, SLEPT)
}

/** Four writes a second, some hundred bytes of log each, until `isOver` or for half a minute. */
function goOnWriting({ cluster, leader }: Lagging, isOver: () => boolean): void {
  for (let i = 1; i <= 120 && !isOver(); i++) {
    const key = `k${SLEPT + i}`
    leader.request([{ type: "put", key, value: "v".repeat(VALUE_BYTES) }], { id: SLEPT + i + 1 })
    cluster.pass(250_000)
  }
}

test("a snapshot that crosses faster than the log grows gets there, and finds the log that follows, however long", () => {
  const rig = laggingAt(5_000)
  const { cluster, leader, follower } = rig
  let most = 0
  goOnWriting(rig, () => {
    // At the least: the values alone.
    const { firstIndex, lastIndex } = leader.status!
    most = Math.max(most, (lastIndex - firstIndex + 1) * VALUE_BYTES)
    return follower.marks.includes("raft.snapshot.switched")
  })
  assert.notInclude(leader.marks, "raft.snapshot.logLetGo")
  assert.isAbove(most, LOG_BYTES_MAX)
  cluster.pass(2_000_000)
  assert.equal(follower.status!.appliedIndex, leader.status!.appliedIndex)
  assert.notInclude(leader.marks, "raft.snapshot.logLetGo")
  assert.equal(leader.marks.filter((mark) => mark === "raft.snapshot.needed").length, 1)
})

test("a burst of writes just before its end does not send a receiver back to the beginning", () => {
  const rig = laggingAt(5_000)
  const { cluster, leader, follower } = rig
  cluster.pass(6_000_000)
  assert.notInclude(follower.marks, "raft.snapshot.switched")
  // As much again as the state: by now a newer snapshot would be twice as large.
  for (let i = SLEPT + 1; i <= 2 * SLEPT; i++) {
    leader.request([{ type: "put", key: `k${i}`, value: "v".repeat(VALUE_BYTES) }], { id: i + 1 })
    cluster.settle()
  }
  const before = follower.status!.appliedIndex
  cluster.pass(6_000_000)
  assert.isAbove(follower.status!.appliedIndex, before)
  assert.equal(follower.status!.appliedIndex, leader.status!.appliedIndex)
  assert.notInclude(leader.marks, "raft.snapshot.logLetGo")
  assert.equal(leader.marks.filter((mark) => mark === "raft.snapshot.needed").length, 1)
})

test("one that the log outruns is given up, and the log goes", () => {
  const rig = laggingAt(150)
  const { leader } = rig
  goOnWriting(rig, () => leader.marks.includes("raft.snapshot.givenUp"))
  assert.include(leader.marks, "raft.snapshot.logLetGo")
  assert.include(leader.marks, "raft.snapshot.givenUp")
})
