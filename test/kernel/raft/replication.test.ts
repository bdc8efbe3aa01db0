import { assert, test } from "vitest"
import { ByteReader } from "#kernel/lib/bytes.ts"
import { DEFAULT_LIMITS, DEFAULT_TIMING } from "#kernel/node/config.ts"
import type { RaftMessage } from "#kernel/raft/message.ts"
import { Raft } from "#kernel/raft/raft.ts"
import { bytesOf } from "../../support/kernel-arbitraries.ts"
import {
  appendEntries,
  appendReply,
  configurationOf,
  DESCRIPTOR,
  entry,
  heartbeat,
  heartbeatReply,
  leaderOf,
  member,
  onlySend,
  Peer,
  sendsOf,
  type PeerStart,
} from "../../support/raft-group.ts"

// Windows, retries, what is sent to whom: what the paper leaves to the builder.

const { heartbeatUs } = DEFAULT_TIMING

/** A leader of term 1 whose replica 2 is known to match its first entry. */
function paired(start: PeerStart = {}): Peer {
  const leader = leaderOf(1, start)
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 1, 1))
  leader.takeReleased()
  return leader
}

function indexesTo(leader: Peer, to: number): readonly (readonly number[])[] {
  const appends: number[][] = []
  for (const send of leader.takeReleased()) {
    const { message } = send
    if (send.to.replica !== to || message.type !== "appendEntries") continue
    appends.push(message.entries.map(({ index }) => index))
  }
  return appends
}

function refusal(from: number, rejectedIndex: number, hintIndex: number, hintTerm: number): RaftMessage {
  return { ...appendReply(from, 1, 1, 0), success: false, rejectedIndex, hintIndex, hintTerm } as RaftMessage
}

test("what gathered in a turn leaves in one append when the turn ends", () => {
  const leader = paired()
  for (let i = 0; i < 3; i++) leader.propose("x")
  assert.deepEqual(indexesTo(leader, 2), [])
  leader.step({ type: "turnEnded" })
  assert.deepEqual(indexesTo(leader, 2), [[2, 3, 4]])
})

test("a leader does not wait for its own disk to send, nor for one answer to send the next", () => {
  const leader = paired()
  for (let i = 0; i < 3; i++) {
    const { index } = leader.propose("x")
    leader.step({ type: "turnEnded" })
    assert.deepEqual(indexesTo(leader, 2), [[index]])
  }
  assert.isFalse(leader.isDurable)
})

test("no more appends than the window holds are under way to one follower", () => {
  const leader = paired({ limits: { ...DEFAULT_LIMITS, windowMessagesMax: 3 } })
  for (let i = 0; i < 6; i++) {
    leader.propose("x")
    leader.step({ type: "turnEnded" })
  }
  assert.deepEqual(indexesTo(leader, 2), [[2], [3], [4]])
  leader.receive(appendReply(2, 1, 1, 2))
  assert.deepEqual(indexesTo(leader, 2), [[5, 6, 7]], "one settled, one more with all that waited")
})

test("no more bytes than the window holds are under way to one follower, but for the append that fills it", () => {
  const leader = paired({ limits: { ...DEFAULT_LIMITS, windowBytesMax: 250, appendBytesMax: 1000 } })
  for (let i = 0; i < 5; i++) {
    leader.propose("x".repeat(100))
    leader.step({ type: "turnEnded" })
  }
  assert.deepEqual(indexesTo(leader, 2), [[2], [3], [4]])
})

test("to a store that has its budget of bytes from other groups one small append at a time is sent, and no other waits", () => {
  const sent = (busy: number) => {
    const leader = paired({ limits: { ...DEFAULT_LIMITS, peerBytesMax: 100_000 } })
    leader.budget = { bytesBeside: (_group, store) => (store === busy ? 100_000 : 0) }
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 3; j++) leader.propose("x".repeat(6_000))
      leader.step({ type: "turnEnded" })
    }
    return leader
  }
  assert.deepEqual(indexesTo(sent(3), 2).flat(), [2, 3, 4, 5, 6, 7, 8, 9, 10])
  const leader = sent(2)
  assert.deepEqual(indexesTo(leader, 2), [[2, 3]])
  leader.receive(appendReply(2, 1, 1, 3))
  assert.deepEqual(indexesTo(leader, 2), [[4, 5]])
  leader.budget = { bytesBeside: () => 0 }
  leader.receive(appendReply(2, 1, 1, 5))
  assert.deepEqual(
    indexesTo(leader, 2).flat(),
    [6, 7, 8, 9, 10],
    "and all that waited when there is room again",
  )
})

test("an append carries no more than its limit, and a single entry beyond it all the same", () => {
  const leader = paired({ limits: { ...DEFAULT_LIMITS, appendBytesMax: 300 } })
  for (const length of [100, 100, 100, 1000, 10]) leader.propose("x".repeat(length))
  leader.step({ type: "turnEnded" })
  assert.deepEqual(indexesTo(leader, 2), [[2, 3], [4], [5], [6]])
})

