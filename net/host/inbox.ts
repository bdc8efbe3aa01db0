import type { AdminRequest, Frame, Input, KvRequest, Lane, Mono, Wall } from "#kernel"
import type { DiskCompletion } from "./ports.ts"

/** What one turn takes at most, so that a turn stays short. */
const TURN_INPUTS_MAX = 1_024
/** What every turn takes of requests, however many frames wait: they would otherwise time out unread. */
const TURN_REQUESTS_MIN = 16
/** Requests that may wait. With 20,000 a second served, the last of them waits a fifth of a second. */
export const REQUESTS_WAITING_MAX = 4_096
/** Bytes of keys and values of requests that may wait: many large ones would take all the memory there is. */
const REQUEST_BYTES_WAITING_MAX = 64 << 20
/** Frames that may wait on one lane; a store that is so far behind loses what comes, as from a network that drops. */
export const FRAMES_WAITING_MAX = 16_384

type Asked =
  | { readonly type: "request"; readonly session: number; readonly request: KvRequest }
  | { readonly type: "admin"; readonly session: number; readonly request: AdminRequest }

/** `bytes` are what it was decoded from, for whoever writes it down; null where nobody does. */
type Arrived = { readonly frame: Frame; readonly bytes: Uint8Array | null }

/** First in, first out; taking from the front moves nothing. */
class Queue<T> {
  #items: (T | null)[] = []
  #head = 0

  get count(): number {
    return this.#items.length - this.#head
  }

  push(item: T): void {
    this.#items.push(item)
  }

  take(): T | null {
    if (this.#head === this.#items.length) return null
    const item = this.#items[this.#head]!
    this.#items[this.#head++] = null
    if (this.#head === this.#items.length) {
      this.#head = 0
      this.#items.length = 0
    } else if (this.#head >= 1_024 && this.#head * 2 >= this.#items.length) {
      this.#items.splice(0, this.#head)
      this.#head = 0
    }
    return item
  }

  clear(): void {
    this.#items = []
    this.#head = 0
  }
}

/**
 * What waits for the kernel. It is drained by what it is, not by when it came: a completion lets others go on, a wake-up is
 * due, a heartbeat proves that this store lives, and none of them may wait behind requests. The kernel takes them in any
 * order, as a network and a disk give them; what comes from one peer on one lane stays in order. Completions and
 * wake-ups always find room; frames and requests only up to a bound.
 */
export class Inbox {
  readonly #completions = new Queue<DiskCompletion>()
  #isWoken = false
  #isDrainAsked = false
  readonly #frames: Readonly<Record<Lane, Queue<Arrived>>> = {
    liveness: new Queue<Arrived>(),
    raft: new Queue<Arrived>(),
    bulk: new Queue<Arrived>(),
  }
  readonly #asked = new Queue<Asked>()
  /** What the turn may still take. */
  #left = 0
  #requestsLeft = 0
  /** Whoever is woken and asks to be woken at once is so in the next turn: no turn is endless. */
  #mayWake = true
  #requestBytes = 0
  /** Of the frame that was taken last. */
  bytes: Uint8Array | null = null
  /** Frames that found no room. */
  framesDropped = 0

  get count(): number {
    const { liveness, raft, bulk } = this.#frames
    const frames = liveness.count + raft.count + bulk.count
    const signals = Number(this.#isWoken) + Number(this.#isDrainAsked)
    return this.#completions.count + signals + frames + this.#asked.count
  }

  get requestsWaiting(): number {
    return this.#asked.count
  }

  completed(completion: DiskCompletion): void {
    this.#completions.push(completion)
  }

  woken(): void {
    this.#isWoken = true
  }

  drain(): void {
    this.#isDrainAsked = true
  }

  frame(frame: Frame, lane: Lane, bytes: Uint8Array | null = null): void {
    const queue = this.#frames[lane]
    if (queue.count >= FRAMES_WAITING_MAX) this.framesDropped++
    else queue.push({ frame, bytes })
  }

  /** False when there is no room: it is to be refused. */
  ask(asked: Asked): boolean {
    if (this.#asked.count >= REQUESTS_WAITING_MAX) return false
    const bytes = bytesOf(asked)
    if (this.#requestBytes > 0 && this.#requestBytes + bytes > REQUEST_BYTES_WAITING_MAX) return false
    this.#requestBytes += bytes
    this.#asked.push(asked)
    return true
  }

  clear(): void {
    this.#completions.clear()
    this.#isWoken = false
    this.#isDrainAsked = false
    for (const queue of Object.values(this.#frames)) queue.clear()
    this.#asked.clear()
    this.#requestBytes = 0
  }

  beginTurn(): void {
    this.#left = TURN_INPUTS_MAX
    this.#requestsLeft = TURN_REQUESTS_MIN
    this.#mayWake = true
  }

  /** The next input of this turn, stamped; null when the turn has had enough, or nothing waits. */
  next(mono: Mono, wall: Wall): Input | null {
    const completion = this.#completions.take()
    if (completion !== null) return inputOf(completion, mono, wall)
    if (this.#isDrainAsked) {
      this.#isDrainAsked = false
      return { type: "drain", mono, wall }
    }
    if (this.#isWoken && this.#mayWake) {
      this.#isWoken = false
      this.#mayWake = false
      return { type: "wake", mono, wall }
    }
    const heartbeat = this.#frames.liveness.take()
    if (heartbeat !== null) return this.#input(heartbeat, mono, wall)
    if (this.#left-- > 0) {
      const frame = this.#frames.raft.take() ?? this.#frames.bulk.take()
      if (frame !== null) return this.#input(frame, mono, wall)
    } else if (this.#requestsLeft-- <= 0) return null
    const asked = this.#asked.take()
    if (asked === null) return null
    this.#requestBytes -= bytesOf(asked)
    const { session } = asked
    return asked.type === "request"
      ? { type: "request", mono, wall, session, request: asked.request }
      : { type: "admin", mono, wall, session, request: asked.request }
  }

  #input({ frame, bytes }: Arrived, mono: Mono, wall: Wall): Input {
    this.bytes = bytes
    return { type: "frame", mono, wall, frame }
  }

  /** The turn has lasted long enough: only what may not wait is still taken, and a few requests. */
  hurry(): void {
    this.#left = 0
  }
}

/** Characters of keys and values: what makes one request larger than another. */
function bytesOf(asked: Asked): number {
  if (asked.type === "admin") return 0
  let bytes = 0
  for (const op of asked.request.ops) {
    bytes += op.type === "scan" ? op.start.length + op.end.length : op.key.length
    if (op.type === "put" || op.type === "append" || op.type === "cas") bytes += op.value.length
  }
  return bytes
}

/** What the kernel hears of a disk: without the words for the log. */
function inputOf(completion: DiskCompletion, mono: Mono, wall: Wall): Input {
  const { type, volume } = completion
  switch (type) {
    case "appendSynced":
    case "appendFailed":
      return { type, mono, wall, volume, lsn: completion.lsn }
    case "segmentCreated":
      return { type, mono, wall, volume, segment: completion.segment }
    case "segmentRefused":
      return { type, mono, wall, volume, segment: completion.segment, code: completion.code }
    case "checkpointRefused":
      return { type, mono, wall, volume, checkpoint: completion.checkpoint, code: completion.code }
    case "checkpointSynced":
    case "checkpointFailed":
      return { type, mono, wall, volume, checkpoint: completion.checkpoint }
  }
}
