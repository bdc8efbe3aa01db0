import assert from "node:assert/strict"
import { afterEach, describe, test } from "vitest"
import { DEFAULT_TIMING, type AdminRequest, type GroupStatus } from "#kernel"
import { handOver } from "#net/host/hand-over.ts"
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

describe("handing over", () => {
  const member = (store: number) => ({ replica: store, store, incarnation: store })
  const status = (part: Partial<GroupStatus>): GroupStatus =>
    ({
      group: 1,
      role: "leader",
      leader: 1,
      configuration: { voters: [1, 2, 3].map(member), outgoing: [], learners: [], promoting: [] },
      votedFor: 0,
      durableIndex: 0,
      sending: [],
      followers: [],
      ...part,
    }) as unknown as GroupStatus

  test("goes to the voter that lacks least, then to the others, and ends when its time is over", async () => {
    const orders: AdminRequest["action"][] = []
    const store = {
      groups: () => [status({ sending: [{ store: 2, bytes: 9 }] })],
      admin: (session: number, { action }: AdminRequest) => {
        assert.equal(session, 0)
        orders.push(action)
      },
    }
    assert.equal(await handOver(store, 1, () => new Set([2, 3]), 700), 1)
    assert.deepEqual(orders, [
      { type: "transferLeader", store: 3 },
      { type: "transferLeader", store: 2 },
    ])
  })

  test("orders nothing where nobody can be reached, and nothing of what it does not lead", async () => {
    const admin = (): void => assert.fail("nothing was to be ordered")
    assert.equal(await handOver({ groups: () => [status({})], admin }, 1, () => new Set(), 700), 1)
    const followed = [status({ role: "follower" }), status({ role: "learner" })]
    assert.equal(await handOver({ groups: () => followed, admin }, 1, () => new Set([2]), 700), 0)
  })
})
