import { assert, test } from "vitest"
import { ByteReader } from "#kernel/lib/bytes.ts"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import type { RaftMessage } from "#kernel/raft/message.ts"
import { Raft } from "#kernel/raft/raft.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"
import {
  appendEntries,
  appendReply,
  entry,
  heartbeat,
  heartbeatReply,
  snapshotOffer,
  leaderOf,
  onlySend,
  Peer,
  sendsOf,
  snapshotReply,
} from "../../support/raft-group.ts"

const { electionUsMax, electionUsMin, heartbeatUs } = DEFAULT_TIMING

/** A leader of term 2 whose log starts after entry 4, and a follower 3 that has nothing. */
function compacted(): Peer {
  const leader = leaderOf(2, { log: [1, 1, 1] })
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 2, 4))
  leader.compact(4)
  leader.takeReleased()
  return leader
}

function refuses(leader: Peer, from: number): void {
  const hints = {
    success: false,
    matchIndex: 0,
    rejectedIndex: 3,
    hintIndex: 0,
    hintTerm: 0,
    wantsSnapshot: false,
  } as const
  leader.receive({ ...appendReply(from, 1, 2, 0), ...hints })
}

function typesTo(leader: Peer, to: number): readonly string[] {
  return leader
    .takeReleased()
    .filter((send) => send.to.replica === to)
    .map((send) => send.message.type)
}

test("one snapshot at a time is on its way to a follower, and nothing beside it", () => {
  const leader = compacted()
  refuses(leader, 3)
  assert.deepEqual(typesTo(leader, 3), ["snapshotOffer"])
  refuses(leader, 3)
  leader.propose("x")
  leader.step({ type: "turnEnded" })
  leader.receive(heartbeatReply(3, 1, 2))
  assert.deepEqual(typesTo(leader, 3), [])
})

test("a snapshot that is given up was for nothing: the leader asks again where the follower stands", () => {
  const leader = compacted()
  refuses(leader, 3)
  leader.takeReleased()
  leader.raft.snapshots.givenUp(3)
  leader.mono += heartbeatUs
  leader.receive({ ...heartbeatReply(3, 1, 2), sentMono: leader.mono } as RaftMessage)
  assert.deepEqual(typesTo(leader, 3), ["snapshotOffer"], "it stands before the start of the log still")
})

test("the log after a snapshot under way stays, and after it was taken in until the follower has the rest", () => {
  const leader = compacted()
  const { snapshots } = leader.raft
  leader.propose("x")
  assert.deepEqual(snapshots.holds(leader.mono), [])
  refuses(leader, 3)
  snapshots.begun(3, 4, 900)
  assert.isTrue(snapshots.isSending)
  assert.deepEqual(snapshots.holds(leader.mono + 100 * electionUsMax), [
    { index: 4, carried: 0, stateBytes: 900 },
  ])
  snapshots.carried(3, 700)
  snapshots.carried(2, 900)
  assert.deepEqual(
    snapshots.holds(leader.mono),
    [{ index: 4, carried: 700, stateBytes: 900 }],
    "nothing is on its way to replica 2",
  )
  leader.receive(snapshotReply(3, 1, 2, 4))
  assert.deepEqual(snapshots.holds(leader.mono), [{ index: 4, carried: 700, stateBytes: 900 }])
  const late = leader.mono + 100 * electionUsMax
  assert.deepEqual(snapshots.holds(late), [], "but not for ever")
  const { lastIndex } = leader.raft
  leader.propose("y")
  leader.receive(appendReply(3, 1, 2, lastIndex))
  assert.deepEqual(
    snapshots.holds(leader.mono),
    [{ index: lastIndex, carried: 700, stateBytes: 900 }],
    "it has what there was when it took the snapshot in, and the log goes on",
  )
  leader.receive(appendReply(3, 1, 2, leader.raft.lastIndex))
  assert.deepEqual(snapshots.holds(leader.mono), [])
})

test("what has arrived of one snapshot does not count for the next", () => {
  const leader = compacted()
  const { snapshots } = leader.raft
  refuses(leader, 3)
  snapshots.carried(3, 700)
  snapshots.givenUp(3)
  leader.mono += heartbeatUs
  leader.receive({ ...heartbeatReply(3, 1, 2), sentMono: leader.mono } as RaftMessage)
  assert.deepEqual(snapshots.holds(leader.mono), [
    { index: leader.raft.log.start.index, carried: 0, stateBytes: 0 },
  ])
})

