import { ByteWriter } from "#kernel/lib/bytes.ts"
import { Sfc32 } from "#kernel/lib/rng.ts"
import { makeEntry } from "#kernel/raft/types.ts"
import { decodeFrame, encodeFrame, FRAME_HEADER_BYTES, sealFrame } from "#kernel/wal/frame.ts"
import { decodeWitness, encodeWitness } from "#kernel/wal/identifiers.ts"
import { writeItem, type Identifier, type WalItem } from "#kernel/wal/item.ts"
import { decodeSegmentHeader, encodeSegmentHeader } from "#kernel/wal/segment.ts"
import { benchOptions } from "../support/report.ts"

/**
 * How do the log's decoders take bytes nobody vouches for? Frames, segment headers and side slots are mutated, half of
 * the frames sealed again with right checksums. `node bench/kernel/fuzz-wal.ts --inputs 1000000 [--seed 1]`. Exits 1
 * when a decoder throws, when bytes with a wrong checksum pass, or when what passes does not encode to itself.
 */
const options = benchOptions(import.meta.filename, { inputs: 1_000_000, seed: 1 })

type Count = { inputs: number; rejected: number; accepted: number; roundTripped: number; wrong: number }

const CONTEXT = { salt: 0xdead_beef, sequence: 7 }
const OFFSET = 4096 + 360
const IDENTITY = { cluster: "orbit", store: 3, incarnation: 123_456_789, volume: 1 }
const identifier: Identifier = {
  mark: null,
  group: 1,
  replica: 1,
  lastIndex: 9,
  lastTerm: 2,
  term: 3,
  votedFor: 1,
  checksum: 77,
}

function put(index: number, value: string): WalItem {
  const write = { space: 1, type: "put", key: "key", value } as const
  const batch = { generation: 1, leaseSequence: 2, closedTs: 3, minVersion: 4, writes: [write] }
  return { type: "entries", group: 1, entries: [makeEntry(index, 2, { type: "batch", batch })] }
}

const descriptor = { rangeId: 1, groupId: 1, tenant: 0, start: "a", end: "z", generation: 1 }
const mark = {
  group: 1,
  replica: 1,
  keptIndex: 1,
  keptTerm: 1,
  firstIndex: 2,
  endKnown: true,
  endIndex: 3,
  endTerm: 1,
  hardKnown: true,
}
const ITEMS: readonly (readonly WalItem[])[] = [
  [put(1, "x"), { type: "hardState", group: 1, term: 3, votedFor: 2 }],
  [put(2, "\0".repeat(1500)), put(3, "y".repeat(700))],
  [
    { type: "identifiers", identifiers: [identifier, identifier] },
    { type: "logStart", group: 1, index: 5, term: 2 },
  ],
  [
    { type: "replicaCreated", replica: 1, descriptor },
    { type: "replicaRemoved", group: 1, replica: 1 },
  ],
  [
    { type: "identity", cluster: "orbit", store: 3, incarnation: 5 },
    { type: "boot", boot: 4 },
    { type: "volume", volume: 1, incarnation: 5 },
  ],
  [
    { type: "tombstone", group: 1, replica: 1 },
    { type: "witness", volume: 1, identifiers: [identifier] },
    { type: "forgotten", volume: 1 },
  ],
  [
    { type: "damaged", settled: [{ first: 1, last: 2 }], marks: [mark] },
    { type: "repaired", group: 1 },
    { type: "released", below: 2, lsn: 3 },
  ],
]

function encodeItems(items: readonly WalItem[]): Uint8Array {
  const writer = new ByteWriter()
  for (const item of items) writeItem(item, writer)
  return writer.finish()
}

const FRAMES = ITEMS.map((items) => {
  const fields = { lsn: 12, durableLsn: 11, previous: 99 }
  return encodeFrame(CONTEXT, OFFSET, fields, items.length, [encodeItems(items)]).bytes
})
const HEADER = encodeSegmentHeader({
  identity: IDENTITY,
  sequence: 7,
  sizeBytes: 1 << 20,
  firstLsn: 3,
  salt: 5,
})
const SLOT = encodeWitness({
  identity: IDENTITY,
  lsn: 9,
  checksum: 5,
  segment: 1,
  endOffset: 5000,
  identifiers: [identifier],
})

