import { open, unlink, type FileHandle } from "node:fs/promises"
import { randomBytes } from "node:crypto"
import { join } from "node:path"
import { ByteWriter } from "#kernel"
import { messageOf } from "../thrown.ts"
import { beginBlock, BLOCK, BLOCK_HEADER_BYTES, encodeFileHeader, sealBlock } from "./block.ts"
import { segmentName } from "./files.ts"

/** A block of events is closed at this size. */
const BLOCK_BYTES = 1 << 20
const FREE_MAX = 4
const EMPTY_BYTES = BLOCK_HEADER_BYTES + 1

/** A file of the directory. */
export type SegmentFile = { readonly number: number; bytes: number }

/** `slow`: the disk did not keep up; `full`: the size allowed cannot hold it; `failed`: the disk answered with an error. */
export type LostCode = "slow" | "full" | "failed"

/** One file on its way. Its start is made as the disk takes it. */
type Segment = {
  readonly file: SegmentFile
  readonly start: Generator<void, void, undefined>
  readonly startBlock: ByteWriter
  /** The content of its start is whole, or will never be. */
  isStarted: boolean
  startBytes: number
  handle: FileHandle | null
  seed: number
  blocks: number
}

type Job = { readonly segment: Segment; readonly block: ByteWriter; readonly isLast: boolean }

/**
 * Blocks on their way into segment files, written behind whoever fills them. Everything here is a buffer: what is in it is
 * bounded, and one that would grow beyond is the filler's to give up (`isBehind`).
 */
export class SegmentWriter {
  readonly #directory: string
  readonly #bytesMax: number
  readonly #bufferBytesMax: number
  readonly #onLost: (code: LostCode, detail: string) => void
  readonly #recording: Buffer = randomBytes(8)
  /** Ascending; the one being written last. */
  readonly #files: SegmentFile[]
  /** Files before this one are given up when there is no room. */
  #keepFrom: number
  readonly #free: ByteWriter[] = []
  readonly #queue: Job[] = []
  #queuedBytes = 0
  #segment: Segment | null = null
  /** The block of events being filled: a reader's whole items, nothing else. */
  events: ByteWriter
  #isFlushAsked = false
  #isStartsTurn = true
  #pumping: Promise<void> | null = null
  isOff = false

  constructor(
    options: { readonly directory: string; readonly bytesMax: number; readonly bufferBytesMax: number },
    files: SegmentFile[],
    onLost: (code: LostCode, detail: string) => void,
  ) {
    this.#directory = options.directory
    this.#bytesMax = options.bytesMax
    this.#bufferBytesMax = options.bufferBytesMax
    this.#onLost = onLost
    this.#files = files
    this.#keepFrom = (files.at(-1)?.number ?? 0) + 1
    this.events = this.#fresh(BLOCK.events)
  }

  /** Nothing waits for the disk but the block being filled. */
  get isIdle(): boolean {
    return this.#pumping === null && this.#queue.length === 0
  }

  get isBehind(): boolean {
    return this.#queuedBytes + this.events.length > this.#bufferBytesMax
  }

  /** A segment begins with `head`, then with what `start` puts into the writer it was given, block after block. */
  begin(head: ByteWriter, start: Generator<void, void, undefined>, startBlock: ByteWriter): void {
    const file = { number: (this.#files.at(-1)?.number ?? 0) + 1, bytes: 0 }
    this.#files.push(file)
    this.#segment = {
      file,
      start,
      startBlock,
      isStarted: false,
      startBytes: 0,
      handle: null,
      seed: 0,
      blocks: 0,
    }
    this.#push(head, false)
  }

  /** Bytes of the segment's start once it is written whole, and of all that came with it; null before. */
  get written(): { readonly startBytes: number; readonly bytes: number } | null {
    const segment = this.#segment
    if (segment === null || !segment.isStarted) return null
    return { startBytes: segment.startBytes, bytes: segment.file.bytes + this.#queuedBytes }
  }

  /** Whether the directory holds more than it may, and only a new segment would make room. */
  get isCrowded(): boolean {
    return this.#total > this.#bytesMax
  }

  /** Called after every item: closes the block of events when it is large enough. */
  added(): void {
    if (this.events.length >= BLOCK_BYTES) this.#closeEvents()
  }

  /** The last block of the segment. */
  end(block: ByteWriter): void {
    this.#closeEvents()
    this.#push(block, true)
    this.#segment = null
  }

  /** Gives up all that was not written: the segment ends with `mark`. */
  abandon(mark: ByteWriter): void {
    const segment = this.#segment
    if (segment === null) return
    segment.isStarted = true
    this.#queue.length = 0
    this.#queuedBytes = 0
    this.#reset(this.events)
    this.#push(mark, true)
    this.#segment = null
  }

  fresh(kind: number): ByteWriter {
    return this.#fresh(kind)
  }

  /** Writes what there is, the block being filled as well when `all`. Returns at once. */
  pump(all: boolean): void {
    this.#isFlushAsked ||= all
    if (this.#pumping !== null || this.isOff) return
    this.#pumping = this.#run().finally(() => {
      this.#pumping = null
    })
  }

  /** When all that was handed over is written, or given up. */
  async drained(): Promise<void> {
    do {
      this.pump(true)
      await this.#pumping
    } while (!this.isOff && !this.isIdle)
  }

  async #run(): Promise<void> {
    try {
      for (let job = this.#next(); job !== null; job = this.#next()) {
        await this.#write(job)
        await this.#makeRoom(job.segment)
      }
    } catch (error) {
      this.#giveUp("failed", messageOf(error))
    }
  }

