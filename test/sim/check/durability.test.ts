import { test } from "vitest"
import {
  appendReply,
  applied,
  committed,
  entry,
  hardState,
  log,
  role,
  snapshotReply,
  started,
  voted,
  voteReply,
  voteRequest,
} from "../../support/told-cluster.ts"

test("a vote that leaves before its sync fires vote durable", () => {
  const cluster = started()
  cluster.say(3, role(3, 2, "follower"), voted(3, 2, 2))
  cluster.append(3, hardState(2, 2))
  cluster.release(3, voteReply(3, 2, 2))
  cluster.fires("RAFT-vote-durable")
})

test("a vote that was synced, but for someone else, fires vote durable", () => {
  const cluster = started()
  cluster.say(3, role(3, 2, "follower"), voted(3, 2, 2))
  cluster.write(3, hardState(2, 0))
  cluster.release(3, voteReply(3, 2, 2))
  cluster.fires("RAFT-vote-durable")
})

test("a candidacy that leaves before its sync fires vote durable", () => {
  const cluster = started()
  cluster.say(2, role(2, 2, "candidate"), voted(2, 2, 2))
  cluster.release(2, voteRequest(2, 1, 2, entry(2, 1)))
  cluster.fires("RAFT-vote-durable")
})

test("an acknowledgement before the sync fires ack durable, after it none", () => {
  const cluster = started()
  cluster.say(3, role(3, 1, "follower"), log(3, entry(2, 1)))
  const lsn = cluster.append(3, hardState(1, 0), { type: "entries", group: 1, entries: [entry(2, 1)] })
  cluster.sync(3, lsn)
  cluster.release(3, appendReply(3, 1, 1, 2))
  cluster.isQuiet()
  cluster.say(3, log(3, entry(3, 1)))
  cluster.append(3, { type: "entries", group: 1, entries: [entry(3, 1)] })
  cluster.release(3, appendReply(3, 1, 1, 3))
  cluster.fires("RAFT-ack-durable")
})

test("an acknowledgement of a frame that holds something else fires ack durable", () => {
  const cluster = started()
  cluster.say(2, log(2, entry(3, 1)))
  cluster.write(2, { type: "entries", group: 1, entries: [entry(3, 1, "other")] })
  cluster.release(2, appendReply(2, 1, 1, 3))
  cluster.fires("RAFT-ack-durable")
})

test("an acknowledgement in a term that is not on the disk fires ack durable", () => {
  const cluster = started()
  cluster.take(3, entry(2, 1))
  cluster.release(3, appendReply(3, 1, 1, 2))
  cluster.fires("RAFT-ack-durable")
})

test("dropping in the same term what was acknowledged fires ack durable", () => {
  const cluster = started()
  cluster.follow(2, 1, 1, entry(3, 1), entry(4, 1))
  cluster.take(2, entry(3, 1))
  cluster.fires("RAFT-ack-durable")
})

test("a newer leader may take back what an older one was promised", () => {
  const cluster = started()
  cluster.write(3, hardState(1, 0))
  cluster.follow(3, 1, 1, entry(2, 1))
  cluster.follow(2, 1, 1, entry(3, 1))
  cluster.elect(3, 2, [3, 1])
  cluster.take(3, entry(3, 2))
  // Its follower has said nothing of the new term yet: only the frame it received names it.
  const message = { ...appendReply(3, 2, 2, 0), success: false }
  const header = { version: 2, cluster: "c", fromStore: 3, toStore: 2, fromIncarnation: 3 }
  cluster.step(
    2,
    {
      type: "frame",
      frame: {
        header: { ...header, fromBoot: 1, fromNonce: 1, volumes: [], configEpoch: 0, wall: 0 },
        messages: [message],
      },
    },
    [{ type: "observe", observation: log(2, entry(3, 2)) }],
  )
  cluster.isQuiet()
})

test("a snapshot acknowledged before its checkpoint is durable fires ack durable, after it none", () => {
  const cluster = started()
  cluster.write(3, hardState(1, 0))
  cluster.say(3, role(3, 1, "follower"), { ...applied(3, entry(2, 1), 22), digest: 0 } as never)
  cluster.checkpoint(3, 1)
  cluster.release(3, snapshotReply(3, 1, 1, 2))
  cluster.fires("RAFT-ack-durable")

  const patient = started()
  patient.write(3, hardState(1, 0))
  patient.say(3, role(3, 1, "follower"), { ...applied(3, entry(2, 1), 22), digest: 0 } as never)
  patient.checkpoint(3, 1)
  patient.checkpointSynced(3, 1)
  patient.say(3, { type: "snapshotInstalled", group: 1, replica: 3, index: 2, term: 1 })
  patient.release(3, snapshotReply(3, 1, 1, 2))
  patient.follow(3, 1, 1, entry(3, 1))
  patient.take(1, entry(3, 1))
  patient.say(1, committed(1, 1, 3))
  patient.isQuiet()
})

test("where disks are damaged, a checkpoint number that is given again is another checkpoint", () => {
  const cluster = started(true)
  cluster.checkpoint(2, 1)
  cluster.crash(2)
  cluster.boot(2, 3, role(2, 1, "recovering"), voted(2, 1, 1), log(2, entry(1, 0)))
  cluster.say(2, { ...applied(2, entry(2, 1), 22), digest: 0 } as never)
  cluster.checkpoint(2, 1)
  cluster.checkpointSynced(2, 1)
  cluster.say(2, { type: "snapshotInstalled", group: 1, replica: 2, index: 2, term: 1 })
  cluster.release(2, snapshotReply(2, 1, 1, 2))
  cluster.isQuiet()
})

test("a replica whose damaged disk lost its term fires nothing while it says so, and may not vote again", () => {
  const honest = started(true)
  honest.crash(2)
  honest.boot(2, 2, role(2, 0, "recovering"), log(2, entry(1, 0)))
  honest.isQuiet()
  honest.say(2, role(2, 1, "follower"), voted(2, 1, 3))
  honest.write(2, hardState(1, 3))
  honest.release(2, voteReply(2, 3, 1))
  honest.fires("RAFT-one-vote")

  const careless = started(true)
  careless.crash(2)
  careless.boot(2, 2, role(2, 0, "follower"), log(2, entry(1, 0)))
  careless.fires("RAFT-monotonic-term")
})

test("a store that may have forgotten is held to what it says after a crash, any other to what it said before", () => {
  for (const forgetful of [2, 3]) {
    const cluster = started(true, [forgetful])
    cluster.crash(2)
    cluster.boot(2, 2, role(2, 0, "follower"), log(2, entry(1, 0)))
    if (forgetful === 2) cluster.isQuiet()
    else cluster.fires("RAFT-monotonic-term")
  }
})
