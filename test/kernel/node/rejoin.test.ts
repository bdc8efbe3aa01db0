import { assert, test } from "vitest"
import { SEGMENT_HEADER_BYTES } from "#kernel/wal/segment.ts"
import { appendEntries, DESCRIPTOR, entry, heartbeat, voteRequest } from "../../support/raft-group.ts"
import { Cluster, configOf, emptyDisk, Store, TENANT_VOLUME } from "../../support/store-rig.ts"

// DESIGN §4, "Identity": a memory that is gone comes back under another name, by itself.

const SECOND = 1_000_000

/** The disk with the tenant's volume is replaced by an empty one; the process starts again. */
function loseVolume(store: Store): void {
  store.disk.set(TENANT_VOLUME, emptyDisk().get(TENANT_VOLUME)!)
  store.boot()
}

/** No frame of the tenant's log can be read, nor the side slot: nothing there says who lived in it. */
function rotFrames(store: Store): void {
  const disk = store.disk.get(TENANT_VOLUME)!
  for (const bytes of disk.segments.values()) {
    for (let at = SEGMENT_HEADER_BYTES; at < bytes.length; at++) if (bytes[at] !== 0) bytes[at]! ^= 0x5a
  }
  disk.witness = null
  store.boot()
}

/** Everything is gone, and nobody says again that this is the birth of a cluster. */
function wiped(store: Store): Store {
  return new Store({ ...store.config, bootstrap: null }, emptyDisk(), store.mono, store.boots)
}

function write(leader: Store, count: number): void {
  for (let i = 0; i < count; i++) {
    leader.request([{ type: "put", key: `k${i}`, value: `v${i}` }], { id: 100 + i })
  }
}

function voters(store: Store): readonly (readonly [replica: number, store: number])[] {
  return store.status!.configuration.voters.map((member) => [member.replica, member.store])
}

function incarnationIn(store: Store): number {
  const { incarnation, volumes } = store.kernel.identity()
  return volumes.find((life) => life.volume === TENANT_VOLUME)?.incarnation ?? incarnation
}

function follower(cluster: Cluster): Store {
  return cluster.stores.find((store) => store !== cluster.leader)!
}

/** All of three stores vote again, the youngest replica on `id`, and all have the same state. */
function assertWhole(cluster: Cluster, id: number, old: number): void {
  const leader = cluster.leader!
  const there = voters(leader).find(([, store]) => store === id)!
  assert.isAbove(there[0], 3)
  assert.notEqual(there[0], old)
  assert.sameMembers(
    voters(leader).map(([, store]) => store),
    [1, 2, 3],
  )
  assert.deepEqual(leader.status!.configuration.outgoing, [])
  assert.deepEqual(leader.status!.configuration.learners, [])
  const hashes = cluster.stores.map(({ status }) => [status!.appliedIndex, status!.hashHigh, status!.hashLow])
  assert.deepEqual(hashes[1], hashes[0])
  assert.deepEqual(hashes[2], hashes[0])
}

for (const [what, lose] of [
  [
    "a lost volume",
    (cluster: Cluster, store: Store): Store => {
      loseVolume(store)
      return cluster.store(store.id)
    },
  ],
  [
    "a volume of which nothing can be read",
    (_: Cluster, store: Store): Store => {
      rotFrames(store)
      return store
    },
  ],
  [
    "a wiped store",
    (cluster: Cluster, store: Store): Store => {
      cluster.replace(wiped(store))
      return cluster.store(store.id)
    },
  ],
] as const) {
  test(`${what} is missed and rejoins under another name and another life, without an operator`, () => {
    const cluster = new Cluster()
    const leader = cluster.elect()
    write(leader, 5)
    cluster.pass(SECOND)
    const { id } = follower(cluster)
    const before = { replica: follower(cluster).status!.replica, life: incarnationIn(follower(cluster)) }
    const lost = lose(cluster, follower(cluster))
    assert.isUndefined(lost.status, "nothing of the old name is here")
    cluster.pass(10 * SECOND)
    assertWhole(cluster, id, before.replica)
    assert.notEqual(incarnationIn(lost), before.life)
    assert.isTrue(leader.marks.includes("raft.membership.lost"))
    assert.isTrue(leader.marks.includes("raft.membership.voterReplaced"))
    write(cluster.leader!, 5)
    cluster.pass(2 * SECOND)
    // And again, and over a restart: the new life is on the list.
    const again = cluster.store(id)
    const life = incarnationIn(again)
    again.boot()
    cluster.pass(5 * SECOND)
    assert.equal(incarnationIn(again), life)
    const replica = again.status!.replica
    lose(cluster, again)
    cluster.pass(15 * SECOND)
    assertWhole(cluster, id, replica)
  })
}

