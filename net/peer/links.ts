import { ByteWriter, encodeFrame, type Frame, type Lane, type StoreId } from "#kernel"
import type { StoreAddress } from "../cluster/node-config.ts"
import type { PeerLinks } from "../host/ports.ts"
import { PeerListener } from "./incoming.ts"
import { FRAME_BYTES_MAX, FRAME_BYTES_SPLIT } from "./limits.ts"
import { OutgoingLane } from "./outgoing.ts"
import { LANES } from "./service.ts"
import { addTo, type LaneStats, type PeerEvent, type PeerLinksStats } from "./stats.ts"
import { dialContext, type PeerTls } from "./tls.ts"

export type PeerLinksOptions = {
  readonly cluster: string
  readonly store: StoreId
  /** Of all stores, this one included: it listens there. A port of 0 is chosen by the system. */
  readonly stores: readonly StoreAddress[]
  readonly tls: PeerTls
  /** For the log; called at once, and never for a frame that passed. */
  readonly onEvent?: (event: PeerEvent) => void
}

/**
 * `PeerLinks` over gRPC and mutual TLS. Every store dials every other one for the frames it sends itself, so each
 * direction fails and comes back alone, and who dials is never a question to agree upon.
 */
export class GrpcPeerLinks implements PeerLinks {
  readonly #outgoing = new Map<StoreId, Readonly<Record<Lane, OutgoingLane>>>()
  readonly #listener: PeerListener
  readonly #writer = new ByteWriter()
  #heard: ((frame: Frame, lane: Lane, bytes: Uint8Array) => void) | null = null
  #unroutable = 0

  private constructor(listener: PeerListener) {
    this.#listener = listener
  }

  /** Listens, then dials. Rejects with Node's error when the port cannot be had. */
  static async open(options: PeerLinksOptions): Promise<GrpcPeerLinks> {
    const { cluster, store, stores, tls, onEvent = () => {} } = options
    const own = stores.find((address) => address.store === store)
    if (own === undefined) throw new Error(`Store ${store} has no address`)
    const peers = stores.filter((address) => address.store !== store)
    const context = dialContext(tls)
    const listener: PeerListener = await PeerListener.open({
      cluster,
      store,
      peers: peers.map((peer) => peer.store),
      host: own.host,
      port: own.peerPort,
      tls,
      onFrame: (frame, lane, bytes) => links.#heard?.(frame, lane, bytes),
      onAppeared: (peer, lane) => links.#outgoing.get(peer)?.[lane].hasAppeared(),
      onEvent,
    })
    const links = new GrpcPeerLinks(listener)
    for (const peer of peers) {
      const dial = (lane: Lane): OutgoingLane => new OutgoingLane(lane, peer, cluster, context, onEvent)
      links.#outgoing.set(peer.store, { liveness: dial("liveness"), raft: dial("raft"), bulk: dial("bulk") })
    }
    return links
  }

  /** Where it listens. */
  get port(): number {
    return this.#listener.port
  }

  send(to: StoreId, lane: Lane, frame: Frame): void {
    const outgoing = this.#outgoing.get(to)?.[lane]
    if (outgoing === undefined) this.#unroutable++
    else if (outgoing.connected) this.#push(outgoing, frame)
    // Not encoded: nobody will see it.
    else addTo(outgoing.dropped, 0)
  }

  onFrame(listener: (frame: Frame, lane: Lane, bytes: Uint8Array) => void): void {
    this.#heard = listener
  }

  stats(): PeerLinksStats {
    const peers = [...this.#outgoing].map(([store, lanes]) => ({
      store,
      lanes: LANES.map((lane): LaneStats => {
        const { connected, connects, queued, sent, dropped, lastError } = lanes[lane]
        const receiving = this.#listener.isReceiving(store, lane)
        const received = { ...this.#listener.received(store, lane) }
        return {
          lane,
          connected,
          connects,
          queued,
          sent: { ...sent },
          dropped: { ...dropped },
          receiving,
          received,
          lastError,
        }
      }),
    }))
    return { peers, refused: { ...this.#listener.refused }, unroutable: this.#unroutable }
  }

  async close(): Promise<void> {
    for (const lanes of this.#outgoing.values()) for (const lane of LANES) lanes[lane].close()
    await this.#listener.close()
  }

  /** In parts when it is long and can be parted: a receiver takes a frame into memory whole. */
  #push(outgoing: OutgoingLane, frame: Frame): void {
    const bytes = encodeFrame(frame, this.#writer)
    const { header, messages } = frame
    if (bytes.length > FRAME_BYTES_SPLIT && messages.length > 1) {
      const half = messages.length >>> 1
      this.#push(outgoing, { header, messages: messages.slice(0, half) })
      this.#push(outgoing, { header, messages: messages.slice(half) })
    } else if (bytes.length > FRAME_BYTES_MAX) addTo(outgoing.dropped, bytes.length)
    else outgoing.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
  }
}
