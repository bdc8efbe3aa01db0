import { assert, describe, test } from "vitest"
import type { Support, SupportName } from "#kernel/liveness/support.ts"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import type { DeFortify, Heartbeat, HeartbeatReply, RaftMessage } from "#kernel/raft/message.ts"
import { heartbeat, heartbeatReply, member, Peer, voteRequest } from "../../support/raft-group.ts"
import { NO_SUPPORT } from "../../support/no-support.ts"

const SECOND = 1_000_000

/** What stores promise each other, as the test says. */
class Told implements Support {
  readonly incarnation = 1
  readonly boot = 1
  readonly life = 1
  forgetfulUntil = 0
  isAsking = true
  /** By store: the epoch of the support given to it. */
  readonly given = new Map<number, number>()
  /** By store: the epoch of the support had from it. */
  readonly had = new Map<number, number>()

  givenTo(store: number): number {
    return this.given.get(store) ?? 0
  }
  givenIn(store: number, life: number): number {
    return life === 1 ? this.givenTo(store) : 0
  }
  hadFrom(store: number): SupportName | null {
    const epoch = this.had.get(store)
    return epoch === undefined ? null : { incarnation: store, boot: 1, epoch }
  }
}

function told(peer: Peer): Told {
  const support = new Told()
  peer.support = support
  return support
}

/** A follower of replica 1 in term 2, whose store supports that of replica 1 in epoch 5. */
function follower(): { readonly peer: Peer; readonly support: Told } {
  const peer = new Peer(2, { term: 2, log: [1] })
  const support = told(peer)
  support.given.set(1, 5)
  peer.receive(heartbeat(1, 2, 2))
  return { peer, support }
}

function sentBy(peer: Peer, type: RaftMessage["type"]): readonly RaftMessage[] {
  return peer.takeReleased().flatMap(({ message }) => (message.type === type ? [message] : []))
}

/** A leader of term 2 of three, with its first entry committed. */
function leader(): { readonly peer: Peer; readonly support: Told } {
  const peer = new Peer(1, { term: 1, log: [1] })
  const support = told(peer)
  peer.mono = 10 * SECOND
  peer.step({ type: "timePassed" })
  const base = { type: "voteReply", group: 1, to: 1, granted: true } as const
  peer.receive({ ...base, from: 2, term: 2, preVote: true })
  peer.sync()
  peer.receive({ ...base, from: 2, term: 2, preVote: false })
  assert.isTrue(peer.raft.isLeader)
  peer.sync()
  for (const from of [2, 3]) acknowledge(peer, from, peer.raft.lastIndex)
  peer.takeReleased()
  return { peer, support }
}

function acknowledge(peer: Peer, from: number, matchIndex: number): void {
  const nothing = { rejectedIndex: 0, hintIndex: 0, hintTerm: 0, wantsSnapshot: false }
  const { term } = peer.raft
  peer.receive({ type: "appendReply", group: 1, from, to: 1, term, success: true, matchIndex, ...nothing })
}

function fortify(peer: Peer, from: number, epoch: number, commitIndex = peer.raft.commitIndex): void {
  const reply = heartbeatReply(from, 1, peer.raft.term, 0, peer.raft.lastIndex) as HeartbeatReply
  peer.receive({ ...reply, home: from, boot: 1, epoch, commitIndex })
}

