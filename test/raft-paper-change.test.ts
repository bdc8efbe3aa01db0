import { assert, describe, test } from "vitest"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import { isJoint, memberOf } from "#kernel/raft/quorum.ts"
import type { Configuration } from "#kernel/raft/types.ts"
import {
  appendEntries,
  appendReply,
  configurationEntry,
  configurationOf,
  entry,
  Group,
  heartbeat,
  heartbeatReply,
  snapshotOffer,
  leaderOf,
  member,
  onlySend,
  Peer,
  refusalOf,
  sendsOf,
  snapshotReply,
  voteReply,
  voteRequest,
  type PeerStart,
} from "./support/raft-group.ts"

// Raft (extended version), §6 to §8, claim by claim; §5 is in raft-paper.test.ts.

const { electionUsMin, electionUsMax, heartbeatUs } = DEFAULT_TIMING
/** From 1, 2, 3 to 3, 4, 5. */
const JOINT = configurationOf([3, 4, 5], [1, 2, 3])

/** A leader whose first entry is committed with replica 2, as the paper's leaders are before they change anything. */
function settledLeader(term: number, start: PeerStart = {}): Peer {
  const leader = leaderOf(term, start)
  leader.sync()
  leader.step({ type: "turnEnded" })
  const { voters, outgoing } = leader.raft.configuration
  for (const { replica } of [...voters, ...outgoing]) {
    if (replica !== 1) leader.receive(appendReply(replica, 1, term, leader.raft.lastIndex))
  }
  assert.equal(leader.raft.commitIndex, leader.raft.lastIndex)
  leader.takeReleased()
  return leader
}

function ids(configuration: Configuration): { readonly [set: string]: readonly number[] } {
  const of = (set: Configuration["voters"]): readonly number[] => set.map(({ replica }) => replica)
  const { voters, outgoing, learners } = configuration
  return { voters: of(voters), outgoing: of(outgoing), learners: of(learners) }
}

