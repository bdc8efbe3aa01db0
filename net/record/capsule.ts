import { randomBytes } from "node:crypto"
import { open as openFile, rename, unlink, type FileHandle } from "node:fs/promises"
import { ByteWriter, writeInput, type ByteReader, type Input } from "#kernel"
import { messageOf } from "../thrown.ts"
import { beginBlock, BLOCK, encodeFileHeader, sealBlock } from "./block.ts"
import { RecordingError } from "./error.ts"
import { Player, type Divergence } from "./player.ts"
import { ITEM } from "./recorder.ts"
import {
  malformed,
  open,
  partsOf,
  playEnd,
  playEvents,
  readStart,
  type Follower,
  type PartSegment,
  type ReplayOptions,
} from "./replay.ts"
import { listSegments, readBlocks, TORN } from "./segment-reader.ts"
import { readHead, type Head, type Start } from "./start.ts"

const BLOCK_BYTES = 1 << 20
const HASH = /^[0-9a-f]{16}$/

export type CapsuleOptions = Pick<ReplayOptions, "stretch" | "until" | "onProgress">

/** What a capsule came to hold. */
export type MadeCapsule = {
  readonly from: Head["from"]
  readonly firstEvent: number
  readonly lastEvent: number
  readonly bytes: number
}

/**
 * Makes one file of what a recording ends with: the last kernel it knows whole, at its start or saved, what that was told
 * from there on (up to `until`), and the hashes that must come out. Where this build parts from the recording the capsule
 * ends there, with the recorded hash. Throws `RecordingError` when the recording cannot be read or the file not be written.
 */
export async function makeRecordingCapsule(
  source: string,
  file: string,
  options: CapsuleOptions = {},
): Promise<MadeCapsule> {
  const parts = await partsOf(await listSegments(source), options.stretch ?? "last")
  const { segments } = parts[0]!
  const until = options.until ?? Number.MAX_SAFE_INTEGER
  const found = await lastStart(segments, until)
  if (found === null) {
    const why =
      options.until === undefined ? "nothing it begins with is whole" : `no start before event ${until}`
    throw new RecordingError("recordingMissing", `No capsule can be made of ${source}: ${why}`)
  }
  const { start, first } = found
  const beside = `${file}.new`
  const handle = await opened(beside)
  try {
    const writer = new CapsuleWriter(handle)
    await writer.begin()
    await copyStart(segments[first]!, writer)
    const lastEvent = await copyEvents(start, segments.slice(first), until, writer, options.onProgress)
    await handle.sync()
    await handle.close()
    await rename(beside, file)
    const { from, event } = start.head
    return { from, firstEvent: event, lastEvent, bytes: writer.bytes }
  } catch (error) {
    await handle.close().catch(() => {})
    await unlink(beside).catch(() => {})
    throw error
  }
}

async function opened(path: string): Promise<FileHandle> {
  try {
    return await openFile(path, "w", 0o600)
  } catch (error) {
    throw new RecordingError("recordingDirectory", `Cannot write ${path}: ${messageOf(error)}`)
  }
}

/** The last segment with a whole start that begins before `until`. */
async function lastStart(
  segments: readonly PartSegment[],
  until: number,
): Promise<{ readonly start: Start; readonly first: number } | null> {
  for (let first = segments.length - 1; first >= 0; first--) {
    const start = await readStart(segments[first]!)
    if (start !== null && start.head.event < until) return { start, first }
  }
  return null
}

async function copyStart(segment: PartSegment, writer: CapsuleWriter): Promise<void> {
  for await (const { kind, reader } of readBlocks(segment, segment.isLast)) {
    if (kind === BLOCK.events) continue
    await writer.copy(kind, reader)
    if (kind === BLOCK.started) return
  }
}

