import assert from "node:assert/strict"
import { test } from "vitest"
import {
  applied,
  committed,
  configuration,
  configured,
  entry,
  log,
  role,
  snapshotReply,
  started,
  ToldCluster,
  voted,
  voteReply,
  voteRequest,
} from "../../support/told-cluster.ts"

test("elections, commits, a new leader and an overwritten tail are no violation", () => {
  const cluster = started()
  // Replica 1 appends what nobody else gets; 3 and 2 go on without it.
  cluster.take(1, entry(3, 1))
  cluster.write(3, { type: "hardState", group: 1, term: 1, votedFor: 0 })
  cluster.follow(3, 1, 1, entry(2, 1))
  cluster.elect(2, 2, [2, 3])
  cluster.take(2, entry(3, 2))
  cluster.follow(3, 2, 2, entry(3, 2))
  cluster.say(2, committed(2, 2, 3))
  cluster.say(3, committed(3, 2, 3), applied(3, entry(3, 2), 33))
  cluster.say(1, role(1, 2, "follower"))
  cluster.write(1, { type: "hardState", group: 1, term: 2, votedFor: 0 })
  cluster.follow(1, 2, 2, entry(3, 2))
  cluster.say(1, committed(1, 2, 3), applied(1, entry(3, 2), 33))
  cluster.isQuiet()
})

test("two leaders of one term fire election safety", () => {
  const cluster = started()
  cluster.say(3, role(3, 1, "leader"))
  cluster.fires("RAFT-election-safety")
})

test("a second vote in a term fires one vote, in one boot and over a restart", () => {
  const cluster = started()
  cluster.say(2, voted(2, 1, 3))
  cluster.fires("RAFT-one-vote")

  const restarted = started()
  restarted.crash(2)
  restarted.boot(2, 3, role(2, 1, "follower"), voted(2, 1, 3), log(2, entry(1, 0), entry(2, 1)))
  restarted.fires("RAFT-one-vote")
})

test("a vote that never left its store binds nobody after a crash", () => {
  const cluster = started()
  cluster.say(3, role(3, 2, "follower"), voted(3, 2, 1))
  cluster.crash(3)
  cluster.boot(3, 1, role(3, 0, "follower"), log(3, entry(1, 0)))
  cluster.say(3, voted(3, 2, 2))
  cluster.isQuiet()
})

test("a term that goes back fires monotonic term, in one boot and over a restart", () => {
  const cluster = started()
  cluster.say(2, role(2, 0, "follower"))
  cluster.fires("RAFT-monotonic-term")

  const restarted = started()
  restarted.crash(2)
  restarted.boot(2, 3, role(2, 0, "follower"), log(2, entry(1, 0), entry(2, 1)))
  restarted.fires("RAFT-monotonic-term")
})

test("a commit index that goes back fires monotonic commit", () => {
  const cluster = started()
  cluster.say(2, committed(2, 1, 1))
  cluster.fires("RAFT-monotonic-commit")
})

test("an applied index that goes back fires monotonic applied", () => {
  const cluster = started()
  cluster.say(2, applied(2, entry(1, 0), 11))
  cluster.fires("RAFT-monotonic-applied")
})

test("another entry of the same index and term fires log matching", () => {
  const cluster = started()
  cluster.take(3, entry(2, 1, "other"))
  cluster.fires("RAFT-log-matching")
})

test("equal entries after different ones fire log matching", () => {
  const cluster = started()
  cluster.take(1, entry(3, 1))
  cluster.take(3, entry(2, 0), entry(3, 1))
  cluster.fires("RAFT-log-matching")
})

test("a hole in a log fires log matching", () => {
  const cluster = started()
  cluster.take(3, entry(3, 1))
  cluster.fires("RAFT-log-matching")
})

test("dropping a suffix that nothing contradicts fires log matching", () => {
  const cluster = started()
  cluster.take(3, entry(2, 1), entry(3, 1))
  cluster.take(3, entry(2, 1))
  cluster.fires("RAFT-log-matching")
})