test("the leader's own volume is lost: another leads, and brings it back", () => {
  const cluster = new Cluster()
  const leader = cluster.elect()
  write(leader, 5)
  cluster.pass(SECOND)
  const { replica } = leader.status!
  loseVolume(leader)
  cluster.pass(20 * SECOND)
  assertWhole(cluster, leader.id, replica)
})

test("a new leader goes on with a replacement that the old one began", () => {
  const cluster = new Cluster()
  const first = cluster.elect()
  write(first, 5)
  cluster.pass(SECOND)
  const lost = follower(cluster)
  const { replica } = lost.status!
  loseVolume(lost)
  // Until the learner is named, and not longer.
  for (let i = 0; i < 100 && first.status!.configuration.learners.length === 0; i++) cluster.pass(100_000)
  assert.equal(first.status!.configuration.learners.length, 1)
  cluster.cut.add(first.id)
  for (let i = 0; i < 60; i++) cluster.pass(SECOND / 2)
  cluster.cut.clear()
  cluster.pass(20 * SECOND)
  assertWhole(cluster, lost.id, replica)
})

test("a learner that is lost gives way to another", () => {
  const cluster = new Cluster()
  const leader = cluster.elect()
  write(leader, 5)
  cluster.pass(SECOND)
  const lost = follower(cluster)
  const { replica } = lost.status!
  loseVolume(lost)
  for (let i = 0; i < 100 && lost.status === undefined; i++) cluster.pass(100_000)
  assert.equal(leader.status!.configuration.learners.length, 1)
  loseVolume(lost)
  cluster.pass(20 * SECOND)
  assert.isTrue(leader.marks.includes("raft.membership.lost"))
  assertWhole(cluster, lost.id, replica)
})

test("a store that lost a voter votes for nobody in its name and makes no replica of that name", () => {
  const store = new Store(configOf(1))
  store.settle()
  loseVolume(store)
  store.settle()
  store.take()
  store.frame([
    voteRequest(2, 1, 9, [9, 8]),
    { ...appendEntries(2, 1, 9, [0, 0], [entry(1, 1)]), descriptor: DESCRIPTOR, incarnation: 1 },
  ] as Parameters<Store["frame"]>[0])
  store.settle()
  assert.isUndefined(store.status)
  assert.deepEqual(store.take(), [])
  store.frame([heartbeat(2, 1, 9)])
  assert.deepEqual(
    store.take().map(({ to, message }) => [to, message]),
    [[2, { type: "absent", group: 1, from: 1, to: 2, term: 9, sentMono: 0 }]],
  )
})

test("a store whose system volume is gone is nobody it was, whatever its other volumes hold", () => {
  const store = new Store(configOf(1))
  store.settle()
  const { incarnation } = store.kernel.identity()
  store.disk.set(0, emptyDisk().get(0)!)
  store.boot()
  store.settle()
  assert.isNull(store.fatal)
  assert.notEqual(store.kernel.identity().incarnation, incarnation)
  assert.notEqual(incarnationIn(store), incarnation)
  assert.isUndefined(store.status, "though the document is still at hand")
  const life = incarnationIn(store)
  store.boot()
  store.settle()
  assert.equal(incarnationIn(store), life, "and stays who it is now")
})

test("a crash at any moment of a new life's beginning ends in a life that is on the list", () => {
  for (let completions = 0; completions < 12; completions++) {
    const store = new Store(configOf(1))
    store.settle()
    store.disk.set(TENANT_VOLUME, emptyDisk().get(TENANT_VOLUME)!)
    store.boot()
    store.endTurn()
    for (let i = 0; i < completions && store.doing.length > 0; i++) {
      store.complete()
      store.endTurn()
    }
    store.boot()
    store.settle()
    assert.isNull(store.fatal, `after ${completions} operations`)
    assert.isUndefined(store.status)
    const life = incarnationIn(store)
    assert.notEqual(life, 1)
    store.boot()
    store.settle()
    assert.equal(incarnationIn(store), life, `after ${completions} operations`)
  }
})

test("a wiped store that dies at any moment of its new beginning goes on with one name", () => {
  for (let completions = 0; completions < 12; completions++) {
    const store = new Store({ ...configOf(1), bootstrap: null })
    store.endTurn()
    for (let i = 0; i < completions && store.doing.length > 0; i++) {
      store.complete()
      store.endTurn()
    }
    for (let life = 0; life < 3; life++) {
      store.boot()
      store.endTurn()
      store.complete()
      store.endTurn()
    }
    store.boot()
    store.settle()
    assert.isNull(store.fatal, `after ${completions} operations`)
    const { incarnation } = store.kernel.identity()
    store.boot()
    store.settle()
    assert.equal(store.kernel.identity().incarnation, incarnation)
  }
})

test("a spare volume that never held anything keeps its life over restarts", () => {
  const store = new Store({ ...configOf(4, [1, 2, 3]), bootstrap: null })
  store.settle()
  const life = incarnationIn(store)
  store.boot()
  store.settle()
  assert.equal(incarnationIn(store), life)
})
