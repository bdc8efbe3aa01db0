import type { AddressInfo, Socket } from "node:net"
import { createServer, type Server as TlsServer, type TLSSocket } from "node:tls"
import {
  Metadata,
  Server,
  ServerCredentials,
  status,
  type ConnectionInjector,
  type ServerReadableStream,
  type sendUnaryData,
} from "@grpc/grpc-js"
import { decodeFrame, frameLength, type Frame, type Lane, type StoreId } from "#kernel"
import { storeOfNames, type StoreIdentity } from "../cluster/identity.ts"
import {
  FRAME_BYTES_MAX,
  KEEPALIVE_MS,
  KEEPALIVE_TIMEOUT_MS,
  SPARE_CONNECTIONS,
  STREAMS_MAX,
} from "./limits.ts"
import { LANES, opaque, pathOf } from "./service.ts"
import { addTo, type PeerErrorCode, type PeerEvent, type Tally } from "./stats.ts"
import { listenOptions, type PeerTls } from "./tls.ts"
import { widenWindows } from "./window.ts"

type Call = ServerReadableStream<Buffer, Buffer>

/** One peer's stream on one lane; the newest there is. */
type Incoming = { readonly received: Tally; end: ((code: PeerErrorCode, detail: string) => void) | null }

export type ListenerOptions = {
  readonly cluster: string
  readonly store: StoreId
  readonly peers: readonly StoreId[]
  readonly host: string
  readonly port: number
  readonly tls: PeerTls
  readonly onFrame: (frame: Frame, lane: Lane, bytes: Uint8Array) => void
  /** A peer dialled, and proved who it is. */
  readonly onAppeared: (store: StoreId, lane: Lane) => void
  readonly onEvent: (event: PeerEvent) => void
}

const NO_BYTES = Buffer.alloc(0)

/**
 * Where peers dial. TLS is done here and not by gRPC: a stranger is turned away before a byte of HTTP/2 is read, and
 * counted; TLS 1.3 is the least; and every socket is at hand when it is time to let go.
 */
export class PeerListener {
  readonly refused: Partial<Record<PeerErrorCode, number>> = {}
  readonly #options: ListenerOptions
  readonly #streams: ReadonlyMap<StoreId, Readonly<Record<Lane, Incoming>>>
  readonly #tls: TlsServer
  readonly #grpc: Server
  readonly #injector: ConnectionInjector
  readonly #sockets = new Set<Socket>()

