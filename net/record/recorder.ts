import { mkdir, readdir, stat } from "node:fs/promises"
import { join } from "node:path"
import {
  ByteWriter,
  Digest,
  TraceDigest,
  writeFrameInput,
  writeInput,
  type BootStamp,
  type Effect,
  type Input,
  type KernelConfig,
  type Sink,
  type VolumeId,
  type VolumeImage,
} from "#kernel"
import type { HostWatcher } from "../host/ports.ts"
import { messageOf } from "../thrown.ts"
import { BLOCK } from "./block.ts"
import { RecordingError } from "./error.ts"
import { segmentNumber } from "./files.ts"
import { SegmentWriter, type LostCode, type SegmentFile } from "./segment-writer.ts"
import { sourceOf, writeHead, writeStart, type Head } from "./start.ts"

/** Before each item of a block of events. */
export const ITEM = { input: 1, hash: 2 } as const

/** What was recorded is on its way to the disk at the latest this much later. */
const FLUSH_MS = 50
const SEGMENT_BYTES_MAX = 256 << 20
/** A segment is so many times as large as what it began with: starts are a small part of a recording. */
const STARTS_SHARE = 2
const BUFFER_BYTES_MAX = 64 << 20
const RECORD_BYTES_MAX: number = 8 * 2 ** 30
const NO_BYTES = new Uint8Array(0)

export type RecorderOptions = {
  readonly directory: string
  /** Of the sources that run, as it is told to whoever replays it. */
  readonly build: string
  /** All files of the directory together: 8 GiB unless given. */
  readonly bytesMax?: number
  /** A segment is rotated at this size: a quarter of `bytesMax`, at most 256 MiB. */
  readonly segmentBytes?: number
  /** What waits for the disk, 64 MiB; beyond it the recording has a hole. */
  readonly bufferBytesMax?: number
  /** Told when something is lost, each time, and why. */
  readonly onLost?: (code: LostCode, detail: string) => void
}

type Saved = { save(sink: Sink): void }
type Life = {
  readonly config: KernelConfig
  readonly boot: BootStamp
  /** Without the log that was read at the start: only what is still in use. */
  readonly volumes: readonly VolumeImage[]
  readonly kernel: Saved
}

/**
 * The flight recorder of a node: what its kernel was told, in order, in segment files that each begin with all that a
 * kernel is made of. It never holds the store up: it writes behind it, and where the disk is too slow it leaves a hole,
 * says so, and begins anew with a saved kernel. Nothing is synced: a recording outlives its process, not always its
 * machine.
 */
export class FlightRecorder implements HostWatcher {
  readonly #build: string
  readonly #segmentBytes: number
  readonly #onLost: (code: LostCode, detail: string) => void
  readonly #writer: SegmentWriter
  readonly #trace = new TraceDigest()
  /** Volumes with a checkpoint on its way: a saved kernel would not say what is in it. */
  readonly #checkpointing = new Set<VolumeId>()
  #life: Life | null = null
  #isLost = false
  #timer: NodeJS.Timeout | null = null

  private constructor(options: RecorderOptions, files: SegmentFile[]) {
    const { directory, bytesMax = RECORD_BYTES_MAX, bufferBytesMax = BUFFER_BYTES_MAX } = options
    this.#build = options.build
    this.#segmentBytes = options.segmentBytes ?? Math.min(SEGMENT_BYTES_MAX, Math.ceil(bytesMax / 4))
    this.#onLost = options.onLost ?? (() => {})
    this.#writer = new SegmentWriter({ directory, bytesMax, bufferBytesMax }, files, this.#onLost)
  }

