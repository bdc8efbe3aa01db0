import {
  type ByteReader,
  LiveBase,
  MemoryBaseBuilder,
  readDamage,
  SPACE_MAX,
  writeDamage,
  type BootStamp,
  type ByteWriter,
  type DamageList,
  type KernelConfig,
  type ReadView,
  type SegmentImage,
  type Space,
  type VolumeId,
  type VolumeImage,
} from "#kernel"
import { beginBlock, BLOCK } from "./block.ts"
import { configText, readConfig } from "./config-text.ts"

/** Of one part of a start: a few milliseconds of work between two turns. */
const PART_BYTES = 256 << 10

/** What a segment begins with: who recorded what, and where the trace hash stood. */
export type Head = {
  /**
   * A process that started from what its disk held; a kernel that was saved where the segment before ends; or one that
   * was saved behind a hole.
   */
  readonly from: "boot" | "saved" | "resumed"
  readonly build: string
  readonly config: KernelConfig
  readonly boot: BootStamp
  /** Steps since the process started, and the hash after the last of them. */
  readonly event: number
  readonly hashHigh: number
  readonly hashLow: number
}

/** All that a kernel is made of at that point. */
export type Start = {
  readonly head: Head
  /** Of a boot. */
  readonly images: readonly (VolumeImage & { readonly base: LiveBase })[]
  /** Of a kernel that was saved; empty otherwise. */
  readonly kernel: Uint8Array
}

const FROM = ["boot", "saved", "resumed"] as const

export function writeHead(head: Head, writer: ByteWriter): void {
  beginBlock(writer, BLOCK.head)
  writer.u8(FROM.indexOf(head.from))
  writer.uint(head.event)
  writer.u32(head.hashHigh)
  writer.u32(head.hashLow)
  writer.uint(head.boot.mono)
  writer.uint(head.boot.wall)
  writer.u32(head.boot.seedHigh)
  writer.u32(head.boot.seedLow)
  writer.bytes(new TextEncoder().encode(head.build))
  writer.bytes(new TextEncoder().encode(configText(head.config)))
}

/** Null when it is none, `reader` behind the kind of the block. */
export function readHead(reader: ByteReader): Head | null {
  const from = FROM[reader.u8()]
  const event = reader.uint()
  const hashHigh = reader.u32()
  const hashLow = reader.u32()
  const boot = { mono: reader.uint(), wall: reader.uint(), seedHigh: reader.u32(), seedLow: reader.u32() }
  const build = new TextDecoder().decode(reader.bytes())
  const text = new TextDecoder().decode(reader.bytes())
  if (reader.failed || reader.remaining > 0 || from === undefined) return null
  try {
    const config = readConfig(JSON.parse(text))
    return config === null ? null : { from, build, config, boot, event, hashHigh, hashLow }
  } catch {
    return null
  }
}

/** A volume whose content is to be written: `view` does not change any more. */
export type VolumeSource = {
  readonly volume: VolumeId
  readonly segments: readonly SegmentImage[]
  readonly witness: Uint8Array | null
  readonly checkpoint: number
  readonly damage: DamageList
  readonly view: ReadView
}

/** What a volume's directory held, with its base as it stands now. */
export function sourceOf({ volume, segments, witness, base }: VolumeImage): VolumeSource {
  return {
    volume,
    segments,
    witness,
    checkpoint: base.checkpoint,
    damage: base.damage,
    view: base.snapshot(),
  }
}

/**
 * The blocks of a start after its head, one at a time into the writer it is handed: content that may be gigabytes is read
 * as slowly as it is written. Yields after each block.
 */
export function* writeStart(
  kernel: Uint8Array,
  volumes: readonly VolumeSource[],
  writer: ByteWriter,
): Generator<void, void, undefined> {
  for (let at = 0; at < kernel.length; at += PART_BYTES) {
    beginBlock(writer, BLOCK.kernel)
    writer.raw(kernel.subarray(at, at + PART_BYTES))
    yield
  }
  for (const source of volumes) {
    beginBlock(writer, BLOCK.volume)
    writer.uint(source.volume)
    writer.bool(source.witness !== null)
    writer.bytes(source.witness ?? new Uint8Array(0))
    writer.uint(source.checkpoint)
    writeDamage(source.damage, writer)
    yield
    for (const segment of source.segments) yield* writeSegment(segment, writer)
    yield* writeRows(source.view, writer)
  }
  beginBlock(writer, BLOCK.started)
  yield
}

/** A segment file of the log. It was made of zeros, and the zeros at its end are not written again. */
function* writeSegment(segment: SegmentImage, writer: ByteWriter): Generator<void, void, undefined> {
  const { bytes, unreadable = [] } = segment
  let used = bytes.length
  while (used > 0 && bytes[used - 1] === 0) used--
  let at = 0
  do {
    const end = Math.min(used, at + PART_BYTES)
    beginBlock(writer, BLOCK.log)
    writer.uint(segment.sequence)
    writer.uint(bytes.length)
    writer.uint(at)
    writer.bool(at === 0 && segment.unreadable !== undefined)
    if (at === 0 && segment.unreadable !== undefined) {
      writer.uint(unreadable.length)
      for (const span of unreadable) {
        writer.uint(span.start)
        writer.uint(span.end)
      }
    }
    writer.bytes(bytes.subarray(at, end))
    yield
    at = end
  } while (at < used)
}