  private constructor(options: ListenerOptions) {
    this.#options = options
    const none = (): Incoming => ({ received: { frames: 0, bytes: 0 }, end: null })
    this.#streams = new Map(
      options.peers.map((peer) => [peer, { liveness: none(), raft: none(), bulk: none() }]),
    )
    this.#grpc = new Server({
      "grpc.max_receive_message_length": FRAME_BYTES_MAX,
      "grpc.max_concurrent_streams": STREAMS_MAX,
      "grpc.keepalive_time_ms": KEEPALIVE_MS,
      "grpc.keepalive_timeout_ms": KEEPALIVE_TIMEOUT_MS,
      "grpc.enable_channelz": 0,
    })
    for (const lane of LANES) {
      this.#grpc.register(
        pathOf(lane),
        (call: Call, callback: sendUnaryData<Buffer>) => {
          this.#accept(lane, call, callback)
        },
        opaque,
        opaque,
        "clientStream",
      )
    }
    this.#injector = this.#grpc.createConnectionInjector(ServerCredentials.createInsecure())
    this.#tls = createServer(listenOptions(options.tls))
    this.#tls.maxConnections = LANES.length * options.peers.length + SPARE_CONNECTIONS
    this.#tls.on("connection", (socket: Socket) => {
      this.#sockets.add(socket)
      socket.on("close", () => this.#sockets.delete(socket))
    })
    this.#tls.on("drop", (data) => {
      this.#refuse(null, `${data?.remoteAddress}:${data?.remotePort}`, "tooManyConnections", "")
    })
    this.#tls.on("tlsClientError", (error, socket) => {
      this.#refuse(null, addressOf(socket), "handshakeFailed", error.message)
      socket.destroy()
    })
    this.#tls.on("secureConnection", (socket) => {
      this.#connected(socket)
    })
  }

  /** Rejects with Node's error when the port cannot be had. */
  static async open(options: ListenerOptions): Promise<PeerListener> {
    widenWindows()
    const listener = new PeerListener(options)
    await new Promise<void>((opened, failed) => {
      listener.#tls.once("error", failed)
      listener.#tls.listen(options.port, options.host, () => {
        listener.#tls.off("error", failed)
        opened()
      })
    })
    return listener
  }

  get port(): number {
    return (this.#tls.address() as AddressInfo).port
  }

  isReceiving(store: StoreId, lane: Lane): boolean {
    return this.#streams.get(store)?.[lane].end !== null
  }

  received(store: StoreId, lane: Lane): Tally {
    return this.#streams.get(store)?.[lane].received ?? { frames: 0, bytes: 0 }
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((done) => this.#tls.close(() => done()))
    for (const lanes of this.#streams.values()) for (const lane of LANES) lanes[lane].end = null
    this.#injector.destroy()
    this.#grpc.forceShutdown()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }

  #connected(socket: TLSSocket): void {
    socket.on("error", () => {})
    const found = storeOfNames(socket.getPeerCertificate().subjectaltname)
    const refusal = this.#refusalOf(found)
    if (refusal === null && socket.alpnProtocol === "h2") {
      this.#injector.injectConnection(socket)
      return
    }
    this.#refuse(found?.store ?? null, addressOf(socket), refusal ?? "handshakeFailed", "")
    socket.destroy()
  }

  #refusalOf(found: StoreIdentity | null): PeerErrorCode | null {
    if (found === null) return "notAStore"
    if (found.cluster !== this.#options.cluster) return "wrongCluster"
    return this.#streams.has(found.store) ? null : "unknownStore"
  }

  #refuse(store: StoreId | null, from: string, code: PeerErrorCode, detail: string): void {
    this.refused[code] = (this.refused[code] ?? 0) + 1
    this.#options.onEvent({ type: "refused", store, from, code, detail })
  }

  #accept(lane: Lane, call: Call, callback: sendUnaryData<Buffer>): void {
    const found = storeOfNames(call.getAuthContext().sslPeerCertificate?.subjectaltname)
    const refusal = this.#refusalOf(found)
    if (found === null || refusal !== null) {
      callback({ code: status.PERMISSION_DENIED, details: `${refusal}: not a peer of this store` })
      return
    }
    const { store } = found
    const stream = this.#streams.get(store)![lane]
    // Two streams of one peer cannot be put in order, so the newer one is the only one.
    stream.end?.("superseded", "the peer dialled anew")
    const end = (code: PeerErrorCode, detail: string): void => {
      if (stream.end === end) stream.end = null
      call.removeListener("data", take)
      callback({ code: status.FAILED_PRECONDITION, details: `${code}: ${detail}` })
    }
    const over = (): void => {
      if (stream.end === end) stream.end = null
    }
    const take = (bytes: Buffer): void => {
      if (stream.end !== end) return
      const refused = this.#take(bytes, store, lane, stream.received)
      if (refused === null) return
      this.#refuse(store, call.getPeer(), refused, `on lane ${lane}`)
      end(refused, "the stream is ended")
    }
    stream.end = end
    call.on("data", take)
    call.on("error", over)
    call.on("cancelled", over)
    call.on("end", () => {
      over()
      callback(null, NO_BYTES)
    })
    call.sendMetadata(new Metadata())
    this.#options.onAppeared(store, lane)
  }

  /** Hands the frames of one message on, or says what is wrong with the first that is not good. */
  #take(message: Buffer, from: StoreId, lane: Lane, received: Tally): PeerErrorCode | null {
    for (let at = 0; at < message.length || at === 0;) {
      const end = at + frameLength(message, at)
      const bytes = message.subarray(at, end)
      const frame = decodeFrame(bytes)
      if (frame === null) return "badFrame"
      const { cluster, fromStore, toStore } = frame.header
      if (cluster !== this.#options.cluster) return "wrongCluster"
      if (fromStore !== from || toStore !== this.#options.store) return "wrongStore"
      addTo(received, end - at)
      this.#options.onFrame(frame, lane, bytes)
      at = end
    }
    return null
  }
}

function addressOf(socket: Socket): string {
  return socket.remoteAddress === undefined ? "unknown" : `${socket.remoteAddress}:${socket.remotePort}`
}
