import assert from "node:assert/strict"
import { describe, test } from "vitest"
import { FileStoreDisk, StoppedError, type FileStoreDiskOptions } from "#net"
import { ForgetfulCalls } from "../support/forgetful-calls.ts"
import { whyNoPowerCut } from "../../bench/support/loop-disk.ts"
import { NodeCluster } from "../support/node-cluster.ts"
import { until } from "../support/peer-rig.ts"
import { powerCut, type CutReport } from "../../bench/support/power-cut.ts"
import type { Unsynced } from "../../bench/support/unsynced.ts"
import { lostOf, Writers } from "../../bench/support/writers.ts"

const missing = whyNoPowerCut()
if (missing !== null)
  console.warn(`No real power cuts here: ${missing}. Only those of a log in memory are tried.`)

function cut(without: Unsynced | null): Promise<CutReport> {
  return powerCut({ without, writers: 16, acknowledged: 500, released: 2 })
}

describe.skipIf(missing !== null)(
  `a store whose disk loses its power${missing === null ? "" : `: ${missing}`}`,
  () => {
    test("has every write that was acknowledged, in its log or in its base", async () => {
      const { acknowledged, released, lost, refusal } = await cut(null)
      assert.ok(acknowledged >= 500 && released >= 2, "the base alone has the oldest")
      assert.deepEqual([refusal, lost], [null, []])
    })

    test("loses some when it was built without the syncs of its log", async () => {
      assert.notDeepEqual((await cut("log")).lost, [])
    })

    test("loses some when it was built without the syncs of its base", async () => {
      assert.notDeepEqual((await cut("base")).lost, [])
    })
  },
)

/** The same where nobody may mount anything: the log alone, over calls that forget what was not synced. */
async function cutInMemory(skips: boolean): Promise<readonly string[]> {
  const calls = new ForgetfulCalls(skips)
  let options: FileStoreDiskOptions = { calls }
  const cluster = await NodeCluster.make(1, {
    parts: { openDisk: (directory, config) => FileStoreDisk.open(directory, config, options) },
  })
  try {
    const server = await cluster.start(1)
    const writers = new Writers(cluster.client(), 16)
    writers.begin()
    await until("so much is written", () => writers.acknowledged >= 300, 20_000)
    calls.cut()
    await server.stopped
    await assert.rejects(cluster.stop(1), /EIO: the power is gone/)
    await writers.end()
    options = {}
    try {
      await cluster.start(1)
    } catch (error) {
      // It serves nothing that it cannot trust.
      assert.ok(skips && error instanceof StoppedError, String(error))
      return [...writers.known.keys()]
    }
    const groups = (): number => cluster.servers.get(1)!.host.groups().length
    await until(
      "it leads again, or has nothing to lead",
      () => cluster.leaderOf(1) === 1 || groups() === 0,
      20_000,
    )
    if (groups() === 0) return [...writers.known.keys()]
    return await lostOf(cluster.client(), writers.known)
  } finally {
    await cluster.close()
  }
}

describe("a store whose page cache is lost", () => {
  test("has every write that was acknowledged", async () => {
    assert.deepEqual(await cutInMemory(false), [])
  })

  test("loses some when its log is not written through", async () => {
    assert.notDeepEqual(await cutInMemory(true), [])
  })
})
