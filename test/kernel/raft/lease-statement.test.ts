import { assert, test } from "vitest"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import type { RaftMessage } from "#kernel/raft/message.ts"
import { NO_SUPPORT } from "../../support/no-support.ts"
import { appendReply, heartbeatReply, leaderOf, sendsOf, type Peer } from "../../support/raft-group.ts"

/** What a leader says of the group's age at its next heartbeat. */
function stated(leader: Peer): readonly [wall: number, commit: number] {
  leader.mono += DEFAULT_TIMING.heartbeatUs
  const beats = sendsOf(leader.step({ type: "timePassed" })).map(({ message }) => message)
  const beat = beats.find((message) => message.type === "heartbeat")
  assert.isDefined(beat)
  return [beat.statedWall, beat.statedCommit]
}

test("a leader with a lease states nothing before it has committed an entry of its own term", () => {
  const leader = leaderOf(2, { log: [1, 1] })
  const name = { incarnation: 2, boot: 1, life: 1, epoch: 1 }
  leader.support = { ...NO_SUPPORT, hadFrom: (store) => (store === 2 ? name : null) }
  leader.receive({ ...heartbeatReply(2, 1, 2), home: 2, boot: 1, epoch: 1 } as RaftMessage)
  assert.isTrue(leader.raft.holdsLease(leader.context))
  // What earlier leaders committed and answered for, it does not know yet.
  assert.deepEqual([leader.raft.commitIndex, stated(leader)], [0, [0, 0]])
  leader.sync()
  leader.step({ type: "turnEnded" })
  leader.receive(appendReply(2, 1, 2, 3))
  assert.equal(leader.raft.commitIndex, 3)
  const [wall, commit] = stated(leader)
  assert.deepEqual([wall, commit], [leader.mono, 3])
})