test("a candidate with a stale tail its log should not have fires log matching", () => {
  const cluster = started()
  cluster.say(3, role(3, 2, "candidate"), voted(3, 2, 3))
  cluster.write(3, { type: "hardState", group: 1, term: 2, votedFor: 3 })
  cluster.release(3, voteRequest(3, 1, 2, entry(4, 1)))
  cluster.fires("RAFT-log-matching")
})

test("a leader that overwrites its log fires leader append-only", () => {
  const cluster = started()
  cluster.take(1, entry(3, 1))
  cluster.say(1, log(1, entry(3, 1, "other")))
  cluster.fires("RAFT-leader-append-only")
})

test("a leader without a committed entry of an earlier term fires leader completeness", () => {
  const cluster = started()
  cluster.elect(3, 2, [3, 2])
  cluster.fires("RAFT-leader-completeness")
})

test("a commit a deposed leader completes must be in the log of who leads by then", () => {
  const cluster = started()
  cluster.take(1, entry(3, 1))
  cluster.elect(3, 2, [3])
  cluster.violations.length = 0
  cluster.follow(2, 1, 1, entry(3, 1))
  cluster.say(1, committed(1, 1, 3))
  cluster.fires("RAFT-leader-completeness")
})

test("a follower that commits past its leader, or another entry, fires state machine safety", () => {
  const cluster = started()
  cluster.take(1, entry(3, 1))
  cluster.follow(2, 1, 1, entry(3, 1))
  cluster.say(2, committed(2, 1, 3))
  cluster.fires("RAFT-state-machine-safety")

  const other = started()
  other.take(3, entry(2, 0))
  other.say(3, committed(3, 1, 2))
  other.fires("RAFT-state-machine-safety")

  const beyond = started()
  beyond.say(3, committed(3, 1, 2))
  beyond.fires("RAFT-state-machine-safety")
})

test("dropping a committed entry and applying an uncommitted one fire state machine safety", () => {
  const dropping = started()
  dropping.take(2, entry(2, 2))
  dropping.fires("RAFT-state-machine-safety")

  const hasty = started()
  hasty.take(2, entry(3, 1))
  hasty.say(2, applied(2, entry(3, 1), 33))
  hasty.fires("RAFT-state-machine-safety")
})

test("a commit that only the leader's memory holds fires commit quorum", () => {
  const cluster = started()
  // Its own copy is appended, not synced: one disk of three holds the entry.
  cluster.say(1, log(1, entry(3, 1)))
  cluster.append(1, { type: "entries", group: 1, entries: [entry(3, 1)] })
  cluster.follow(2, 1, 1, entry(3, 1))
  cluster.say(1, committed(1, 1, 3))
  cluster.fires("RAFT-commit-quorum")
})

test("an entry of an older term, committed by counting, fires commit quorum (figure 8)", () => {
  const cluster = started()
  cluster.take(1, entry(3, 1))
  cluster.follow(2, 1, 1, entry(3, 1))
  cluster.elect(1, 2, [1, 3])
  cluster.say(1, committed(1, 2, 3))
  cluster.fires("RAFT-commit-quorum")
})

test("a joint configuration needs a majority of both halves", () => {
  const cluster = started()
  const joint = configuration([1, 4, 5], [1, 2, 3])
  cluster.take(1, entry(3, 1))
  cluster.say(1, configured(1, 3, joint))
  cluster.follow(2, 1, 1, entry(3, 1))
  cluster.isQuiet()
  cluster.say(1, committed(1, 1, 3))
  cluster.fires("RAFT-commit-quorum")
})

test("voters that change at once, or twice at once, fire configuration overlap", () => {
  const cluster = started()
  cluster.take(1, entry(3, 1))
  cluster.say(1, configured(1, 3, configuration([1, 2, 3, 4])))
  cluster.fires("RAFT-config-overlap")

  const twice = started()
  twice.take(1, entry(3, 1))
  twice.say(1, configured(1, 3, configuration([1, 2], [1, 2, 3])))
  twice.take(1, entry(4, 1))
  twice.isQuiet()
  twice.say(1, configured(1, 4, configuration([1, 2])))
  twice.fires("RAFT-config-overlap")
})

