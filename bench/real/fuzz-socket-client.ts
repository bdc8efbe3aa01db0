/**
 * How does the client API take bytes nobody vouches for, from a client whose certificate is good? Whole messages with one
 * to four changes, over real mutual TLS to a node with a real kernel and a disk in memory: most of them in sessions, some as
 * the other calls, a few as HTTP/2 that is none, and as messages above the bound.
 * `node bench/real/fuzz-socket-client.ts --inputs 1000000 [--seed 1]`. Exits 1 when a session does not go on after what it
 * was told, when an answer cannot be read, when a call ends in no way that is promised, or when memory grows.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { connect as connectTls } from "node:tls"
import { Client, status as Status, type ClientDuplexStream, type ServiceError } from "@grpc/grpc-js"
import { plainRequest, SYSTEM_VOLUME, volumeOfTenant, type KvOp, type KvRequest } from "#kernel"
import { Sfc32 } from "#kernel/lib/rng.ts"
import { initCluster, machineParts, NodeLog, readNodeConfig, startNode, type TlsFiles } from "#net"
import { decodeAnswers } from "#net/api/answer-codec.ts"
import { encodeAdminRequest, encodeLocateRequest } from "#net/api/control-codec.ts"
import { PATHS } from "#net/api/names.ts"
import { encodeRequests } from "#net/api/request-codec.ts"
import { secureTarget } from "#net/api/tls.ts"
import { WireWriter } from "#net/api/wire.ts"
import { collectGarbage } from "../support/heap.ts"
import { until } from "../support/host-cluster.ts"
import { MemoryStoreDisk, Platter } from "../support/memory-store-disk.ts"
import { benchOptions } from "../support/report.ts"

const told = benchOptions(import.meta.filename, { inputs: 1_000_000, seed: 1 })
const INPUTS = told.inputs
/** What one process may gain between the first tenth and the end: the collector's slack, not a byte an input. */
const GROWTH_BYTES_MAX = 32 << 20
/** Messages between two good requests, and of one session. */
const MESSAGES = 50
const SESSION_MESSAGES = 1_000
const ANSWER_MS_MAX = 20_000
const PROBE_ID = 2 ** 44
const TOO_LONG = 5 << 20

const root = mkdtempSync(join(tmpdir(), "orrery-fuzz-"))
process.on("exit", () => rmSync(root, { recursive: true, force: true }))
const host = "127.0.0.1"
const directory = join(root, "cluster")
const made = await initCluster({ directory, nodes: 1, host, basePort: null, ranges: 1, nowMs: Date.now() })
const [own] = made.stores
const config = readNodeConfig(own!.directory)
const log = new NodeLog({ level: "silent", isPretty: false }, 1, made.cluster)
const disk = new MemoryStoreDisk(new Platter([SYSTEM_VOLUME, volumeOfTenant(0)]))
const server = await startNode(
  own!.directory,
  config,
  { ...machineParts(log), openDisk: () => Promise.resolve(disk) },
  { log, watcher: null, isLost: false },
)
await until("it leads", () => server.host.groups().some(({ role }) => role === "leader"))
const { descriptor } = server.host.groups()[0]!

const read = (name: string): Buffer => readFileSync(join(made.client, name))
const tls: TlsFiles = { ca: read("ca.pem"), cert: read("client.pem"), key: read("client.key") }
const { credentials, options } = secureTarget(tls, host)
const channel = new Client(`${host}:${own!.clientPort}`, credentials, {
  ...options,
  "grpc.enable_channelz": 0,
  "grpc.max_send_message_length": -1,
})

const rng = new Sfc32(told.seed, 0)
const writer = new WireWriter()
const bytes = (message: Buffer): Buffer => message
const OPS: readonly KvOp[] = [
  { type: "get", key: "k" },
  { type: "put", key: "p", value: "v" },
  { type: "delete", key: "p" },
  { type: "cas", key: "c", expected: null, value: "1" },
  { type: "cas", key: "c", expected: "1", value: "2" },
  { type: "increment", key: "i", by: -3 },
  { type: "append", key: "a", value: "" },
  { type: "scan", start: "a", end: "z", limit: 3, reverse: true },
]

function request(ops: readonly KvOp[]): KvRequest {
  return plainRequest(descriptor, ops, { deadlineUs: 5_000_000, trace: "t" })
}

let nextId = 1
/** One to three requests. */
function message(): Buffer {
  const count = 1 + rng.below(3)
  const requests = Array.from({ length: count }, () => {
    const ops = Array.from({ length: 1 + rng.below(3) }, () => OPS[rng.below(OPS.length)]!)
    const token = rng.below(2) === 0 ? null : { client: 9, birth: 2 ** 40, seq: 7, ackedSeq: 6 }
    // Rows and tokens that a good change leaves would be the store's to keep: what writes goes to a range that is not here.
    const isReading = ops.every(({ type }) => type === "get" || type === "scan")
    const rangeId = descriptor.rangeId + (isReading ? 0 : 1_000_000)
    return { ...request(ops), token, rangeId }
  })
  return encodeRequests(
    requests,
    requests.map(() => nextId++ % 4_096),
    writer,
  )
}

/** One to four bytes changed, cut out or put in. */
function bent(good: Buffer): Buffer {
  let bad = Buffer.from(good)
  for (let left = 1 + rng.below(4); left > 0 && bad.length > 0; left--) {
    const at = rng.below(bad.length)
    const kind = rng.below(8)
    if (kind === 0) bad = bad.subarray(0, at)
    else if (kind === 1) bad = Buffer.concat([bad, good.subarray(0, at)])
    else if (kind === 2)
      bad = Buffer.concat([bad.subarray(0, at), Buffer.of(rng.below(256)), bad.subarray(at)])
    else if (kind === 3) bad[at] = 0xff
    else bad[at] = rng.below(256)
  }
  return bad
}

