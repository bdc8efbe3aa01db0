import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net"
import { randomUUIDv7 } from "node:crypto"
import type { Frame, FrameHeader, PeerMessage, StoreId } from "#kernel"
import { FRAME_VERSION } from "#kernel"
import { Authority } from "#net/cluster/authority.ts"
import type { StoreAddress } from "#net/cluster/node-config.ts"
import { GrpcPeerLinks } from "#net/peer/links.ts"
import type { PeerEvent } from "#net/peer/stats.ts"
import type { PeerTls } from "#net/peer/tls.ts"

/** Waits for a condition, looking at it after every turn of the loop; fails when it does not come true in time. */
export async function until(what: string, isTrue: () => boolean, boundMs = 5_000): Promise<void> {
  const end = performance.now() + boundMs
  while (!isTrue()) {
    if (performance.now() > end) throw new Error(`not within ${boundMs} ms: ${what}`)
    await new Promise((looked) => setTimeout(looked, 2))
  }
}

/** A heartbeat by which a frame is known again: `round` is its number. */
export function beat(round: number): PeerMessage {
  return {
    type: "heartbeat",
    group: 1,
    from: 1,
    to: 2,
    term: 1,
    leaderCommit: 0,
    round,
    sentMono: 1,
    statedWall: 0,
    statedCommit: 0,
    life: 1,
    rests: false,
  }
}

/** A message of about `bytes`, in one piece: rows of a snapshot. */
export function chunk(number: number, bytes: number): PeerMessage {
  return {
    type: "snapshotChunk",
    group: 1,
    from: 1,
    to: 2,
    term: 1,
    name: { index: 1, term: 1, configurationIndex: 1, descriptorGeneration: 1, digestHigh: 1, digestLow: 1 },
    number,
    last: false,
    checksum: 0,
    rows: new Uint8Array(bytes),
  } as unknown as PeerMessage
}

export function roundsOf(frames: readonly Frame[]): readonly number[] {
  return frames.flatMap(({ messages }) =>
    messages.map((message) => (message.type === "heartbeat" ? message.round : -1)),
  )
}

/** An authority and certificates of a cluster, without its directory. */
export class PeerRig {
  readonly cluster: string
  readonly authority: Authority
  readonly #links: GrpcPeerLinks[] = []
  readonly #proxies: Proxy[] = []

  private constructor(authority: Authority) {
    this.cluster = authority.cluster
    this.authority = authority
  }

  static async make(): Promise<PeerRig> {
    return new PeerRig(await Authority.create(randomUUIDv7(), Date.now()))
  }

  async tls(store: StoreId, authority: Authority = this.authority): Promise<PeerTls> {
    const { certificate, key } = await authority.storeLink(store, "127.0.0.1", Date.now())
    return { ca: authority.credential.certificate, certificate, key }
  }

  frame(
    from: StoreId,
    to: StoreId,
    messages: readonly PeerMessage[],
    part: Partial<FrameHeader> = {},
  ): Frame {
    return {
      header: {
        version: FRAME_VERSION,
        cluster: this.cluster,
        fromStore: from,
        toStore: to,
        fromIncarnation: from,
        fromBoot: 1,
        volumes: [],
        configEpoch: 0,
        wall: 1,
        ...part,
      },
      messages,
    }
  }

  /** Free ports of loopback for stores 1 to `count`. */
  async addresses(count: number): Promise<readonly StoreAddress[]> {
    const ports = await Promise.all(Array.from({ length: count }, freePort))
    return ports.map((peerPort, index) => ({ store: index + 1, host: "127.0.0.1", peerPort, clientPort: 1 }))
  }

  async open(
    store: StoreId,
    stores: readonly StoreAddress[],
    part: { readonly tls?: PeerTls } = {},
  ): Promise<Peer> {
    const events: PeerEvent[] = []
    const links = await GrpcPeerLinks.open({
      cluster: this.cluster,
      store,
      stores,
      tls: part.tls ?? (await this.tls(store)),
      onEvent: (event) => events.push(event),
    })
    this.#links.push(links)
    const frames: Frame[] = []
    links.onFrame((frame) => frames.push(frame))
    return { store, links, frames, events }
  }

  async proxy(port: number): Promise<Proxy> {
    const proxy = await Proxy.open(port)
    this.#proxies.push(proxy)
    return proxy
  }

  async close(): Promise<void> {
    await Promise.all(this.#links.map((links) => links.close()))
    await Promise.all(this.#proxies.map((proxy) => proxy.close()))
  }
}

export type Peer = {
  readonly store: StoreId
  readonly links: GrpcPeerLinks
  readonly frames: Frame[]
  readonly events: PeerEvent[]
}

/** Whether `peer` can send to `store` on every lane. */
export function isConnected(peer: Peer, store: StoreId): boolean {
  const found = peer.links.stats().peers.find((stats) => stats.store === store)
  return found !== undefined && found.lanes.every((lane) => lane.connected)
}

export function isMeshed(peers: readonly Peer[]): boolean {
  return peers.every((peer) => peers.every((other) => other === peer || isConnected(peer, other.store)))
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((opened) => server.listen(0, "127.0.0.1", opened))
  const { port } = server.address() as AddressInfo
  await new Promise((closed) => server.close(closed))
  return port
}

/** A wire that can be stopped: while `frozen`, bytes go nowhere and nobody is told; `dribble` lets a few through. */
export class Proxy {
  readonly #server: Server
  readonly #pairs = new Set<readonly [Socket, Socket]>()
  #frozen = false
  accepted = 0

  private constructor(target: number) {
    this.#server = createServer((client) => {
      this.accepted++
      const server = connect(target, "127.0.0.1")
      const pair = [client, server] as const
      this.#pairs.add(pair)
      for (const [socket, other] of [pair, [server, client] as const]) {
        socket.on("error", () => {})
        socket.on("close", () => {
          other.destroy()
          this.#pairs.delete(pair)
        })
      }
      if (!this.#frozen) this.#join(pair)
    })
  }

  static async open(target: number): Promise<Proxy> {
    const proxy = new Proxy(target)
    await new Promise<void>((opened) => proxy.#server.listen(0, "127.0.0.1", opened))
    return proxy
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  freeze(): void {
    this.#frozen = true
    for (const [client, server] of this.#pairs) {
      client.unpipe(server)
      server.unpipe(client)
      client.pause()
      server.pause()
    }
  }

  thaw(): void {
    this.#frozen = false
    for (const pair of this.#pairs) this.#join(pair)
  }

  async close(): Promise<void> {
    const closed = new Promise((done) => this.#server.close(done))
    for (const [client, server] of this.#pairs) {
      client.destroy()
      server.destroy()
    }
    await closed
  }

  #join([client, server]: readonly [Socket, Socket]): void {
    client.pipe(server)
    server.pipe(client)
  }
}
