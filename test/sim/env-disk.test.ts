import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import { Digest } from "#kernel"
import { Disk, type DiskOperation, type DiskOutcome } from "#sim/env/disk.ts"
import { handedOver, SECTOR_BYTES, settle } from "#sim/env/sectors.ts"
import { EVENT } from "#sim/events.ts"
import { Scheduler } from "#sim/scheduler.ts"
import { plan } from "./support/plans.ts"
import { frozen } from "./support/toy-kernel.ts"

/** A disk driven by hand: what completes is kept. */
class Bench {
  readonly scheduler = new Scheduler()
  readonly disk: Disk
  readonly done: (DiskOutcome | null)[] = []

  constructor(seed = 5) {
    this.disk = new Disk(seed, 1, this.scheduler, plan().host, [1])
  }

  runUntil(until: number): readonly (DiskOutcome | null)[] {
    const from = this.done.length
    while (this.scheduler.next(until)) {
      if (this.scheduler.kind === EVENT.disk)
        this.done.push(this.disk.complete(this.scheduler.payload as DiskOperation))
    }
    return this.done.slice(from)
  }

  /** A volume with one segment of 16 sectors, headed by fours. */
  prepared(): this {
    this.disk.createSegment(1, 1, 16 * SECTOR_BYTES, new Uint8Array(64).fill(4))
    assert.deepEqual(this.runUntil(this.scheduler.now + 1e5), ["segmentCreated"])
    return this
  }

  bytes(): Uint8Array {
    return this.disk.images().find(({ volume }) => volume === 1)!.segments[0]!.bytes
  }
}

test("a write is on disk and its barrier met only when its sync is done", () => {
  const bench = new Bench().prepared()
  bench.disk.append(1, 11, 1, 512, new Uint8Array(1_000).fill(9))
  assert.equal(bench.disk.durableLsn(1), 10, "what an earlier process wrote was recovered from disk")
  assert.deepEqual(bench.runUntil(1e6), ["appendSynced"])
  assert.equal(bench.disk.durableLsn(1), 11)
  const bytes = bench.bytes()
  assert.deepEqual([bytes[0], bytes[511], bytes[512], bytes[1_511], bytes[1_512]], [4, 0, 9, 9, 0])
})

test("a volume takes one append at a time, inside a segment that exists", () => {
  const bench = new Bench().prepared()
  assert.throws(() => bench.disk.append(1, 1, 2, 0, new Uint8Array(1)), /no such file/)
  assert.throws(() => bench.disk.append(1, 1, 1, 16 * SECTOR_BYTES, new Uint8Array(1)), /outside the segment/)
  bench.disk.append(1, 1, 1, 0, new Uint8Array(1))
  assert.throws(() => bench.disk.append(1, 2, 1, 8, new Uint8Array(1)), /is under way/)
})

/** For each of many seeds: how the 8 sectors of an unsynced append look after a crash, as "1" new or "0" old. */
function crashPictures(powerLoss: boolean): ReadonlySet<string> {
  const pictures = new Set<string>()
  for (let seed = 0; seed < 400; seed++) {
    const bench = new Bench(seed).prepared()
    bench.disk.append(1, 1, 1, 512, new Uint8Array(8 * SECTOR_BYTES).fill(9))
    bench.disk.crash(powerLoss)
    const bytes = bench.bytes()
    let picture = ""
    for (let sector = 1; sector <= 8; sector++) {
      const first = bytes[sector * SECTOR_BYTES]!
      assert.ok(first === 9 || first === 0)
      for (let i = 0; i < SECTOR_BYTES; i++)
        assert.equal(bytes[sector * SECTOR_BYTES + i], first, "a sector is torn")
      picture += first === 9 ? "1" : "0"
    }
    assert.equal(bytes[0], 4, "what was durable before stays")
    assert.deepEqual(bench.runUntil(10e6), [], "what was under way never completes")
    pictures.add(picture)
  }
  return pictures
}