test("a follower whose state is damaged is sent a snapshot though the log would do, and takes it in where it stands", () => {
  const leader = leaderOf(2, { log: [1, 1, 1] })
  leader.sync()
  leader.receive(appendReply(3, 1, 2, 4))
  leader.takeReleased()
  leader.receive({ ...appendReply(2, 1, 2, 4), wantsSnapshot: true } as RaftMessage)
  assert.deepEqual(typesTo(leader, 2), ["snapshotOffer"])

  const peer = new Peer(2, { log: [1, 1, 1, 2], term: 2 })
  peer.receive(appendEntries(1, 2, 2, [4, 2], [], 3))
  peer.step({ type: "stateDamaged" })
  const asks = onlySend(peer.receive(heartbeat(1, 2, 2, 4)), "appendReply").message
  assert.deepInclude(asks, { to: 1, success: false, rejectedIndex: 0, wantsSnapshot: true })
  assert.isEmpty(
    sendsOf(peer.receive(heartbeat(1, 2, 2, 4))).filter((send) => send.message.type === "appendReply"),
    "not with every message of its leader",
  )
  peer.receive(appendEntries(1, 2, 2, [4, 2], [], 4))
  assert.equal(peer.raft.commitIndex, 3, "nothing more is applied to damaged rows")
  const reply = peer.takeReleased().at(-1)!.message
  assert.isTrue(reply.type === "appendReply" && reply.wantsSnapshot)
  const old = peer.receive(snapshotOffer(1, 2, 2, 2, 1))
  assert.isTrue(old.some((effect) => effect.type === "snapshotOffered" && effect.isStale))
  assert.isFalse(peer.raft.isInstalling, "and never back to before what was committed")
  const message = snapshotOffer(1, 2, 2, 3, 1)
  peer.receive(message)
  assert.isTrue(peer.raft.isInstalling)
  peer.snapshotDurable(message)
  assert.deepEqual([peer.terms(), peer.raft.commitIndex], [[2], 3])
  const answer = peer.receive(appendEntries(1, 2, 2, [4, 2], [], 4))
  assert.isFalse(onlySend(answer, "appendReply").message.wantsSnapshot)
})

test("a follower that took a snapshot in is sent what came after it", () => {
  const leader = compacted()
  refuses(leader, 3)
  leader.propose("x")
  leader.takeReleased()
  const { message } = onlySend(leader.receive(snapshotReply(3, 1, 2, 4)), "appendEntries")
  assert.deepEqual([message.prevIndex, message.prevTerm, message.entries.length], [4, 2, 1])
})

test("an acknowledged snapshot counts for the quorum like the entries in it", () => {
  const leader = leaderOf(2, { log: [1] })
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 2, 2))
  leader.compact(2)
  refuses(leader, 3)
  leader.receive(snapshotReply(3, 1, 2, 2))
  leader.propose("x")
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(3, 1, 2, 3))
  assert.equal(leader.raft.commitIndex, 3)
})

test("an answer to a snapshot that nobody waits for changes nothing", () => {
  const leader = compacted()
  leader.receive(snapshotReply(2, 1, 2, 3))
  assert.deepEqual(leader.takeReleased(), [])
  leader.receive(snapshotReply(9, 1, 2, 3))
  assert.deepEqual(leader.takeReleased(), [])
})

test("a second snapshot waits until the first is durable, and the acknowledgement is of the first", () => {
  const peer = new Peer(1, { log: [1], term: 3 })
  const first = snapshotOffer(2, 1, 3, 5, 3)
  peer.receive(first)
  const second = peer.receive(snapshotOffer(2, 1, 3, 9, 3))
  assert.deepEqual(
    second.map((effect) => effect.type),
    ["snapshotOffered"],
    "it is told to wait",
  )
  const { message } = onlySend(peer.snapshotDurable(first), "snapshotReply")
  assert.equal(message.lastIndex, 5)
})

test("a snapshot keeps its follower quiet like any word of a leader", () => {
  const peer = new Peer(1, { term: 3 })
  peer.mono = peer.raft.deadline - 1
  peer.receive(snapshotOffer(2, 1, 3, 5, 3))
  peer.mono += heartbeatUs
  peer.step({ type: "timePassed" })
  assert.deepEqual([peer.raft.role, peer.raft.leader], ["follower", 2])
})

