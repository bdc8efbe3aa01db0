import assert from "node:assert/strict"
import { afterEach, describe, test } from "vitest"
import { HostCluster, type NodeOptions } from "../../../bench/support/host-cluster.ts"
import { Wire } from "../../../bench/support/memory-links.ts"

let cluster: HostCluster

async function started(options: NodeOptions = {}): Promise<HostCluster> {
  cluster = new HostCluster(new Wire(), options)
  await cluster.start()
  return cluster
}

afterEach(() => cluster.kill())

describe("a store that hands over", () => {
  test("is done when another leads and it knows who, and not before", async () => {
    // A vote and an entry are synced before anybody leads: many turns of the one that waits.
    const { nodes } = await started({ syncMs: 20 })
    const leader = await cluster.elected()
    const { term } = leader.groups()[0]!
    assert.equal(await leader.host!.handOver(10_000), 0)
    const heir = nodes.find((node) => node.groups()[0]!.role === "leader")
    assert.ok(heir !== undefined && heir !== leader)
    assert.equal(leader.groups()[0]!.leader, heir.store)
    assert.equal(heir.groups()[0]!.term, term + 1)
    assert.ok(leader.log.observations.some(({ type }) => type === "drained"))
    assert.equal((await leader.ask([{ type: "put", key: "a", value: "1" }])).type, "error")
    assert.equal((await heir.ask([{ type: "put", key: "a", value: "1" }])).type, "ok")
  })

  test("waits no longer than it was told, and says what it still leads", async () => {
    const { nodes } = await started()
    const leader = await cluster.elected()
    // They died a moment ago: as far as anybody knows they live, and none of them answers.
    for (const node of nodes) if (node !== leader) node.kill()
    const began = performance.now()
    assert.equal(await leader.host!.handOver(300), 1)
    const waitedMs = performance.now() - began
    assert.ok(waitedMs >= 250, `${waitedMs} ms`)
  })

  test("has nothing to wait for once it is down", async () => {
    await started()
    const leader = await cluster.elected()
    const handedOver = leader.host!.handOver(60_000)
    leader.host!.stop()
    assert.equal(await handedOver, 0)
    assert.equal(await leader.host!.handOver(60_000), 0)
  })
})
