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
  leaderOf,
  member,
  Peer,
} from "../../support/raft-group.ts"

// What a process acknowledged, a later one on the same disk may not have: an image of the disk, damage that nobody sees.

const { heartbeatUs } = DEFAULT_TIMING

/** A leader of term 2 with entries up to 4, the last of its own term, that 2 has acknowledged in its first boot. */
function acknowledged(): Peer {
  const leader = leaderOf(2, { log: [1, 1, 1] })
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 2, 4))
  assert.equal(leader.raft.commitIndex, 4)
  leader.mono += heartbeatUs
  leader.step({ type: "timePassed" })
  leader.mono += heartbeatUs
  leader.takeReleased()
  return leader
}

function alive(leader: Peer, more: { lastIndex?: number; commitIndex?: number } = {}): RaftMessage {
  const standing = { lastIndex: 4, commitIndex: 4, sentMono: leader.mono, ...more }
  return { ...heartbeatReply(2, 1, 2), ...standing }
}

/** What a leader says to 2, each heartbeat with its commit index and each append with where it begins. */
function saidTo2(leader: Peer): readonly string[] {
  return leader
    .takeReleased()
    .filter(({ to }) => to.replica === 2)
    .map(({ message }) => {
      if (message.type === "heartbeat") return `heartbeat ${message.leaderCommit}`
      if (message.type === "appendEntries") return `append ${message.prevIndex}+${message.entries.length}`
      return message.type
    })
}

function beat(leader: Peer): readonly string[] {
  leader.mono += heartbeatUs
  leader.step({ type: "timePassed" })
  return saidTo2(leader)
}

test("a heartbeat commits what its leader has shown to this process in this term, and nothing else", () => {
  const follower = new Peer(2, { log: [1, 1, 2] })
  follower.receive(heartbeat(1, 2, 3, 3))
  assert.equal(follower.raft.commitIndex, 0, "they may be other entries")
  follower.receive(appendEntries(1, 2, 3, [2, 1]))
  follower.receive(heartbeat(1, 2, 3, 3))
  assert.equal(follower.raft.commitIndex, 2)
  follower.receive(appendEntries(1, 2, 3, [2, 1], [entry(3, 2)]))
  follower.sync()
  follower.restart()
  follower.receive(heartbeat(1, 2, 3, 3))
  assert.equal(follower.raft.commitIndex, 0, "shown to the process before")
  follower.receive(appendEntries(1, 2, 3, [3, 2]))
  follower.receive(heartbeat(3, 2, 4, 3))
  assert.equal(follower.raft.commitIndex, 0, "shown by the leader before")
  follower.receive(appendEntries(3, 2, 4, [3, 2]))
  follower.receive(heartbeat(3, 2, 4, 3))
  assert.equal(follower.raft.commitIndex, 3)
})

test("how far a leader has shown its log is saved", () => {
  const follower = new Peer(2, { log: [1, 1, 1] })
  follower.receive(appendEntries(1, 2, 3, [2, 1]))
  const bytes = bytesOf(follower.raft)
  follower.raft = Raft.load(new ByteReader(bytes), follower.timing, follower.limits)
  assert.deepEqual(bytesOf(follower.raft), bytes)
  follower.receive(heartbeat(1, 2, 3, 3))
  assert.equal(follower.raft.commitIndex, 2)
})

test("to a member that was started anew heartbeats commit nothing before it has acknowledged again where it stood", () => {
  const leader = acknowledged()
  leader.receive(alive(leader))
  assert.deepEqual(beat(leader), ["heartbeat 4"])
  leader.receive(alive(leader, { commitIndex: 0 }), member(2), 2)
  assert.deepEqual(saidTo2(leader), ["append 4+0"])
  assert.deepEqual(beat(leader), ["heartbeat 0"])
  leader.receive(appendReply(2, 1, 2, 4), member(2), 2)
  assert.deepEqual(beat(leader), ["heartbeat 4"])
})

test("one whose log is another one now, though no shorter, is sent what it lacks", () => {
  const leader = acknowledged()
  leader.receive(alive(leader, { commitIndex: 0 }), member(2), 2)
  assert.deepEqual(saidTo2(leader), ["append 4+0"])
  const refusal = { success: false, matchIndex: 0, rejectedIndex: 4, hintIndex: 3, hintTerm: 1 }
  leader.receive({ ...appendReply(2, 1, 2, 0), ...refusal }, member(2), 2)
  assert.deepEqual(saidTo2(leader), ["append 3+1"])
})

test("what a process that is gone acknowledged still counts against the next one", () => {
  const leader = acknowledged()
  leader.receive(alive(leader))
  leader.mono += 1
  leader.receive(alive(leader, { lastIndex: 3, commitIndex: 0 }), member(2), 2)
  assert.isTrue(leader.raft.hasLost)
  // Also when it said something else first, and what it acknowledged last was never held against anything.
  const other = acknowledged()
  other.receive({ ...appendReply(2, 1, 2, 0), success: false } as RaftMessage, member(2), 2)
  other.receive(alive(other, { lastIndex: 3, commitIndex: 0 }), member(2), 2)
  assert.isTrue(other.raft.hasLost)
})

test("one that was not seen to start, and does not know that it has what is committed, is shown it by an append", () => {
  const leader = acknowledged()
  leader.receive(alive(leader))
  assert.deepEqual(saidTo2(leader), [])
  leader.mono += heartbeatUs
  leader.receive(alive(leader, { commitIndex: 0 }))
  assert.deepEqual(saidTo2(leader), ["append 4+0"])
})

test("a quorum does not rest on what a process acknowledged that is gone", () => {
  const leader = acknowledged()
  leader.propose("x")
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 2, 5))
  assert.equal(leader.raft.commitIndex, 4, "not durable here")
  leader.receive(alive(leader, { lastIndex: 5, commitIndex: 4 }), member(2), 2)
  leader.sync()
  assert.equal(leader.raft.commitIndex, 4)
  leader.receive(appendReply(2, 1, 2, 5), member(2), 2)
  assert.equal(leader.raft.commitIndex, 5)
})
