import { assert, test } from "vitest"
import type { HeartbeatReply } from "#kernel/raft/message.ts"
import { appendReply, heartbeatReply, Peer, sendsOf, voteReply } from "../../support/raft-group.ts"
import { NO_SUPPORT } from "../../support/no-support.ts"

test("a store that is to be stopped leaves an election to the others that live", () => {
  const peer = new Peer(1, { term: 2, log: [1] })
  peer.isDraining = true
  // Nobody has promised anything: it is free to vote, and so to campaign.
  peer.support = { ...NO_SUPPORT, givenTo: (store) => (store === 3 ? 7 : 0) }
  const deadline = peer.raft.deadline
  peer.mono = deadline
  assert.deepEqual(sendsOf(peer.step({ type: "timePassed" })), [])
  assert.equal(peer.raft.role, "follower")
  assert.isAbove(peer.raft.deadline, deadline, "it looks again")
  peer.isDraining = false
  peer.mono = peer.raft.deadline
  assert.equal(sendsOf(peer.step({ type: "timePassed" })).length, 2)
})

test("where no other store lives, it does what it can", () => {
  const peer = new Peer(1, { term: 2, log: [1] })
  peer.isDraining = true
  peer.mono = peer.raft.deadline
  assert.equal(sendsOf(peer.step({ type: "timePassed" })).length, 2)
})

/** Its stores count each other alive in epoch 5, and both members have promised themselves to it. */
function fortifiedLeader(): Peer {
  const peer = new Peer(1, { term: 1, log: [1] })
  const hadFrom = (store: number): { incarnation: number; boot: number; epoch: number } => {
    return { incarnation: store, boot: 1, epoch: 5 }
  }
  peer.support = { ...NO_SUPPORT, givenTo: () => 5, hadFrom }
  peer.mono = peer.raft.deadline
  peer.step({ type: "timePassed" })
  peer.receive(voteReply(2, 1, 2, true, true))
  peer.sync()
  peer.receive(voteReply(2, 1, 2))
  peer.sync()
  assert.isTrue(peer.raft.isLeader)
  for (const from of [2, 3]) {
    acknowledge(peer, from)
    const reply = heartbeatReply(from, 1, 2, 0, peer.raft.lastIndex) as HeartbeatReply
    peer.receive({ ...reply, home: from, epoch: 5, commitIndex: peer.raft.commitIndex })
  }
  return peer
}

function acknowledge(peer: Peer, from: number): void {
  peer.receive(appendReply(from, 1, 2, peer.raft.lastIndex))
}

const heirsOf = (peer: Peer): readonly number[] => peer.raft.heirs(peer.context).map(({ replica }) => replica)

test("who may lead next lacks sixteen entries at the most, and may again when it has caught up", () => {
  const peer = fortifiedLeader()
  assert.deepEqual(heirsOf(peer), [2, 3])
  for (let behind = 1; behind <= 40; behind++) {
    peer.propose(`${behind}`)
    peer.step({ type: "turnEnded" })
    peer.sync()
    acknowledge(peer, 2)
    assert.deepEqual(heirsOf(peer), behind <= 16 ? [2, 3] : [2], `${behind} behind`)
  }
  acknowledge(peer, 3)
  assert.deepEqual(heirsOf(peer), [2, 3])
})

test("a leader that is to go offers itself to nobody who lacks more than sixteen entries", () => {
  for (const behind of [16, 17]) {
    const peer = fortifiedLeader()
    for (let i = 0; i < behind; i++) peer.propose(`${i}`)
    peer.step({ type: "turnEnded" })
    peer.sync()
    const { offer } = peer.raft.offer(0, false, peer.context)
    assert.equal(offer, behind <= 16 ? "made" : "later", `${behind} behind`)
  }
})
