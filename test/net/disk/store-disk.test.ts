import { spawnSync } from "node:child_process"
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs"
import { join } from "node:path"
import { assert, describe, test, type TestContext } from "vitest"
import { SYSTEM_CALLS, type DiskCalls } from "#net/disk/calls.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { DiskRig, inTempDir } from "../../support/disk-rig.ts"

const HEADER = new Uint8Array(4096).fill(7)

function refused(code: string): Promise<never> {
  return Promise.reject(Object.assign(new Error(`${code}: refused by the test`), { code }))
}

async function imageOf(rig: DiskRig, volume: number) {
  return (await rig.disk.images()).find((image) => image.volume === volume)!
}

describe("segments", () => {
  test("are zeroed before they are there, take appends, and are found by the next start", () =>
    inTempDir(async (path) => {
      const rig = await DiskRig.open(path)
      assert.deepEqual((await imageOf(rig, 1)).segments, [])
      rig.disk.createSegment(1, 1, 64 << 10, HEADER)
      assert.deepEqual(await rig.next(), { type: "segmentCreated", volume: 1, segment: 1 })
      rig.disk.append(1, 1, 1, 4096, new Uint8Array(1000).fill(1))
      assert.deepEqual(rig.told, [], "never from within the call")
      assert.deepEqual(await rig.next(), { type: "appendSynced", volume: 1, lsn: 1 })
      rig.disk.append(1, 2, 1, 5096, new Uint8Array(24).fill(2))
      await rig.next()
      rig.disk.createSegment(1, 2, 128 << 10, HEADER)
      await rig.next()
      rig.disk.writeWitness(1, new Uint8Array([1, 2]))
      rig.disk.writeWitness(1, new Uint8Array([3]))
      await rig.disk.close()

      const second = await DiskRig.open(path)
      const image = await imageOf(second, 1)
      const expected = new Uint8Array(64 << 10)
      expected.set(HEADER)
      expected.fill(1, 4096, 5096)
      expected.fill(2, 5096, 5120)
      assert.deepEqual(
        image.segments.map(({ sequence, bytes }) => [sequence, bytes.length]),
        [
          [1, 64 << 10],
          [2, 128 << 10],
        ],
      )
      assert.deepEqual(image.segments[0]!.bytes, expected)
      assert.deepEqual([...image.witness!], [3])
      second.disk.releaseSegments(1, 2)
      await second.disk.close()

      writeFileSync(join(path, "tenants/0/wal/000000000003.seg.new"), "unfinished")
      const third = await DiskRig.open(path)
      assert.deepEqual(
        (await imageOf(third, 1)).segments.map(({ sequence }) => sequence),
        [2],
      )
      await third.disk.close()
      assert.deepEqual(readdirSync(join(path, "tenants/0/wal")), ["000000000002.seg", "witness"])
      assert.equal(statSync(join(path, "tenants/0/wal/000000000002.seg")).mode & 0o777, 0o600)
    }))

  test("a write that the system cuts short goes on where it ended", () =>
    inTempDir(async (path) => {
      const calls: DiskCalls = {
        ...SYSTEM_CALLS,
        write: (file, bytes, offset, length, position) =>
          SYSTEM_CALLS.write(file, bytes, offset, Math.min(length, 3_000), position),
      }
      const rig = await DiskRig.open(path, { calls })
      await rig.disk.images()
      rig.disk.createSegment(1, 1, 32 << 10, HEADER)
      await rig.next()
      rig.disk.append(1, 1, 1, 4096, new Uint8Array(10_000).fill(9))
      await rig.next()
      await rig.disk.close()
      const again = await DiskRig.open(path)
      const { bytes } = (await imageOf(again, 1)).segments[0]!
      assert.equal(bytes.filter((byte) => byte === 9).length, 10_000)
      await again.disk.close()
    }))

  test("an error of an append is told as that, and no later one succeeds", () =>
    inTempDir(async (path) => {
      let isBroken = false
      const calls: DiskCalls = {
        ...SYSTEM_CALLS,
        write: (...args) => (isBroken ? refused("EIO") : SYSTEM_CALLS.write(...args)),
      }
      const rig = await DiskRig.open(path, { calls })
      await rig.disk.images()
      rig.disk.createSegment(1, 1, 32 << 10, HEADER)
      await rig.next()
      isBroken = true
      rig.disk.append(1, 1, 1, 4096, new Uint8Array(100).fill(1))
      const failed = await rig.next()
      assert.deepInclude(failed, { type: "appendFailed", volume: 1, lsn: 1 })
      assert.include("detail" in failed ? failed.detail : "", "EIO")
      isBroken = false
      rig.disk.append(1, 2, 1, 4096, new Uint8Array(100).fill(1))
      assert.deepEqual(rig.told, [])
      assert.deepInclude(await rig.next(), { type: "appendFailed", volume: 1, lsn: 2 })
      await rig.disk.close()
    }))

  test("a full disk refuses a segment, and a sync that fails is the end of the log", () =>
    inTempDir(async (path) => {
      let code: string | null = "ENOSPC"
      const calls: DiskCalls = {
        ...SYSTEM_CALLS,
        sync: (file) => (code === null ? SYSTEM_CALLS.sync(file) : refused(code)),
      }
      const ready = code
      code = null
      const rig = await DiskRig.open(path, { calls })
      await rig.disk.images()
      for (const full of [ready, "EDQUOT"]) {
        code = full
        rig.disk.createSegment(1, 1, 32 << 10, HEADER)
        assert.deepInclude(await rig.next(), { type: "segmentRefused", segment: 1, code: "diskFull" })
        assert.deepEqual(readdirSync(join(path, "tenants/0/wal")), [], "what it took is given back")
      }
      code = null
      rig.disk.createSegment(1, 1, 32 << 10, HEADER)
      assert.deepEqual(await rig.next(), { type: "segmentCreated", volume: 1, segment: 1 })
      code = "EIO"
      rig.disk.createSegment(1, 2, 32 << 10, HEADER)
      assert.deepInclude(await rig.next(), { type: "appendFailed", volume: 1 })
      code = null
      await rig.disk.close()
    }))

  test("a sector that cannot be read is named, and the rest is read", () =>
    inTempDir(async (path) => {
      const rig = await DiskRig.open(path)
      await rig.disk.images()
      rig.disk.createSegment(1, 1, 32 << 10, HEADER)
      await rig.next()
      await rig.disk.close()
      const bad = [5 * 512, 6 * 512 + 1, 20_000]
      const calls: DiskCalls = {
        ...SYSTEM_CALLS,
        read: (file, bytes, offset, length, position) =>
          bad.some((at) => position <= at && at < position + length)
            ? refused("EIO")
            : SYSTEM_CALLS.read(file, bytes, offset, length, position),
      }
      const again = await DiskRig.open(path, { calls })
      const [segment] = (await imageOf(again, 1)).segments
      assert.deepEqual(segment!.unreadable, [
        { start: 2560, end: 3584 },
        { start: 19_968, end: 20_480 },
      ])
      assert.equal(segment!.bytes[2559], 7)
      assert.equal(segment!.bytes[2560], 0)
      assert.equal(segment!.bytes[3584], 7)
      await again.disk.close()
    }))
})

