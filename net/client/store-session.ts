import { Client as GrpcClient, Metadata, type ClientDuplexStream } from "@grpc/grpc-js"
import type { KvReply, KvRequest, TenantId } from "#kernel"
import { decodeAnswers, type AnswerSink } from "../api/answer-codec.ts"
import { METADATA, PATHS } from "../api/names.ts"
import { encodeRequests, requestBytes } from "../api/request-codec.ts"
import { secureTarget, type TlsFiles } from "../api/tls.ts"
import { WireWriter } from "../api/wire.ts"

/** Before the server has said how many it takes. */
const IN_FLIGHT_FIRST = 256
/** A message of requests is closed by the one that brings it to this. */
const MESSAGE_BYTES = 256 << 10
/** Bytes handed to the stream that it has not sent. */
const SENDING_BYTES_MAX = 1 << 20
const ANSWER_BYTES_MAX = 16 << 20
/** Answers on their way: HTTP/2 begins with 64 KiB, and one batch of reads is more. */
const WINDOW_BYTES = 1 << 20
/** After a stream broke nothing is tried for this long, doubled each time up to the second. */
const DOWN_MS_MIN = 20
const DOWN_MS_MAX = 2_000
/** Deadlines are looked at this often, so a request may be given up this much late. */
const SWEEP_MS = 10

/** Whoever waits for one answer: exactly one of the two is called, once, never from within `send`. */
export interface Waiting {
  answered(reply: KvReply): void
  /** It may have taken effect, or may yet. `isSent` is false when it never left this process. */
  lost(reason: "timeout" | "ended", isSent: boolean): void
}

type InFlight = { readonly request: KvRequest; readonly dueMs: number; waiting: Waiting | null }

const bytes = (message: Buffer): Buffer => message

/**
 * A session with one store: one stream, begun with the first request and again after it broke. Requests that are made in
 * one turn of the loop travel in one message. Requests beyond what the server takes at once wait here.
 */
export class StoreSession implements AnswerSink {
  readonly channel: GrpcClient
  readonly #metadata = new Metadata()
  readonly #writer: WireWriter = new WireWriter(1 << 14)
  #call: ClientDuplexStream<Buffer, Buffer> | null = null
  /** By the id on the wire, which is this stream's own. */
  #inFlight = new Map<number, InFlight>()
  #queue: InFlight[] = []
  #queueHead = 0
  #nextId = 1
  #inFlightMax = IN_FLIGHT_FIRST
  #sending: number[] = []
  #sendingBytes = 0
  #isFlushDue = false
  #sweep: NodeJS.Timeout | null = null
  #downMs = 0
  #downUntilMs = 0
  #isClosed = false

  constructor(
    store: { readonly host: string; readonly clientPort: number },
    tls: TlsFiles,
    tenant: TenantId,
  ) {
    const { host, clientPort } = store
    const { credentials, options } = secureTarget(tls, host)
    this.channel = new GrpcClient(`${host.includes(":") ? `[${host}]` : host}:${clientPort}`, credentials, {
      ...options,
      "grpc.max_receive_message_length": ANSWER_BYTES_MAX,
      "grpc.max_send_message_length": -1,
      "grpc-node.flow_control_window": WINDOW_BYTES,
      "grpc.initial_reconnect_backoff_ms": DOWN_MS_MIN,
      "grpc.max_reconnect_backoff_ms": DOWN_MS_MAX,
      "grpc.keepalive_time_ms": 10_000,
      "grpc.keepalive_timeout_ms": 5_000,
      "grpc.use_local_subchannel_pool": 1,
    })
    this.#metadata.set(METADATA.tenant, String(tenant))
  }

  /** It broke a moment ago: another store is the better choice. */
  get isDown(): boolean {
    return this.#downUntilMs > 0 && performance.now() < this.#downUntilMs
  }

  /** Requests that wait for an answer, or to be sent. */
  get waiting(): number {
    return this.#inFlight.size + this.#queue.length - this.#queueHead
  }

  /** The reply carries the id of the request, whatever it was on the wire. */
  send(request: KvRequest, waiting: Waiting, timeoutMs: number): void {
    this.#queue.push({ request, waiting, dueMs: performance.now() + timeoutMs })
    this.#flushSoon()
    this.#sweep ??= setTimeout(this.#overdue, Math.min(timeoutMs, SWEEP_MS))
  }

  /** The same as a promise, for callers that do their own retries; "timeout" also when the stream broke. */
  exchange(request: KvRequest, timeoutMs: number): Promise<KvReply | "timeout"> {
    return new Promise((resolve) => {
      this.send(request, { answered: resolve, lost: () => resolve("timeout") }, timeoutMs)
    })
  }

