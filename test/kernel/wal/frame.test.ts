import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { Sfc32, type Rng } from "#kernel/lib/rng.ts"
import { decodeFrame, encodeFrame, frameItems, hasZeroSector, sealFrame } from "#kernel/wal/frame.ts"
import { decodeWitness, encodeWitness } from "#kernel/wal/identifiers.ts"
import { readItem, writeItem, type Identifier, type WalItem } from "#kernel/wal/item.ts"
import { recoverVolume } from "#kernel/wal/recovery.ts"
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  segmentBytes,
  type Unreadable,
} from "#kernel/wal/segment.ts"
import { readFileSync, writeFileSync } from "node:fs"
import { assert, test } from "vitest"
import { createdItem, History, IDENTITY, LIMITS, putEntry, Rig } from "../../support/wal-arbitraries.ts"

const CONTEXT = { salt: 0xdead_beef, sequence: 7 }
const mark = {
  group: 1,
  replica: 2,
  keptIndex: 3,
  keptTerm: 4,
  firstIndex: 5,
  endKnown: true,
  endIndex: 6,
  endTerm: 7,
  hardKnown: true,
}
const identifier: Identifier = {
  group: 1,
  replica: 2,
  lastIndex: 300,
  lastTerm: 4,
  term: 5,
  votedFor: 2,
  checksum: 77,
  mark: null,
}

const ITEMS: readonly WalItem[] = [
  { type: "entries", group: 1, entries: [putEntry(1, 1, "abc"), putEntry(2, 1, "")] },
  { type: "hardState", group: 1, term: 5, votedFor: 2 },
  { type: "logStart", group: 1, index: 300, term: 4 },
  { type: "identifiers", identifiers: [identifier, { ...identifier, group: 2, mark }] },
  createdItem(1, 2),
  { type: "replicaRemoved", group: 1, replica: 2 },
  { type: "identity", cluster: "orbit", store: 3, incarnation: 0x1f_ffff_ffff_ffff },
  { type: "boot", boot: 9 },
  { type: "volume", volume: 1, incarnation: 1000 },
  { type: "tombstone", group: 1, replica: 2 },
  { type: "damaged", settled: [{ first: 3, last: 4 }], marks: [mark] },
  { type: "repaired", group: 1 },
  { type: "released", below: 3, lsn: 200 },
  { type: "witness", volume: 1, identifiers: [identifier] },
  { type: "forgotten", volume: 1 },
]

function encodeItems(items: readonly WalItem[]): Uint8Array {
  const writer = new ByteWriter()
  for (const item of items) writeItem(item, writer)
  return writer.finish()
}

/** The bytes as committed under test/golden/; `ORRERY_GOLDEN=write` writes them anew, to be read like code. */
function assertGolden(name: string, bytes: Uint8Array): void {
  const path = new URL(`../../golden/wal-${name}.hex`, import.meta.url)
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    lines.push([...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, "0")).join(" "))
  }
  const text = `${lines.join("\n")}\n`
  if (process.env["ORRERY_GOLDEN"] === "write") writeFileSync(path, text)
  assert.equal(text, readFileSync(path, "utf8"), name)
}

test("every item has its golden bytes, and decodes from them", () => {
  for (const item of ITEMS) {
    const bytes = encodeItems([item])
    assertGolden(`item-${item.type}`, bytes)
    const reader = new ByteReader(bytes)
    assert.deepEqual(readItem(reader), item)
    assert.isFalse(reader.failed)
    assert.equal(reader.remaining, 0)
  }
})

test("a frame has its golden bytes", () => {
  const fields = { lsn: 0x2_0000_0001, durableLsn: 0x2_0000_0000, previous: 0x0102_0304 }
  const items = ITEMS.slice(0, 3)
  const { bytes, checksum } = encodeFrame(CONTEXT, 4096, fields, items.length, [encodeItems(items)])
  assertGolden("frame", bytes)
  const image = new Uint8Array(8192)
  image.set(bytes, 4096)
  const decoded = decodeFrame(image, 4096, CONTEXT)
  assert(decoded.type === "frame")
  assert.deepEqual(decoded.items, items)
  assert.deepInclude(decoded.header, { ...fields, checksum, mask: 0 })
})

