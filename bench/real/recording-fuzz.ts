import {
  ByteReader,
  ByteWriter,
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  LiveBase,
  MemoryBaseBuilder,
  NO_SWITCHES,
  readInput,
  writeInput,
  type Input,
} from "#kernel"
import { Sfc32 } from "#kernel/lib/rng.ts"
import {
  beginBlock,
  BLOCK,
  BLOCK_HEADER_BYTES,
  decodeFileHeader,
  encodeFileHeader,
  isIntact,
  readBlockHeader,
  sealBlock,
} from "#net/record/block.ts"
import { RecordingError } from "#net/record/error.ts"
import { ITEM } from "#net/record/recorder.ts"
import {
  readHead,
  sourceOf,
  StartReader,
  writeHead,
  writeStart,
  type Head,
  type Start,
} from "#net/record/start.ts"

/**
 * Recordings that nobody vouches for: good blocks with one to four changes, half of them sealed again, so that the checksum
 * keeps nothing from being read.
 */
export type RecordingFuzz = {
  readonly counts: Readonly<Record<string, number>>
  /** A decoder that threw, took what no recorder writes, or gave what does not encode to itself. */
  readonly wrong: readonly string[]
}

const STAMP = { mono: 0x1234_5678, wall: 0x1a_2345_6789 }
const FRAME = {
  header: {
    version: 2,
    cluster: "01a1fbe0-5e9b-7086-9e51-348ced124548",
    fromStore: 2,
    toStore: 1,
    fromIncarnation: 7,
    fromBoot: 1,
    fromNonce: 1,
    volumes: [{ volume: 1, incarnation: 8 }],
    configEpoch: 0,
    wall: 1,
  },
  messages: [{ type: "voteReply", group: 1, from: 1, to: 2, term: 3, preVote: true, granted: true }],
} as const
const INPUTS: readonly Input[] = [
  { type: "wake", ...STAMP },
  { type: "frame", ...STAMP, frame: FRAME },
  { type: "appendSynced", ...STAMP, volume: 1, lsn: 300 },
  { type: "segmentRefused", ...STAMP, volume: 1, segment: 2, code: "diskFull" },
  { type: "checkpointSynced", ...STAMP, volume: 1, checkpoint: 3 },
  { type: "drain", ...STAMP },
  { type: "turnEnded", ...STAMP },
]
const HEAD: Head = {
  from: "boot",
  build: "0123456789abcdef",
  config: {
    cluster: FRAME.header.cluster,
    store: 1,
    tenants: [1, 2],
    bootstrap: null,
    timing: DEFAULT_TIMING,
    limits: DEFAULT_LIMITS,
    switches: NO_SWITCHES,
  },
  boot: { ...STAMP, seedHigh: 1, seedLow: 0xffff_ffff },
  event: 1_024,
  hashHigh: 5,
  hashLow: 6,
}

/** Payloads, kind included, as a recorder writes them. */
function goodPayloads(): readonly Uint8Array[] {
  const writer = new ByteWriter(1 << 12)
  const payloads: Uint8Array[] = []
  const keep = (): void => void payloads.push(writer.finish().subarray(BLOCK_HEADER_BYTES))
  writeHead(HEAD, writer)
  keep()
  const rows = new MemoryBaseBuilder()
  for (let i = 0; i < 6; i++) rows.put(i < 3 ? 1 : 2, `key${i}`, "value".repeat(i))
  const log = new Uint8Array(700).fill(9, 0, 600)
  const images = [
    { volume: 0, segments: [], witness: null, base: new LiveBase() },
    {
      volume: 1,
      segments: [
        { sequence: 1, bytes: log },
        { sequence: 2, bytes: new Uint8Array(512), unreadable: [{ start: 0, end: 512 }] },
      ],
      witness: new Uint8Array([1, 2, 3]),
      base: new LiveBase(rows.finish(7, [{ space: 1, from: "a", to: "b" }])),
    },
  ]
  for (const _ of writeStart(new Uint8Array([4, 5, 6]), images.map(sourceOf), writer)) keep()
  beginBlock(writer, BLOCK.events)
  for (const input of INPUTS) {
    writer.u8(ITEM.input)
    writeInput(input, writer, true)
  }
  writer.u8(ITEM.hash)
  writer.uint(1_030)
  writer.u32(1)
  writer.u32(2)
  keep()
  return payloads
}