describe("a member that supports the store of its leader", () => {
  test("says so, and then grants no vote and no pre-vote and raises no term for one", () => {
    const { peer } = follower()
    peer.sync()
    const [reply] = sentBy(peer, "heartbeatReply") as HeartbeatReply[]
    assert.deepEqual([reply!.boot, reply!.epoch], [1, 5])
    peer.mono += 10 * SECOND
    peer.receive(voteRequest(3, 2, 3, [9, 9]))
    peer.receive({ ...voteRequest(3, 2, 3, [9, 9]), preVote: true })
    const replies = sentBy(peer, "voteReply")
    assert.deepEqual(
      replies.map((each) => each.type === "voteReply" && [each.preVote, each.granted]),
      [[true, false]],
    )
    assert.equal(peer.raft.term, 2)
  })

  test("votes for whom its leader has asked to take over", () => {
    const { peer } = follower()
    peer.receive({ ...voteRequest(3, 2, 3, [9, 9]), transfer: true })
    assert.deepEqual([peer.raft.term, peer.raft.votedFor], [3, 3])
  })

  test("does not campaign either: after its silence it asks, and stays who it is", () => {
    const { peer } = follower()
    peer.takeReleased()
    peer.mono = peer.raft.deadline
    peer.step({ type: "timePassed" })
    assert.deepEqual([peer.raft.role, peer.raft.term], ["follower", 2])
    assert.isTrue(sentBy(peer, "voteRequest").every((each) => each.type === "voteRequest" && each.preVote))
  })

  test("waits for no time when its leader rests, and within the stagger campaigns when the support ends", () => {
    const { peer, support } = follower()
    assert.isBelow(peer.raft.deadline, Number.MAX_SAFE_INTEGER)
    peer.receive({ ...(heartbeat(1, 2, 2) as Heartbeat), rests: true })
    assert.equal(peer.raft.deadline, Number.MAX_SAFE_INTEGER)
    support.given.delete(1)
    peer.step({ type: "supportChanged", change: { store: 1, type: "givenEnded" } })
    assert.isAtMost(peer.raft.deadline, peer.mono + DEFAULT_TIMING.staggerUs)
    peer.mono = peer.raft.deadline
    peer.step({ type: "timePassed" })
    assert.equal(peer.raft.role, "candidate")
  })

  test("is free in another epoch, and waits an ordinary silence for a leader that lives", () => {
    const { peer, support } = follower()
    support.given.set(1, 6)
    peer.step({ type: "supportChanged", change: { store: 1, type: "givenRenewed" } })
    assert.isAtLeast(peer.raft.deadline, peer.mono + DEFAULT_TIMING.electionUsMin)
    assert.equal(peer.raft.promisedTo, 0)
  })

  test("is freed by its leader's word, and not bound again by what was under way", () => {
    const { peer } = follower()
    peer.receive({ type: "deFortify", group: 1, from: 1, to: 2, term: 2 })
    assert.equal(peer.raft.promisedTo, 0)
    peer.receive(heartbeat(1, 2, 2))
    assert.equal(peer.raft.promisedTo, 0)
    peer.receive(heartbeat(3, 2, 3))
    assert.equal(peer.raft.promisedTo, 0, "its store does not support the new leader's")
  })

  test("is not bound by a word of a life that its leader's store has given up", () => {
    const peer = new Peer(2, { term: 2, log: [1] })
    told(peer).given.set(1, 5)
    peer.receive({ ...(heartbeat(1, 2, 2) as Heartbeat), life: 0 })
    assert.equal(peer.raft.promisedTo, 0)
  })
})

test("one that may have forgotten what it promised grants nothing until that is over", () => {
  const peer = new Peer(2, { term: 2, log: [1] })
  told(peer).forgetfulUntil = 3 * SECOND
  peer.mono = 3 * SECOND - 1
  peer.receive(voteRequest(3, 2, 3, [9, 9]))
  peer.step({ type: "timePassed" })
  assert.deepEqual([peer.raft.votedFor, peer.raft.role], [0, "follower"])
  assert.isAtMost(peer.raft.deadline, 3 * SECOND + DEFAULT_TIMING.staggerUs)
  peer.mono = 3 * SECOND
  peer.receive(voteRequest(3, 2, 3, [9, 9]))
  assert.equal(peer.raft.votedFor, 3)
})