test("a change through a committed joint configuration is no violation", () => {
  const cluster = started()
  cluster.take(1, entry(3, 1))
  cluster.say(1, configured(1, 3, configuration([1, 2], [1, 2, 3])))
  cluster.follow(2, 1, 1, entry(3, 1))
  cluster.say(1, committed(1, 1, 3))
  cluster.take(1, entry(4, 1))
  cluster.say(1, configured(1, 4, configuration([1, 2])))
  cluster.follow(2, 1, 1, entry(4, 1))
  cluster.say(1, committed(1, 1, 4))
  cluster.isQuiet()
})

test("another entry may hold another configuration; the same entry may not", () => {
  const changed = (term: number): ToldCluster => {
    const cluster = started()
    cluster.take(1, entry(3, 1))
    cluster.say(1, configured(1, 3, configuration([1, 2], [1, 2, 3])))
    cluster.follow(2, 1, 1, entry(3, 1))
    cluster.say(1, committed(1, 1, 3))
    cluster.take(3, entry(2, 1), entry(3, term))
    cluster.say(3, configured(3, 3, configuration([1, 3], [1, 2, 3])))
    return cluster
  }
  changed(2).isQuiet()
  changed(1).fires("RAFT-config-overlap")
})

test("a snapshot that forgets the membership fires configuration overlap", () => {
  const cluster = started()
  cluster.take(1, entry(3, 1))
  cluster.say(1, configured(1, 3, configuration([1, 2, 3], [1, 2, 3])))
  cluster.follow(2, 1, 1, entry(3, 1))
  cluster.say(1, committed(1, 1, 3), applied(1, entry(3, 1), 33))
  cluster.say(3, role(3, 1, "follower"))
  cluster.write(3, { type: "hardState", group: 1, term: 1, votedFor: 0 })
  cluster.say(3, { ...applied(3, entry(3, 1), 33), digest: 0 } as never)
  cluster.checkpoint(3, 1)
  cluster.checkpointSynced(3, 1)
  cluster.say(3, { type: "snapshotInstalled", group: 1, replica: 3, index: 3, term: 1 })
  cluster.isQuiet()
  cluster.release(3, snapshotReply(3, 1, 1, 3))
  cluster.fires("RAFT-config-overlap")
})

test("a log that a boot read back is kept by a snapshot of the very entry it rests on", () => {
  const cluster = started()
  for (const index of [3, 4]) {
    cluster.take(1, entry(index, 1))
    cluster.follow(2, 1, 1, entry(index, 1))
    cluster.say(1, committed(1, 1, index), applied(1, entry(index, 1), index * 11))
  }
  cluster.say(3, role(3, 1, "follower"))
  cluster.write(3, { type: "hardState", group: 1, term: 1, votedFor: 0 })
  cluster.follow(3, 1, 1, entry(2, 1), entry(3, 1), entry(4, 1))
  cluster.say(3, committed(3, 1, 3), applied(3, entry(3, 1), 33))
  cluster.checkpoint(3, 1)
  cluster.checkpointSynced(3, 1)
  cluster.write(3, { type: "logStart", group: 1, index: 3, term: 1 })
  cluster.crash(3)
  cluster.boot(3, 4, role(3, 1, "follower"), log(3, entry(4, 1)), {
    ...applied(3, entry(3, 1), 33),
    digest: 0,
  } as never)
  cluster.say(3, { type: "snapshotInstalled", group: 1, replica: 3, index: 3, term: 1 })
  cluster.say(3, log(3, entry(5, 1)))
  cluster.isQuiet()
})

test("what the checkers do not know of, a group outside the plan, is left alone", () => {
  const cluster = new ToldCluster()
  cluster.say(1, { type: "roleChanged", group: 7, replica: 1, term: 3, role: "leader" })
  cluster.release(1, { ...voteReply(1, 2, 3), group: 7 })
  assert.deepEqual(cluster.violations, [])
})