/** `onProgress` is told after every thousand. */
export function fuzzRecordings(
  inputs: number,
  seed: number,
  onProgress: (done: number) => void,
): RecordingFuzz {
  const rng = new Sfc32(seed, 0)
  const good = goodPayloads()
  const counts: Record<string, number> = { "refused unsealed": 0, "refused sealed": 0, taken: 0, headers: 0 }
  const wrong: string[] = []
  const writer = new ByteWriter(1 << 12)
  const header = encodeFileHeader({ segment: 1, recordingHigh: 2, recordingLow: 3 })
  for (let done = 1; done <= inputs; done++) {
    if (done % 1_000 === 0) onProgress(done)
    if (rng.below(16) === 0) {
      counts["headers"]!++
      const bytes = bent(header.bytes, rng)
      try {
        const taken = decodeFileHeader("x", bytes)
        const isSame = Buffer.compare(bytes.subarray(0, header.bytes.length), header.bytes) === 0
        if (taken !== null && !isSame) wrong.push(`header taken: ${hexOf(bytes)}`)
      } catch (error) {
        if (!(error instanceof RecordingError)) wrong.push(`header: ${String(error)}: ${hexOf(bytes)}`)
      }
      continue
    }
    const at = rng.below(good.length)
    const isSealed = rng.below(2) === 0
    writer.reset()
    writer.zeros(BLOCK_HEADER_BYTES)
    writer.raw(isSealed ? bent(good[at]!, rng) : good[at]!)
    sealBlock(writer, at, header.seed)
    const whole = writer.finish()
    const block = isSealed ? whole : bent(whole, rng)
    try {
      const isBlock = readBlockHeader(block)?.number === at && isIntact(block, header.seed)
      if (isBlock !== (isSealed && block.length > BLOCK_HEADER_BYTES) && Buffer.compare(block, whole) !== 0)
        wrong.push(`seal: ${hexOf(block)}`)
      if (!isBlock) counts["refused unsealed"]!++
      else if (isTaken(good, at, block.subarray(BLOCK_HEADER_BYTES))) counts["taken"]!++
      else counts["refused sealed"]!++
    } catch (error) {
      wrong.push(`block ${at}: ${String(error)}: ${hexOf(block)}`)
    }
  }
  return { counts, wrong }
}

/** Reads what `bytes` is in the place of payload `at`. Throws where what was taken does not encode to itself. */
function isTaken(good: readonly Uint8Array[], at: number, bytes: Uint8Array): boolean {
  if (at === good.length - 1) return isEventsTaken(bytes)
  const payloads = good.slice(0, -1).with(at, bytes)
  const start = startOf(payloads)
  if (start === null) return false
  const again = startOf(encoded(start))
  if (again === null) throw new Error("what was taken is refused when it is written again")
  if (Buffer.compare(Buffer.concat(encoded(start)), Buffer.concat(encoded(again))) !== 0)
    throw new Error("what was taken does not encode to itself")
  return true
}

function startOf(payloads: readonly Uint8Array[]): Start | null {
  const first = new ByteReader(payloads[0]!)
  const head = first.u8() === BLOCK.head ? readHead(first) : null
  if (head === null) return null
  const start = new StartReader()
  for (const payload of payloads.slice(1)) {
    const reader = new ByteReader(payload)
    if (!start.take(reader.u8(), reader)) return null
  }
  return start.isWhole ? start.finish(head) : null
}

function encoded({ head, images, kernel }: Start): readonly Uint8Array[] {
  const writer = new ByteWriter(1 << 12)
  writeHead(head, writer)
  const payloads = [writer.finish().subarray(BLOCK_HEADER_BYTES)]
  for (const _ of writeStart(kernel, images.map(sourceOf), writer))
    payloads.push(writer.finish().subarray(BLOCK_HEADER_BYTES))
  return payloads
}

function isEventsTaken(bytes: Uint8Array): boolean {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== BLOCK.events) return false
  const writer = new ByteWriter(64)
  while (reader.remaining > 0) {
    const from = reader.offset
    const item = reader.u8()
    if (item === ITEM.hash) {
      reader.uint()
      reader.u32()
      reader.u32()
    } else if (item === ITEM.input) {
      const input = readInput(reader)
      if (reader.failed) return false
      writer.reset()
      writer.u8(item)
      writeInput(input, writer, true)
      if (Buffer.compare(writer.view(), bytes.subarray(from, reader.offset)) !== 0)
        throw new Error(`an input of type ${input.type} does not encode to itself`)
    } else return false
    if (reader.failed) return false
  }
  return true
}

function bent(good: Uint8Array, rng: Sfc32): Uint8Array {
  let bytes: Uint8Array = good.slice()
  for (let left = 1 + rng.below(4); left > 0 && bytes.length > 0; left--) {
    const at = rng.below(bytes.length)
    const kind = rng.below(8)
    if (kind === 0) bytes = bytes.slice(0, at)
    else if (kind === 1) bytes = Uint8Array.from([...bytes, ...good.subarray(0, at)])
    else if (kind === 2)
      bytes = Uint8Array.from([...bytes.subarray(0, at), rng.below(256), ...bytes.subarray(at)])
    else if (kind === 3) bytes[at] = 0xff
    else bytes[at] = rng.below(256)
  }
  return bytes
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex")
}
