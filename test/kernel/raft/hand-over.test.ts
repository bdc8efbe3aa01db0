import { assert, test } from "vitest"
import { Peer, sendsOf } from "../../support/raft-group.ts"
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