test("where the log answers for a snapshot, the answer waits until the log is durable that far", () => {
  const peer = new Peer(1, { log: [1], term: 3 })
  peer.receive(appendEntries(2, 1, 3, [1, 1], [entry(2, 3), entry(3, 3)], 3))
  peer.takeReleased()
  const effects = peer.receive(snapshotOffer(2, 1, 3, 3, 3))
  const reply = onlySend(effects, "snapshotReply")
  assert.equal(reply.barrier, 1)
  assert.deepEqual(peer.takeReleased(), [])
})

test("a log that has the snapshot's last entry, but not durably, is replaced rather than trusted", () => {
  const peer = new Peer(1, { log: [1], term: 3 })
  peer.receive(appendEntries(2, 1, 3, [1, 1], [entry(2, 3), entry(3, 3)]))
  const effects = peer.receive(snapshotOffer(2, 1, 3, 3, 3))
  assert.isTrue(effects.some((effect) => effect.type === "installSnapshot"))
  assert.deepEqual(sendsOf(effects), [])
})

test("a replica that is saved while it takes a snapshot in goes on with it", () => {
  const peer = new Peer(1, { log: [1], term: 3 })
  const message = snapshotOffer(2, 1, 3, 5, 3)
  peer.receive(message)
  const bytes = bytesOf(peer.raft)
  const again = Raft.load(new ByteReader(bytes), peer.timing, peer.limits)
  assert.deepEqual(bytesOf(again), bytes)
  const event = { type: "snapshotSynced", from: { replica: 2, store: 2, incarnation: 2 } } as const
  assert.deepEqual(again.step(event, peer.context), peer.raft.step(event, peer.context))
})

/** A leader with a learner on store 4 that it has just named and that is not there yet; its log starts after that entry. */
function withUnborn(): Peer {
  const leader = compacted()
  assert.isNull(leader.administer({ type: "addLearner", store: 4, incarnation: 4 }))
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 2, 5))
  leader.takeReleased()
  leader.compact(5)
  return leader
}

/** The name given away in term 2. */
const LEARNER = 2 << 12
const ON_STORE_4 = { replica: LEARNER, store: 4, incarnation: 4 }

/** It is there now, and empty. */
function refusesAll(leader: Peer): void {
  const refusal = { success: false, rejectedIndex: 5 }
  leader.receive({ ...appendReply(LEARNER, 1, 2, 0), ...refusal }, ON_STORE_4)
}

function absent(leader: Peer): RaftMessage {
  return { type: "absent", group: 1, from: LEARNER, to: 1, term: 2, sentMono: leader.mono }
}

test("a learner that is not there is made by an append, also when the log begins after it by now (campaign seed 300779)", () => {
  const leader = withUnborn()
  // The first one was lost, and so is the next.
  leader.mono += electionUsMin
  leader.step({ type: "timePassed" })
  assert.deepEqual(typesTo(leader, LEARNER), ["heartbeat", "appendEntries"])
  leader.receive(heartbeatReply(2, 1, 2))
  leader.mono += electionUsMin
  leader.step({ type: "timePassed" })
  const births = leader.takeReleased().filter((send) => send.to.replica === LEARNER)
  const [append] = births.map(({ message }) => message).filter(({ type }) => type === "appendEntries")
  assert.isTrue(append?.type === "appendEntries" && append.descriptor !== null)
  assert.isFalse(births.some(({ message }) => message.type === "snapshotOffer"))
  refusesAll(leader)
  assert.deepEqual(typesTo(leader, LEARNER), ["snapshotOffer"])
})

test("a snapshot on its way to a learner whose store has nothing of it ends, and the learner is made again", () => {
  const leader = withUnborn()
  leader.mono += electionUsMin
  leader.step({ type: "timePassed" })
  refusesAll(leader)
  leader.takeReleased()
  assert.isTrue(leader.raft.snapshots.awaits(LEARNER))
  leader.mono += 1
  leader.receive(absent(leader), ON_STORE_4)
  assert.isFalse(leader.raft.snapshots.awaits(LEARNER))
  const [append] = leader.takeReleased()
  assert.isTrue(append?.message.type === "appendEntries" && append.message.descriptor !== null)
  // It is asked for once, and then as any other that does not answer.
  leader.receive(absent(leader), ON_STORE_4)
  assert.deepEqual(leader.takeReleased(), [])
})