/** A file system that holds `bytes`; null where this process may not mount one. */
function mountSmall(path: string, bytes: number): (() => void) | null {
  mkdirSync(path)
  const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=700`, "tmpfs", path])
  return status === 0 ? () => void spawnSync("umount", [path]) : null
}

test("a checkpoint that does not fit is refused whole, and fits once there is room", async (context: TestContext) => {
  await inTempDir(async (path) => {
    const dir = join(path, "small")
    const unmount = mountSmall(dir, 16 << 20)
    if (unmount === null) {
      context.skip("no right to mount a small file system here")
      return
    }
    try {
      const rig = await DiskRig.open(dir)
      const { base } = await imageOf(rig, 1)
      const ballast = join(dir, "ballast")
      const { bavail, bsize } = statfsSync(dir)
      writeFileSync(ballast, Buffer.alloc(bavail * bsize - (2 << 20)))
      const engine = new OverlayEngine(base)
      const writes = Array.from({ length: 4_000 }, (_, i) => ({
        space: 1 as const,
        type: "put" as const,
        key: `k${i}`,
        value: "v".repeat(1_000),
      }))
      engine.apply(writes)
      rig.disk.checkpoint(1, 1, engine.freeze(1))
      assert.deepInclude(await rig.next(), { type: "checkpointRefused", checkpoint: 1, code: "diskFull" })
      assert.equal(base.checkpoint, 0)
      assert.equal(base.get(1, "k1"), null)
      engine.thaw()
      rig.disk.createSegment(1, 1, 8 << 20, HEADER)
      assert.deepInclude(await rig.next(), { type: "segmentRefused", code: "diskFull" })
      writeFileSync(ballast, "")
      rig.disk.checkpoint(1, 2, engine.freeze(2))
      assert.deepEqual(await rig.next(), { type: "checkpointSynced", volume: 1, checkpoint: 2 })
      engine.settle(2, base)
      assert.equal(base.get(1, "k3999")?.length, 1_000)
      await rig.disk.close()
    } finally {
      unmount()
    }
  })
})

for (const [what, spoil] of [
  ["cut short", (file: string) => truncateSync(file, statSync(file).size - 8192)],
  ["removed", (file: string) => rmSync(file)],
  [
    "another file",
    (file: string) => {
      copyFileSync(file, `${file}.copy`)
      renameSync(`${file}.copy`, file)
    },
  ],
] as const)
  test(`a base whose file is ${what} under its store is the end of the store, by name`, () =>
    inTempDir(async (path) => {
      const rig = await DiskRig.open(path)
      await rig.disk.images()
      const file = join(path, "tenants/0/data/data.mdb")
      spoil(file)
      const told = await rig.next()
      assert.deepInclude(told, { type: "appendFailed", volume: 1 })
      assert.include("detail" in told ? told.detail : "", file)
      await rig.disk.close()
    }))