function* writeRows(view: ReadView, writer: ByteWriter): Generator<void, void, undefined> {
  for (let space = 1; space <= SPACE_MAX; space++) {
    const cursor = view.cursor(space as Space, "", "", false)
    while (cursor.valid) {
      beginBlock(writer, BLOCK.rows)
      writer.u8(space)
      for (; cursor.valid && writer.length < PART_BYTES; cursor.next()) {
        writer.str(cursor.key)
        writer.str(cursor.value)
      }
      yield
    }
  }
}

type VolumeInHand = {
  readonly volume: VolumeId
  readonly witness: Uint8Array | null
  readonly checkpoint: number
  readonly damage: DamageList
  readonly segments: Map<
    number,
    { bytes: Uint8Array; unreadable?: readonly { start: number; end: number }[] }
  >
  readonly rows: MemoryBaseBuilder
}

/** A log of a volume is never larger than this in one segment file: the largest the kernel makes, and some. */
const SEGMENT_BYTES_MAX = 1 << 30

/** Puts a start together from the payloads of its blocks. */
export class StartReader {
  readonly #kernel: Uint8Array[] = []
  readonly #volumes: VolumeInHand[] = []
  isWhole = false

  /** False when the block is not what a start is written of. `reader` stands behind the kind. */
  take(kind: number, reader: ByteReader): boolean {
    if (this.isWhole) return false
    switch (kind) {
      case BLOCK.kernel:
        this.#kernel.push(reader.raw(reader.remaining))
        break
      case BLOCK.volume:
        this.#volume(reader)
        break
      case BLOCK.log:
        this.#log(reader)
        break
      case BLOCK.rows:
        this.#rows(reader)
        break
      case BLOCK.started:
        this.isWhole = true
        break
      default:
        return false
    }
    return !reader.failed && reader.remaining === 0
  }

  finish(head: Head): Start {
    const kernel = new Uint8Array(this.#kernel.reduce((sum, part) => sum + part.length, 0))
    let at = 0
    for (const part of this.#kernel) {
      kernel.set(part, at)
      at += part.length
    }
    const images = this.#volumes.map(({ volume, witness, checkpoint, damage, segments, rows }) => ({
      volume,
      witness,
      segments: [...segments].map(([sequence, segment]) => ({ sequence, ...segment })),
      base: new LiveBase(rows.finish(checkpoint, damage)),
    }))
    return { head, images, kernel }
  }

  #volume(reader: ByteReader): void {
    const volume = reader.uint()
    const hasWitness = reader.bool()
    const witness = reader.bytes()
    const checkpoint = reader.uint()
    const damage = readDamage(reader, SPACE_MAX)
    if (this.#volumes.some((each) => each.volume === volume)) reader.fail()
    this.#volumes.push({
      volume,
      witness: hasWitness ? witness : null,
      checkpoint,
      damage,
      segments: new Map(),
      rows: new MemoryBaseBuilder(),
    })
  }

  #log(reader: ByteReader): void {
    const sequence = reader.uint()
    const size = reader.uint()
    const at = reader.uint()
    const unreadable = reader.bool() ? readSpans(reader) : null
    const bytes = reader.bytes()
    const volume = this.#volumes.at(-1)
    if (volume === undefined || size > SEGMENT_BYTES_MAX || at + bytes.length > size) return reader.fail()
    let segment = volume.segments.get(sequence)
    if ((segment === undefined) !== (at === 0)) return reader.fail()
    if (segment === undefined) {
      segment = { bytes: new Uint8Array(size), ...(unreadable === null ? {} : { unreadable }) }
      volume.segments.set(sequence, segment)
    }
    if (segment.bytes.length !== size) return reader.fail()
    segment.bytes.set(bytes, at)
  }

  #rows(reader: ByteReader): void {
    const space = reader.u8()
    const rows = this.#volumes.at(-1)?.rows
    if (rows === undefined || space < 1 || space > SPACE_MAX) return reader.fail()
    while (reader.remaining > 0) {
      const key = reader.str()
      const value = reader.str()
      if (!reader.failed) rows.put(space as Space, key, value)
    }
  }
}

function readSpans(reader: ByteReader): readonly { start: number; end: number }[] {
  const spans: { start: number; end: number }[] = []
  for (let left = reader.count(2); left > 0; left--) spans.push({ start: reader.uint(), end: reader.uint() })
  return spans
}

/** The bases of a start, as a kernel is loaded over them. */
export function basesOf(start: Start): ReadonlyMap<VolumeId, LiveBase> {
  return new Map(start.images.map(({ volume, base }) => [volume, base]))
}