test("an observer reads from a frame what a reader does, and of its entries what names them", () => {
  const { bytes } = encodeFrame(CONTEXT, 4096, { lsn: 2, durableLsn: 1, previous: 0 }, ITEMS.length, [
    encodeItems(ITEMS),
  ])
  const named = ITEMS.map((item) =>
    item.type === "entries"
      ? {
          ...item,
          entries: item.entries.map(({ index, term, digestLow }) => ({ index, term, digestLow })),
        }
      : item,
  )
  assert.deepEqual(frameItems(bytes), named)
})

test("a segment header and a side slot have their golden bytes", () => {
  const header = { identity: IDENTITY, sequence: 2, sizeBytes: 1 << 20, firstLsn: 9, salt: 0x0102_0304 }
  const zone = encodeSegmentHeader(header)
  assertGolden("segment-header", zone.subarray(0, 512))
  assert.deepEqual(zone.subarray(0, 512), zone.subarray(2048, 2560))
  assert.deepEqual(decodeSegmentHeader(zone), { type: "header", header })
  const witness = {
    identity: IDENTITY,
    lsn: 9,
    checksum: 5,
    segment: 1,
    endOffset: 5000,
    identifiers: [identifier],
  }
  const slot = encodeWitness(witness)
  assertGolden("witness", slot)
  assert.deepEqual(decodeWitness(slot), witness)
})

test("a frame does not validate in another segment, under another salt, or at another place", () => {
  const fields = { lsn: 5, durableLsn: 4, previous: 1 }
  const { bytes } = encodeFrame(CONTEXT, 4096, fields, 1, [encodeItems([ITEMS[1]!])])
  const image = new Uint8Array(8192)
  image.set(bytes, 4096)
  image.set(bytes, 4096 + 512)
  assert.equal(decodeFrame(image, 4096, CONTEXT).type, "frame")
  assert.equal(decodeFrame(image, 4096 + 512, CONTEXT).type, "bad")
  assert.equal(decodeFrame(image, 4096, { ...CONTEXT, salt: 1 }).type, "bad")
  assert.equal(decodeFrame(image, 4096, { ...CONTEXT, sequence: 8 }).type, "bad")
})

test("no whole frame has a zero sector, nor one that a flipped bit could make zero", () => {
  const rng = new Sfc32(1, 1)
  for (let i = 0; i < 2000; i++) {
    const char = ["\0", "\x01", "\xff", "\x5a"][rng.below(4)]!
    const value = char.repeat(rng.below(9000)) + (rng.below(2) === 0 ? "\0\0\x01" : "")
    const entry = putEntry(1, 1, value)
    const offset = 4096 + 8 * rng.below(64)
    const fields = { lsn: 5, durableLsn: 4, previous: 1 }
    const items = encodeItems([{ type: "entries", group: 1, entries: [entry] }])
    const { bytes } = encodeFrame(CONTEXT, offset, fields, 1, [items])
    const image = new Uint8Array(offset + bytes.length)
    image.set(bytes, offset)
    assert.isFalse(hasZeroSector(image, offset, image.length))
    const decoded = decodeFrame(image, offset, CONTEXT)
    assert(decoded.type === "frame")
    assert.deepEqual(decoded.items, [{ type: "entries", group: 1, entries: [entry] }])
    const at = image.length - 1 - rng.below(Math.min(8, bytes.length))
    image[at]! ^= image[at]! & -image[at]!
    assert.isFalse(hasZeroSector(image, offset, image.length), "last byte's lowest bit")
  }
})

