import { assert, test } from "vitest"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import {
  appendEntries,
  appendReply,
  configurationOf,
  entry,
  Group,
  heartbeat,
  snapshotOffer,
  leaderOf,
  onlySend,
  Peer,
  sendsOf,
  voteReply,
  voteRequest,
} from "../../support/raft-group.ts"

// What the paper does not say: pre-vote, transfer, fencing, incarnations. Its own claims are in raft-paper.test.ts.

const { electionUsMin, electionUsMax, staggerUs } = DEFAULT_TIMING

test("a pre-vote costs nobody anything: no term, no vote, no disk, no patience", () => {
  const peer = new Peer(1, { log: [1, 2] })
  const deadline = peer.raft.deadline
  const effects = peer.receive(voteRequest(2, 1, 9, [2, 2], { preVote: true }))
  assert.deepEqual(onlySend(effects, "voteReply").message, {
    ...voteReply(1, 2, 9, true, true),
  })
  assert.equal(onlySend(effects, "voteReply").barrier, 0)
  assert.isFalse(effects.some((effect) => effect.type === "persist"))
  assert.deepEqual([peer.raft.term, peer.raft.votedFor, peer.raft.deadline], [2, 0, deadline])
})

test("a pre-vote is granted to several candidates, and to none with an older log or no later term", () => {
  const peer = new Peer(1, { log: [1, 2] })
  const asks = (from: number, term: number, last: readonly [number, number]): boolean =>
    onlySend(peer.receive(voteRequest(from, 1, term, last, { preVote: true })), "voteReply").message.granted
  assert.isTrue(asks(2, 3, [2, 2]))
  assert.isTrue(asks(3, 3, [2, 2]))
  assert.isFalse(asks(3, 3, [9, 1]))
  assert.isFalse(asks(3, 2, [2, 2]))
})

test("a replica cut off from the others never raises a term, however long it waits", () => {
  const group = new Group([1, 2, 3])
  const leader = group.elect(1)
  group.cut.add(3)
  for (let i = 0; i < 20; i++) {
    group.peer(3).mono = group.peer(3).raft.deadline
    group.peer(3).step({ type: "timePassed" })
    group.beat(1)
  }
  assert.equal(group.peer(3).raft.term, 1)
  group.cut.clear()
  group.beat(1)
  assert.deepEqual([leader.raft.role, leader.raft.term, group.peer(3).raft.leader], ["leader", 1, 1])
})

test("a refused pre-vote with a later term brings the candidate up to it", () => {
  const peer = new Peer(1, { term: 2 })
  peer.mono = peer.raft.deadline
  peer.step({ type: "timePassed" })
  peer.receive(voteReply(2, 1, 7, false, true))
  assert.deepEqual([peer.raft.role, peer.raft.term], ["follower", 7])
})

test("a candidate that is refused by one that lives does not wait for a whole silence again", () => {
  const peer = new Peer(1, { term: 2, log: [1] })
  const isSoon = (): boolean => {
    const again = peer.raft.deadline - peer.mono
    return again >= staggerUs && again < 3 * staggerUs
  }
  peer.mono = peer.raft.deadline
  peer.step({ type: "timePassed" })
  assert.isFalse(isSoon(), "nobody has answered")
  peer.receive(voteReply(2, 1, 2, false, true))
  assert.deepEqual([peer.raft.role, peer.raft.term, isSoon()], ["candidate", 2, true])
  // The vote is split: the other one has voted for itself.
  peer.mono = peer.raft.deadline
  peer.step({ type: "timePassed" })
  peer.receive(voteReply(2, 1, 3, true, true))
  assert.deepEqual([peer.raft.term, isSoon()], [3, false])
  peer.receive(voteReply(2, 1, 3, false))
  assert.deepEqual([peer.raft.term, isSoon()], [3, true])
})

test("a candidate that lost gives up before its next silence begins", () => {
  const peer = new Peer(1)
  peer.mono = peer.raft.deadline
  peer.step({ type: "timePassed" })
  const deadline = peer.raft.deadline
  assert.isAtLeast(deadline, peer.mono + electionUsMin)
  peer.receive(voteReply(2, 1, 0, false, true))
  peer.receive(voteReply(3, 1, 0, false, true))
  assert.deepEqual([peer.raft.role, peer.raft.term], ["follower", 0])
})

test("a voter alone in its group elects itself once its term is durable", () => {
  const peer = new Peer(1, { configuration: configurationOf([1]) })
  peer.mono = peer.raft.deadline
  peer.step({ type: "timePassed" })
  assert.equal(peer.raft.role, "candidate")
  peer.sync()
  assert.equal(peer.raft.role, "leader")
  peer.sync()
  assert.equal(peer.raft.commitIndex, 1)
})

test("a store that distrusts its clock does not campaign, and gives leadership up", () => {
  const peer = new Peer(1)
  peer.isFenced = true
  peer.mono = peer.raft.deadline
  assert.deepEqual(sendsOf(peer.step({ type: "timePassed" })), [])
  const leader = leaderOf(1)
  leader.isFenced = true
  leader.step({ type: "timePassed" })
  assert.equal(leader.raft.role, "follower")
})

test("a replica that takes in a snapshot does not campaign on the log it is about to lose", () => {
  const peer = new Peer(1, { log: [1] })
  peer.receive(snapshotOffer(2, 1, 3, 9, 3))
  peer.mono = peer.raft.deadline
  assert.deepEqual(sendsOf(peer.step({ type: "timePassed" })), [])
  assert.equal(peer.raft.role, "follower")
})