const rng = new Sfc32(options.seed, 0)

/** One to four changes: a bit, a byte, a copied stretch, a cut end. */
function mutate(original: Uint8Array, from: number): Uint8Array {
  let bytes = original.slice()
  for (let changes = 1 + rng.below(4); changes > 0; changes--) {
    const at = from + rng.below(Math.max(1, bytes.length - from))
    if (at >= bytes.length) continue
    const kind = rng.below(10)
    if (kind < 5) bytes[at]! ^= 1 << rng.below(8)
    else if (kind < 8) bytes[at] = [0, 1, 0x7f, 0x80, 0xff, rng.below(256)][rng.below(6)]!
    else if (kind < 9) bytes.copyWithin(at, from + rng.below(bytes.length - from), bytes.length)
    else if (from === 0) bytes = bytes.slice(0, at)
  }
  return bytes
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

/** A segment of which only the frame matters. */
const image = new Uint8Array(OFFSET + 8192)

function fuzzFrame(count: Count, isSealed: boolean): void {
  const original = FRAMES[rng.below(FRAMES.length)]!
  const bytes = mutate(original, isSealed ? 8 : 0)
  if (isSealed) {
    // The length too, or it would be refused before anything is read.
    if (rng.below(2) === 0) new DataView(bytes.buffer).setUint32(0, bytes.length - rng.below(8), true)
    sealFrame(bytes, 0, bytes.length, CONTEXT, OFFSET)
  }
  image.fill(0, OFFSET)
  image.set(bytes, OFFSET)
  count.inputs++
  const decoded = decodeFrame(image, OFFSET, CONTEXT)
  if (decoded.type === "bad") {
    count.rejected++
    return
  }
  count.accepted++
  const items = encodeItems(decoded.items)
  const again = encodeFrame(CONTEXT, OFFSET, decoded.header, decoded.items.length, [items])
  const reread = decodeFrame(withFrame(again.bytes), OFFSET, CONTEXT)
  const isEqual = reread.type === "frame" && isSame(encodeItems(reread.items), items)
  if (isEqual && items.length === decoded.header.length - FRAME_HEADER_BYTES) count.roundTripped++
  else count.wrong++
  // Unsealed, a frame passes only if nothing of it was changed.
  if (!isSealed && !isSame(image.subarray(OFFSET, OFFSET + original.length), original)) count.wrong++
}

function withFrame(bytes: Uint8Array): Uint8Array {
  const other = new Uint8Array(OFFSET + bytes.length)
  other.set(bytes, OFFSET)
  return other
}

function fuzzBytes(
  count: Count,
  original: Uint8Array,
  decode: (bytes: Uint8Array) => Uint8Array | null,
): void {
  const bytes = mutate(original, 0)
  count.inputs++
  const encoded = decode(bytes)
  if (encoded === null) {
    count.rejected++
    return
  }
  count.accepted++
  if (isSame(encoded, original)) count.roundTripped++
  else count.wrong++
}

function headerAgain(bytes: Uint8Array): Uint8Array | null {
  const decoded = decodeSegmentHeader(bytes)
  return decoded.type === "header" ? encodeSegmentHeader(decoded.header) : null
}

function slotAgain(bytes: Uint8Array): Uint8Array | null {
  const decoded = decodeWitness(bytes)
  return decoded === null ? null : encodeWitness(decoded)
}

const zero = (): Count => ({ inputs: 0, rejected: 0, accepted: 0, roundTripped: 0, wrong: 0 })
const table = { frame: zero(), "frame, sealed again": zero(), "segment header": zero(), "side slot": zero() }
for (let i = 0; i < options.inputs; i++) {
  const kind = i % 10
  if (kind < 5) fuzzFrame(table["frame, sealed again"], true)
  else if (kind < 8) fuzzFrame(table.frame, false)
  else if (kind === 8) fuzzBytes(table["segment header"], HEADER, headerAgain)
  else fuzzBytes(table["side slot"], SLOT, slotAgain)
}
console.table(table)
process.exitCode = Object.values(table).some((count) => count.wrong > 0) ? 1 : 0
