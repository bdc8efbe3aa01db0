import { test } from "vitest"
import {
  applied,
  committed,
  entry,
  hardState,
  log,
  role,
  started,
  voted,
} from "../../support/told-cluster.ts"

// Store 2 has written three frames by the time a cluster has started: its birth, its vote, entry 2.

test("a boot that recovers all that was synced, and all or none of what was not, is no violation", () => {
  for (const survives of [true, false]) {
    const cluster = started()
    cluster.say(2, log(2, entry(3, 1)))
    cluster.append(2, { type: "entries", group: 1, entries: [entry(3, 1)] })
    cluster.crash(2)
    const kept = survives ? [entry(1, 0), entry(2, 1), entry(3, 1)] : [entry(1, 0), entry(2, 1)]
    cluster.boot(2, survives ? 4 : 3, role(2, 1, "follower"), voted(2, 1, 1), log(2, ...kept))
    cluster.say(2, committed(2, 1, 2), applied(2, entry(2, 1), 22))
    cluster.isQuiet()
  }
})

test("a synced frame that recovery cuts away fires recoverable", () => {
  const cluster = started()
  cluster.crash(2)
  cluster.boot(2, 2, role(2, 1, "follower"), voted(2, 1, 1), log(2, entry(1, 0)))
  cluster.fires("WAL-recoverable")
})

test("a boot that takes a torn tail for damage, or will not start for it, fires recoverable", () => {
  const same = [role(2, 1, "follower"), voted(2, 1, 1), log(2, entry(1, 0), entry(2, 1))] as const
  const torn = started()
  torn.crash(2)
  torn.bootAs("tornTail", 2, 3, ...same)
  torn.isQuiet()

  const damaged = started()
  damaged.crash(2)
  damaged.bootAs("corruption", 2, 3, ...same)
  damaged.fires("WAL-recoverable")

  const refused = started()
  refused.crash(2)
  refused.stop(2, "corruptSystemVolume")
  refused.fires("WAL-recoverable")

  const failed = started()
  failed.stop(2, "syncFailed")
  failed.isQuiet()
})

test("a boot that recovers frames nobody wrote fires no invention", () => {
  const cluster = started()
  cluster.crash(2)
  cluster.boot(2, 4, role(2, 1, "follower"), voted(2, 1, 1), log(2, entry(1, 0), entry(2, 1), entry(3, 1)))
  cluster.fires("WAL-no-invention")
})

test("a boot that accepts an entry its disk never held fires no invention", () => {
  const other = started()
  other.crash(3)
  other.boot(3, 1, role(3, 0, "follower"), log(3, entry(1, 0), entry(2, 1)))
  other.fires("WAL-no-invention")

  const garbled = started()
  garbled.append(3, { type: "entries", group: 1, entries: [entry(2, 1)] })
  garbled.crash(3)
  garbled.boot(3, 2, role(3, 0, "follower"), log(3, entry(1, 0), entry(2, 0, "garbage")))
  garbled.fires("WAL-no-invention")
})

test("an entry read back wrong is held against the disk, not against replicas that have it right", () => {
  const cluster = started()
  cluster.crash(2)
  cluster.boot(2, 3, role(2, 1, "follower"), voted(2, 1, 1), log(2, entry(1, 0), entry(2, 1, "garbage")))
  cluster.fires("WAL-no-invention")
})

test("a second append before the first is synced fires one frame", () => {
  const cluster = started()
  cluster.append(2, hardState(2, 0))
  cluster.append(2, hardState(3, 0))
  cluster.fires("WAL-one-frame")
})

test("a vote, an entry or a whole replica lost with its segment fires release", () => {
  const vote = started()
  vote.crash(2)
  vote.boot(2, 3, role(2, 1, "follower"), log(2, entry(1, 0), entry(2, 1)))
  vote.fires("WAL-release")

  const tail = started()
  tail.crash(2)
  tail.boot(2, 3, role(2, 1, "follower"), voted(2, 1, 1), log(2, entry(1, 0)))
  tail.fires("WAL-release")

  const head = started()
  head.crash(2)
  head.boot(2, 3, role(2, 1, "follower"), voted(2, 1, 1), log(2, entry(2, 1)))
  head.fires("WAL-release")

  const silent = started()
  silent.crash(2)
  silent.boot(2, 3)
  silent.fires("WAL-release")
})

test("a term the disk held and no message had named yet is missed all the same", () => {
  const cluster = started()
  cluster.write(3, hardState(5, 0))
  cluster.crash(3)
  cluster.boot(3, 2, role(3, 0, "follower"), log(3, entry(1, 0)))
  cluster.fires("WAL-release")
})

test("a log that begins where the durable checkpoint ends is no violation", () => {
  const cluster = started()
  cluster.checkpoint(2, 1)
  cluster.checkpointSynced(2, 1)
  cluster.follow(2, 1, 1, entry(3, 1))
  cluster.write(2, { type: "logStart", group: 1, index: 2, term: 1 })
  cluster.crash(2)
  const at = { ...applied(2, entry(2, 1), 22), digest: 0 } as never
  cluster.boot(2, 5, role(2, 1, "follower"), voted(2, 1, 1), log(2, entry(3, 1)), at)
  cluster.isQuiet()
})

test("a run that damages synced bytes is not judged by what it recovers", () => {
  const cluster = started(true)
  cluster.crash(2)
  cluster.bootAs("corruption", 2, 1, role(2, 1, "recovering"), log(2, entry(1, 0)))
  cluster.stop(2, "corruptSystemVolume")
  cluster.isQuiet()
})