test("a message from an old incarnation of a member is dropped: its disk is not the one that promised", () => {
  const old = { replica: 2, store: 2, incarnation: 99 }
  const peer = new Peer(1)
  const dropped = [
    { type: "observe", observation: { type: "mark", name: "raft.membership.otherLife" } },
  ] as const
  assert.deepEqual(peer.receive(voteRequest(2, 1, 5, [9, 4]), old), dropped)
  assert.deepEqual(peer.receive(appendEntries(2, 1, 5, [0, 0]), old), dropped)
  assert.equal(peer.raft.term, 0)
  const leader = leaderOf(1)
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 1, 1), old)
  assert.equal(leader.raft.commitIndex, 0)
  const candidate = new Peer(1)
  candidate.mono = candidate.raft.deadline
  candidate.step({ type: "timePassed" })
  candidate.receive(voteReply(2, 1, 1, true, true), old)
  assert.equal(candidate.raft.term, 0, "its pre-vote does not count either")
})

test("leadership is handed over to a member that has everything, which campaigns at once", () => {
  const group = new Group([1, 2, 3])
  const leader = group.elect(1)
  leader.highWater = 777
  assert.isNull(leader.administer({ type: "transferLeader", store: 2 }))
  group.settle()
  const heir = group.peer(2)
  assert.deepEqual([heir.raft.role, heir.raft.term, leader.raft.role], ["leader", 2, "follower"])
})

test("the heir of a transfer is asked only when it has the whole log, and takes over what is handed to it", () => {
  const leader = leaderOf(3)
  leader.highWater = 777
  leader.memory = "locks"
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(3, 1, 3, 1))
  leader.takeReleased()
  assert.isNull(leader.administer({ type: "transferLeader", store: 2 }))
  assert.deepEqual(leader.takeReleased(), [], "replica 2 lags")
  const effects = leader.receive(appendReply(2, 1, 3, 1))
  const { message } = onlySend(effects, "timeoutNow")
  assert.equal(message.highWater, 777)

  const heir = new Peer(2, { log: [3] })
  heir.receive(heartbeat(1, 2, 3))
  heir.takeReleased()
  heir.receive(message)
  assert.deepEqual([heir.raft.role, heir.raft.term], ["candidate", 4])
  heir.sync()
  assert.isTrue(heir.released.every((send) => send.message.type === "voteRequest" && send.message.transfer))
  const won = heir.receive(voteReply(3, 2, 4)).filter((effect) => effect.type === "becameLeader")
  assert.deepEqual(won, [{ type: "becameLeader", index: 2, highWater: 777, memory: "locks" }])
})

test("a high-water of an earlier transfer is not taken over in a later term", () => {
  const heir = new Peer(2, { log: [3] })
  heir.receive(heartbeat(1, 2, 3))
  heir.receive({ type: "timeoutNow", group: 1, from: 1, to: 2, term: 3, highWater: 777, memory: "x" })
  heir.sync()
  heir.receive(heartbeat(3, 2, 5))
  heir.mono = heir.raft.deadline
  heir.step({ type: "timePassed" })
  heir.receive(voteReply(3, 2, 6, true, true))
  heir.sync()
  const won = heir.receive(voteReply(3, 2, 6)).filter((effect) => effect.type === "becameLeader")
  assert.deepEqual(won, [{ type: "becameLeader", index: 2, highWater: null, memory: null }])
})

test("a voter that hears from its leader votes in a transfer all the same", () => {
  const peer = new Peer(3, { log: [3] })
  peer.receive(heartbeat(1, 3, 3))
  const reply = onlySend(peer.receive(voteRequest(2, 3, 4, [1, 3], { transfer: true })), "voteReply")
  assert.isTrue(reply.message.granted)
})

test("a transfer that comes to nothing is given up, and its leader leads no more if it gave its timestamps away", () => {
  for (const isAsked of [false, true]) {
    const leader = leaderOf(3)
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(3, 1, 3, 1))
    assert.isNull(leader.administer({ type: "transferLeader", store: 2 }))
    if (isAsked) leader.receive(appendReply(2, 1, 3, 1))
    assert.deepEqual(leader.administer({ type: "transferLeader", store: 3 }), { code: "membershipBusy" })
    leader.mono += electionUsMax
    leader.receive(appendReply(3, 1, 3, 1))
    assert.deepEqual([leader.raft.transfer, leader.raft.role], [null, isAsked ? "follower" : "leader"])
  }
})

test("a transfer to a learner, a stranger or by a follower is refused, and one to oneself is done", () => {
  const leader = leaderOf(3, { configuration: configurationOf([1, 2], [], [4]) })
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 3, 1))
  for (const store of [4, 9]) {
    assert.equal(leader.administer({ type: "transferLeader", store })?.code, "badRequest")
  }
  assert.isNull(leader.administer({ type: "transferLeader", store: 1 }))
  assert.equal(new Peer(1).administer({ type: "transferLeader", store: 1 })?.code, "notLeader")
})

test("a request to campaign counts only from the leader's own term, and only for a voter", () => {
  const now = { type: "timeoutNow", group: 1, from: 1, to: 2, highWater: 0, memory: "" } as const
  const heir = new Peer(2, { log: [3] })
  heir.receive({ ...now, term: 2 })
  assert.equal(heir.raft.role, "follower")
  const learner = new Peer(2, { configuration: configurationOf([1, 3], [], [2]), term: 3 })
  learner.receive({ ...now, term: 3 })
  assert.equal(learner.raft.role, "follower")
})

test("a leader keeps its office as long as a quorum answers within an election timeout", () => {
  const group = new Group([1, 2, 3])
  const leader = group.elect(1)
  group.cut.add(3)
  for (let i = 0; i < 60; i++) group.beat(1)
  assert.equal(leader.raft.role, "leader")
  leader.receive(voteRequest(3, 1, 9, [entry(1, 1).index, 8]))
  assert.equal(leader.raft.term, 1)
})