  /**
   * Throws `RecordingError` when the directory cannot be used. What earlier starts recorded there stays, as far as the
   * bound allows.
   */
  static async create(options: RecorderOptions): Promise<FlightRecorder> {
    const { directory } = options
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const files: SegmentFile[] = []
      for (const name of await readdir(directory)) {
        const number = segmentNumber(name)
        if (number !== null) files.push({ number, bytes: (await stat(join(directory, name))).size })
      }
      return new FlightRecorder(
        options,
        files.sort((a, b) => a.number - b.number),
      )
    } catch (error) {
      throw new RecordingError("recordingDirectory", `Cannot record to ${directory}: ${messageOf(error)}`)
    }
  }

  opened(
    config: KernelConfig,
    images: readonly VolumeImage[],
    boot: BootStamp,
    effects: readonly Effect[],
    kernel: Saved,
  ): void {
    const volumes = images.map((image) => ({ ...image, segments: [], witness: null }))
    this.#life = { config, boot, volumes, kernel }
    this.#begin("boot", this.#life, images, NO_BYTES)
    this.#trace.opened(config.store, boot, effects)
    this.#watch(effects)
    this.#writer.pump(false)
  }

  stepped(input: Input, effects: readonly Effect[], bytes: Uint8Array | null = null): void {
    const life = this.#life
    const writer = this.#writer
    if (life === null || writer.isOff) return
    if (
      input.type === "checkpointSynced" ||
      input.type === "checkpointRefused" ||
      input.type === "checkpointFailed"
    )
      this.#checkpointing.delete(input.volume)
    this.#watch(effects)
    if (!this.#isLost) {
      writer.events.u8(ITEM.input)
      // Most of what a store is told is other stores' words: they are not spelled again.
      if (input.type === "frame" && bytes !== null) writeFrameInput(input, bytes, writer.events)
      else writeInput(input, writer.events, true)
    }
    if (this.#trace.stepped(life.config.store, input, effects) && !this.#isLost) {
      writer.events.u8(ITEM.hash)
      this.#writeHash(writer.events)
    }
    writer.added()
    if (writer.isBehind) this.#lose()
    if (input.type === "turnEnded") this.#turnEnded(life)
  }

  /** When all that it was told by now is in its files, or given up. */
  written(): Promise<void> {
    return this.#writer.drained()
  }

  async closed(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const life = this.#life
    this.#life = null
    if (life !== null && !this.#isLost && !this.#writer.isOff) this.#end(savedBytes(life.kernel), true)
    await this.#writer.drained()
  }

  #watch(effects: readonly Effect[]): void {
    for (let i = 0; i < effects.length; i++) {
      const effect = effects[i]!
      if (effect.type === "checkpoint") this.#checkpointing.add(effect.volume)
    }
  }

  #turnEnded(life: Life): void {
    const writer = this.#writer
    // The bases stand still only while no checkpoint is on its way into one.
    const mayBegin = this.#checkpointing.size === 0
    if (this.#isLost) {
      if (mayBegin && writer.isIdle) {
        this.#isLost = false
        this.#begin("resumed", life, life.volumes, savedBytes(life.kernel))
      }
    } else if (mayBegin && this.#isFull()) {
      const saved = savedBytes(life.kernel)
      this.#end(saved, false)
      this.#begin("saved", life, life.volumes, saved)
    }
    writer.pump(false)
    this.#timer ??= setTimeout(() => {
      this.#timer = null
      writer.pump(true)
    }, FLUSH_MS).unref()
  }

  /** A start that is large makes a large segment: what it costs is spread over more. */
  #isFull(): boolean {
    const written = this.#writer.written
    if (written === null) return false
    const { startBytes, bytes } = written
    return (
      this.#writer.isCrowded || bytes - startBytes >= Math.max(this.#segmentBytes, STARTS_SHARE * startBytes)
    )
  }

  /** With what was read at the start, or with a kernel as it is now. */
  #begin(from: Head["from"], life: Life, images: readonly VolumeImage[], saved: Uint8Array): void {
    const head = this.#writer.fresh(BLOCK.head)
    const { high, low, events } = this.#trace
    const { config, boot } = life
    writeHead({ from, build: this.#build, config, boot, event: events, hashHigh: high, hashLow: low }, head)
    const sources = images.map(sourceOf)
    const block = new ByteWriter(1 << 12)
    this.#writer.begin(head, writeStart(saved, sources, block), block)
  }

  #end(saved: Uint8Array, isFinal: boolean): void {
    const block = this.#writer.fresh(BLOCK.end)
    this.#writeHash(block)
    const state = new Digest()
    state.bytes(saved)
    block.u32(state.high)
    block.u32(state.low)
    block.bool(isFinal)
    this.#writer.end(block)
  }

  #lose(): void {
    const mark = this.#writer.fresh(BLOCK.lost)
    mark.uint(this.#trace.events)
    this.#writer.abandon(mark)
    this.#isLost = true
    this.#onLost("slow", `What waited for the disk was dropped at event ${this.#trace.events}`)
  }

  #writeHash(block: ByteWriter): void {
    block.uint(this.#trace.events)
    block.u32(this.#trace.high)
    block.u32(this.#trace.low)
  }
}

function savedBytes(kernel: Saved): Uint8Array {
  const writer = new ByteWriter(1 << 16)
  kernel.save(writer)
  return writer.take()
}