test("a power loss leaves an unsynced write lost, whole, torn or in any subset of its sectors", () => {
  const pictures = crashPictures(true)
  assert.ok(pictures.has("00000000") && pictures.has("11111111"))
  assert.ok(pictures.has("11110000"), "torn")
  assert.ok(
    [...pictures].some((picture) => /01/.test(picture)),
    "reordered",
  )
  assert.ok(pictures.size > 60, `${pictures.size} different pictures`)
})

test("a process that dies leaves a prefix of its write to the operating system", () => {
  const pictures = crashPictures(false)
  assert.ok(pictures.has("00000000") && pictures.has("11111111") && pictures.has("11110000"))
  for (const picture of pictures) assert.match(picture, /^1*0*$/)
})

test("what the operating system held of a dead process can still be lost to a power loss, until the next start", () => {
  let kept = 0
  let lost = 0
  for (let seed = 0; seed < 200; seed++) {
    const alone = new Bench(seed).prepared()
    const then = new Bench(seed).prepared()
    for (const bench of [alone, then]) {
      bench.disk.append(1, 1, 1, 512, new Uint8Array(512).fill(9))
      bench.disk.crash(false)
    }
    then.disk.losePower()
    if (alone.bytes()[512] !== 9) continue
    if (then.bytes()[512] === 9) kept++
    else lost++
    // After a start it is synced: a later power loss takes nothing.
    alone.disk.losePower()
    assert.equal(alone.bytes()[512], 9)
  }
  assert.ok(kept > 10 && lost > 10, `${kept} kept, ${lost} lost`)
})

test("a settled write holds in each sector its old or its new bytes, and nothing else", () => {
  fc.assert(
    fc.property(fc.nat(3_000), fc.integer({ min: 1, max: 4_000 }), fc.nat(1_000), (offset, length, count) => {
      const target = new Uint8Array(8_192).fill(1)
      settle(target, offset, new Uint8Array(length).fill(2), { seed: 1, volume: 1, count })
      const seen = new Map<number, number>()
      target.forEach((byte, at) => {
        if (at < offset || at >= offset + length) {
          assert.equal(byte, 1)
          return
        }
        const sector = Math.floor(at / SECTOR_BYTES)
        assert.equal(byte, seen.get(sector) ?? byte)
        seen.set(sector, byte)
      })
      const kept = handedOver(offset, length, { seed: 1, volume: 1, count })
      assert.ok(kept === length || kept === 0 || (offset + kept) % SECTOR_BYTES === 0)
    }),
  )
})

test("a failed sync is told, leaves some of its sectors, and is over", () => {
  const tally = { changes: 0 }
  const counts = new Set<number>()
  for (let seed = 0; seed < 60; seed++) {
    const bench = new Bench(seed).prepared()
    bench.disk.syncErrors.push({ id: 1, restartUs: 77, checkpoint: false, tally })
    bench.disk.append(1, 1, 1, 512, new Uint8Array(4 * SECTOR_BYTES).fill(9))
    assert.deepEqual(bench.runUntil(bench.scheduler.now + 1e6), ["appendFailed"])
    assert.equal(bench.disk.durableLsn(1), 0)
    assert.equal(bench.disk.failedRestartUs, 77)
    counts.add(bench.bytes().filter((byte) => byte === 9).length / SECTOR_BYTES)
    bench.disk.append(1, 1, 1, 512, new Uint8Array(1).fill(9))
    assert.deepEqual(bench.runUntil(bench.scheduler.now + 1e6), ["appendSynced"])
  }
  assert.equal(tally.changes, 60)
  assert.ok(counts.size >= 4, "whole, none and parts")
})

