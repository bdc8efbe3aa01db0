import { assert, test } from "vitest"
import type { KernelConfig } from "#kernel/node/config.ts"
import { Cluster, configOf, type Store } from "../../support/store-rig.ts"

/** The log that a leader keeps for a snapshot under way, as long as that is of use to anybody. */
const LOG_BYTES_MAX = 2_000
const VALUE_BYTES = 100

function configFor(snapshotBytesPerSecond: number): (id: number) => KernelConfig {
  return (id) => {
    const config = configOf(id)
    return {
      ...config,
      limits: {
        ...config.limits,
        checkpointLogBytes: 700,
        logKeepEntries: 2,
        snapshotChunkBytes: 200,
        snapshotBytesPerSecond,
        snapshotLogBytesMax: LOG_BYTES_MAX,
      },
    }
  }
}

type Lagging = { readonly cluster: Cluster; readonly leader: Store; readonly follower: Store }

let requests = 0

function write(store: Store): void {
  requests++
  store.request([{ type: "put", key: `k${requests}`, value: "v".repeat(VALUE_BYTES) }], { id: requests })
}

/** Some 40 KiB of rows that the follower has slept through, and the leader's log does not have any more. */
function lagging(snapshotBytesPerSecond: number): Lagging {
  const cluster = new Cluster([1, 2, 3], configFor(snapshotBytesPerSecond))
  const leader = cluster.elect()
  const follower = cluster.stores.find((store) => store !== leader)!
  cluster.cut.add(follower.id)
  for (let i = 0; i < 300; i++) {
    write(leader)
    cluster.settle()
  }
  cluster.pass(300_000)
  assert.isAbove(leader.status!.firstIndex, follower.status!.lastIndex + 1)
  cluster.cut.clear()
  for (const store of cluster.stores) store.marks.length = 0
  return { cluster, leader, follower }
}

/** Four writes a second, some hundred bytes of log each, until `isOver` or for half a minute. */
function goOnWriting({ cluster, leader }: Lagging, isOver: () => boolean): void {
  for (let i = 0; i < 120 && !isOver(); i++) {
    write(leader)
    cluster.pass(250_000)
  }
}

test("a snapshot that crosses faster than the log grows gets there, and finds the log that follows, however long", () => {
  const rig = lagging(5_000)
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

test("one that the log outruns is given up, and the log goes", () => {
  const rig = lagging(150)
  const { leader } = rig
  goOnWriting(rig, () => leader.marks.includes("raft.snapshot.givenUp"))
  assert.include(leader.marks, "raft.snapshot.logLetGo")
  assert.include(leader.marks, "raft.snapshot.givenUp")
})