test("80,000 mutated frames, half of them sealed again, are refused or decode to something that encodes to itself", () => {
  const rng = new Sfc32(3, 3)
  const counts = { rejected: 0, accepted: 0 }
  const frames = [...ITEMS.keys()].map((i) => {
    const items = ITEMS.slice(i, i + 2)
    const fields = { lsn: 5, durableLsn: 4, previous: 1 }
    return encodeFrame(CONTEXT, 4096, fields, items.length, [encodeItems(items)]).bytes
  })
  const image = new Uint8Array(4096 + 2048)
  for (let i = 0; i < 80_000; i++) {
    const original = frames[rng.below(frames.length)]!
    const bytes = original.slice()
    const isSealed = i % 2 === 0
    for (let n = rng.below(3); n >= 0; n--) {
      const at = rng.below(bytes.length)
      bytes[at] = rng.below(2) === 0 ? bytes[at]! ^ (1 << rng.below(8)) : rng.below(256)
    }
    if (isSealed) sealFrame(bytes, 0, bytes.length, CONTEXT, 4096)
    image.fill(0, 4096)
    image.set(bytes, 4096)
    const decoded = decodeFrame(image, 4096, CONTEXT)
    if (decoded.type === "bad") {
      counts.rejected++
      continue
    }
    counts.accepted++
    if (!isSealed) assert.deepEqual(bytes, original)
    const again = encodeItems(decoded.items)
    const reader = new ByteReader(again)
    for (const item of decoded.items) assert.deepEqual(readItem(reader), item)
    assert.equal(again.length, decoded.header.length - 40)
  }
  assert.isAbove(counts.rejected, 40_000)
  assert.isAbove(counts.accepted, 1000)
})

test("recovery of 10,000 segments with mutated frames, half of them sealed again, some unreadable, never throws", () => {
  const rng = new Sfc32(4, 4)
  const verdicts = new Map<string, number>()
  for (let seed = 0; seed < 200; seed++) {
    const rig = new Rig(seed)
    const history = new History(new Sfc32(seed, 9))
    for (let i = 0; i < 6; i++) rig.write(history.next(), history.next())
    const header = decodeSegmentHeader(rig.segments.get(1)!)
    assert(header.type === "header")
    const frames = rig.synced.filter((append) => append.segment === 1)
    for (let i = 0; i < 50; i++) {
      const file = rig.segments.get(1)!.slice()
      const frame = frames[rng.below(frames.length)]!
      const end = frame.offset + frame.bytes.length
      for (let n = rng.below(3); n >= 0; n--)
        file[frame.offset + rng.below(frame.bytes.length)] = rng.below(256)
      if (i % 2 === 0) sealFrame(file, frame.offset, end, header.header, frame.offset)
      const segments = rig
        .image()
        .segments.map((other) =>
          other.sequence === 1
            ? { sequence: 1, bytes: file, unreadable: drawUnreadable(rng, file.length) }
            : other,
        )
      const recovered = recoverVolume(rig.image({ segments }))
      verdicts.set(recovered.verdict, (verdicts.get(recovered.verdict) ?? 0) + 1)
      if (recovered.start !== null && i % 10 === 0) rig.restartElsewhere(recovered)
    }
  }
  assert.isAbove(verdicts.get("corruption") ?? 0, 5000)
})

/** Mostly nothing; otherwise some ranges, anywhere in the file and beyond its end. */
function drawUnreadable(rng: Rng, length: number): readonly Unreadable[] {
  if (rng.below(3) > 0) return []
  const starts = Array.from({ length: 1 + rng.below(3) }, () => rng.below(length + 512))
  return starts
    .toSorted((a, b) => a - b)
    .map((start, i, all) => ({
      start,
      end: Math.min(start + 1 + rng.below(2048), all[i + 1] ?? Number.MAX_SAFE_INTEGER),
    }))
}

test("a segment is as large as the schedule says, or as its first frame needs", () => {
  assert.equal(segmentBytes(LIMITS, 0, 10), 16 << 10)
  assert.equal(segmentBytes(LIMITS, 16 << 10, 10), 32 << 10)
  assert.equal(segmentBytes(LIMITS, 64 << 10, 10), 64 << 10)
  assert.isAtLeast(segmentBytes(LIMITS, 0, 1 << 20), (1 << 20) + 4096 + 40)
})
