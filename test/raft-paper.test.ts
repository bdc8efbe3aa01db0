import { assert, describe, test } from "vitest"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import type { RaftMessage } from "#kernel/raft/message.ts"
import type { RaftEffect } from "#kernel/raft/state.ts"
import {
  appendEntries,
  appendReply,
  configurationOf,
  entriesOf,
  entry,
  Group,
  heartbeat,
  heartbeatReply,
  snapshotOffer,
  leaderOf,
  member,
  onlySend,
  Peer,
  sendsOf,
  snapshotReply,
  voteReply,
  voteRequest,
  type PeerStart,
} from "./support/raft-group.ts"

// Raft (extended version), §5, claim by claim: what one replica does when it is told something. §6 to §8 are in
// raft-paper-change.test.ts. A claim about all replicas is a property: kernel/raft/safety.test.ts.

const { electionUsMin, electionUsMax, heartbeatUs } = DEFAULT_TIMING
const FIVE: PeerStart = { configuration: configurationOf([1, 2, 3, 4, 5]) }

/** Every message that carries the sender's term. */
function messagesOf(term: number): readonly RaftMessage[] {
  return [
    voteRequest(2, 1, term, [9, 9]),
    voteReply(2, 1, term, false),
    appendEntries(2, 1, term, [0, 0]),
    appendReply(2, 1, term, 0),
    heartbeat(2, 1, term),
    heartbeatReply(2, 1, term),
    snapshotOffer(2, 1, term, 50, term),
    snapshotReply(2, 1, term, 1),
  ]
}

/** A candidate of `term`, whose own vote is durable. */
function candidate(term: number, start: PeerStart = {}): Peer {
  const peer = new Peer(1, { term: term - 1, ...start })
  peer.mono = peer.raft.deadline
  peer.step({ type: "timePassed" })
  for (const { to } of peer.takeReleased()) peer.receive(voteReply(to.replica, 1, term, true, true))
  peer.sync()
  peer.takeReleased()
  assert.equal(peer.raft.role, "candidate")
  return peer
}

function persists(effects: readonly RaftEffect[], type: "hardState" | "entries"): boolean {
  return effects.some((effect) => effect.type === "persist" && effect.item.type === type)
}

function grants(peer: Peer, request: Parameters<Peer["receive"]>[0]): boolean {
  return onlySend(peer.receive(request), "voteReply").message.granted
}

describe("§5.1 terms", () => {
  test("§5.1 whoever hears of a higher term takes it up, from any message, and writes it down", () => {
    for (const message of messagesOf(7)) {
      const peer = new Peer(1, { log: [1, 1], term: 3 })
      const effects = peer.receive(message)
      assert.equal(peer.raft.term, 7, message.type)
      assert.isTrue(persists(effects, "hardState"), message.type)
    }
  })

  test("§5.1 a leader or candidate that hears of a higher term becomes a follower at once", () => {
    for (const message of messagesOf(7)) {
      // A leader that is in office is not deposed by a mere candidate (§6): it has to lose its office first.
      if (message.type !== "voteRequest") {
        const leader = leaderOf(3)
        leader.receive(message)
        assert.deepEqual([leader.raft.role, leader.raft.term], ["follower", 7], message.type)
      }
      const other = candidate(3)
      other.receive(message)
      assert.deepEqual([other.raft.role, other.raft.term], ["follower", 7], message.type)
    }
  })

  test("§5.1 a request of an older term is refused with one's own term, and changes nothing", () => {
    for (const message of messagesOf(2)) {
      const peer = new Peer(1, { log: [1, 3], term: 3 })
      const deadline = peer.raft.deadline
      peer.mono += 10
      const effects = peer.receive(message)
      assert.isFalse(
        effects.some((effect) => effect.type === "persist"),
        message.type,
      )
      const { term, votedFor, leader, commitIndex, lastIndex } = peer.raft
      assert.deepEqual([term, votedFor, leader, commitIndex, lastIndex], [3, 0, 0, 0, 2], message.type)
      assert.equal(peer.raft.deadline, deadline, `${message.type} of an old leader keeps nobody quiet`)
      for (const send of sendsOf(effects)) assert.equal(send.message.term, 3, message.type)
    }
    const asked = [voteRequest(2, 1, 2, [9, 2]), appendEntries(2, 1, 2, [0, 0]), heartbeat(2, 1, 2)]
    for (const message of [...asked, snapshotOffer(2, 1, 2, 50, 2)]) {
      assert.equal(sendsOf(new Peer(1, { term: 3 }).receive(message)).length, 1, message.type)
    }
  })

  test("§5.1 term and vote outlive a crash, and terms never go back", () => {
    const peer = new Peer(1)
    peer.receive(voteRequest(2, 1, 4, [0, 0]))
    peer.sync()
    peer.restart()
    assert.deepEqual([peer.raft.term, peer.raft.votedFor], [4, 2])
    assert.isFalse(grants(peer, voteRequest(3, 1, 4, [0, 0])))
  })
})