describe("§6 cluster membership changes", () => {
  test("§6 a configuration is in force from its append, committed or not", () => {
    const peer = new Peer(1)
    peer.receive(appendEntries(2, 1, 1, [0, 0], [configurationEntry(1, 1, JOINT)]))
    assert.deepEqual(peer.raft.configuration, JOINT)
    assert.equal(peer.raft.commitIndex, 0)
  })

  test("§6 it goes away with its entry when another leader replaces that, and after a crash", () => {
    const peer = new Peer(1)
    peer.receive(appendEntries(2, 1, 1, [0, 0], [entry(1, 1)]))
    peer.sync()
    peer.receive(appendEntries(2, 1, 1, [1, 1], [configurationEntry(2, 1, JOINT)]))
    assert.isTrue(isJoint(peer.raft.configuration))
    const lost = peer.words()
    peer.restart()
    assert.deepEqual(
      [ids(peer.raft.configuration), peer.words()],
      [ids(configurationOf([1, 2, 3])), lost.slice(0, 1)],
    )
    peer.receive(appendEntries(2, 1, 1, [1, 1], [configurationEntry(2, 1, JOINT)]))
    peer.receive(appendEntries(3, 1, 2, [1, 1], [entry(2, 2)]))
    assert.deepEqual(ids(peer.raft.configuration), ids(configurationOf([1, 2, 3])))
  })

  test("§6 a configuration outlives a crash with the log it stands in", () => {
    const peer = new Peer(1)
    peer.receive(appendEntries(2, 1, 1, [0, 0], [configurationEntry(1, 1, JOINT)]))
    peer.sync()
    peer.restart()
    assert.deepEqual(peer.raft.configuration, JOINT)
  })

  test("§6 while joint, an election takes a majority of the old and one of the new configuration", () => {
    const start = { configuration: configurationOf([1, 4, 5], [1, 2, 3]) }
    const wins = (...votes: readonly number[]): boolean => {
      const peer = new Peer(1, start)
      peer.mono = peer.raft.deadline
      peer.step({ type: "timePassed" })
      for (const id of [2, 3, 4, 5]) peer.receive(voteReply(id, 1, 1, true, true))
      peer.sync()
      for (const id of votes) peer.receive(voteReply(id, 1, 1))
      return peer.raft.isLeader
    }
    assert.isFalse(wins(4, 5), "all of the new ones and one of the old")
    assert.isFalse(wins(2, 3), "all of the old ones and one of the new")
    assert.isTrue(wins(2, 4))
  })

  test("§6 while joint, an entry is committed by a majority of each", () => {
    const leader = leaderOf(1, { configuration: configurationOf([1, 4, 5], [1, 2, 3]) })
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(4, 1, 1, 1))
    leader.receive(appendReply(5, 1, 1, 1))
    assert.equal(leader.raft.commitIndex, 0)
    leader.receive(appendReply(2, 1, 1, 1))
    assert.equal(leader.raft.commitIndex, 1)
  })

  test("§6 while joint, entries go to the servers of both configurations, and any of them may lead", () => {
    const group = new Group([1, 2, 3, 4, 5], {}, { configuration: JOINT })
    // Replica 1 is of the old configuration only: it leads until the new one holds.
    const leader = group.elect(1)
    assert.isTrue(leader.isRemoved)
    for (const peer of group.peers.values()) assert.deepEqual(peer.words(), leader.words())
    for (const id of [3, 4, 5]) assert.equal(group.peer(id).raft.commitIndex, 2)
    const other = new Group([1, 2, 3, 4, 5], {}, { configuration: JOINT })
    assert.isTrue(other.elect(5).raft.isLeader, "replica 5 is of the new one only")
  })

  test("§6 once the joint configuration is committed the leader appends the new one by itself", () => {
    const leader = settledLeader(1)
    assert.isNull(leader.administer({ type: "removeReplica", store: 3 }))
    assert.deepEqual(ids(leader.raft.configuration), { voters: [1, 2], outgoing: [1, 2, 3], learners: [] })
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 1, 2))
    assert.deepEqual(ids(leader.raft.configuration), { voters: [1, 2], outgoing: [], learners: [] })
    assert.deepEqual([leader.raft.commitIndex, leader.raft.lastIndex], [2, 3])
  })

  test("§6 no two majorities decide apart: from one configuration to the next only the joint one leads", () => {
    const group = new Group([1, 2, 3])
    const leader = group.elect(1)
    const seen: string[] = []
    const look = (): void => {
      const { voters, outgoing } = ids(leader.raft.configuration)
      const word = outgoing!.length === 0 ? voters!.join("") : `${outgoing!.join("")}>${voters!.join("")}`
      if (seen.at(-1) !== word) seen.push(word)
    }
    const step = leader.step.bind(leader)
    leader.step = (event) => {
      const effects = step(event)
      look()
      return effects
    }
    look()
    assert.isNull(leader.administer({ type: "addVoter", store: 4, incarnation: 4 }))
    leader.propose("x")
    for (let i = 0; i < 5; i++) group.beat(1)
    assert.isNull(leader.administer({ type: "removeReplica", store: 2 }))
    for (let i = 0; i < 5; i++) group.beat(1)
    const id = Math.max(...leader.raft.configuration.voters.map(({ replica }) => replica))
    assert.deepEqual(seen, ["123", `123>123${id}`, `123${id}`, `123${id}>13${id}`, `13${id}`])
  })

  test("§6 a new server joins without a vote, catches up, and only then is counted", () => {
    const leader = settledLeader(1)
    assert.isNull(leader.administer({ type: "addVoter", store: 4, incarnation: 4 }))
    for (let i = 0; i < 50; i++) leader.propose("x")
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 1, 52))
    assert.equal(leader.raft.commitIndex, 52, "the others go on without it")
    const [fresh] = leader.raft.configuration.learners
    const id = fresh!.replica
    leader.receive(appendReply(id, 1, 1, 10), fresh)
    assert.deepEqual(ids(leader.raft.configuration), { voters: [1, 2, 3], outgoing: [], learners: [id] })
    leader.receive(appendReply(id, 1, 1, 51), fresh)
    assert.deepEqual(ids(leader.raft.configuration), {
      voters: [1, 2, 3, id],
      outgoing: [1, 2, 3],
      learners: [],
    })
  })

  test("§6 a server that is added holds the whole log in the end, and has a vote", () => {
    const group = new Group([1, 2, 3])
    const leader = group.elect(1)
    for (let i = 0; i < 50; i++) leader.propose("x")
    group.settle()
    assert.isNull(leader.administer({ type: "addVoter", store: 4, incarnation: 4 }))
    leader.propose("y")
    for (let i = 0; i < 5; i++) group.beat(1)
    const id = Math.max(...group.peers.keys())
    assert.deepEqual(ids(leader.raft.configuration), { voters: [1, 2, 3, id], outgoing: [], learners: [] })
    assert.deepEqual(group.peer(id).words(), leader.words())
  })

  test("§6 a server is added to a group that is idle, though the first thing it is told is lost", () => {
    const group = new Group([1, 2, 3])
    const leader = group.elect(1)
    assert.isNull(leader.administer({ type: "addLearner", store: 4, incarnation: 4 }))
    const { replica } = leader.raft.configuration.learners[0]!
    group.cut.add(replica)
    for (let i = 0; i < 3; i++) group.beat(1)
    group.cut.delete(replica)
    for (let i = 0; i < 15; i++) group.beat(1)
    assert.deepEqual(group.peer(replica).words(), leader.words())
  })

  test("§6 a server without a vote counts for nothing and wins nothing", () => {
    const configuration = configurationOf([1, 2, 3], [], [4, 5])
    const leader = leaderOf(1, { configuration })
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(4, 1, 1, 1))
    leader.receive(appendReply(5, 1, 1, 1))
    assert.equal(leader.raft.commitIndex, 0)
    const learner = new Peer(4, { configuration })
    learner.mono = learner.raft.deadline
    // It asks after itself, for it may have been removed; that raises no term, and no answer makes it a candidate.
    for (const { message } of sendsOf(learner.step({ type: "timePassed" }))) {
      assert.isTrue(message.type === "voteRequest" && message.preVote)
    }
    for (const id of [1, 2, 3]) learner.receive(voteReply(id, 4, 1, true, true))
    assert.deepEqual([learner.raft.role, learner.raft.term], ["follower", 0])
  })

  test("§6 a server grants its vote to candidates it does not know: the log it has not seen may name them", () => {
    const peer = new Peer(1)
    const reply = onlySend(peer.receive(voteRequest(9, 1, 1, [5, 1])), "voteReply")
    assert.isTrue(reply.message.granted)
  })

  test("§6 a server takes entries from a leader that its own configuration does not name", () => {
    const peer = new Peer(1)
    peer.receive(appendEntries(9, 1, 1, [0, 0], [entry(1, 1)], 1))
    assert.deepEqual([peer.raft.leader, peer.raft.commitIndex], [9, 1])
  })

  test("§6 a leader that is removed manages the change, does not count itself, and steps down when it holds", () => {
    const leader = settledLeader(1)
    assert.isNull(leader.administer({ type: "removeReplica", store: 1 }))
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 1, 2))
    assert.equal(leader.raft.commitIndex, 1, "of the new configuration only one has it")
    leader.receive(appendReply(3, 1, 1, 2))
    assert.deepEqual([leader.raft.commitIndex, leader.raft.role], [2, "leader"])
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 1, 3))
    assert.deepEqual([leader.raft.commitIndex, leader.raft.role], [2, "leader"], "it does not count itself")
    leader.receive(appendReply(3, 1, 1, 3))
    assert.deepEqual([leader.raft.commitIndex, leader.raft.role], [3, "follower"])
    assert.isTrue(leader.isRemoved)
  })

  test("§6 removed servers disturb nobody: who has just heard from a leader grants no vote and keeps its term", () => {
    for (const preVote of [false, true]) {
      const peer = new Peer(1, { term: 3 })
      peer.receive(heartbeat(2, 1, 3))
      peer.mono += electionUsMin - 1
      const replies = sendsOf(peer.receive(voteRequest(3, 1, 9, [99, 8], { preVote })))
      assert.isFalse(replies.some(({ message }) => message.type === "voteReply" && message.granted))
      assert.deepEqual([peer.raft.term, peer.raft.votedFor, peer.raft.leader], [3, 0, 2])
      peer.mono++
      const { message } = onlySend(peer.receive(voteRequest(3, 1, 9, [99, 8], { preVote })), "voteReply")
      assert.isTrue(message.granted, "after the shortest election timeout it listens again")
    }
  })

  test("§6 a leader in office is not deposed by a candidate's term", () => {
    const leader = leaderOf(3)
    leader.receive(voteRequest(3, 1, 9, [99, 8]))
    assert.deepEqual([leader.raft.role, leader.raft.term], ["leader", 3])
  })

  test("§6 a removed server is told so, and campaigns no more", () => {
    const group = new Group([1, 2, 3])
    const leader = group.elect(1)
    group.cut.add(3)
    assert.isNull(leader.administer({ type: "removeReplica", store: 3 }))
    for (let i = 0; i < 4; i++) group.beat(1)
    assert.deepEqual(ids(leader.raft.configuration), { voters: [1, 2], outgoing: [], learners: [] })
    group.cut.clear()
    group.peer(3).mono = group.peer(3).raft.deadline
    group.peer(3).step({ type: "timePassed" })
    group.settle()
    assert.isTrue(group.peer(3).isRemoved)
    assert.deepEqual([leader.raft.role, leader.raft.term], ["leader", 1])
  })

  test("§6 one change at a time, and the next only when the last is committed", () => {
    const leader = settledLeader(1)
    assert.isNull(leader.administer({ type: "removeReplica", store: 3 }))
    const busy = { code: "membershipBusy" }
    assert.deepEqual(leader.administer({ type: "removeReplica", store: 2 }), busy)
    assert.deepEqual(leader.administer({ type: "addLearner", store: 7, incarnation: 7 }), busy)
    assert.deepEqual(leader.administer({ type: "transferLeader", store: 2 }), {
      code: "badRequest",
      reason: "Cannot transfer leadership: store 2 holds no voter",
    })
  })

  test("§6 a leader changes nothing before an entry of its own term is committed", () => {
    const leader = leaderOf(4, { log: [1, 1] })
    assert.deepEqual(leader.administer({ type: "removeReplica", store: 3 }), { code: "membershipBusy" })
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 4, 3))
    assert.isNull(leader.administer({ type: "removeReplica", store: 3 }))
  })

  test("§6 a name is never given twice: who comes back after a removal is someone else", () => {
    const group = new Group([1, 2, 3])
    const leader = group.elect(1)
    assert.isNull(leader.administer({ type: "removeReplica", store: 3 }))
    for (let i = 0; i < 3; i++) group.beat(1)
    assert.isNull(leader.administer({ type: "addLearner", store: 3, incarnation: 3 }))
    const [again] = leader.raft.configuration.learners
    assert.deepInclude(again, { store: 3, incarnation: 3 })
    assert.isAbove(again!.replica, 3)
  })
})

