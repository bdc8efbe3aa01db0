import type { Socket } from "node:net"
import type { SecureContext } from "node:tls"
import {
  Client,
  Metadata,
  status,
  type ChannelOptions,
  type ClientWritableStream,
  type ServiceError,
} from "@grpc/grpc-js"
import type { Lane } from "#kernel"
import type { StoreAddress } from "../cluster/node-config.ts"
import { LaneQueue } from "./lane-queue.ts"
import {
  BACKOFF_MS_MAX,
  BACKOFF_MS_MIN,
  BATCH_BYTES,
  CONNECT_MS,
  FRAME_BYTES_MAX,
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
  LANE_BOUNDS,
  STEADY_MS,
} from "./limits.ts"
import { opaque, pathOf } from "./service.ts"
import { addTo, type PeerErrorCode, type PeerEvent, type Tally } from "./stats.ts"
import { dialCredentials } from "./tls.ts"

const OPTIONS: ChannelOptions = {
  // A connection of its own for each lane: streams of one share its socket, and a chunk would stand before a heartbeat.
  "grpc.use_local_subchannel_pool": 1,
  "grpc.keepalive_time_ms": KEEPALIVE_MS,
  "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
  "grpc.max_send_message_length": FRAME_BYTES_MAX,
  // A peer says nothing but how a stream ended.
  "grpc.max_receive_message_length": 1_024,
  "grpc.enable_retries": 0,
  "grpc.enable_http_proxy": 0,
  "grpc.enable_channelz": 0,
  "grpc.service_config_disable_resolution": 1,
}

/** One go at a connection, and the connection it became. */
type Attempt = {
  readonly client: Client
  readonly call: ClientWritableStream<Buffer>
  readonly sockets: Set<Socket>
  deadline: NodeJS.Timeout | null
  /** By the process's monotonic clock, in ms; null until the peer took the stream. */
  connectedAt: number | null
  /** gRPC has a message that the connection has not taken yet. */
  isWriting: boolean
  isOver: boolean
}

/** The way to one peer on one lane: dials for as long as it is open, and forgets what could not leave. */
export class OutgoingLane {
  readonly lane: Lane
  readonly sent: Tally = { frames: 0, bytes: 0 }
  readonly dropped: Tally = { frames: 0, bytes: 0 }
  connects = 0
  lastError: { readonly code: PeerErrorCode; readonly detail: string } | null = null
  readonly #peer: StoreAddress
  readonly #cluster: string
  readonly #context: SecureContext
  readonly #onEvent: (event: PeerEvent) => void
  readonly #queue: LaneQueue
  #attempt: Attempt | null = null
  #redial: NodeJS.Timeout | null = null
  #failures = 0
  #isClosed = false

