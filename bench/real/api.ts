import { fork, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { Client as GrpcClient, Metadata } from "@grpc/grpc-js"
import { plainRequest } from "#kernel"
import { StoreSession } from "#net"
import { secureTarget } from "#net/api/tls.ts"
import { TestAuthority } from "../support/certificates.ts"
import { about, benchOptions, printReport, type Row } from "../support/report.ts"

/**
 * How much does the client API cost? A session of puts with 256 B values against a door that answers at once, beside a
 * bare bidirectional stream that carries one such message for each, with as many in flight. `--seconds 3` a row.
 */

const { seconds: SECONDS } = benchOptions(import.meta.filename, { seconds: 3 })
const IN_FLIGHT = [1, 64, 256]
const VALUE = "v".repeat(256)
const bytes = (message: Buffer): Buffer => message

type Cpu = { readonly user: number; readonly system: number }

async function cpuOf(child: ChildProcess): Promise<Cpu> {
  child.send("cpu")
  const [{ cpu }] = (await once(child, "message")) as [{ cpu: Cpu }]
  return cpu
}

/** Keeps `inFlight` under way: `send` starts one and is given what to call at its end. */
async function measure(
  child: ChildProcess,
  inFlight: number,
  send: (done: () => void) => void,
): Promise<Row> {
  const latencies: number[] = []
  let until = Number.POSITIVE_INFINITY
  let isCounted = false
  let left = inFlight
  let finish = (): void => {}
  const ended = new Promise<void>((resolve) => (finish = resolve))
  const one = (): void => {
    const startedAt = performance.now()
    send(() => {
      const now = performance.now()
      if (isCounted) latencies.push(now - startedAt)
      if (now < until) one()
      else if (--left === 0) finish()
    })
  }
  for (let i = 0; i < inFlight; i++) one()
  // Warm before it counts.
  await new Promise((resolve) => setTimeout(resolve, 1_000))
  const server = await cpuOf(child)
  const own = process.cpuUsage()
  const startedAt = performance.now()
  isCounted = true
  until = startedAt + SECONDS * 1_000
  await ended
  const seconds = (performance.now() - startedAt) / 1_000
  const ownUsed = process.cpuUsage(own)
  const now = await cpuOf(child)
  latencies.sort((a, b) => a - b)
  const cores = (used: number): number => about(used / 1e6 / seconds)
  return {
    "answers/s": about(latencies.length / seconds),
    "p50 ms": about(latencies[latencies.length >> 1]!),
    "p99 ms": about(latencies[Math.floor(latencies.length * 0.99)]!),
    "client cores": cores(ownUsed.user + ownUsed.system),
    "server cores": cores(now.user - server.user + now.system - server.system),
  }
}

const authority = await TestAuthority.make()
const files = await authority.listener(1)
const child = fork(new URL("api-server.ts", import.meta.url))
child.send({
  cluster: authority.cluster,
  tls: { ca: files.ca.toString(), cert: files.cert.toString(), key: files.key.toString() },
})
const [ports] = (await once(child, "message")) as [{ api: number; bare: number }]
const tls = await authority.client("bench")

const session = new StoreSession({ host: "127.0.0.1", clientPort: ports.api }, tls, 0)
const request = plainRequest(
  { tenant: 0, rangeId: 1, generation: 1 },
  [{ type: "put", key: "key-0123456789", value: VALUE }],
  { token: { client: 2 ** 50, birth: 2 ** 51, seq: 1_000_000, ackedSeq: 999_000 }, deadlineUs: 10_000_000 },
)

/** A figure over answers that never came would be none. */
function lost(reason: string): never {
  throw new Error(`A request was lost: ${reason}`)
}

const { credentials, options } = secureTarget(tls, "127.0.0.1")
const channel = new GrpcClient(`127.0.0.1:${ports.bare}`, credentials, options)
const stream = channel.makeBidiStreamRequest("/bench/Echo", bytes, bytes, new Metadata(), {})
const waiting: (() => void)[] = []
stream.on("data", () => waiting.shift()!())
stream.on("error", () => {})
const message = Buffer.alloc(300, "m")

const rows: Record<string, Row> = {}
for (const inFlight of IN_FLIGHT) {
  rows[`session, ${inFlight} in flight`] = await measure(child, inFlight, (done) => {
    session.send(request, { answered: done, lost }, 10_000)
  })
  rows[`bare stream, ${inFlight} in flight`] = await measure(child, inFlight, (done) => {
    waiting.push(done)
    stream.write(message)
  })
}
stream.cancel()
channel.close()
session.close()
child.disconnect()
printReport({
  bench: "real/api",
  question: "what does a request cost between a client and a store's door?",
  rows,
  notes: ["A bare stream sends one message a request; a session those of one turn together."],
})
