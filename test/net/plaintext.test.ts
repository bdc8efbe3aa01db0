import assert from "node:assert/strict"
import { once } from "node:events"
import { readdirSync, readFileSync, readlinkSync } from "node:fs"
import { createConnection } from "node:net"
import { afterAll, beforeAll, describe, test } from "vitest"
import { NodeProcess } from "../../bench/support/node-process.ts"
import { NodeCluster } from "../support/node-cluster.ts"

const LISTENING = "0A"
/** Of a TLS record: an alert. */
const ALERT = 21
const PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
/** An HTTP/2 frame: length, type, flags, stream. */
const frame = (type: number, flags: number, stream: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(9)
  head.writeUIntBE(body.length, 0, 3)
  head[3] = type
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, body])
}
/** `:method POST`, `:scheme http`, `:path` and `content-type` of a call, in HPACK without an index. */
const call = (path: string): Buffer => {
  const literal = (name: string, value: string): Buffer =>
    Buffer.concat([Buffer.of(0, name.length), Buffer.from(name), Buffer.of(value.length), Buffer.from(value)])
  const headers = [
    literal(":path", path),
    literal(":authority", "a"),
    literal("content-type", "application/grpc"),
  ]
  return frame(1, 4, 1, Buffer.concat([Buffer.of(0x83, 0x86), ...headers, literal("te", "trailers")]))
}
const grpc = (path: string): Buffer =>
  Buffer.concat([
    Buffer.from(PREFACE),
    frame(4, 0, 0, Buffer.alloc(0)),
    call(path),
    frame(0, 1, 1, Buffer.alloc(5)),
  ])

const PROBES: Readonly<Record<string, Buffer>> = {
  "HTTP/1.1": Buffer.from("GET / HTTP/1.1\r\nHost: orrery\r\n\r\n"),
  "an upgrade to h2c": Buffer.from(
    "GET / HTTP/1.1\r\nHost: orrery\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
  ),
  "HTTP/2": Buffer.concat([Buffer.from(PREFACE), frame(4, 0, 0, Buffer.alloc(0))]),
  "gRPC of clients": grpc("/orrery.v1.Orrery/Status"),
  "gRPC of peers": grpc("/orrery.v1.Peer/Liveness"),
  PostgreSQL: Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]),
  zeros: Buffer.alloc(1024),
  noise: Buffer.from(Array.from({ length: 1024 }, (_, i) => (i * 167 + 13) % 256)),
  "half a line": Buffer.from("GET"),
}

let cluster: NodeCluster
let node: NodeProcess

beforeAll(async () => {
  cluster = await NodeCluster.make(1)
  node = await NodeProcess.start(cluster.directoryOf(1))
})

afterAll(async () => {
  await node.end()
  await cluster.close()
})

/** Ports on which a process listens, by what the kernel of this machine says. */
function portsOf(pid: number): readonly number[] {
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return [/^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1]]
      } catch {
        return []
      }
    }),
  )
  const lines = ["tcp", "tcp6"].flatMap((name) =>
    readFileSync(`/proc/${pid}/net/${name}`, "utf8").split("\n").slice(1),
  )
  return lines.flatMap((line) => {
    const fields = line.trim().split(/\s+/)
    return fields[3] === LISTENING && own.has(fields[9])
      ? [Number.parseInt(fields[1]!.split(":")[1]!, 16)]
      : []
  })
}

/** All that a port says to these bytes, once it has hung up or both have nothing more to say. */
async function answer(port: number, probe: Buffer): Promise<Buffer> {
  const socket = createConnection({ port, host: "127.0.0.1", allowHalfOpen: false })
  const heard: Buffer[] = []
  socket.on("data", (part: Buffer) => heard.push(part))
  socket.on("error", () => {})
  socket.end(probe)
  await once(socket, "close")
  return Buffer.concat(heard)
}

/** What is left when the alerts of TLS are taken out. */
function withoutAlerts(bytes: Buffer): Buffer {
  let rest = bytes
  while (rest.length >= 5 && rest[0] === ALERT) rest = rest.subarray(5 + rest.readUInt16BE(3))
  return rest
}

describe.skipIf(process.platform !== "linux")("every port of a node", () => {
  test("is one of the two that its directory names", () => {
    const { peerPort, clientPort } = cluster.made.stores[0]!
    assert.deepEqual(new Set(portsOf(node.pid)), new Set([peerPort, clientPort]))
  })

  for (const [name, probe] of Object.entries(PROBES)) {
    test(`says nothing to ${name} in plain text`, async () => {
      const ports = portsOf(node.pid)
      assert.ok(ports.length >= 2)
      for (const port of ports) {
        const said = withoutAlerts(await answer(port, probe))
        assert.equal(said.length, 0, `port ${port}: ${said.toString("latin1")}`)
      }
    })
  }
})