  #next(): Job | null {
    const head = this.#queue[0]
    const segment = head?.segment ?? this.#segment
    if (segment === null) return null
    // The head of a segment comes before its start, and the start before its end.
    const isStartNext =
      segment.blocks > 0 && !segment.isStarted && (head === undefined || head.isLast || this.#isStartsTurn)
    if (isStartNext) {
      this.#isStartsTurn = false
      if (segment.start.next().done !== true) return { segment, block: segment.startBlock, isLast: false }
      segment.isStarted = true
      segment.startBytes = segment.file.bytes
      this.#keepFrom = segment.file.number
      return this.#next()
    }
    this.#isStartsTurn = true
    if (head === undefined) {
      if (!this.#isFlushAsked || this.events.length <= EMPTY_BYTES) {
        this.#isFlushAsked = false
        return null
      }
      this.#isFlushAsked = false
      this.#closeEvents()
    }
    const job = this.#queue.shift()!
    this.#queuedBytes -= job.block.length
    return job
  }

  async #write({ segment, block, isLast }: Job): Promise<void> {
    if (segment.handle === null) {
      const { number } = segment.file
      segment.handle = await open(join(this.#directory, segmentName(number)), "wx", 0o600)
      const header = encodeFileHeader({
        segment: number,
        recordingHigh: this.#recording.readUInt32LE(0),
        recordingLow: this.#recording.readUInt32LE(4),
      })
      segment.seed = header.seed
      await writeAll(segment.handle, header.bytes)
      segment.file.bytes += header.bytes.length
    }
    sealBlock(block, segment.blocks++, segment.seed)
    await writeAll(segment.handle, block.view())
    segment.file.bytes += block.length
    if (block !== segment.startBlock && this.#free.length < FREE_MAX) this.#free.push(block)
    if (!isLast) return
    const { handle } = segment
    segment.handle = null
    await handle.close()
  }

  async #makeRoom(writing: Segment): Promise<void> {
    while (this.#total > this.#bytesMax) {
      const oldest = this.#files[0]!
      if (oldest.number >= this.#keepFrom) {
        if (writing.isStarted) return
        this.#giveUp("full", `What a kernel is made of does not fit twice into ${this.#bytesMax} bytes`)
        return
      }
      this.#files.shift()
      await unlink(join(this.#directory, segmentName(oldest.number)))
    }
  }

  get #total(): number {
    let total = 0
    for (const { bytes } of this.#files) total += bytes
    return total
  }

  /** For good: the recording ends here, as that of a process that died. */
  #giveUp(code: LostCode, detail: string): void {
    this.isOff = true
    const handles = new Set([...this.#queue.map(({ segment }) => segment), this.#segment])
    this.#queue.length = 0
    this.#queuedBytes = 0
    this.#segment = null
    this.#reset(this.events)
    // A file that cannot even be closed is no more lost than it was.
    for (const segment of handles) segment?.handle?.close().catch(() => {})
    this.#onLost(code, detail)
  }

  #closeEvents(): void {
    if (this.events.length <= EMPTY_BYTES) return
    const block = this.events
    this.events = this.#fresh(BLOCK.events)
    this.#push(block, false)
  }

  #push(block: ByteWriter, isLast: boolean): void {
    if (this.#segment === null || this.isOff) return
    this.#queue.push({ segment: this.#segment, block, isLast })
    this.#queuedBytes += block.length
  }

  #fresh(kind: number): ByteWriter {
    const writer = this.#free.pop() ?? new ByteWriter(1 << 12)
    beginBlock(writer, kind)
    return writer
  }

  #reset(events: ByteWriter): void {
    beginBlock(events, BLOCK.events)
  }
}

async function writeAll(handle: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, at, bytes.length - at)
    at += bytesWritten
  }
}