test("a sync error that is for a checkpoint lets those of the log pass", () => {
  const tally = { changes: 0 }
  const bench = new Bench().prepared()
  bench.disk.syncErrors.push({ id: 1, restartUs: 77, checkpoint: true, tally })
  bench.disk.append(1, 1, 1, 512, new Uint8Array(SECTOR_BYTES))
  assert.deepEqual(bench.runUntil(bench.scheduler.now + 1e6), ["appendSynced"])
  bench.disk.checkpoint(1, 1, frozen(1, "lost"))
  assert.deepEqual(bench.runUntil(bench.scheduler.now + 1e6), ["checkpointFailed"])
  assert.equal(bench.disk.base(1).get(1, "heard"), null)
  bench.disk.checkpoint(1, 1, frozen(1, "kept"))
  assert.deepEqual(bench.runUntil(bench.scheduler.now + 1e6), ["checkpointSynced"])
  assert.equal(tally.changes, 1)
})

test("a full disk refuses segments and checkpoints, takes appends, and has room again when lifted", () => {
  const bench = new Bench().prepared()
  bench.disk.full.push({ id: 1, tally: { changes: 0 } })
  bench.disk.createSegment(1, 2, 1_024, new Uint8Array(8))
  assert.deepEqual(bench.runUntil(1e6), ["segmentRefused"])
  bench.disk.checkpoint(1, 1, frozen(1, "x"))
  assert.deepEqual(bench.runUntil(2e6), ["checkpointRefused"])
  assert.equal(bench.disk.base(1).checkpoint, 0)
  bench.disk.append(1, 1, 1, 512, new Uint8Array(8))
  assert.deepEqual(bench.runUntil(3e6), ["appendSynced"])
  bench.disk.full.length = 0
  bench.disk.createSegment(1, 2, 1_024, new Uint8Array(8))
  assert.deepEqual(bench.runUntil(4e6), ["segmentCreated"])
})

test("a disk of so many bytes refuses what does not fit, and takes it when something has gone", () => {
  const bench = new Bench().prepared()
  const [tally, bytes] = [{ changes: 0 }, bench.disk.usedBytes + 16 * SECTOR_BYTES]
  bench.disk.quotas.push({ id: 1, bytes, tally })
  bench.disk.createSegment(1, 2, 16 * SECTOR_BYTES, new Uint8Array(8))
  assert.deepEqual(bench.runUntil(1e6), ["segmentCreated"])
  assert.equal(bench.disk.usedBytes, bytes)
  bench.disk.createSegment(1, 3, SECTOR_BYTES, new Uint8Array(8))
  assert.deepEqual(bench.runUntil(2e6), ["segmentRefused"])
  // It is written beside the one it replaces, which would be gone then.
  bench.disk.checkpoint(1, 1, frozen(1, "x"))
  assert.deepEqual(bench.runUntil(3e6), ["checkpointRefused"])
  assert.equal(tally.changes, 2)
  // In the place of what a crash left under its name.
  bench.disk.createSegment(1, 2, 16 * SECTOR_BYTES, new Uint8Array(8))
  assert.deepEqual(bench.runUntil(5e6), ["segmentCreated"])
  bench.disk.releaseSegments(1, 2)
  bench.disk.checkpoint(1, 1, frozen(1, "x"))
  assert.deepEqual(bench.runUntil(6e6), ["checkpointSynced"])
  assert.equal(tally.changes, 2)
})

test("a slow disk takes longer, a stalled one until it is lifted", () => {
  const quick = new Bench().prepared()
  const slow = new Bench().prepared()
  slow.disk.slow.push({ id: 1, factor: 50, tally: { changes: 0 } })
  for (const bench of [quick, slow]) bench.disk.append(1, 1, 1, 512, new Uint8Array(8))
  while (quick.disk.busy > 0) quick.runUntil(quick.scheduler.now + 1)
  while (slow.disk.busy > 0) slow.runUntil(slow.scheduler.now + 1)
  assert.equal(slow.scheduler.now - 1e5, 50 * (quick.scheduler.now - 1e5))

  const stalled = new Bench().prepared()
  const tally = { changes: 0 }
  stalled.disk.stalled.push({ id: 1, tally })
  stalled.disk.append(1, 1, 1, 512, new Uint8Array(8))
  assert.deepEqual(stalled.runUntil(60e6), [null])
  assert.equal(tally.changes, 1)
  stalled.disk.stalled.length = 0
  stalled.disk.resume()
  assert.deepEqual(stalled.runUntil(61e6), ["appendSynced"])
})