  close(): void {
    this.#isClosed = true
    this.#call?.cancel()
    this.#ended(null)
    this.channel.close()
    if (this.#sweep !== null) clearTimeout(this.#sweep)
    this.#sweep = null
  }

  #flushSoon(): void {
    if (this.#isFlushDue) return
    this.#isFlushDue = true
    process.nextTick(this.#flush)
  }

  readonly #flush = (): void => {
    this.#isFlushDue = false
    if (this.#isClosed || this.isDown) {
      this.#loseQueue()
      return
    }
    const call = (this.#call ??= this.#begin())
    const requests: KvRequest[] = []
    const ids: number[] = []
    let size = 0
    while (
      this.#queueHead < this.#queue.length &&
      this.#inFlight.size < this.#inFlightMax &&
      this.#sendingBytes < SENDING_BYTES_MAX
    ) {
      const next = this.#queue[this.#queueHead++]!
      // Given up while it waited here.
      if (next.waiting === null) continue
      const id = this.#nextId++
      this.#inFlight.set(id, next)
      requests.push(next.request)
      ids.push(id)
      size += requestBytes(next.request)
      if (size < MESSAGE_BYTES) continue
      this.#write(call, requests, ids)
      requests.length = 0
      ids.length = 0
      size = 0
    }
    if (requests.length > 0) this.#write(call, requests, ids)
    if (this.#queueHead === this.#queue.length) {
      this.#queue = []
      this.#queueHead = 0
    } else if (this.#queueHead > 1_024) {
      this.#queue = this.#queue.slice(this.#queueHead)
      this.#queueHead = 0
    }
  }

  #write(
    call: ClientDuplexStream<Buffer, Buffer>,
    requests: readonly KvRequest[],
    ids: readonly number[],
  ): void {
    const message = encodeRequests(requests, ids, this.#writer)
    this.#sending.push(message.length)
    this.#sendingBytes += message.length
    call.write(message, this.#sent)
  }

  /** The transport has taken the oldest message: one function for all, writes being taken in order. */
  readonly #sent = (): void => {
    this.#sendingBytes -= this.#sending.shift() ?? 0
    if (this.#queueHead < this.#queue.length) this.#flushSoon()
  }

  #begin(): ClientDuplexStream<Buffer, Buffer> {
    const call = this.channel.makeBidiStreamRequest<Buffer, Buffer>(
      PATHS.session,
      bytes,
      bytes,
      this.#metadata,
      {},
    )
    call.on("metadata", (metadata) => {
      const most = Number(metadata.get(METADATA.inFlightMax)[0])
      if (most > 0) this.#inFlightMax = most
    })
    call.on("data", (message: Buffer) => {
      if (this.#call !== call) return
      this.#downMs = 0
      this.#downUntilMs = 0
      // What cannot be read ends the session: nobody knows what else was in it.
      if (!decodeAnswers(message, this)) call.cancel()
      if (this.#queueHead < this.#queue.length) this.#flushSoon()
    })
    call.on("error", () => this.#ended(call))
    call.on("end", () => this.#ended(call))
    return call
  }

  answer(reply: KvReply): void {
    const found = this.#inFlight.get(reply.id)
    if (found === undefined) return
    this.#inFlight.delete(reply.id)
    const { request, waiting } = found
    if (waiting === null) return
    found.waiting = null
    waiting.answered({ ...reply, id: request.id })
  }

  /** One of ours could not be read, and nobody says which: all are in doubt. */
  fault(): void {
    this.#call?.cancel()
  }

  /** Null when this client ends it. */
  #ended(call: ClientDuplexStream<Buffer, Buffer> | null): void {
    if (call !== null && this.#call !== call) return
    this.#call = null
    if (call !== null) {
      this.#downMs = Math.min(DOWN_MS_MAX, Math.max(DOWN_MS_MIN, this.#downMs * 2))
      this.#downUntilMs = performance.now() + this.#downMs
    }
    this.#sending = []
    this.#sendingBytes = 0
    const lost = this.#inFlight
    this.#inFlight = new Map()
    for (const one of lost.values()) lose(one, "ended", true)
    this.#loseQueue()
  }

  #loseQueue(): void {
    const queue = this.#queue.slice(this.#queueHead)
    this.#queue = []
    this.#queueHead = 0
    for (const one of queue) lose(one, "ended", false)
  }

  /** Its entry stays until the answer comes: the server counts it as in flight too. */
  readonly #overdue = (): void => {
    const now = performance.now()
    let isWaiting = false
    for (const one of this.#inFlight.values()) {
      if (one.waiting === null) continue
      if (one.dueMs <= now) lose(one, "timeout", true)
      else isWaiting = true
    }
    for (let i = this.#queueHead; i < this.#queue.length; i++) {
      const one = this.#queue[i]!
      if (one.waiting === null) continue
      if (one.dueMs <= now) lose(one, "timeout", false)
      else isWaiting = true
    }
    this.#sweep = isWaiting ? setTimeout(this.#overdue, SWEEP_MS) : null
  }
}

function lose(one: InFlight, reason: "timeout" | "ended", isSent: boolean): void {
  const { waiting } = one
  one.waiting = null
  waiting?.lost(reason, isSent)
}