describe("§5.2 leader election", () => {
  test("§5.2 a server starts as a follower", () => {
    assert.equal(new Peer(1).raft.role, "follower")
    const leader = leaderOf(3)
    leader.sync()
    leader.restart()
    assert.deepEqual([leader.raft.role, leader.raft.leader, leader.raft.term], ["follower", 0, 3])
  })

  test("§5.2 it remains one as long as it hears from a leader", () => {
    const peer = new Peer(1, { term: 2 })
    for (let i = 0; i < 50; i++) {
      peer.mono += electionUsMin - 1
      peer.receive(i % 2 === 0 ? heartbeat(2, 1, 2) : appendEntries(2, 1, 2, [0, 0]))
      peer.step({ type: "timePassed" })
      assert.equal(peer.raft.role, "follower")
    }
  })

  test("§5.2 after a silence it asks for votes in the next term, of every other voter, and votes for itself", () => {
    const peer = new Peer(1, { ...FIVE, log: [1, 2], term: 4 })
    peer.mono = peer.raft.deadline - 1
    peer.step({ type: "timePassed" })
    assert.equal(peer.raft.role, "follower")
    peer.mono++
    // First the question whether it could win (pre-vote): that changes no term.
    const questions = sendsOf(peer.step({ type: "timePassed" }))
    assert.equal(peer.raft.term, 4)
    assert.deepEqual(
      questions.map(({ message }) => message),
      [2, 3, 4, 5].map((to) => voteRequest(1, to, 5, [2, 2], { preVote: true })),
    )
    peer.receive(voteReply(2, 1, 5, true, true))
    const effects = peer.receive(voteReply(3, 1, 5, true, true))
    assert.deepEqual([peer.raft.role, peer.raft.term, peer.raft.votedFor], ["candidate", 5, 1])
    assert.deepEqual(
      sendsOf(effects).map(({ message }) => message),
      [2, 3, 4, 5].map((to) => voteRequest(1, to, 5, [2, 2])),
    )
  })

  test("§5.2 no request for votes leaves before the candidate's term and own vote are durable", () => {
    const peer = new Peer(1)
    peer.mono = peer.raft.deadline
    peer.step({ type: "timePassed" })
    peer.takeReleased()
    peer.receive(voteReply(2, 1, 1, true, true))
    assert.deepEqual(peer.takeReleased(), [])
    peer.sync()
    assert.deepEqual(
      peer.takeReleased().map(({ message }) => message),
      [2, 3].map((to) => voteRequest(1, to, 1, [0, 0])),
    )
  })

  test("§5.2 it leads with the votes of a majority of the full cluster and of no fewer", () => {
    const peer = candidate(5, FIVE)
    peer.receive(voteReply(2, 1, 5))
    peer.receive(voteReply(2, 1, 5))
    assert.equal(peer.raft.role, "candidate", "one vote counts once")
    peer.receive(voteReply(3, 1, 5, false))
    assert.equal(peer.raft.role, "candidate")
    peer.receive(voteReply(4, 1, 5))
    assert.deepEqual([peer.raft.role, peer.raft.leader], ["leader", 1])
  })

  test("§5.2 its own vote counts only when durable, and without it it does not lead", () => {
    const peer = new Peer(1)
    peer.mono = peer.raft.deadline
    peer.step({ type: "timePassed" })
    peer.receive(voteReply(2, 1, 1, true, true))
    peer.receive(voteReply(2, 1, 1))
    assert.equal(peer.raft.role, "candidate", "two of three, of which one may yet be lost")
    peer.receive(voteReply(3, 1, 1))
    assert.equal(peer.raft.role, "candidate", "its term may yet be lost")
    peer.sync()
    assert.equal(peer.raft.role, "leader")
  })

  test("§5.2 votes of another term do not count", () => {
    const peer = candidate(5)
    peer.receive(voteReply(2, 1, 4))
    peer.receive(voteReply(3, 1, 5, true, true))
    assert.equal(peer.raft.role, "candidate")
  })

  test("§5.2 a server votes for at most one candidate in a term, first come, first served", () => {
    const peer = new Peer(1)
    assert.isTrue(grants(peer, voteRequest(2, 1, 1, [0, 0])))
    assert.isFalse(grants(peer, voteRequest(3, 1, 1, [5, 1])))
    assert.isTrue(grants(peer, voteRequest(2, 1, 1, [0, 0])), "the same candidate may ask again")
    assert.isTrue(grants(peer, voteRequest(3, 1, 2, [0, 0])), "a new term, a new vote")
    assert.isFalse(grants(candidate(3), voteRequest(2, 1, 3, [9, 2])), "a candidate has voted for itself")
  })

  test("§5.2 a vote is written down before it is given", () => {
    const peer = new Peer(1)
    const effects = peer.receive(voteRequest(2, 1, 1, [0, 0]))
    const written = effects.findIndex((effect) => effect.type === "persist")
    assert.isAtLeast(written, 0)
    assert.isAbove(
      effects.findIndex((effect) => effect.type === "send"),
      written,
    )
    assert.equal(onlySend(effects, "voteReply").barrier, 1)
    assert.deepEqual(peer.takeReleased(), [])
    peer.sync()
    assert.equal(peer.takeReleased().length, 1)
  })

  test("§5.2 a new leader sends heartbeats to all of the others to establish its authority", () => {
    const peer = candidate(5, FIVE)
    peer.receive(voteReply(2, 1, 5))
    peer.receive(voteReply(3, 1, 5))
    assert.equal(peer.raft.deadline, peer.mono, "it wants to be woken at once")
    const beats = sendsOf(peer.step({ type: "timePassed" })).filter(
      ({ message }) => message.type === "heartbeat",
    )
    assert.deepEqual(
      beats.map(({ to, message }) => [to.replica, message.term]),
      [2, 3, 4, 5].map((to) => [to, 5]),
    )
    assert.equal(peer.raft.deadline, peer.mono + heartbeatUs, "and again before anyone loses patience")
  })

  test("§5.2 a candidate that hears from a leader of its term or a later one follows it", () => {
    for (const term of [5, 6]) {
      for (const message of [appendEntries(2, 1, term, [0, 0]), heartbeat(2, 1, term)]) {
        const peer = candidate(5)
        peer.receive(message)
        assert.deepEqual([peer.raft.role, peer.raft.leader, peer.raft.term], ["follower", 2, term])
      }
    }
  })

  test("§5.2 a candidate refuses a leader of an older term and goes on", () => {
    const peer = candidate(5)
    assert.isFalse(onlySend(peer.receive(appendEntries(2, 1, 4, [0, 0])), "appendReply").message.success)
    assert.deepEqual([peer.raft.role, peer.raft.leader], ["candidate", 0])
  })

  test("§5.2 when votes are split nobody leads, and a candidate tries again after another drawn silence", () => {
    const peer = candidate(5)
    peer.receive(voteReply(2, 1, 5, false))
    peer.receive(voteReply(3, 1, 5, false))
    assert.equal(peer.raft.role, "follower")
    peer.mono = peer.raft.deadline
    peer.step({ type: "timePassed" })
    peer.receive(voteReply(2, 1, 6, true, true))
    assert.deepEqual([peer.raft.role, peer.raft.term], ["candidate", 6])
  })

  test("§5.2 election timeouts are drawn anew each time from [min, max), by each server for itself", () => {
    const drawn = new Set<number>()
    for (let id = 1; id <= 5; id++) {
      const peer = new Peer(id, { ...FIVE, term: 1 })
      for (let i = 0; i < 40; i++) {
        peer.mono += 1_000
        peer.receive(heartbeat(id === 1 ? 2 : 1, id, 1))
        const silence = peer.raft.deadline - peer.mono
        assert.isTrue(silence >= electionUsMin && silence < electionUsMax)
        drawn.add(silence)
      }
    }
    assert.isAbove(drawn.size, 190)
  })

  test("§5.6 a heartbeat comes several times in the shortest silence that starts an election", () => {
    assert.isAtLeast(electionUsMin / heartbeatUs, 10)
    assert.isAtLeast(electionUsMax, 2 * electionUsMin)
  })
})