describe("a leader", () => {
  test("holds a lease while a quorum is fortified in an epoch that stands", () => {
    const { peer, support } = leader()
    assert.isFalse(peer.raft.holdsLease(peer.context))
    support.had.set(2, 4)
    assert.isFalse(peer.raft.holdsLease(peer.context), "support is no promise of the member")
    fortify(peer, 2, 4)
    assert.isTrue(peer.raft.holdsLease(peer.context))
    support.had.set(2, 5)
    assert.isFalse(peer.raft.holdsLease(peer.context), "what was promised in the epoch before")
    fortify(peer, 2, 5)
    fortify(peer, 2, 4)
    assert.isTrue(peer.raft.holdsLease(peer.context), "an answer that was late changes nothing")
    support.isAsking = false
    assert.isFalse(peer.raft.holdsLease(peer.context))
  })

  test("has none any more once it has asked another to take over", () => {
    const { peer, support } = leader()
    support.had.set(2, 4)
    fortify(peer, 2, 4)
    assert.isNull(peer.administer({ type: "transferLeader", store: 3 }))
    assert.isTrue(peer.raft.transfer!.asked)
    assert.isFalse(peer.raft.holdsLease(peer.context))
  })

  test("states how old the group is only with a lease", () => {
    const { peer, support } = leader()
    peer.mono += DEFAULT_TIMING.heartbeatUs
    peer.step({ type: "timePassed" })
    const stated = (): readonly number[] =>
      (sentBy(peer, "heartbeat") as Heartbeat[]).map((each) => each.statedWall)
    assert.deepEqual(stated(), [0, 0])
    support.had.set(2, 4)
    fortify(peer, 2, 4)
    peer.mono += DEFAULT_TIMING.heartbeatUs
    peer.step({ type: "timePassed" })
    assert.deepEqual(stated(), [peer.mono, peer.mono])
  })

  test("rests when all who can be reached have everything and say so, and speaks again when there is something to say", () => {
    const { peer, support } = leader()
    const beat = (): readonly Heartbeat[] => {
      peer.mono += DEFAULT_TIMING.heartbeatUs
      peer.step({ type: "timePassed" })
      return sentBy(peer, "heartbeat") as Heartbeat[]
    }
    support.had.set(2, 4)
    support.had.set(3, 9)
    fortify(peer, 2, 4)
    assert.isFalse(beat()[0]!.rests, "one has promised nothing yet")
    fortify(peer, 3, 9, 0)
    assert.isFalse(beat()[0]!.rests, "one does not know what is committed")
    fortify(peer, 3, 9)
    assert.isTrue(beat()[0]!.rests)
    assert.equal(peer.raft.deadline, Number.MAX_SAFE_INTEGER)
    support.had.set(3, 10)
    peer.step({ type: "supportChanged", change: { store: 3, type: "hadBegan" } })
    assert.isFalse(beat()[0]!.rests, "who comes back is spoken to")
    support.had.delete(3)
    assert.isTrue(beat()[0]!.rests, "who cannot be reached is not waited for")
    peer.propose("x")
    assert.isAtMost(peer.raft.deadline, peer.mono)
  })

  test("that steps down says so, again and again until a newer one is known", () => {
    const { peer } = leader()
    peer.isFenced = true
    peer.step({ type: "timePassed" })
    const words = (): readonly number[] => (sentBy(peer, "deFortify") as DeFortify[]).map((each) => each.term)
    assert.deepEqual(words(), [2, 2])
    peer.mono = peer.raft.deadline
    peer.step({ type: "timePassed" })
    assert.deepEqual(words(), [2, 2])
    peer.receive(heartbeat(3, 1, 4), member(3))
    peer.mono = peer.raft.deadline
    peer.step({ type: "timePassed" })
    assert.deepEqual(words(), [])
  })
})

test("without any support between stores Raft is as the paper has it", () => {
  const peer = new Peer(2, { term: 2, log: [1] })
  assert.equal(peer.support, NO_SUPPORT)
  peer.receive(heartbeat(1, 2, 2))
  peer.mono = peer.raft.deadline
  peer.step({ type: "timePassed" })
  assert.equal(peer.raft.role, "candidate")
})