test("a follower that is not known to match gets one append at a time", () => {
  const leader = paired()
  assert.deepEqual(indexesTo(leader, 3), [])
  leader.propose("x")
  leader.step({ type: "turnEnded" })
  assert.deepEqual(indexesTo(leader, 3), [], "the first is still under way")
  leader.receive(appendReply(3, 1, 1, 1))
  assert.deepEqual(indexesTo(leader, 3), [[2]])
})

test("refusals of several appends in flight are answered by one step back", () => {
  const leader = paired()
  for (let i = 0; i < 3; i++) {
    leader.propose("x")
    leader.step({ type: "turnEnded" })
  }
  leader.takeReleased()
  // The first of three was lost: the follower has entry 1 and refuses the two that came.
  leader.receive(refusal(2, 2, 1, 1))
  assert.deepEqual(indexesTo(leader, 2), [[2, 3, 4]])
  leader.receive(refusal(2, 3, 1, 1))
  assert.deepEqual(indexesTo(leader, 2), [])
})

test("a refusal of what was acknowledged since, or of another probe than the last, is out of date", () => {
  const leader = paired()
  leader.receive(refusal(2, 1, 0, 0))
  leader.receive(refusal(3, 9, 0, 0))
  assert.deepEqual(leader.takeReleased(), [])
})

test("a lost append is sent again when a later heartbeat is answered and shows that it is missing", () => {
  const leader = paired()
  leader.propose("x")
  leader.step({ type: "turnEnded" })
  leader.takeReleased()
  const answer = (lastIndex: number, sentMono: number): void => {
    leader.receive({ ...heartbeatReply(2, 1, 1, 0, lastIndex), sentMono } as RaftMessage)
  }
  answer(1, leader.mono)
  assert.deepEqual(indexesTo(leader, 2), [], "too soon to tell")
  answer(1, leader.mono + heartbeatUs)
  assert.deepEqual(indexesTo(leader, 2), [[2]])
})

test("a lost acknowledgement is asked for by an empty append, not by sending the entries again", () => {
  const leader = paired()
  leader.propose("x")
  leader.step({ type: "turnEnded" })
  leader.takeReleased()
  leader.receive({ ...heartbeatReply(2, 1, 1, 0, 2), sentMono: leader.mono + heartbeatUs } as RaftMessage)
  assert.deepEqual(indexesTo(leader, 2), [[]])
})

// Campaign seed 9000265: the leader's clock stood still, and an answer from before the acknowledgement bore the same time.
test("who shows less than it acknowledged is believed no more, unless the clock cannot tell which was said first", () => {
  const leader = paired()
  leader.propose("x")
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 1, 2))
  const isRefusedBy = (lastIndex: number, sentMono: number): boolean => {
    const effects = leader.receive({ ...heartbeatReply(2, 1, 1, 0, lastIndex), sentMono } as RaftMessage)
    return effects.some(
      (effect) =>
        effect.type === "observe" &&
        effect.observation.type === "mark" &&
        effect.observation.name === "raft.member.refused",
    )
  }
  assert.isFalse(isRefusedBy(2, leader.mono + 1))
  leader.mono += 1
  assert.isFalse(isRefusedBy(2, leader.mono))
  assert.isFalse(isRefusedBy(1, leader.mono), "at the same time")
  assert.isTrue(isRefusedBy(1, leader.mono + heartbeatUs), "later")
})

test("a heartbeat never tells a follower to commit what it is not known to have", () => {
  const leader = paired()
  leader.propose("x")
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 1, 2))
  leader.mono += heartbeatUs
  const beats = sendsOf(leader.step({ type: "timePassed" }))
  const commits = beats.map(({ to, message }) => [
    to.replica,
    message.type === "heartbeat" ? message.leaderCommit : -1,
  ])
  assert.deepEqual(commits, [
    [2, 2],
    [3, 0],
  ])
})

test("heartbeats and their answers travel in the lane that waits behind nothing", () => {
  const leader = paired()
  leader.mono += heartbeatUs
  for (const send of sendsOf(leader.step({ type: "timePassed" }))) assert.equal(send.lane, "liveness")
  assert.equal(onlySend(new Peer(2).receive(heartbeat(1, 2, 1)), "heartbeatReply").lane, "liveness")
  assert.equal(onlySend(new Peer(2).receive(appendEntries(1, 2, 1, [0, 0])), "appendReply").lane, "raft")
})

test("a learner is told what its range is until it has answered once in the term, a voter never", () => {
  const leader = leaderOf(1, { configuration: configurationOf([1, 3], [], [2]) })
  const first = sendsOf(leader.step({ type: "turnEnded" }))
  assert.deepEqual(
    first.map(({ message }) => message.type === "appendEntries" && [message.descriptor, message.incarnation]),
    [
      [DESCRIPTOR, 2],
      [null, 0],
    ],
  )
  leader.receive(appendReply(2, 1, 1, 1))
  leader.takeReleased()
  leader.propose("x")
  const later = sendsOf(leader.step({ type: "turnEnded" }))
  assert.deepEqual(
    later.map(({ message }) => message.type === "appendEntries" && message.descriptor),
    [null],
  )
})

