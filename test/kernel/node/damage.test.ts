import { assert, test } from "vitest"
import { decodeFrame } from "#kernel/wal/frame.ts"
import { decodeSegmentHeader, SEGMENT_HEADER_BYTES } from "#kernel/wal/segment.ts"
import { appendEntries, appendReply, entry, heartbeat, voteRequest } from "../../support/raft-group.ts"
import { Cluster, configOf, Store, TENANT_VOLUME } from "../../support/store-rig.ts"

// DESIGN §5: what a damaged log costs, and how it is repaired from peers.

const SECOND = 1_000_000

type Place = { readonly file: Uint8Array; readonly offset: number; readonly end: number }

/** Every frame of the tenant's log, in order. */
function framesOf(store: Store): readonly Place[] {
  const places: Place[] = []
  for (const [, file] of [...store.disk.get(TENANT_VOLUME)!.segments].sort((a, b) => a[0] - b[0])) {
    const decoded = decodeSegmentHeader(file)
    if (decoded.type !== "header") continue
    let offset = SEGMENT_HEADER_BYTES
    for (;;) {
      const frame = decodeFrame(file, offset, decoded.header)
      if (frame.type !== "frame") break
      places.push({ file, offset, end: frame.header.end })
      offset = frame.header.end
    }
  }
  return places
}

function spoil({ file, offset, end }: Place): void {
  file[Math.floor((offset + end) / 2)]! ^= 0x40
}

function write(leader: Store, count: number, from = 0): void {
  for (let i = from; i < from + count; i++) {
    leader.request([{ type: "put", key: `k${i % 7}`, value: `v${i}`.repeat(9) }], { id: 100 + i })
    leader.settle()
  }
}

function running(cluster: Cluster): { readonly leader: Store; readonly victim: Store } {
  const leader = cluster.elect()
  for (let i = 0; i < 12; i++) {
    write(leader, 1, i)
    cluster.pass(SECOND / 4)
  }
  const victim = cluster.stores.find((store) => store !== leader)!
  return { leader, victim }
}

function assertAlike(cluster: Cluster): void {
  const states = cluster.stores.map(({ status }) => [
    status?.appliedIndex,
    status?.hashHigh,
    status?.hashLow,
    status?.role === "leader" ? "follower" : status?.role,
  ])
  assert.deepEqual(states[1], states[0])
  assert.deepEqual(states[2], states[0])
}

for (const [where, pick] of [
  ["in the middle of the log", (frames: readonly Place[]) => [frames[Math.floor(frames.length / 2)]!]],
  ["at its end", (frames: readonly Place[]) => [frames.at(-1)!]],
  ["in several places", (frames: readonly Place[]) => [frames[3]!, frames[6]!, frames.at(-1)!]],
  ["over a stretch of it", (frames: readonly Place[]) => frames.slice(4, 9)],
  ["from some frame to the end", (frames: readonly Place[]) => frames.slice(5)],
] as const) {
  for (const hasWitness of [true, false]) {
    test(`damage ${where} is repaired from the leader${hasWitness ? "" : ", the witness being lost as well"}`, () => {
      const cluster = new Cluster()
      const { leader, victim } = running(cluster)
      for (const place of pick(framesOf(victim))) spoil(place)
      if (!hasWitness) victim.disk.get(TENANT_VOLUME)!.witness = null
      victim.boot()
      assert.equal(victim.status?.role, "recovering")
      write(leader, 3, 50)
      cluster.pass(3 * SECOND)
      assertAlike(cluster)
      assert.include(victim.marks, "raft.repair.done")
      assert.equal(victim.status!.replica, victim.id, "under its own name")
      // What was repaired is written down.
      victim.boot()
      assert.equal(victim.status?.role, "follower")
      cluster.pass(2 * SECOND)
      assertAlike(cluster)
    })
  }
}

test("a replica whose creation is lost is forgotten, and comes back under another name", () => {
  const cluster = new Cluster()
  const { leader, victim } = running(cluster)
  // Nothing says any more what it is a log of: neither the frame, nor a checkpoint.
  spoil(framesOf(victim)[0]!)
  victim.boot()
  assert.isUndefined(victim.status)
  assert.include(victim.marks, "node.replica.forgotten")
  victim.settle()
  const { nonce: fromNonce } = leader.kernel.identity()
  const append = { ...appendEntries(leader.id, victim.id, 99, [0, 0]), incarnation: victim.id }
  victim.frame([append], { fromStore: leader.id, fromNonce })
  assert.isUndefined(victim.status)
  cluster.pass(10 * SECOND)
  write(leader, 3, 50)
  cluster.pass(2 * SECOND)
  assertAlike(cluster)
  assert.isAbove(victim.status!.replica, 3)
})

test("a log that is gone altogether, on a volume that is listed, is another life", () => {
  const cluster = new Cluster()
  const { leader, victim } = running(cluster)
  victim.disk.get(TENANT_VOLUME)!.segments.clear()
  victim.disk.get(TENANT_VOLUME)!.witness = null
  victim.boot()
  assert.isUndefined(victim.status)
  cluster.pass(10 * SECOND)
  write(leader, 3, 50)
  cluster.pass(2 * SECOND)
  assertAlike(cluster)
  assert.isAbove(victim.status!.replica, 3)
})

