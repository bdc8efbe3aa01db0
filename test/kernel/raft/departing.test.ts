import { assert, test } from "vitest"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import type { RaftMessage } from "#kernel/raft/message.ts"
import {
  appendReply,
  configurationOf,
  heartbeatReply,
  leaderOf,
  type Peer,
  type Send,
  voteRequest,
} from "../../support/raft-group.ts"

const { electionUsMax, electionUsMin, heartbeatUs } = DEFAULT_TIMING

/** A leader of term 2 whose log starts after entry 4, and a follower 3 that has nothing. */
function compacted(learners: readonly number[] = []): Peer {
  const voters = learners.length > 0 ? [1, 2] : [1, 2, 3]
  const leader = leaderOf(2, { log: [1, 1, 1], configuration: configurationOf(voters, [], learners) })
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 2, 4))
  leader.compact(4)
  leader.takeReleased()
  return leader
}

/** Replica 2 has all that this leader has, durably. */
function commit(leader: Peer): void {
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 2, leader.raft.lastIndex))
}

function refuses(leader: Peer): void {
  const hints = { success: false, rejectedIndex: 3, hintIndex: 0, hintTerm: 0 }
  leader.receive({ ...appendReply(3, 1, 2, 0), ...hints })
}

function to3(leader: Peer): readonly Send[] {
  return leader.takeReleased().filter((send) => send.to.replica === 3)
}

function typesTo3(leader: Peer): readonly string[] {
  return to3(leader).map((send) => send.message.type)
}

test("who left and lies behind the log is told so once that is committed, and never sent a snapshot", () => {
  const leader = compacted()
  assert.isNull(leader.administer({ type: "removeReplica", store: 3 }))
  commit(leader)
  assert.equal(leader.raft.commitIndex, 5, "both majorities have the joint configuration")
  leader.takeReleased()
  refuses(leader)
  assert.deepEqual(typesTo3(leader), [], "another leader may still keep it")
  commit(leader)
  leader.compact(leader.raft.commitIndex)
  leader.takeReleased()

  leader.mono += heartbeatUs
  const answer = { ...heartbeatReply(3, 1, 2), sentMono: leader.mono } as RaftMessage
  leader.receive(answer)
  assert.deepEqual(
    to3(leader).map(({ message, lane }) => [message, lane]),
    [[{ type: "removed", group: 1, from: 1, to: 3, term: 2 }, "raft"]],
  )
  leader.step({ type: "turnEnded" })
  leader.propose("x")
  leader.step({ type: "turnEnded" })
  assert.deepEqual(typesTo3(leader), [], "not with every turn")
  leader.receive({ ...appendReply(3, 1, 2, 0), success: false, wantsSnapshot: true } as RaftMessage)
  assert.deepEqual(typesTo3(leader), ["removed"], "whatever it asks for")
  assert.isFalse(leader.raft.snapshots.isSending)
  assert.deepEqual(leader.raft.snapshots.holds(leader.mono), [])

  leader.mono += 2 * electionUsMax
  leader.receive(appendReply(2, 1, 2, leader.raft.lastIndex))
  leader.step({ type: "timePassed" })
  leader.takeReleased()
  leader.receive({ ...answer, sentMono: leader.mono } as RaftMessage)
  assert.deepEqual(typesTo3(leader), [], "it was silent for long: forgotten")
  leader.receive(voteRequest(3, 1, 2, [0, 0], { preVote: true }))
  assert.deepEqual(typesTo3(leader), ["removed"], "until it asks")
})

test("who left and says nothing is told again now and then, as long as it is sent to", () => {
  const leader = compacted()
  assert.isNull(leader.administer({ type: "removeReplica", store: 3 }))
  commit(leader)
  commit(leader)
  leader.compact(leader.raft.commitIndex)
  leader.takeReleased()
  leader.step({ type: "turnEnded" })
  let told = 0
  const until = leader.mono + 2 * electionUsMax
  while (leader.mono < until) {
    leader.mono += heartbeatUs
    leader.receive({ ...heartbeatReply(2, 1, 2, 0, 6), commitIndex: 6 } as RaftMessage)
    leader.step({ type: "timePassed" })
    const types = typesTo3(leader)
    assert.notInclude(types, "snapshotOffer")
    if (types.includes("removed")) told++
  }
  assert.isAtLeast(told, 1)
  assert.isAtMost(told, Math.ceil((2 * electionUsMax) / electionUsMin))
})

test("a snapshot on its way to who leaves is for nobody: the log waits for it no more", () => {
  for (const learners of [[], [3]]) {
    const leader = compacted(learners)
    const { snapshots } = leader.raft
    leader.propose("x")
    refuses(leader)
    assert.deepEqual(typesTo3(leader), ["snapshotOffer"])
    snapshots.begun(3, 4, 0)
    assert.deepEqual(snapshots.holds(leader.mono), [{ index: 4, carried: 0, stateBytes: 0 }])
    assert.isNull(leader.administer({ type: "removeReplica", store: 3 }))
    if (learners.length === 0) {
      assert.isTrue(snapshots.awaits(3), "it is a voter of the joint configuration")
      commit(leader)
    }
    assert.isFalse(snapshots.awaits(3))
    assert.isFalse(snapshots.isSending)
    assert.deepEqual(snapshots.holds(leader.mono), [])
    leader.takeReleased()
    refuses(leader)
    leader.step({ type: "turnEnded" })
    assert.notInclude(typesTo3(leader), "snapshotOffer")
  }
})