describe("§5.3 log replication", () => {
  test("§5.3 a leader appends a command to its log and sends it to every other server", () => {
    const leader = leaderOf(1)
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 1, 1))
    leader.takeReleased()
    const appended = leader.propose("x")
    assert.deepEqual([appended.index, appended.term], [2, 1])
    const sent = sendsOf(leader.step({ type: "turnEnded" }))
    // Replica 3 has not answered yet: it gets nothing more until it is known where its log stands.
    assert.deepEqual(
      sent.map(({ message }) => message),
      [appendEntries(1, 2, 1, [1, 1], [appended], 1)],
    )
  })

  test("§5.3 an entry is committed once a majority has stored it, the leader among them only when it has", () => {
    const leader = leaderOf(1, FIVE)
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 1, 1))
    leader.receive(appendReply(3, 1, 1, 1))
    assert.equal(leader.raft.commitIndex, 0, "its own disk does not have it yet")
    leader.sync()
    assert.equal(leader.raft.commitIndex, 1)
    const other = leaderOf(1, FIVE)
    other.step({ type: "turnEnded" })
    for (const id of [2, 3, 4]) other.receive(appendReply(id, 1, 1, 1))
    assert.equal(other.raft.commitIndex, 1, "three of five without it")
  })

  test("§5.3 committing an entry commits all before it, those of earlier leaders too", () => {
    const leader = leaderOf(4, { log: [1, 1, 2] })
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 4, 4))
    assert.deepEqual(
      leader.applied.map(({ index, term }) => [index, term]),
      [
        [1, 1],
        [2, 1],
        [3, 2],
        [4, 4],
      ],
    )
  })

  test("§5.3 followers learn the commit index from later messages, and apply in log order", () => {
    const group = new Group([1, 2, 3])
    const leader = group.elect(1)
    for (const value of ["a", "b", "c"]) leader.propose(value)
    group.settle()
    group.beat(1)
    for (const id of [2, 3]) {
      assert.equal(group.peer(id).raft.commitIndex, 4)
      assert.deepEqual(
        group.peer(id).applied.map(({ index }) => index),
        [1, 2, 3, 4],
      )
      assert.deepEqual(group.peer(id).words(), leader.words())
    }
  })

  test("§5.3 figure 2: a follower commits no further than the last entry it was just shown to share", () => {
    const peer = new Peer(1, { log: [1, 1, 1, 1] })
    peer.receive(appendEntries(2, 1, 2, [1, 1], [entry(2, 1)], 4))
    assert.equal(peer.raft.commitIndex, 2, "entries 3 and 4 may be another leader's")
  })

  test("§5.3 a follower whose log does not have the entry before refuses the new ones", () => {
    const peer = new Peer(1, { log: [1, 1, 2] })
    const fresh = [entry(4, 3)]
    for (const previous of [
      [3, 3],
      [2, 2],
      [5, 2],
    ] as const) {
      const { message } = onlySend(peer.receive(appendEntries(2, 1, 3, previous, fresh, 9)), "appendReply")
      assert.isFalse(message.success)
      assert.equal(message.rejectedIndex, previous[0])
      assert.deepEqual([peer.terms(), peer.raft.commitIndex], [[1, 1, 2], 0])
    }
    peer.sync()
    assert.isTrue(
      onlySend(peer.receive(appendEntries(2, 1, 3, [3, 2], fresh)), "appendReply").message.success,
    )
    assert.deepEqual(peer.terms(), [1, 1, 2, 3])
  })

  test("§5.3 an entry is acknowledged only when it is durable", () => {
    const peer = new Peer(1)
    peer.receive(appendEntries(2, 1, 1, [0, 0], [entry(1, 1)]))
    assert.deepEqual(peer.takeReleased(), [])
    peer.sync()
    assert.deepEqual(
      peer.takeReleased().map(({ message }) => message),
      [appendReply(1, 2, 1, 1)],
    )
  })

  test("§5.3 conflicting entries and all that follow them are replaced; entries that agree are never cut", () => {
    const peer = new Peer(1, { log: [1, 2, 2, 2] })
    const shared = entriesOf([1, 2, 2, 2])
    peer.receive(appendEntries(2, 1, 3, [1, 1], shared.slice(1, 2)))
    assert.deepEqual(peer.terms(), [1, 2, 2, 2], "an old append came late: what follows stays")
    peer.receive(appendEntries(2, 1, 3, [2, 2], [entry(3, 3)]))
    assert.deepEqual(peer.terms(), [1, 2, 3])
  })

  test("§5.3 figure 7: a leader brings every possible follower's log to its own", () => {
    const leads = [1, 1, 1, 4, 4, 5, 5, 6, 6, 6]
    const logs: Readonly<Record<number, readonly number[]>> = {
      2: [1, 1, 1, 4, 4, 5, 5, 6, 6],
      3: [1, 1, 1, 4],
      4: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6],
      5: [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7],
      6: [1, 1, 1, 4, 4, 4, 4],
      7: [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3],
    }
    const starts: Record<number, PeerStart> = { 1: { log: leads, term: 7 } }
    for (const [id, log] of Object.entries(logs)) starts[Number(id)] = { log, term: 7 }
    const group = new Group([1, 2, 3, 4, 5, 6, 7], starts)
    const leader = group.elect(1)
    assert.deepEqual([leader.raft.role, leader.raft.term], ["leader", 8], "elected by (a), (b), (e) and (f)")
    for (const id of Object.keys(logs)) assert.deepEqual(group.peer(Number(id)).words(), leader.words(), id)
    assert.deepEqual(leader.terms(), [...leads, 8])
  })

  test("§5.3 a leader begins with the entry after its last one, and steps back when refused", () => {
    const leader = leaderOf(6, { log: [1, 1, 1, 5] })
    const [first] = sendsOf(leader.step({ type: "turnEnded" }))
    assert.deepInclude(first!.message, { prevIndex: 4, prevTerm: 5 })
    const refusal = { success: false, rejectedIndex: 4, hintIndex: 2, hintTerm: 1 }
    const reply = { ...appendReply(2, 1, 6, 0), ...refusal } as RaftMessage
    const { message } = onlySend(leader.receive(reply), "appendEntries")
    assert.deepEqual([message.prevIndex, message.entries.map(({ index }) => index)], [2, [3, 4, 5]])
  })

  test("§5.3 a refusal skips all entries of a conflicting term at once: one refusal a term, not one an entry", () => {
    const long = (term: number): number[] => Array.from({ length: 200 }, () => term)
    let refusals = 0
    const group = new Group([1, 2, 3], {
      1: { log: [1, ...long(4), ...long(6)] },
      2: { log: [1, ...long(2), ...long(3), ...long(5)], term: 6 },
    })
    const hand = group.hand.bind(group)
    group.hand = (flying) => {
      if (flying.send.message.type === "appendReply" && !flying.send.message.success) refusals++
      hand(flying)
    }
    group.elect(1)
    assert.deepEqual(group.peer(2).words(), group.peer(1).words())
    assert.isAtMost(refusals, 4)
  })

  test("§5.3 a leader never overwrites or removes an entry of its own log", () => {
    const leader = leaderOf(3, { log: [1, 2] })
    const before = leader.words()
    for (const message of messagesOf(2)) leader.receive(message)
    leader.receive(appendReply(2, 1, 3, 1))
    leader.receive({ ...appendReply(3, 1, 3, 0), success: false, rejectedIndex: 2 } as RaftMessage)
    leader.propose("x")
    assert.deepEqual(leader.words().slice(0, before.length), before)
    assert.equal(leader.raft.role, "leader")
  })

  test("§5.3 a slow follower holds nobody up: a majority is enough", () => {
    const group = new Group([1, 2, 3])
    const leader = group.elect(1)
    group.cut.add(3)
    for (const value of ["a", "b", "c"]) {
      leader.propose(value)
      group.settle()
    }
    assert.equal(leader.raft.commitIndex, 4)
    assert.equal(group.peer(3).raft.lastIndex, 1)
  })

  test("§5.3 a leader retries until a follower has everything, even after the entry is committed", () => {
    const group = new Group([1, 2, 3])
    const leader = group.elect(1)
    group.cut.add(3)
    leader.propose("a")
    group.settle()
    for (let i = 0; i < 5; i++) group.beat(1)
    group.cut.delete(3)
    // One beat to hear that it lags, one more until it is sure that the append was lost.
    for (let i = 0; i < 3; i++) group.beat(1)
    assert.deepEqual(group.peer(3).words(), leader.words())
    assert.equal(group.peer(3).raft.commitIndex, 2)
  })
})

