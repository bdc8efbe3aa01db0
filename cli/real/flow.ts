import type { Socket } from "node:net"

/**
 * What a link does with the bytes of one direction.
 * - `flow`: they go on, after `delayMs`, no more than `bytesPerSecond` of them.
 * - `hold`: none goes on; what comes waits, as in a network that drops, where TCP sends again when it heals.
 * - `swallow`: they are taken and lost: the other end is no more, and nobody has said so.
 */
export type Pace =
  | { readonly type: "flow"; readonly delayMs: number; readonly bytesPerSecond: number }
  | { readonly type: "hold" }
  | { readonly type: "swallow" }

export const FREE: Pace = { type: "flow", delayMs: 0, bytesPerSecond: Number.POSITIVE_INFINITY }

/** Bytes of one direction that may wait here before its sender is made to wait. */
const QUEUE_BYTES_MAX = 256 * 1024
/** A dribble lets through what is due this often, a byte at the least. */
const DRIBBLE_MS = 50

type Chunk = { bytes: Buffer; readonly dueAt: number }

/** One direction of one connection: reads from `source`, writes to `sink`, at the pace it was last given. */
export class Flow {
  readonly #source: Socket
  readonly #sink: Socket
  #pace: Pace
  #queue: Chunk[] = []
  #queued = 0
  #timer: NodeJS.Timeout | null = null
  /** When a dribble may let the next bytes through. */
  #nextAt = 0
  #hasEnded = false
  #isClosed = false
  /** Bytes were lost: whatever follows would be read as something else. */
  hasSwallowed = false
  /** Bytes that were kept, slowed or lost by a pace other than the free one. */
  affected = 0

  constructor(source: Socket, sink: Socket, pace: Pace) {
    this.#source = source
    this.#sink = sink
    this.#pace = pace
    source.on("data", (bytes: Buffer) => this.#arrived(bytes))
    source.on("end", () => {
      this.#hasEnded = true
      this.#advance()
    })
    sink.on("drain", () => this.#advance())
    if (pace.type === "hold") source.pause()
    else source.resume()
  }

  setPace(pace: Pace): void {
    this.#pace = pace
    if (pace.type === "swallow" && this.#queued > 0) this.#swallow()
    this.#advance()
  }

  close(): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#queue = []
    this.#queued = 0
  }

  #arrived(bytes: Buffer): void {
    if (this.#isClosed) return
    if (this.#pace !== FREE) this.affected += bytes.length
    const delayMs = this.#pace.type === "flow" ? this.#pace.delayMs : 0
    this.#queue.push({ bytes, dueAt: performance.now() + delayMs })
    this.#queued += bytes.length
    if (this.#pace.type === "swallow") this.#swallow()
    this.#advance()
  }

  #swallow(): void {
    this.hasSwallowed = true
    this.#queue = []
    this.#queued = 0
  }

  /** Lets through what is due, and sets the timer for what is not. */
  #advance(): void {
    if (this.#isClosed) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    const pace = this.#pace
    if (pace.type === "flow" && !this.hasSwallowed) this.#release(pace)
    if (pace.type === "hold" || this.#queued > QUEUE_BYTES_MAX) this.#source.pause()
    else if (this.#source.isPaused()) this.#source.resume()
    if (this.#hasEnded && this.#queued === 0 && pace.type === "flow" && !this.hasSwallowed) this.#sink.end()
  }

  #release(pace: Extract<Pace, { readonly type: "flow" }>): void {
    while (this.#queue.length > 0 && !this.#sink.writableNeedDrain) {
      const chunk = this.#queue[0]!
      const now = performance.now()
      const readyAt = Math.max(chunk.dueAt, this.#nextAt)
      if (readyAt > now) {
        this.#timer = setTimeout(() => this.#advance(), Math.ceil(readyAt - now))
        return
      }
      const room = Math.max(1, Math.floor((pace.bytesPerSecond * DRIBBLE_MS) / 1_000))
      const part = chunk.bytes.length <= room ? chunk.bytes : chunk.bytes.subarray(0, room)
      if (part.length === chunk.bytes.length) this.#queue.shift()
      else chunk.bytes = chunk.bytes.subarray(room)
      this.#queued -= part.length
      if (pace.bytesPerSecond !== Number.POSITIVE_INFINITY)
        this.#nextAt = now + (part.length * 1_000) / pace.bytesPerSecond
      this.#sink.write(part)
    }
  }
}
