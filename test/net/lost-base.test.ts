import assert from "node:assert/strict"
import { copyFileSync, rmSync } from "node:fs"
import { join } from "node:path"
import { afterEach, describe, test } from "vitest"
import type { GroupStatus } from "#kernel"
import type { Client } from "#net"
import { NodeCluster } from "../support/node-cluster.ts"
import { until } from "../support/peer-rig.ts"

// Real directories: what a start makes of a base that is not what the log beside it goes on from.

const WAIT_MS = 30_000
const VALUE = "v".repeat(2_000)

let cluster: NodeCluster

afterEach(async () => {
  await cluster.close()
})

function statusOf(store: number): GroupStatus {
  const [status] = cluster.servers.get(store)!.host.groups()
  assert.ok(status !== undefined)
  return status
}

/** Until store 3 has let go of its log up to `index`, and so all of it is in its base alone. */
async function fill(client: Client, index: number): Promise<void> {
  for (let round = 0; statusOf(3).firstIndex <= index; round++) {
    assert.ok(round < 500, "The log is never let go of")
    await Promise.all(Array.from({ length: 16 }, (_, i) => client.put(`k${i} ${round % 10}`, VALUE)))
  }
}

function said(event: string): number {
  return cluster.events.filter((one) => one.store === 3 && one.event === event).length
}

describe("a base that lost its data beside a log that goes on", () => {
  for (const [what, spoil] of [
    ["is missing", (file: string) => rmSync(file)],
    ["is an older one", (file: string, old: string) => copyFileSync(old, file)],
  ] as const)
    test(`and ${what} is told, and made good from a peer under the same name`, async () => {
      const config = (): object => ({ limits: { checkpointLogBytes: 100_000, logKeepEntries: 2 } })
      cluster = await NodeCluster.start(3, { config })
      await until("somebody leads", () => cluster.leaderOf(1) !== 0, WAIT_MS)
      const client = cluster.client()
      await fill(client, 1)
      const file = join(cluster.directoryOf(3), "tenants/0/data/data.mdb")
      const old = join(cluster.directoryOf(3), "older.mdb")
      await cluster.stop(3)
      copyFileSync(file, old)
      await cluster.start(3)
      assert.equal(said("stateLost"), 0)
      await until("it follows", () => statusOf(3).leader !== 0, WAIT_MS)
      await fill(client, statusOf(3).lastIndex + 50)
      const { replica } = statusOf(3)

      await cluster.stop(3)
      spoil(file, old)
      await cluster.start(3)
      assert.equal(said("stateLost"), 1)
      await client.put("k", "after it")
      await until(
        "it is whole",
        () => statusOf(3).role === "follower" && statusOf(3).appliedIndex >= statusOf(1).appliedIndex,
        WAIT_MS,
      )
      const [own, other] = [statusOf(3), statusOf(1)]
      assert.deepEqual([own.hashHigh, own.hashLow], [other.hashHigh, other.hashLow])
      assert.equal(own.replica, replica, "under its own name")

      await cluster.stop(3)
      await cluster.start(3)
      assert.equal(said("stateLost"), 1, "for good")
    })
})