test("a damaged replica that was alone stops the store with a name", () => {
  const store = new Store(configOf(1, [1]))
  store.settle()
  for (let i = 0; i < 8; i++) {
    store.wake()
    store.settle()
  }
  write(store, 3)
  const frames = framesOf(store)
  spoil(frames[frames.length - 2]!)
  store.boot()
  assert.equal(store.fatal, "corruptSingleReplica")
})

/** A store whose replica 1 lost what it was sent in term 5, and does not know what else. */
function damaged(): Store {
  const store = new Store(configOf(1))
  store.settle()
  store.frame([appendEntries(2, 1, 5, [1, 1], [entry(2, 5), entry(3, 5)], 1)])
  store.settle()
  store.frame([appendEntries(2, 1, 5, [3, 5], [entry(4, 5)], 1)])
  store.settle()
  const frames = framesOf(store)
  for (const frame of frames.slice(-2)) spoil(frame)
  store.disk.get(TENANT_VOLUME)!.witness = null
  // The system volume heard of nothing: its second witness is as old as the store.
  store.boot()
  store.settle()
  assert.equal(store.status?.role, "recovering")
  store.take()
  return store
}

const FROM_3 = { fromStore: 3 }

test("who does not know what it promised votes for nobody, confirms nobody and acknowledges nothing", () => {
  const store = damaged()
  store.frame([voteRequest(3, 1, 9, [99, 9])], FROM_3)
  store.settle()
  const votes = store.take().map(({ message }) => message)
  assert.isTrue(votes.every((message) => message.type === "voteReply" && !message.granted))
  store.frame([heartbeat(3, 1, 9, 0, 1), appendEntries(3, 1, 9, [1, 1], [entry(2, 5)], 2)], FROM_3)
  store.settle()
  const types = store.take().map(({ message }) => message.type)
  assert.notInclude(types, "heartbeatReply")
  assert.isFalse(types.includes("appendReply"))
  assert.sameMembers([...new Set(types)], ["stored", "repairAsk"])
})

test("repair ends at the answer of this start and this term, and when the log is durable as far", () => {
  const store = damaged()

  const ask = (): number => {
    store.frame([heartbeat(3, 1, store.status!.term, 0, 1)], FROM_3)
    store.settle()
    const asked = store.take().find(({ message }) => message.type === "repairAsk")!.message
    return asked.type === "repairAsk" ? asked.nonce : 0
  }
  store.frame([heartbeat(3, 1, 9)], FROM_3)
  const nonce = ask()
  const answer = { type: "repairAnswer", group: 1, from: 3, to: 1, term: 9, nonce, index: 3 } as const
  store.frame([{ ...answer, nonce: nonce + 1, index: 1 }], FROM_3)
  store.frame([{ ...answer, term: 8, index: 1 }], FROM_3)
  store.frame([appendEntries(3, 1, 9, [1, 1], [entry(2, 5)], 1)], FROM_3)
  store.settle()
  assert.equal(store.status!.role, "recovering")
  store.frame([answer], FROM_3)
  store.settle()
  assert.equal(store.status!.role, "recovering", "it lacks an entry")
  store.frame([appendEntries(3, 1, 9, [2, 5], [entry(3, 5)], 1)], FROM_3)
  assert.equal(store.status!.role, "recovering", "not durable yet")
  store.settle()
  assert.equal(store.status!.role, "follower")
  store.take()
  store.frame([appendEntries(3, 1, 9, [3, 5])], FROM_3)
  store.settle()
  assert.deepEqual(
    store.take().map(({ message }) => message),
    [appendReply(1, 3, 9, 3)],
  )
})

test("an answer does not outlive the term of who gave it", () => {
  const store = damaged()
  store.frame([heartbeat(3, 1, 9)], FROM_3)
  store.settle()
  const asked = store.take().find(({ message }) => message.type === "repairAsk")!.message
  assert(asked.type === "repairAsk")
  store.frame(
    [{ type: "repairAnswer", group: 1, from: 3, to: 1, term: 9, nonce: asked.nonce, index: 4 }],
    FROM_3,
  )
  store.frame([
    heartbeat(2, 1, 10),
    appendEntries(2, 1, 10, [1, 1], [entry(2, 5), entry(3, 5), entry(4, 10)], 1),
  ])
  store.settle()
  assert.equal(store.status!.role, "recovering")
})

test("a leader that a quorum of the others does not follow does not answer", () => {
  const cluster = new Cluster()
  const { leader, victim } = running(cluster)
  const third = cluster.stores.find((store) => store !== leader && store !== victim)!
  for (const place of framesOf(victim).slice(5)) spoil(place)
  victim.disk.get(TENANT_VOLUME)!.witness = null

  victim.boot()
  cluster.cut.add(third.id)
  cluster.pass(SECOND)
  assert.equal(victim.status!.role, "recovering")
  cluster.cut.clear()
  cluster.pass(6 * SECOND)
  assert.equal(victim.status!.role === "recovering", false)
})
