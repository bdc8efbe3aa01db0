/**
 * What does a frame between two stores cost over mutual TLS, next to gRPC in plaintext and to a bare socket?
 * `node bench/real/peer-echo.ts [--seconds 2] [--json]`. Two processes on loopback: one sends small frames, the other
 * sends each back; one at a time, 64 at a time. `links` is the real thing: encoded, checked, decoded at both ends.
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { connect, createServer, type AddressInfo, type Socket } from "node:net"
import { fileURLToPath } from "node:url"
import { Client, credentials, Server, ServerCredentials, type ServerDuplexStream } from "@grpc/grpc-js"
import { build } from "hdr-histogram-js"
import { encodeFrame, FRAME_VERSION, type Frame } from "#kernel"
import { GrpcPeerLinks, type PeerTls } from "#net"
import { Authority } from "#net/cluster/authority.ts"
import type { StoreAddress } from "#net/cluster/node-config.ts"
import { opaque } from "#net/peer/service.ts"
import { about, benchOptions, printReport, type Row } from "../support/report.ts"

const ECHO = "/orrery.bench.Echo/Echo"
const WINDOWS = [1, 64]
// `--serve` is what it says to its other process.
const { seconds: SECONDS, serve: isServer } = benchOptions(import.meta.filename, { seconds: 2, serve: false })
const WARM_UP_SECONDS = 0.5

type Setup = { readonly cluster: string; readonly stores: readonly StoreAddress[]; readonly tls: PeerTls }
type Ports = { readonly plain: number; readonly tcp: number }

/** Sends one more of them; whoever hears an echo calls `heard`. */
type Wire = { readonly send: () => void; heard: () => void; readonly close: () => unknown }

function frame(setup: Setup, from: number, to: number): Frame {
  const header = {
    version: FRAME_VERSION,
    cluster: setup.cluster,
    fromStore: from,
    toStore: to,
    fromIncarnation: 1,
    fromBoot: 1,
    fromNonce: 1,
    volumes: [],
    configEpoch: 0,
    wall: 1,
  }
  const message = {
    type: "voteReply",
    group: 1,
    from: 1,
    to: 2,
    term: 3,
    preVote: true,
    granted: true,
  } as const
  return { header, messages: [message] }
}

async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  server.listen(0, "127.0.0.1")
  await once(server, "listening")
  return (server.address() as AddressInfo).port
}

async function serve(): Promise<void> {
  const [setup] = (await once(process, "message")) as [Setup]
  const links = await GrpcPeerLinks.open({
    cluster: setup.cluster,
    store: 2,
    stores: setup.stores,
    tls: setup.tls,
  })
  const answer = frame(setup, 2, 1)
  links.onFrame(() => links.send(1, "raft", answer))
  const grpc = new Server()
  const echo = (call: ServerDuplexStream<Buffer, Buffer>): void => {
    call.on("data", (bytes) => call.write(bytes))
    call.on("end", () => call.end())
  }
  grpc.register(ECHO, echo, opaque, opaque, "bidi")
  const plain = await new Promise<number>((bound, failed) => {
    grpc.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) bound(port)
      else failed(error)
    })
  })
  const tcp = await listen(createServer({ noDelay: true }, (socket) => socket.pipe(socket)))
  process.send!({ plain, tcp } satisfies Ports)
  process.on("disconnect", () => process.exit(0))
}

async function linksWire(setup: Setup, tls: PeerTls): Promise<Wire> {
  const links = await GrpcPeerLinks.open({ cluster: setup.cluster, store: 1, stores: setup.stores, tls })
  const question = frame(setup, 1, 2)
  const wire: Wire = {
    send: () => links.send(2, "raft", question),
    heard: () => {},
    close: () => links.close(),
  }
  links.onFrame(() => {
    wire.heard()
  })
  const isUp = (): boolean => links.stats().peers[0]!.lanes.every((lane) => lane.connected && lane.receiving)
  while (!isUp()) await new Promise((looked) => setTimeout(looked, 5))
  return wire
}

