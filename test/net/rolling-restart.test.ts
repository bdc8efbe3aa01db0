import assert from "node:assert/strict"
import { afterEach, describe, test } from "vitest"
import { DEFAULT_TIMING } from "#kernel"
import { NodeCluster } from "../support/node-cluster.ts"
import { until } from "../support/peer-rig.ts"
import { Writers } from "../../bench/support/writers.ts"

let cluster: NodeCluster

const GROUPS = [1, 2, 3, 4]

afterEach(async () => {
  await cluster.close()
})

function termsOf(store: number): readonly number[] {
  return cluster.servers
    .get(store)!
    .host.groups()
    .map(({ term }) => term)
}

describe("a node that is told to stop", () => {
  test("has given its groups to others when it ends, and one election each is all that it costs", async () => {
    cluster = await NodeCluster.start(3, { ranges: GROUPS.length })
    await until("all groups are led", () => GROUPS.every((group) => cluster.leaderOf(group) !== 0), 30_000)
    const writers = new Writers(cluster.client(30_000), 8)
    writers.begin()
    await until("writes go on", () => writers.acknowledged >= 20, 30_000)
    for (const store of [1, 2, 3]) {
      const led = GROUPS.filter((group) => cluster.leaderOf(group) === store)
      const other = store === 1 ? 2 : 1
      const before = termsOf(other)
      await cluster.stop(store)
      // Nobody had to miss it first: each is led at this very moment.
      for (const group of led) assert.notEqual(cluster.leaderOf(group), 0, `group ${group} of store ${store}`)
      const after = termsOf(other)
      for (const [i, term] of after.entries())
        assert.ok(term <= before[i]! + 1, `${before.join(" ")} then ${after.join(" ")}`)
      const written = writers.acknowledged
      await until("writes go on without it", () => writers.acknowledged >= written + 20, 30_000)
      await cluster.start(store)
      const isBack = (): boolean => {
        const own = cluster.servers.get(store)!.host.groups()
        return own.length === GROUPS.length && own.every(({ leader }) => leader !== 0)
      }
      await until("it follows again", isBack, 30_000)
    }
    await writers.end()
    assert.equal(writers.error, null)
  })

  test("does not wait for others that are gone", async () => {
    cluster = await NodeCluster.start(1)
    await until("it leads", () => cluster.leaderOf(1) === 1, 30_000)
    const began = performance.now()
    await cluster.stop(1)
    assert.ok(performance.now() - began < DEFAULT_TIMING.electionUsMax / 1_000)
  })
})
