import { readInput, type ByteReader, type Input } from "#kernel"
import { messageOf } from "../thrown.ts"
import { BLOCK } from "./block.ts"
import { RecordingError } from "./error.ts"
import { Player, type Divergence, type StepListener } from "./player.ts"
import { ITEM } from "./recorder.ts"
import { listSegments, readBlocks, TORN, type SegmentInfo } from "./segment-reader.ts"
import { readHead, StartReader, type Head, type Start } from "./start.ts"

/** What became of a stretch of a recording: one process, or what of it lies before or after a hole. */
export type Stretch = {
  /** Counted from 1 over the whole recording. */
  readonly number: number
  readonly build: string
  readonly store: number
  /** From the start of a process, or from a kernel that was saved while it ran. */
  readonly from: Head["from"]
  readonly firstEvent: number
  readonly lastEvent: number
  /** Hashes that were compared, and agreed. */
  readonly compared: number
  readonly traceHash: string
  readonly stateHash: string
  /**
   * `closed`: by its process, in order · `cut`: it died, at the end of a block · `torn`: within one · `lost`: the
   * recorder did not keep up · `stopped`: here, as asked · `parted`: the replay went another way.
   */
  readonly ending: "closed" | "cut" | "torn" | "lost" | "stopped" | "parted"
}

export type RecordingReplay = {
  readonly stretches: readonly Stretch[]
  /** Null: the same to the last bit. */
  readonly divergence: (Divergence & { readonly stretch: number }) | null
  /** What cannot be replayed, and why. */
  readonly notes: readonly string[]
}

export type ReplayOptions = {
  /** This stretch alone, counted from 1. */
  readonly stretch?: number | "last"
  /** Stop after this event of the process. */
  readonly until?: number
  /** Told what a stretch begins with, before its kernel is made: a follower may make one of its own. */
  readonly onStart?: (start: Start) => void
  /** Follows every step. */
  readonly onStep?: StepListener
  readonly onProgress?: (bytes: number, of: number) => void
}

/**
 * Runs a recording through the kernel of this build. Every hash in it must come out again. Throws `RecordingError` for what
 * cannot be read or is damaged.
 */
export async function replayRecording(
  directory: string,
  options: ReplayOptions = {},
): Promise<RecordingReplay> {
  return new Replay(options).run(await listSegments(directory))
}

class Replay {
  readonly #options: ReplayOptions
  readonly #stretches: Stretch[] = []
  readonly #notes: string[] = []
  #divergence: RecordingReplay["divergence"] = null
  #bytes = 0
  #bytesDone = 0

  constructor(options: ReplayOptions) {
    this.#options = options
  }

  async run(segments: readonly SegmentInfo[]): Promise<RecordingReplay> {
    const parts = await partsOf(segments, this.#options.stretch)
    for (const part of parts) for (const { bytes } of part.segments) this.#bytes += bytes
    for (const part of parts) {
      await this.#play(part)
      if (this.#divergence !== null) break
    }
    return { stretches: this.#stretches, divergence: this.#divergence, notes: this.#notes }
  }

  async #play({ number, segments }: Part): Promise<void> {
    const first = segments[0]!
    const start = await readStart(first)
    if (start === null) {
      this.#notes.push(`${first.name} cannot be replayed: what it begins with was not written to its end`)
      return
    }
    this.#options.onStart?.(start)
    const player = open(start, this.#options.onStep ?? null)
    if (!(player instanceof Player)) {
      this.#divergence = { ...player, stretch: number }
      return
    }
    let ending: Stretch["ending"] | null = null
    for (const segment of segments) {
      ending = await this.#segment(player, number, segment)
      if (ending !== null) break
    }
    const { head } = start
    this.#stretches.push({
      number,
      build: head.build,
      store: head.config.store,
      from: head.from,
      firstEvent: head.event,
      lastEvent: player.event,
      compared: player.compared,
      traceHash: player.hash(),
      // One that threw in the middle of a step has no state to speak of.
      stateHash: ending === "parted" ? "" : player.stateHash(),
      ending: ending ?? "cut",
    })
  }

  /** Null where the segment goes on in the next one. */
  async #segment(player: Player, number: number, segment: PartSegment): Promise<Stretch["ending"] | null> {
    const until = this.#options.until ?? Number.MAX_SAFE_INTEGER
    let isOver = false
    for await (const { kind, reader, offset } of readBlocks(segment, segment.isLast)) {
      this.#options.onProgress?.(this.#bytesDone + offset, this.#bytes)
      // Nothing follows an end.
      if (isOver) throw malformed(segment)
      switch (kind) {
        case BLOCK.events: {
          const parted = playEvents(player, reader, until, segment)
          if (parted !== null) return this.#part(parted, number)
          if (player.event >= until) return "stopped"
          break
        }
        case BLOCK.end: {
          const { parted, isFinal } = playEnd(player, reader, segment)
          if (parted !== null) return this.#part(parted, number)
          if (isFinal) return "closed"
          isOver = true
          break
        }
        case BLOCK.lost:
          return "lost"
        case TORN:
          return "torn"
        case BLOCK.head: {
          const head = readHead(reader)
          if (head === null) throw malformed(segment)
          // That of a boot is of what came before it.
          if (head.from === "boot") break
          const parted = player.check(head.event, hexOf(head.hashHigh, head.hashLow))
          if (parted !== null) return this.#part(parted, number)
          break
        }
        default:
          // Of the start: read before, or what this kernel has become by itself.
          break
      }
    }
    this.#bytesDone += segment.bytes
    if (!isOver && (!segment.isLast || segment.isCapsule)) {
      throw endless(segment)
    }
    return isOver ? null : "cut"
  }