describe("§5.4 safety", () => {
  test("§5.4.1 a voter refuses a candidate whose log ends in an older term, however long it is", () => {
    const log = [1, 1, 3]
    assert.isFalse(grants(new Peer(1, { log }), voteRequest(2, 1, 4, [9, 2])))
    assert.isTrue(grants(new Peer(1, { log }), voteRequest(2, 1, 4, [1, 4])))
  })

  test("§5.4.1 of two logs that end in one term the longer is more up to date, and equals may win", () => {
    const log = [1, 1, 3]
    assert.isFalse(grants(new Peer(1, { log }), voteRequest(2, 1, 4, [2, 3])))
    assert.isTrue(grants(new Peer(1, { log }), voteRequest(2, 1, 4, [3, 3])))
    assert.isTrue(grants(new Peer(1, { log }), voteRequest(2, 1, 4, [4, 3])))
  })

  test("§5.4.1 a refused candidate's term is taken up all the same, and its vote stays free", () => {
    const peer = new Peer(1, { log: [1, 3] })
    assert.isFalse(grants(peer, voteRequest(2, 1, 6, [1, 1])))
    assert.deepEqual([peer.raft.term, peer.raft.votedFor], [6, 0])
    assert.isTrue(grants(peer, voteRequest(3, 1, 6, [2, 3])))
  })

  test("§5.4.1 what a majority has stored is in the log of whoever a majority elects", () => {
    const group = new Group([1, 2, 3])
    const leader = group.elect(1)
    group.cut.add(3)
    leader.propose("a")
    group.settle()
    group.cut.clear()
    group.cut.add(1)
    assert.notEqual(group.elect(3).raft.role, "leader", "replica 3 lacks a committed entry")
    assert.equal(group.elect(2).raft.role, "leader")
    assert.deepEqual(group.peer(2).words().slice(0, 2), leader.words().slice(0, 2))
  })

  test("§5.4.2 figure 8: an entry of an older term is not committed by counting its copies", () => {
    // (c): replica 1 leads term 4 and has brought its entry of term 2 to a majority.
    const leader = leaderOf(4, { ...FIVE, log: [1, 2] })
    leader.sync()
    leader.step({ type: "turnEnded" })
    for (const id of [2, 3, 4, 5]) leader.receive(appendReply(id, 1, 4, 2))
    assert.equal(leader.raft.commitIndex, 0)
    // (e): an entry of its own term on a majority commits both.
    leader.receive(appendReply(2, 1, 4, 3))
    assert.equal(leader.raft.commitIndex, 0)
    leader.receive(appendReply(3, 1, 4, 3))
    assert.equal(leader.raft.commitIndex, 3)
  })

  test("§5.4.2 figure 8 (d): an entry of an older term on a majority may still be replaced", () => {
    const starts: Record<number, PeerStart> = { 1: { log: [1, 2] }, 2: { log: [1, 2] }, 3: { log: [1, 2] } }
    const group = new Group([1, 2, 3, 4, 5], { ...starts, 4: { log: [1] }, 5: { log: [1, 3] } })
    for (const peer of group.peers.values()) peer.receive(voteRequest(5, peer.id, 4, [0, 0]))
    const leader = group.elect(5)
    assert.deepEqual([leader.raft.role, leader.raft.term], ["leader", 5])
    for (const peer of group.peers.values()) assert.deepEqual(peer.terms(), [1, 3, 5])
  })

  test("§5.5 requests are idempotent: one that comes again changes nothing and is answered alike", () => {
    const message = appendEntries(2, 1, 3, [1, 1], [entry(2, 2), entry(3, 3)], 2)
    const peer = new Peer(1, { log: [1] })
    peer.receive(message)
    peer.sync()
    const first = peer.takeReleased().map((send) => send.message)
    const words = peer.words()
    const effects = peer.receive(message)
    assert.isFalse(effects.some((effect) => effect.type === "persist"))
    assert.deepEqual(
      sendsOf(effects).map((send) => send.message),
      first,
    )
    assert.deepEqual([peer.words(), peer.raft.commitIndex], [words, 2])
  })

  test("§5.5 a follower that crashed is brought up to date when it is back", () => {
    const group = new Group([1, 2, 3])
    const leader = group.elect(1)
    leader.propose("a")
    group.settle()
    group.peer(3).receive(appendEntries(1, 3, leader.raft.term, [2, 1], [entry(3, 1, "unsynced")]))
    group.peer(3).restart()
    leader.propose("b")
    for (let i = 0; i < 4; i++) group.beat(1)
    assert.deepEqual(group.peer(3).words(), leader.words())
    assert.deepEqual(
      group.peer(3).applied.map(({ index }) => index),
      [1, 2, 3],
    )
  })

  test("§5.5 an answer that comes late takes back nothing a follower acknowledged", () => {
    const leader = leaderOf(1)
    leader.sync()
    leader.propose("a")
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 1, 1))
    leader.propose("b")
    leader.sync()
    leader.step({ type: "turnEnded" })
    leader.receive(appendReply(2, 1, 1, 3))
    leader.takeReleased()
    leader.receive(appendReply(2, 1, 1, 1))
    leader.receive({ ...appendReply(2, 1, 1, 0), success: false, rejectedIndex: 1 } as RaftMessage)
    const again = leader.takeReleased().filter(({ to }) => to.replica === member(2).replica)
    assert.deepEqual([leader.raft.commitIndex, again], [3, []])
  })
})