/** Plays what follows the start and writes it as it goes. Gives the last event. */
async function copyEvents(
  start: Start,
  segments: readonly PartSegment[],
  until: number,
  writer: CapsuleWriter,
  onProgress: CapsuleOptions["onProgress"],
): Promise<number> {
  const player = open(start, null)
  // It does not even start here: the capsule shows just that.
  if (!(player instanceof Player)) return (await writer.parted(start.head.event), start.head.event)
  const total = segments.reduce((sum, { bytes }) => sum + bytes, 0)
  let done = 0
  for (const segment of segments) {
    for await (const { kind, reader, offset } of readBlocks(segment, segment.isLast)) {
      onProgress?.(done + offset, total)
      if (kind === BLOCK.events) {
        const parted = playEvents(player, reader, until, segment, writer)
        await writer.added()
        if (parted !== null) return (await writer.partedBy(parted, player), parted.upTo)
        if (player.event >= until) return (await writer.end(player), player.event)
      } else if (kind === BLOCK.end) {
        const { parted, isFinal } = playEnd(player, reader, segment)
        if (parted !== null) return (await writer.partedBy(parted, player), parted.upTo)
        if (isFinal) return (await writer.end(player), player.event)
      } else if (kind === BLOCK.lost || kind === TORN) return (await writer.end(player), player.event)
      else if (kind === BLOCK.head && readHead(reader) === null) throw malformed(segment)
    }
    done += segment.bytes
  }
  await writer.end(player)
  return player.event
}

/** Blocks of a capsule, in order. */
class CapsuleWriter implements Follower {
  readonly #handle: FileHandle
  readonly #block = new ByteWriter(1 << 12)
  readonly #events = new ByteWriter(1 << 12)
  #seed = 0
  #blocks = 0
  bytes = 0

  constructor(handle: FileHandle) {
    this.#handle = handle
    beginBlock(this.#events, BLOCK.events)
  }

  async begin(): Promise<void> {
    const drawn = randomBytes(8)
    const header = { segment: 1, recordingHigh: drawn.readUInt32LE(0), recordingLow: drawn.readUInt32LE(4) }
    const { bytes, seed } = encodeFileHeader(header, "capsule")
    this.#seed = seed
    await this.#write(bytes)
  }

  async copy(kind: number, reader: ByteReader): Promise<void> {
    beginBlock(this.#block, kind)
    this.#block.raw(reader.raw(reader.remaining))
    await this.#seal(this.#block)
  }

  input(input: Input): void {
    this.#events.u8(ITEM.input)
    writeInput(input, this.#events, true)
  }

  hash(player: Player): void {
    this.#events.u8(ITEM.hash)
    this.#hash(this.#events, player.event, player.hash())
  }

  /** After each block of the recording: one of these is as large, or a little larger. */
  async added(): Promise<void> {
    if (this.#events.length >= BLOCK_BYTES) await this.#flush()
  }

  /** All of it was played, and these hashes must come out again. */
  async end(player: Player): Promise<void> {
    await this.#end(player.event, player.hash(), player.stateHash())
  }

  /** The recorded hash stands at the end: it does not come out of this build. */
  async partedBy({ what, upTo, recorded }: Divergence, player: Player): Promise<void> {
    if (what === "state") return this.#end(player.event, player.hash(), recorded)
    if (what === "hash") {
      if (!HASH.test(recorded))
        throw new RecordingError(
          "recordingDamaged",
          `A hash is recorded for ${recorded}, not ${player.event}`,
        )
      this.#events.u8(ITEM.hash)
      this.#hash(this.#events, upTo, recorded)
    }
    await this.parted(upTo)
  }

  /** Nothing follows that anybody could play. */
  async parted(event: number): Promise<void> {
    await this.#flush()
    beginBlock(this.#block, BLOCK.lost)
    this.#block.uint(event)
    await this.#seal(this.#block)
  }

  async #end(event: number, trace: string, state: string): Promise<void> {
    await this.#flush()
    beginBlock(this.#block, BLOCK.end)
    this.#hash(this.#block, event, trace)
    this.#words(this.#block, state)
    this.#block.bool(true)
    await this.#seal(this.#block)
  }

  #hash(block: ByteWriter, event: number, hash: string): void {
    block.uint(event)
    this.#words(block, hash)
  }

  #words(block: ByteWriter, hash: string): void {
    block.u32(Number.parseInt(hash.slice(0, 8), 16))
    block.u32(Number.parseInt(hash.slice(8), 16))
  }

  async #flush(): Promise<void> {
    await this.#seal(this.#events)
    beginBlock(this.#events, BLOCK.events)
  }

  async #seal(block: ByteWriter): Promise<void> {
    sealBlock(block, this.#blocks++, this.#seed)
    await this.#write(block.view())
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at)
      at += bytesWritten
    }
    this.bytes += bytes.length
  }
}
