import { createServer, connect, type AddressInfo, type Server, type Socket } from "node:net"
import { randomUUIDv7 } from "node:crypto"
import type { Frame, FrameHeader, Lane, PeerMessage, StoreId } from "#kernel"
import { FRAME_VERSION } from "#kernel"
import { Authority } from "#net/cluster/authority.ts"
import type { StoreAddress } from "#net/cluster/node-config.ts"
import { Client, credentials, Metadata, status, type ServiceError } from "@grpc/grpc-js"
import { GrpcPeerLinks } from "#net/peer/links.ts"
import type { PeerEvent } from "#net/peer/stats.ts"
import { opaque, pathOf } from "#net/peer/service.ts"
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

/** A message of about `bytes`, in one piece: rows of a snapshot, of which only the number matters. */
export function chunk(number: number, bytes: number): PeerMessage {
  const id = { index: 1, term: 1, hashHigh: 1, hashLow: 1, chunkBytes: bytes }
  const data = new Uint8Array(bytes)
  return {
    type: "snapshotChunk",
    group: 1,
    from: 1,
    to: 2,
    term: 1,
    id,
    chunk: { number, last: false, checksum: 0, data },
  }
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
        fromIncarnation: 1,
        fromBoot: 1,
        fromNonce: 1,
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
  #timer: NodeJS.Timeout | null = null
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

  /** From now on at most `bytes` every `everyMs` milliseconds each way, on every connection. */
  dribble(bytes: number, everyMs: number): void {
    this.freeze()
    this.#timer ??= setInterval(() => {
      for (const [client, server] of this.#pairs) {
        pass(client, server, bytes)
        pass(server, client, bytes)
      }
    }, everyMs)
  }

  thaw(): void {
    this.#frozen = false
    this.#stopDribbling()
    for (const pair of this.#pairs) this.#join(pair)
  }

  async close(): Promise<void> {
    this.#stopDribbling()
    const closed = new Promise((done) => this.#server.close(done))
    for (const [client, server] of this.#pairs) {
      client.destroy()
      server.destroy()
    }
    await closed
  }

  #stopDribbling(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  #join([client, server]: readonly [Socket, Socket]): void {
    client.pipe(server)
    server.pipe(client)
  }
}

/** Up to so many of the bytes that wait in `from`. */
function pass(from: Socket, to: Socket, bytes: number): void {
  const most = Math.min(bytes, from.readableLength)
  const part = (most > 0 ? from.read(most) : from.read(0)) as Buffer | null
  if (part !== null) to.write(part)
}

/** A client that says whatever it is told to a listener: certificates and bytes are the caller's. */
export class Stranger {
  readonly #client: Client

  /** Without `tls` it speaks plaintext. */
  constructor(port: number, tls: Partial<PeerTls> | null) {
    const buffer = (text: string | undefined): Buffer | null =>
      text === undefined ? null : Buffer.from(text)
    const made =
      tls === null
        ? credentials.createInsecure()
        : credentials.createSsl(buffer(tls.ca), buffer(tls.key), buffer(tls.certificate), {
            checkServerIdentity: () => undefined,
          })
    this.#client = new Client(`127.0.0.1:${port}`, made, {
      "grpc.use_local_subchannel_pool": 1,
      "grpc.enable_http_proxy": 0,
      "grpc.ssl_target_name_override": "a-store.orrery",
    })
  }

  /** One stream: all of `messages`, then its own end; how it ended. */
  say(lane: Lane, messages: readonly Uint8Array[]): Promise<Ending> {
    return this.#open(lane, messages, true)
  }

  /** A stream that says `message` and stays. */
  hold(lane: Lane, message: Uint8Array): Promise<Ending> {
    return this.#open(lane, [message], false)
  }

  #open(lane: Lane, messages: readonly Uint8Array[], ends: boolean): Promise<Ending> {
    return new Promise((ended) => {
      let accepted = false
      const done = (error: ServiceError | null): void => {
        ended({ accepted, code: error?.code ?? status.OK, details: error?.details ?? "" })
      }
      const call = this.#client.makeClientStreamRequest(pathOf(lane), opaque, opaque, new Metadata(), done)
      call.on("error", () => {})
      call.on("metadata", () => (accepted = true))
      for (const message of messages) call.write(Buffer.from(message))
      if (ends) call.end()
    })
  }

  close(): void {
    this.#client.close()
  }
}

export type Ending = { readonly accepted: boolean; readonly code: number; readonly details: string }