describe("§7 log compaction", () => {
  test("§7 index and term of the last entry compacted away stay for the check of the one after it", () => {
    const peer = new Peer(1, { log: [1, 2, 2, 3] })
    peer.receive(appendEntries(2, 1, 3, [4, 3], [], 3))
    peer.compact(3)
    assert.deepEqual([peer.raft.log.start, peer.terms()], [{ index: 3, term: 2 }, [3]])
    const { message } = onlySend(peer.receive(appendEntries(2, 1, 4, [3, 2], [entry(4, 4)])), "appendReply")
    assert.isTrue(message.success)
    peer.sync()
    peer.restart()
    assert.deepEqual(
      [peer.raft.log.start, peer.terms(), peer.raft.commitIndex],
      [{ index: 3, term: 2 }, [4], 3],
    )
  })

  test("§7 the latest configuration of what was compacted away is kept with it", () => {
    const peer = new Peer(1)
    const changed = configurationOf([1, 2, 3], [], [4])
    const log = [entry(1, 1), configurationEntry(2, 1, changed), entry(3, 1)]
    peer.receive(appendEntries(2, 1, 1, [0, 0], log, 3))
    peer.compact(3)
    assert.deepEqual(peer.raft.configurationAt(3), { index: 2, configuration: changed })
    peer.restart()
    assert.deepEqual(peer.raft.configuration, changed)
  })

  test("§7 a leader sends its state to a follower whose next entry it no longer has, and goes on from there", () => {
    const group = new Group([1, 2, 3])
    const leader = group.elect(1)
    group.cut.add(3)
    for (let i = 0; i < 20; i++) leader.propose(`${i}`)
    group.settle()
    leader.compact(leader.raft.commitIndex)
    group.cut.clear()
    for (let i = 0; i < 4; i++) group.beat(1)
    const follower = group.peer(3)
    assert.deepEqual(follower.raft.log.start, leader.raft.log.start)
    leader.propose("after")
    group.settle()
    assert.deepEqual(follower.words(), leader.words())
    assert.equal(follower.raft.lastIndex, 22)
  })

  test("§7 a snapshot that reaches beyond the log, or contradicts it, takes the place of the whole log", () => {
    for (const log of [
      [1, 1],
      [1, 1, 2, 2, 2, 2],
    ]) {
      const peer = new Peer(1, { log, term: 3 })
      const message = snapshotOffer(2, 1, 3, 5, 3)
      peer.receive(message)
      peer.snapshotDurable(message)
      assert.deepEqual([peer.raft.log.start, peer.terms()], [{ index: 5, term: 3 }, []])
      assert.equal(peer.raft.commitIndex, 5)
    }
  })

  test("§7 entries after a snapshot that describes a prefix of the log stay", () => {
    const peer = new Peer(1, { log: [1, 1, 2, 2], term: 3 })
    const effects = peer.receive(snapshotOffer(2, 1, 3, 3, 2))
    assert.isFalse(
      effects.some((effect) => effect.type === "installSnapshot"),
      "it has all that is in it",
    )
    assert.deepEqual([peer.terms(), peer.raft.commitIndex], [[1, 1, 2, 2], 3])
    assert.isTrue(onlySend(effects, "snapshotReply").message.success)
  })

  test("§7 a snapshot of what is committed here already changes nothing and is acknowledged", () => {
    const peer = new Peer(1, { log: [1, 1, 2, 2], term: 3 })
    peer.receive(appendEntries(2, 1, 3, [4, 2], [], 4))
    const { message } = onlySend(peer.receive(snapshotOffer(2, 1, 3, 3, 2)), "snapshotReply")
    assert.deepEqual([message.success, message.lastIndex], [true, 3])
    assert.deepEqual([peer.terms(), peer.raft.commitIndex], [[1, 1, 2, 2], 4])
  })

  test("§7 a snapshot is acknowledged when its checkpoint is durable; until then the old log stays", () => {
    const peer = new Peer(1, { log: [1], term: 3 })
    const message = snapshotOffer(2, 1, 3, 5, 3)
    assert.deepEqual(sendsOf(peer.receive(message)), [])
    assert.deepEqual([peer.terms(), peer.raft.commitIndex, peer.raft.isInstalling], [[1], 0, true])
    peer.receive(appendEntries(2, 1, 3, [5, 3], [entry(6, 3)]))
    peer.receive(heartbeat(2, 1, 3, 5))
    assert.deepEqual([peer.terms(), peer.raft.commitIndex], [[1], 0], "nothing rests on it before")
    const reply = onlySend(peer.snapshotDurable(message), "snapshotReply")
    assert.deepEqual([reply.message.success, reply.message.lastIndex], [true, 5])
  })

  test("§7 a snapshot brings the configuration it was taken with", () => {
    const configuration = configurationOf([1, 2, 5], [], [6])
    const peer = new Peer(1)
    const message = snapshotOffer(2, 1, 3, 9, 3, { configuration, configurationIndex: 7 })
    peer.receive(message)
    peer.snapshotDurable(message)
    assert.deepEqual(peer.raft.configurationAt(9), { index: 7, configuration })
  })

  test("§7 after its state was taken, the follower is sent what came after it", () => {
    const old = leaderOf(3, { configuration: configurationOf([1, 2, 3]), log: [1, 1, 1] })
    old.sync()
    old.step({ type: "turnEnded" })
    old.receive(appendReply(2, 1, 3, 4))
    old.compact(4)
    old.propose("y")
    old.takeReleased()
    const refusal = refusalOf(3, 0, 0)
    old.receive({ type: "appendReply", group: 1, from: 3, to: 1, term: 3, ...refusal })
    assert.deepEqual(
      old.takeReleased().map(({ to, message }) => [to.replica, message.type]),
      [[3, "snapshotOffer"]],
    )
    const { message } = onlySend(old.receive(snapshotReply(3, 1, 3, 4)), "appendEntries")
    assert.deepEqual([message.prevIndex, message.entries.map(({ index }) => index)], [4, [5]])
  })
})