  #part(divergence: Divergence, stretch: number): "parted" {
    this.#divergence = { ...divergence, stretch }
    return "parted"
  }
}

/** A kernel that does not even start is where the two part. */
export function open(start: Start, listener: StepListener | null): Player | Divergence {
  try {
    return new Player(start, listener)
  } catch (error) {
    const { event } = start.head
    const found = messageOf(error)
    return { after: event, upTo: event, what: "threw", recorded: "the kernel was opened", found }
  }
}

/** Told of what is played: of an input before it is, of a hash when it came out again. */
export type Follower = { input(input: Input): void; hash(player: Player): void }

export function playEvents(
  player: Player,
  reader: ByteReader,
  until: number,
  segment: SegmentInfo,
  follower: Follower | null = null,
): Divergence | null {
  while (reader.remaining > 0 && player.event < until) {
    const item = reader.u8()
    let parted: Divergence | null = null
    if (item === ITEM.input) {
      const input = readInput(reader)
      if (reader.failed) throw malformed(segment)
      follower?.input(input)
      parted = player.step(input)
    } else if (item === ITEM.hash) {
      parted = playHash(player, reader, segment)
      if (parted === null) follower?.hash(player)
    } else throw malformed(segment)
    if (parted !== null) return parted
  }
  return null
}

function playHash(player: Player, reader: ByteReader, segment: SegmentInfo): Divergence | null {
  const event = reader.uint()
  const hash = hexOf(reader.u32(), reader.u32())
  if (reader.failed) throw malformed(segment)
  return player.check(event, hash)
}

export function playEnd(
  player: Player,
  reader: ByteReader,
  segment: SegmentInfo,
): { readonly parted: Divergence | null; readonly isFinal: boolean } {
  const parted = playHash(player, reader, segment)
  const state = hexOf(reader.u32(), reader.u32())
  const isFinal = reader.bool()
  if (reader.failed || reader.remaining > 0) throw malformed(segment)
  return { parted: parted ?? player.checkState(state), isFinal }
}

function hexOf(high: number, low: number): string {
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0")
}

function endless(segment: SegmentInfo): RecordingError {
  return new RecordingError("recordingDamaged", `${segment.name} ends before its end`)
}

export function malformed(segment: SegmentInfo): RecordingError {
  return new RecordingError("recordingDamaged", `${segment.name} is whole, and holds what no recorder writes`)
}

export type PartSegment = SegmentInfo & { readonly isLast: boolean }
export type Part = { readonly number: number; readonly segments: readonly PartSegment[] }

/** The stretches that were asked for; throws when there are none. */
export async function partsOf(
  segments: readonly SegmentInfo[],
  stretch: ReplayOptions["stretch"],
): Promise<readonly Part[]> {
  const all = await stretchesOf(segments)
  const chosen = stretch === "last" ? all.length : stretch
  const parts = all.filter(({ number }) => chosen === undefined || chosen === number)
  if (parts.length > 0) return parts
  const has = `it has ${all.length} ${all.length === 1 ? "stretch" : "stretches"}`
  throw new RecordingError("recordingMissing", `The recording has no stretch ${chosen}: ${has}`)
}

/** Segments that lead one into the next. */
async function stretchesOf(segments: readonly SegmentInfo[]): Promise<readonly Part[]> {
  const parts: { number: number; segments: PartSegment[] }[] = []
  for (const [index, segment] of segments.entries()) {
    const { recording } = segment
    const isLast = recording === "" || segments[index + 1]?.recording !== recording
    const part = { ...segment, isLast }
    const goesOn = segments[index - 1]?.recording === recording && (await leadsOn(part))
    if (goesOn) parts.at(-1)!.segments.push(part)
    else parts.push({ number: parts.length + 1, segments: [part] })
  }
  return parts
}

async function leadsOn(segment: PartSegment): Promise<boolean> {
  for await (const { kind, reader } of readBlocks(segment, segment.isLast)) {
    return kind === BLOCK.head && readHead(reader)?.from === "saved"
  }
  return false
}

/** Null when the start was not written to its end. */
export async function readStart(segment: PartSegment): Promise<Start | null> {
  const start = new StartReader()
  let head: Head | null = null
  for await (const { kind, reader } of readBlocks(segment, segment.isLast)) {
    if (kind === TORN || kind === BLOCK.lost) return null
    if (kind === BLOCK.events || kind === BLOCK.end) continue
    if (head === null) {
      head = kind === BLOCK.head ? readHead(reader) : null
      if (head === null) throw malformed(segment)
    } else if (!start.take(kind, reader)) throw malformed(segment)
    if (start.isWhole) return start.finish(head)
  }
  if (segment.isCapsule) throw endless(segment)
  return null
}
