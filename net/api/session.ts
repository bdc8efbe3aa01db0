import type { KvReply, KvRequest, TenantId } from "#kernel"
import type { ServerDuplexStream } from "@grpc/grpc-js"
import type { RequestDoor } from "../host/ports.ts"
import { encodeAnswers, replyBytes, type Fault } from "./answer-codec.ts"
import { decodeRequests, type RequestSink } from "./request-codec.ts"
import { WireWriter } from "./wire.ts"

/** Requests of one session without an answer; a client that sends more is told `overloaded`. */
export const IN_FLIGHT_MAX = 1_024
/** A message of answers is closed by the one that brings it to this. */
const MESSAGE_BYTES = 256 << 10
/** Bytes handed to the stream that it has not sent. */
const SENDING_BYTES_MAX = 512 << 10
/** From here on a session's requests wait in its stream, and its client's writes with them. */
const WAITING_BYTES_PAUSE = 1 << 20
/** From here on an answer is given up for the refusal it may be replaced by. */
const WAITING_BYTES_MAX = 16 << 20
const FAULTS_MAX = 16

const OVERLOADED = { code: "overloaded" } as const
const OUTCOME_UNKNOWN = { code: "outcomeUnknown" } as const

/** What a session asks of the server it belongs to. */
export interface SessionKeeper {
  /** It has answers: `flush` it when this turn is over. */
  dirty(session: Session): void
}

/**
 * One stream of one client. It holds no more than a fixed number of requests and bytes of answers, however many are
 * sent and however slowly the answers are read: a reader that falls behind finds its own requests waiting.
 */
export class Session implements RequestSink {
  readonly number: number
  readonly tenant: TenantId
  readonly principal: string
  isDirty = false
  readonly #call: ServerDuplexStream<Buffer, Buffer>
  readonly #door: RequestDoor
  readonly #keeper: SessionKeeper
  readonly #writer: WireWriter = new WireWriter(1 << 14)
  /** By id: whether it may write. */
  readonly #inFlight = new Map<number, boolean>()
  #waiting: KvReply[] = []
  #waitingBytes = 0
  #faults: Fault[] = []
  readonly #sending: number[] = []
  #sendingBytes = 0
  #isPaused = false
  #isEnded = false
  #hasClientEnded = false

  constructor(
    number: number,
    tenant: TenantId,
    principal: string,
    call: ServerDuplexStream<Buffer, Buffer>,
    door: RequestDoor,
    keeper: SessionKeeper,
  ) {
    this.number = number
    this.tenant = tenant
    this.principal = principal
    this.#call = call
    this.#door = door
    this.#keeper = keeper
    call.on("data", (message: Buffer) => this.#arrived(message))
    call.on("end", () => {
      this.#hasClientEnded = true
      this.#endWhenDone()
    })
  }

  get inFlight(): number {
    return this.#inFlight.size
  }

  /** Bytes of answers that are not with the transport. */
  get heldBytes(): number {
    return this.#waitingBytes + this.#sendingBytes
  }

  /** Nothing is given to it or taken from it any more. */
  end(): void {
    this.#isEnded = true
    this.#inFlight.clear()
    this.#waiting = []
    this.#waitingBytes = 0
    this.#faults = []
  }

  #arrived(message: Buffer): void {
    if (this.#isEnded) return
    decodeRequests(message, this, IN_FLIGHT_MAX, this)
    this.#pace()
  }

  request(request: KvRequest): void {
    const { id } = request
    if (this.#inFlight.has(id)) {
      this.unreadable(0, `id ${id} is in flight in this session`)
      return
    }
    if (this.#inFlight.size >= IN_FLIGHT_MAX) {
      this.#enqueue({ type: "error", id, error: OVERLOADED })
      return
    }
    this.#inFlight.set(id, mayWrite(request))
    this.#door.request(this.number, request)
  }

  unreadable(id: number, reason: string): void {
    if (id !== 0 && !this.#inFlight.has(id)) {
      this.#enqueue({ type: "error", id, error: { code: "badRequest", reason } })
      return
    }
    // Who sends so much of this that it does not fit is told of some of it.
    if (this.#faults.length < FAULTS_MAX) this.#faults.push({ code: "badRequest", reason })
    this.#keeper.dirty(this)
  }

  /** One that answers nothing in flight here is dropped. */
  answer(reply: KvReply): void {
    const isWriting = this.#inFlight.get(reply.id)
    if (isWriting === undefined) return
    this.#inFlight.delete(reply.id)
    if (this.#waitingBytes > WAITING_BYTES_MAX && reply.type === "ok") {
      const error = isWriting ? OUTCOME_UNKNOWN : OVERLOADED
      this.#enqueue({ type: "error", id: reply.id, error })
    } else {
      this.#enqueue(reply)
    }
  }

  #enqueue(reply: KvReply): void {
    this.#waiting.push(reply)
    this.#waitingBytes += replyBytes(reply)
    this.#keeper.dirty(this)
  }

  /** Sends what waits, as far as the stream takes it. */
  flush(): void {
    if (this.#isEnded) return
    const waiting = this.#waiting
    let from = 0
    while ((from < waiting.length || this.#faults.length > 0) && this.#sendingBytes < SENDING_BYTES_MAX) {
      let to = from
      for (let bytes = 0; to < waiting.length && bytes < MESSAGE_BYTES; to++) {
        const size = replyBytes(waiting[to]!)
        bytes += size
        this.#waitingBytes -= size
      }
      const message = encodeAnswers(waiting, from, to, this.#faults, this.#writer)
      this.#faults = []
      from = to
      this.#sending.push(message.length)
      this.#sendingBytes += message.length
      this.#call.write(message, this.#sent)
    }
    if (from === waiting.length) this.#waiting = []
    else if (from > 0) this.#waiting = waiting.slice(from)
    this.#pace()
    this.#endWhenDone()
  }

  /** The transport has taken the oldest message: one function for all, writes being taken in order. */
  readonly #sent = (): void => {
    this.#sendingBytes -= this.#sending.shift()!
    if (this.#waiting.length > 0 && this.#sendingBytes < SENDING_BYTES_MAX / 2) this.flush()
    else this.#pace()
  }

  #pace(): void {
    const isBehind = this.#waitingBytes >= WAITING_BYTES_PAUSE || this.#inFlight.size >= IN_FLIGHT_MAX
    if (isBehind === this.#isPaused) return
    this.#isPaused = isBehind
    if (isBehind) this.#call.pause()
    else this.#call.resume()
  }

  /** A client that has said all it has to say still hears the answers. */
  #endWhenDone(): void {
    if (!this.#hasClientEnded || this.#inFlight.size > 0 || this.#waiting.length > 0) return
    if (this.#faults.length > 0) return
    this.#call.end()
    this.end()
  }
}

function mayWrite({ ops }: KvRequest): boolean {
  for (let i = 0; i < ops.length; i++) if (ops[i]!.type !== "get" && ops[i]!.type !== "scan") return true
  return false
}