test("a checkpoint changes what the live base answers at the moment it is durable, and not before", () => {
  const bench = new Bench().prepared()
  const base = bench.disk.base(1)
  bench.disk.checkpoint(1, 1, frozen(1, "new"))
  assert.equal(base.get(1, "heard"), null)
  bench.runUntil(1e6)
  assert.equal(base.get(1, "heard"), "new")
  assert.equal(base.checkpoint, 1)
})

test("a crash in the middle of a checkpoint leaves the one before", () => {
  const bench = new Bench().prepared()
  bench.disk.checkpoint(1, 1, frozen(1, "one"))
  bench.runUntil(1e6)
  bench.disk.checkpoint(1, 2, frozen(2, "two"))
  bench.disk.crash(true)
  const { base } = bench.disk.images().find(({ volume }) => volume === 1)!
  assert.equal(base.checkpoint, 1)
  assert.equal(base.get(1, "heard"), "one")
})

test("a witness is safe after the next sync of its volume, or a while; before, a power loss may take or tear it", () => {
  const outcomes = new Set<string>()
  for (let seed = 0; seed < 100; seed++) {
    const bench = new Bench(seed).prepared()
    bench.disk.writeWitness(1, new Uint8Array(1_500).fill(1))
    bench.disk.append(1, 1, 1, 512, new Uint8Array(8))
    bench.runUntil(bench.scheduler.now + 50_000)
    bench.disk.writeWitness(1, new Uint8Array(1_500).fill(2))
    bench.disk.crash(true)
    const { witness } = bench.disk.images().find(({ volume }) => volume === 1)!
    const found = new Set(witness)
    assert.ok(!found.has(0), "the first was durable")
    outcomes.add([...found].sort((x, y) => x - y).join(" and "))
  }
  assert.deepEqual([...outcomes].sort(), ["1", "1 and 2", "2"])
})

test("a new segment that a crash met is absent, empty, zero or whole", () => {
  const fates = new Set<string>()
  for (let seed = 0; seed < 100; seed++) {
    const bench = new Bench(seed).prepared()
    bench.disk.createSegment(1, 2, 1_024, new Uint8Array(8).fill(3))
    bench.disk.crash(seed % 2 === 0)
    const file = bench.disk.images().find(({ volume }) => volume === 1)!.segments[1]
    fates.add(file === undefined ? "absent" : `${file.bytes.length} ${file.bytes[0] ?? "nothing"}`)
    // The same sequence again replaces it.
    bench.disk.createSegment(1, 2, 1_024, new Uint8Array(8).fill(5))
    bench.runUntil(1e6)
    const images = bench.disk.images().find(({ volume }) => volume === 1)!.segments
    assert.deepEqual(
      images.map(({ sequence, bytes }) => [sequence, bytes[0]]),
      [
        [1, 4],
        [2, 5],
      ],
    )
  }
  assert.deepEqual([...fates].sort(), ["0 nothing", "1024 0", "1024 3", "absent"])
})

test("released segments are gone, and the digest of a disk tells its content", () => {
  const bench = new Bench().prepared()
  const hex = () => {
    const digest = new Digest()
    bench.disk.digest(digest)
    return digest.hex()
  }
  const before = hex()
  assert.equal(hex(), before)
  bench.disk.createSegment(1, 2, 1_024, new Uint8Array(8))
  bench.runUntil(1e6)
  bench.disk.releaseSegments(1, 2)
  const { segments } = bench.disk.images().find(({ volume }) => volume === 1)!
  assert.deepEqual(
    segments.map(({ sequence }) => sequence),
    [2],
  )
  assert.notEqual(hex(), before)
})