  constructor(
    lane: Lane,
    peer: StoreAddress,
    cluster: string,
    context: SecureContext,
    onEvent: (event: PeerEvent) => void,
  ) {
    this.lane = lane
    this.#peer = peer
    this.#cluster = cluster
    this.#context = context
    this.#onEvent = onEvent
    this.#queue = new LaneQueue(LANE_BOUNDS[lane], (bytes) => {
      addTo(this.dropped, bytes)
    })
    this.#dial()
  }

  get connected(): boolean {
    return this.#attempt !== null && this.#attempt.connectedAt !== null
  }

  get queued(): Tally {
    return { frames: this.#queue.length, bytes: this.#queue.bytes }
  }

  /** Call when `connected`; what is pushed otherwise is dropped. */
  push(frame: Buffer): void {
    if (!this.connected) {
      addTo(this.dropped, frame.length)
      return
    }
    this.#queue.push(frame)
    this.#pump(this.#attempt!)
  }

  /** The peer was heard of: it is worth an attempt at once, however long the last one failed. */
  hasAppeared(): void {
    if (this.#redial === null) return
    this.#failures = 0
    clearTimeout(this.#redial)
    this.#redial = null
    this.#dial()
  }

  close(): void {
    this.#isClosed = true
    if (this.#redial !== null) clearTimeout(this.#redial)
    this.#redial = null
    if (this.#attempt !== null) this.#release(this.#attempt)
    this.#attempt = null
    this.#queue.clear()
  }

  #dial(): void {
    const sockets = new Set<Socket>()
    const { host, peerPort, store } = this.#peer
    const credentials = dialCredentials(this.#context, this.#cluster, store, (socket) => {
      if (attempt.isOver) socket.destroy()
      else sockets.add(socket)
    })
    const target = host.includes(":") ? `[${host}]:${peerPort}` : `${host}:${peerPort}`
    const name = `store-${store}.orrery`
    const client = new Client(target, credentials, { ...OPTIONS, "grpc.ssl_target_name_override": name })
    const call = client.makeClientStreamRequest(
      pathOf(this.lane),
      opaque,
      opaque,
      new Metadata(),
      (error: ServiceError | null) => {
        this.#lost(attempt, ...reasonOf(error))
      },
    )
    const attempt: Attempt = {
      client,
      call,
      sockets,
      deadline: setTimeout(() => {
        this.#lost(attempt, "connectTimeout", `no answer within ${CONNECT_MS} ms`)
      }, CONNECT_MS),
      connectedAt: null,
      isWriting: false,
      isOver: false,
    }
    this.#attempt = attempt
    // How a call ends is told by its callback; without a listener the stream's own error would end the process.
    call.on("error", () => {})
    call.on("metadata", () => {
      if (attempt.isOver) return
      if (attempt.deadline !== null) clearTimeout(attempt.deadline)
      attempt.deadline = null
      attempt.connectedAt = performance.now()
      this.connects++
      this.#onEvent({ type: "connected", store, lane: this.lane })
    })
  }

  /**
   * One message at a time: what the connection has not taken waits here, where it can still be dropped, and gathers
   * to the next message meanwhile.
   */
  #pump(attempt: Attempt): void {
    if (attempt.isWriting) return
    const frames: Buffer[] = []
    let bytes = 0
    for (let next = this.#queue.peek(); next !== undefined; next = this.#queue.peek()) {
      if (frames.length > 0 && bytes + next.length > BATCH_BYTES) break
      frames.push(next)
      bytes += next.length
      this.#queue.shift()
    }
    if (frames.length === 0) return
    attempt.isWriting = true
    attempt.call.write(frames.length === 1 ? frames[0]! : Buffer.concat(frames, bytes), () => {
      attempt.isWriting = false
      if (attempt.isOver) return
      this.sent.frames += frames.length
      this.sent.bytes += bytes
      this.#pump(attempt)
    })
  }

  #lost(attempt: Attempt, code: PeerErrorCode, detail: string): void {
    if (attempt.isOver) return
    const { connectedAt } = attempt
    this.#release(attempt)
    this.#attempt = null
    // It was meant for a moment that is over; who needs it asks for it again.
    this.#queue.clear()
    if (this.#isClosed) return
    this.lastError = { code, detail }
    const { store } = this.#peer
    const wasConnected = connectedAt !== null
    this.#onEvent({ type: "disconnected", store, lane: this.lane, wasConnected, code, detail })
    if (connectedAt !== null && performance.now() - connectedAt >= STEADY_MS) this.#failures = 0
    const bound = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(this.#failures, 16))
    this.#failures++
    // Full jitter: stores that lost the same peer do not all come back to it at once.
    this.#redial = setTimeout(() => {
      this.#redial = null
      this.#dial()
    }, Math.random() * bound)
  }

  #release(attempt: Attempt): void {
    attempt.isOver = true
    if (attempt.deadline !== null) clearTimeout(attempt.deadline)
    attempt.call.cancel()
    attempt.client.close()
    for (const socket of attempt.sockets) socket.destroy()
  }
}

const TOLD: readonly PeerErrorCode[] = [
  "notAStore",
  "wrongCluster",
  "wrongStore",
  "unknownStore",
  "badFrame",
  "superseded",
]

/** What gRPC tells of the end of a call, in our words. The peer puts its code before the colon. */
function reasonOf(error: ServiceError | null): readonly [PeerErrorCode, string] {
  if (error === null) return ["unavailable", "the peer ended the stream"]
  const { details } = error
  const told = TOLD.find((code) => details.includes(`${code}:`))
  if (told !== undefined) return [told, details]
  if (error.code === status.RESOURCE_EXHAUSTED) return ["frameTooLarge", details]
  return [/certificate|alert|ssl|tls/i.test(details) ? "handshakeFailed" : "unavailable", details]
}
