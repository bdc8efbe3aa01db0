import { test } from "vitest"
import {
  appendReply,
  committed,
  entry,
  hardState,
  log,
  role,
  started,
  voted,
  voteReply,
  voteRequest,
  type ToldCluster,
} from "../../support/told-cluster.ts"

// Disks that lose something and know it: `started(true)` is a run whose plan may do that.

const ONE = entry(1, 0)
const TWO = entry(2, 1)

/** Store 2 comes back without entry 2, which it had acknowledged, and says so. */
function damaged(): ToldCluster {
  const cluster = started(true)
  cluster.crash(2)
  cluster.boot(2, 9, role(2, 1, "recovering"), voted(2, 1, 1), log(2, ONE))
  return cluster
}

/** `candidate` asks store 2 for its vote with a log that ends there. */
function asked(cluster: ToldCluster, candidate: number, term: number, last: typeof ONE): void {
  const message = voteRequest(candidate, 2, term, last)
  const header = { version: 2, cluster: "c", fromStore: candidate, toStore: 2, fromIncarnation: candidate }
  const rest = { fromBoot: 1, fromNonce: 1, volumes: [], configEpoch: 0, wall: 0 }
  cluster.step(2, { type: "frame", frame: { header: { ...header, ...rest }, messages: [message] } }, [])
  cluster.say(2, role(2, term, "recovering"), voted(2, term, candidate))
  cluster.write(2, hardState(term, candidate))
  cluster.release(2, voteReply(2, candidate, term))
}

test("a log that ends too early is no release when its replica says that it recovers, and is when it does not", () => {
  damaged().isQuiet()
  const silent = started(true)
  silent.crash(2)
  silent.boot(2, 9, role(2, 1, "follower"), voted(2, 1, 1), log(2, ONE))
  silent.fires("WAL-release")
})

test("a damaged replica votes for a log as long as its own was, and for no shorter one", () => {
  const good = damaged()
  asked(good, 3, 4, TWO)
  good.isQuiet()
  const bad = damaged()
  asked(bad, 3, 4, ONE)
  bad.fires("IDENT-damaged")
})

test("a damaged replica that lost a vote gives none in that term", () => {
  const cluster = started(true)
  cluster.say(2, role(2, 2, "follower"), voted(2, 2, 3))
  cluster.write(2, hardState(2, 3))
  cluster.crash(2)
  cluster.boot(2, 9, role(2, 1, "recovering"), voted(2, 1, 1), log(2, ONE, TWO))
  asked(cluster, 1, 2, TWO)
  cluster.fires("IDENT-damaged")
})

test("a damaged replica acknowledges nothing that it lost before a repair, and anything after it", () => {
  const early = damaged()
  early.take(2, TWO)
  early.release(2, appendReply(2, 1, 1, 2))
  early.fires("IDENT-damaged")
  const late = damaged()
  late.take(2, TWO)
  late.say(2, role(2, 1, "follower"))
  late.release(2, appendReply(2, 1, 1, 2))
  late.isQuiet()
})

test("a damaged replica does not campaign", () => {
  const cluster = damaged()
  cluster.say(2, voted(2, 2, 2))
  cluster.write(2, hardState(2, 2))
  cluster.release(2, voteRequest(2, 1, 2, ONE))
  cluster.fires("IDENT-damaged")
})

test("a replica that a boot does not speak of may not speak again, unless with all it had", () => {
  const gone = started(true)
  gone.crash(2)
  gone.boot(2, 9)
  gone.isQuiet()
  gone.say(2, role(2, 3, "follower"))
  gone.fires("IDENT-name")
  for (const isWhole of [true, false]) {
    const back = started(true)
    back.crash(2)
    back.boot(2, 9)
    back.crash(2)
    back.boot(
      2,
      9,
      role(2, 1, "follower"),
      voted(2, 1, 1),
      isWhole ? log(2, ONE, TWO) : log(2, ONE),
      committed(2, 1, 1),
    )
    if (isWhole) back.isQuiet()
    else back.fires("IDENT-name")
  }
})

test("what a lost or damaged replica held still is a copy: without its vote nobody lacks it and leads", () => {
  for (const boots of [true, false]) {
    const cluster = started(true)
    cluster.take(1, entry(3, 1))
    cluster.follow(2, 1, 1, entry(3, 1))
    cluster.crash(2)
    if (boots) cluster.boot(2, 9, role(2, 1, "recovering"), voted(2, 1, 1), log(2, ONE))
    else cluster.boot(2, 9)
    cluster.say(1, committed(1, 1, 3))
    cluster.isQuiet()
    cluster.take(1, entry(4, 1))
    cluster.say(1, committed(1, 1, 4))
    cluster.fires("RAFT-commit-quorum")
  }
})