function plainWire(port: number, bytes: Buffer): Wire {
  const client = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    "grpc.enable_http_proxy": 0,
  })
  const call = client.makeBidiStreamRequest(ECHO, opaque, opaque)
  const wire: Wire = { send: () => call.write(bytes), heard: () => {}, close: () => client.close() }
  call.on("error", () => {})
  call.on("data", () => {
    wire.heard()
  })
  return wire
}

async function tcpWire(port: number, bytes: Buffer): Promise<Wire> {
  const socket: Socket = connect({ port, host: "127.0.0.1", noDelay: true })
  await once(socket, "connect")
  const wire: Wire = { send: () => socket.write(bytes), heard: () => {}, close: () => socket.destroy() }
  let held = 0
  socket.on("data", (data) => {
    for (held += data.length; held >= bytes.length; held -= bytes.length) wire.heard()
  })
  return wire
}

async function measure(wire: Wire, window: number, seconds: number): Promise<Row> {
  const sentAt: number[] = []
  const histogram = build({ highestTrackableValue: 60_000_000 })
  const cpu = process.cpuUsage()
  const began = performance.now()
  await new Promise<void>((ended) => {
    const send = (): void => {
      sentAt.push(performance.now())
      wire.send()
    }
    let next = 0
    wire.heard = () => {
      const now = performance.now()
      histogram.recordValue(Math.max(1, Math.round((now - sentAt[next++]!) * 1_000)))
      if (now - began < seconds * 1_000) send()
      else if (next === sentAt.length) ended()
    }
    for (let left = window; left > 0; left--) send()
  })
  const took = (performance.now() - began) / 1_000
  const used = process.cpuUsage(cpu)
  return {
    "frames/s": about(histogram.totalCount / took),
    "p50 µs": histogram.getValueAtPercentile(50),
    "p99 µs": histogram.getValueAtPercentile(99),
    "own cores": about((used.user + used.system) / 1e6 / took),
  }
}

async function freePorts(): Promise<readonly number[]> {
  const servers = [createServer(), createServer()]
  const ports = await Promise.all(servers.map(listen))
  await Promise.all(servers.map((server) => new Promise((closed) => server.close(closed))))
  return ports
}

async function run(): Promise<void> {
  const authority = await Authority.create("01a1fbe0-5e9b-7086-9e51-348ced124548", Date.now())
  const stores = (await freePorts()).map((peerPort, at) => ({
    store: at + 1,
    host: "127.0.0.1",
    peerPort,
    clientPort: 1,
  }))
  const [own, others] = await Promise.all(
    [1, 2].map(async (store): Promise<PeerTls> => {
      const { certificate, key } = await authority.storeLink(store, "127.0.0.1", Date.now())
      return { ca: authority.credential.certificate, certificate, key }
    }),
  )
  const setup: Setup = { cluster: authority.cluster, stores, tls: others! }
  const child = fork(fileURLToPath(import.meta.url), ["--serve"])
  child.send(setup)
  const [ports] = (await once(child, "message")) as [Ports]
  const bytes = Buffer.from(encodeFrame(frame(setup, 1, 2)))
  const wires: readonly (readonly [string, Wire])[] = [
    ["links (mTLS 1.3)", await linksWire(setup, own!)],
    ["grpc-js bidi, plaintext", plainWire(ports.plain, bytes)],
    ["tcp", await tcpWire(ports.tcp, bytes)],
  ]
  const rows: Record<string, Row> = {}
  for (const window of WINDOWS) {
    for (const [name, wire] of wires) {
      await measure(wire, window, WARM_UP_SECONDS)
      rows[`${name}, ${window} in flight`] = await measure(wire, window, SECONDS)
    }
  }
  for (const [, wire] of wires) await wire.close()
  child.disconnect()
  await once(child, "exit")
  printReport({
    bench: "real/peer-echo",
    question: "What does a frame between two stores cost over mutual TLS?",
    rows,
    notes: [`frames of ${bytes.length} bytes; client and server in two processes on loopback`],
  })
}

await (isServer ? serve() : run())