const count = {
  inputs: 0,
  answers: 0,
  faults: 0,
  calls: 0,
  "calls refused": 0,
  "no HTTP/2": 0,
  "too long": 0,
  wrong: 0,
}

function wrong(what: string, input: Buffer | null): void {
  count.wrong++
  if (count.wrong < 20) console.error(`${what}: ${input?.subarray(0, 400).toString("hex") ?? ""}`)
}

/** A session that is told one thing after the other and has to go on. */
class Talk {
  readonly #call: ClientDuplexStream<Buffer, Buffer>
  #probe = PROBE_ID
  #heard: () => void = () => {}
  /** How it ended, by whomever. */
  ending: ServiceError | null = null
  told = 0

  constructor() {
    this.#call = channel.makeBidiStreamRequest(PATHS.session, bytes, bytes)
    this.#call.on("error", (error: ServiceError) => {
      this.ending = error
      this.#heard()
    })
    this.#call.on("data", (said: Buffer) => {
      const isWhole = decodeAnswers(said, {
        answer: ({ id }) => {
          if (id === this.#probe) this.#heard()
          else count.answers++
        },
        fault: () => count.faults++,
      })
      if (!isWhole) wrong("an answer cannot be read", said)
    })
  }

  tell(input: Buffer): void {
    this.told++
    this.#call.write(input)
  }

  /** A good request; false when it is not answered. */
  async goesOn(): Promise<boolean> {
    this.#probe++
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const timer = setTimeout(() => resolve(false), ANSWER_MS_MAX)
    this.#heard = () => resolve(this.ending === null)
    if (this.ending === null) this.#call.write(encodeRequests([request([OPS[0]!])], [this.#probe], writer))
    else resolve(false)
    const isOn = await promise
    clearTimeout(timer)
    return isOn
  }

  async end(): Promise<void> {
    if (this.ending !== null) return
    this.#call.cancel()
    await until("it has ended", () => this.ending !== null)
  }
}

function unary(): Promise<void> {
  const isAdmin = rng.below(2) === 0
  // Of a group that is not there: an operator's order that is understood is carried out.
  const order = { id: 1, group: 99_999, action: { type: "transferLeader", store: 3 } } as const
  const input = bent(isAdmin ? encodeAdminRequest(order) : encodeLocateRequest({ start: "abc", limit: 7 }))
  return new Promise((ended) => {
    channel.makeUnaryRequest(isAdmin ? PATHS.admin : PATHS.locate, bytes, bytes, input, (error) => {
      count.calls++
      if (error?.code === Status.INVALID_ARGUMENT && error.details.startsWith("badRequest: "))
        count["calls refused"]++
      else if (error !== null) wrong(`a call ended by "${error.message}"`, input)
      ended()
    })
  })
}

const PREFACE = Buffer.from(
  "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x04\x01\0\0\0\0\0\0\x05\x01\x05\0\0\0\x01\x83\x86\x84\x41\x00",
  "latin1",
)

/** Bytes in TLS that are hardly HTTP/2: however it answers, it has to hang up or wait, and the others go on. */
function notHttp2(): Promise<void> {
  return new Promise((ended) => {
    const socket = connectTls({
      ...tls,
      host,
      port: own!.clientPort,
      servername: "",
      ALPNProtocols: ["h2"],
      checkServerIdentity: () => undefined,
    })
    socket.on("error", () => {})
    socket.on("data", () => {})
    socket.on("close", () => ended())
    socket.once("secureConnect", () => {
      count["no HTTP/2"]++
      socket.end(bent(PREFACE))
      setTimeout(() => socket.destroy(), 200)
    })
  })
}

function used(): number {
  collectGarbage()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

let early = 0
let lastRound: Buffer[] = []
let talk = new Talk()
const tenth = Math.max(1, Math.floor(INPUTS / 10))
while (count.inputs < INPUTS) {
  if (early === 0 && count.inputs >= tenth) early = used()
  lastRound = []
  for (let i = 0; i < MESSAGES; i++) {
    const input = bent(message())
    lastRound.push(input)
    talk.tell(input)
  }
  count.inputs += MESSAGES
  if (!(await talk.goesOn())) {
    wrong(`a session did not go on (${talk.ending?.message ?? "silence"})`, Buffer.concat(lastRound))
    await talk.end()
    talk = new Talk()
  }
  for (let i = rng.below(4); i > 0; i--) {
    await unary()
    count.inputs++
  }
  if (rng.below(40) === 0) await notHttp2()
  if (talk.told < SESSION_MESSAGES) continue
  if (rng.below(10) === 0) {
    talk.tell(Buffer.alloc(TOO_LONG))
    if (await talk.goesOn()) wrong("a message above the bound was taken", null)
    if (talk.ending?.code !== Status.RESOURCE_EXHAUSTED)
      wrong(`a message above the bound: ${talk.ending?.message ?? "silence"}`, null)
    count["too long"]++
  }
  await talk.end()
  talk = new Talk()
}
await talk.end()
await until("nothing waits in the store", () => server.host.stats().waiting === 0)
const grown = used() - early
console.table({
  ...count,
  "grown KiB": Math.round(grown / 1_024),
  "RSS MiB": process.memoryUsage.rss() >> 20,
})
channel.close()
await server.close()
if (count.wrong > 0 || grown > GROWTH_BYTES_MAX) process.exitCode = 1