describe("§8 client interaction", () => {
  test("§8 who does not lead refuses, and names the leader it heard from last", () => {
    const peer = new Peer(1, { term: 2 })
    const refusal = { code: "notLeader", hint: null, term: 2 } as const
    assert.deepEqual(peer.administer({ type: "transferLeader", store: 1 }), refusal)
    peer.receive(heartbeat(3, 1, 2))
    assert.deepEqual(peer.administer({ type: "transferLeader", store: 1 }), { ...refusal, hint: 3 })
  })

  test("§8 a leader appends an entry of its own term first, and knows what is committed when that is", () => {
    const leader = leaderOf(4, { log: [1, 3] })
    assert.deepEqual([leader.terms(), leader.raft.termStartIndex], [[1, 3, 4], 3])
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 4, 2))
    assert.equal(leader.raft.commitIndex, 0)
    leader.receive(appendReply(2, 1, 4, 3))
    assert.equal(leader.raft.commitIndex, leader.raft.termStartIndex)
  })

  test("§8 a read is served after a majority has answered a heartbeat that was sent after the read came", () => {
    const leader = settledLeader(2, { configuration: configurationOf([1, 2, 3, 4, 5]) })
    leader.step({ type: "timePassed" })
    leader.takeReleased()
    const round = leader.raft.requestRead()
    for (const id of [2, 3, 4, 5]) leader.receive(heartbeatReply(id, 1, 2, round - 1, 1))
    assert.deepEqual(leader.reads, [], "those answers may be older than the read")
    const beats = sendsOf(leader.step({ type: "turnEnded" })).filter(
      ({ message }) => message.type === "heartbeat",
    )
    assert.deepEqual(
      beats.map(({ message }) => message.type === "heartbeat" && message.round),
      [round, round, round, round],
    )
    leader.receive(heartbeatReply(2, 1, 2, round, 1))
    leader.receive(heartbeatReply(2, 1, 2, round, 1))
    assert.deepEqual(leader.reads, [])
    leader.receive(heartbeatReply(4, 1, 2, round, 1))
    assert.deepEqual(
      leader.reads.map(({ index }) => index),
      [1],
    )
  })

  test("§8 a read waits for the commit index of the moment its round was sent", () => {
    const leader = settledLeader(2)
    leader.propose("a")
    leader.sync()
    leader.raft.requestRead()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 2, 2))
    assert.equal(leader.raft.commitIndex, 2)
    leader.receive(heartbeatReply(2, 1, 2, 1, 2))
    assert.deepEqual(
      leader.reads.map(({ round, index }) => [round, index]),
      [[1, 1]],
    )
  })

  test("§8 a leader that was deposed without knowing it confirms no read", () => {
    const group = new Group([1, 2, 3])
    const old = group.elect(1)
    group.cut.add(1)
    assert.isTrue(group.elect(2).raft.isLeader)
    old.raft.requestRead()
    old.step({ type: "turnEnded" })
    group.cut.clear()
    group.settle()
    assert.deepEqual([old.reads, old.raft.role], [[], "follower"])
  })

  test("§8 answers of servers without a vote confirm no read, and while joint it takes both majorities", () => {
    const learners = leaderOf(1, { configuration: configurationOf([1, 2, 3], [], [4, 5]) })
    const round = learners.raft.requestRead()
    learners.step({ type: "turnEnded" })
    for (const id of [4, 5]) learners.receive(heartbeatReply(id, 1, 1, round, 1))
    assert.deepEqual(learners.reads, [])
    const joint = leaderOf(1, { configuration: configurationOf([1, 4, 5], [1, 2, 3]) })
    joint.raft.requestRead()
    joint.step({ type: "turnEnded" })
    for (const id of [4, 5]) joint.receive(heartbeatReply(id, 1, 1, 1, 1))
    assert.deepEqual(joint.reads, [])
    joint.receive(heartbeatReply(3, 1, 1, 1, 1))
    assert.equal(joint.reads.length, 1)
  })

  test("§8 a leader that hears from no majority any more stops leading, so that its clients turn away", () => {
    const leader = settledLeader(1)
    for (let passed = 0; passed <= 2 * electionUsMax; passed += heartbeatUs) {
      leader.mono += heartbeatUs
      leader.step({ type: "timePassed" })
    }
    assert.deepEqual([leader.raft.role, leader.raft.term], ["follower", 1])
    assert.isNotNull(memberOf(leader.raft.configuration, member(1).replica))
  })
})