test("a leader steps back when a quorum was not heard of for the longest election timeout, and not before", () => {
  const leader = paired({ configuration: configurationOf([1, 2, 3, 4, 5]) })
  const { electionUsMax } = DEFAULT_TIMING
  leader.mono += electionUsMax
  leader.receive(heartbeatReply(2, 1, 1))
  leader.receive(heartbeatReply(4, 1, 1))
  leader.step({ type: "timePassed" })
  assert.equal(leader.raft.role, "leader")
  leader.mono += electionUsMax + 1
  leader.receive(heartbeatReply(2, 1, 1))
  leader.step({ type: "timePassed" })
  assert.equal(leader.raft.role, "follower", "two of five")
})

test("a member that leaves is still sent what says so, and then forgotten", () => {
  const leader = paired()
  leader.receive(appendReply(3, 1, 1, 1))
  assert.isNull(leader.administer({ type: "removeReplica", store: 3 }))
  leader.sync()
  leader.step({ type: "turnEnded" })
  for (const id of [2, 3]) leader.receive(appendReply(id, 1, 1, 2))
  assert.equal(leader.raft.lastIndex, 3, "the joint configuration is left")
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.takeReleased()
  leader.receive(appendReply(2, 1, 1, 3))
  leader.receive(appendReply(3, 1, 1, 3))
  leader.mono += heartbeatUs
  const beats = sendsOf(leader.step({ type: "timePassed" })).filter(({ to }) => to.replica === 3)
  assert.deepEqual(
    beats.map(({ message }) => message.type === "heartbeat" && message.leaderCommit),
    [3],
    "it hears that its own removal is committed",
  )
  leader.mono += heartbeatUs
  const later = sendsOf(leader.step({ type: "timePassed" })).filter(({ to }) => to.replica === 3)
  assert.deepEqual(later, [])
})

test("a learner that does not catch up in time is given up, and its name with it", () => {
  const leader = paired()
  assert.isNull(leader.administer({ type: "addVoter", store: 4, incarnation: 4 }))
  const given = leader.raft.configuration.learners[0]!.replica
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 1, 2))
  leader.mono += 15 * DEFAULT_TIMING.electionUsMax
  leader.receive(heartbeatReply(2, 1, 1))
  const { learners, voters, nextReplica, promoting } = leader.raft.configuration
  assert.deepEqual([learners, voters.map(({ replica }) => replica), promoting], [[], [1, 2, 3], []])
  assert.isAbove(nextReplica, given)
})

test("two leaders of one term are a bug, and stop the store", () => {
  const leader = paired()
  assert.throws(() => leader.receive(heartbeat(2, 1, 1)), "Two leaders in one term")
  assert.throws(() => leader.receive(appendReply(2, 1, 1, 99)), "what was never sent")
})

test("a saved replica is read back to the same bytes in every role, and goes on alike", () => {
  const candidate = new Peer(1)
  candidate.mono = candidate.raft.deadline
  candidate.step({ type: "timePassed" })
  const leader = paired()
  leader.propose("x")
  leader.raft.requestRead()
  leader.administer({ type: "transferLeader", store: 3 })
  const follower = new Peer(3, { log: [1, 1] })
  follower.receive(heartbeat(1, 3, 1, 1))
  for (const peer of [candidate, leader, follower]) {
    const bytes = bytesOf(peer.raft)
    const reader = new ByteReader(bytes)
    const again = Raft.load(reader, peer.timing, peer.limits)
    assert.deepEqual([bytesOf(again), reader.failed, reader.remaining], [bytes, false, 0])
    const context = { ...peer.context, mono: peer.mono + 10_000_000 }
    const event = { type: "timePassed" } as const
    assert.deepEqual(again.step(event, context), peer.raft.step(event, context))
    const message = heartbeat(2, peer.id, 7)
    const speaker = { home: 2, boot: 1 }
    const heard = { type: "messageReceived", message, from: member(2), speaker } as const
    assert.deepEqual(again.step(heard, context), peer.raft.step(heard, context))
    assert.deepEqual(bytesOf(again), bytesOf(peer.raft))
  }
})

test("what a leader has appended and not committed is counted in bytes", () => {
  const leader = leaderOf(1)
  leader.sync()
  leader.step({ type: "turnEnded" })
  const first = entry(1, 1, "").length
  assert.equal(leader.raft.uncommittedBytes, first)
  const { length } = leader.propose("x".repeat(100))
  assert.equal(leader.raft.uncommittedBytes, first + length)
  leader.receive(appendReply(2, 1, 1, 1))
  assert.equal(leader.raft.uncommittedBytes, length)
})
