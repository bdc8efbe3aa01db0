import { test } from "vitest"
import { applied, committed, entry, log, role, started, voted } from "../../support/told-cluster.ts"

const atBoot = (hash: number): never => ({ ...applied(2, entry(2, 1), hash), digest: 0 }) as never

test("the same entries with another outcome fire replicas agree", () => {
  const cluster = started()
  cluster.take(3, entry(2, 1))
  cluster.say(3, committed(3, 1, 2), applied(3, entry(2, 1), 23))
  cluster.fires("HASH-replicas-agree")
})

test("a replay with another outcome fires replicas agree", () => {
  const cluster = started()
  cluster.crash(2)
  cluster.boot(2, 3, role(2, 1, "follower"), voted(2, 1, 1), log(2, entry(1, 0), entry(2, 1)))
  cluster.say(2, committed(2, 1, 2), applied(2, entry(2, 1), 23))
  cluster.fires("HASH-replicas-agree")
})

test("an applied index that is not that of the checkpoint fires applied with data", () => {
  const cluster = started()
  // No checkpoint was ever taken: the data is that of the birth.
  cluster.crash(2)
  cluster.boot(2, 3, role(2, 1, "follower"), voted(2, 1, 1), log(2, entry(1, 0), entry(2, 1)), atBoot(22))
  cluster.fires("HASH-applied-with-data")
})

test("the right applied index over other data fires applied with data", () => {
  const cluster = started()
  cluster.checkpoint(2, 1)
  cluster.checkpointSynced(2, 1)
  cluster.crash(2)
  cluster.boot(2, 3, role(2, 1, "follower"), voted(2, 1, 1), log(2, entry(1, 0), entry(2, 1)), atBoot(11))
  cluster.fires("HASH-applied-with-data")
})

test("a checkpoint under way when the store died may have become durable, or not", () => {
  for (const isDurable of [true, false]) {
    const cluster = started()
    cluster.checkpoint(2, 1)
    cluster.crash(2)
    const at = isDurable ? [atBoot(22)] : []
    cluster.boot(2, 3, role(2, 1, "follower"), voted(2, 1, 1), log(2, entry(1, 0), entry(2, 1)), ...at)
    cluster.say(2, committed(2, 1, 2), applied(2, entry(2, 1), 22))
    cluster.isQuiet()
  }
})

test("what all replicas hold in durable checkpoints is forgotten, and later entries are still compared", () => {
  const cluster = started()
  cluster.write(3, { type: "hardState", group: 1, term: 1, votedFor: 0 })
  cluster.follow(3, 1, 1, entry(2, 1))
  cluster.say(3, committed(3, 1, 2), applied(3, entry(2, 1), 22))
  for (const store of [1, 2, 3]) {
    cluster.checkpoint(store, 1)
    cluster.checkpointSynced(store, 1)
  }
  cluster.take(1, entry(3, 1))
  cluster.follow(2, 1, 1, entry(3, 1))
  cluster.say(1, committed(1, 1, 3), applied(1, entry(3, 1), 33))
  cluster.isQuiet()
  cluster.say(2, committed(2, 1, 3), applied(2, entry(3, 1), 34))
  cluster.fires("HASH-replicas-agree")
})
