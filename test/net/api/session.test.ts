import assert from "node:assert/strict"
import { once } from "node:events"
import { createConnection } from "node:net"
import { connect as connectTls } from "node:tls"
import { Client as GrpcClient, Metadata, type ClientDuplexStream, type StatusObject } from "@grpc/grpc-js"
import { afterEach, describe, test } from "vitest"
import type { KvReply, KvRequest } from "#kernel"
import type { ClientApi, RequestDoor, TlsFiles } from "#net"
import { decodeAnswers, type Fault } from "#net/api/answer-codec.ts"
import { encodeRequests } from "#net/api/request-codec.ts"
import { secureTarget } from "#net/api/tls.ts"
import { WireWriter } from "#net/api/wire.ts"
import { listen } from "../../support/api-rig.ts"
import { TestAuthority } from "../../../bench/support/certificates.ts"
import { requestOf } from "../../support/requests.ts"

const bytes = (message: Buffer): Buffer => message
const NOTHING = { groups: () => [], status: () => ({}) }
const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0)) close()
})

/** A door behind which a test answers what it likes. */
class HandDoor implements RequestDoor {
  readonly arrived: { readonly session: number; readonly request: KvRequest }[] = []
  #waiting: { readonly count: number; readonly resolve: () => void }[] = []

  request(session: number, request: KvRequest): void {
    this.arrived.push({ session, request })
    this.#waiting = this.#waiting.filter(({ count, resolve }) => {
      if (this.arrived.length < count) return true
      resolve()
      return false
    })
  }
  admin(): void {}

  async until(count: number): Promise<void> {
    if (this.arrived.length >= count) return
    await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }))
  }
}

type Rig = { readonly api: ClientApi; readonly door: HandDoor; readonly tls: TlsFiles }

async function open(): Promise<Rig> {
  const authority = await TestAuthority.make()
  const door = new HandDoor()
  const api = await listen(1, door, NOTHING, await authority.listener(1), authority.cluster)
  closers.push(() => void api.close())
  return { api, door, tls: await authority.client("ann") }
}

type Stream = ClientDuplexStream<Buffer, Buffer>

function begin({ api, tls }: Rig, metadata: Metadata = new Metadata()): Stream {
  const { credentials, options } = secureTarget(tls, "127.0.0.1")
  const channel = new GrpcClient(`127.0.0.1:${api.port}`, credentials, options)
  const call = channel.makeBidiStreamRequest("/orrery.v1.Orrery/Session", bytes, bytes, metadata, {})
  call.on("error", () => {})
  closers.push(() => {
    call.cancel()
    channel.close()
  })
  return call
}

class Heard {
  readonly replies: KvReply[] = []
  readonly faults: Fault[] = []
  messages = 0
  #wake: () => void = () => {}

  constructor(call: Stream) {
    call.on("data", (message: Buffer) => {
      this.messages++
      const isWhole = decodeAnswers(message, {
        answer: (reply) => this.replies.push(reply),
        fault: (fault) => this.faults.push(fault),
      })
      assert.ok(isWhole)
      this.#wake()
    })
  }

  async until(isEnough: () => boolean): Promise<void> {
    while (!isEnough()) await new Promise<void>((resolve) => (this.#wake = resolve))
  }
}

function messageOf(...ids: number[]): Buffer {
  const requests = ids.map(() => requestOf([{ type: "get", key: "k" }]))
  return encodeRequests(requests, ids, new WireWriter())
}

function ok(id: number, value = "v"): KvReply {
  return { type: "ok", id, commitTs: 2048, results: [{ type: "value", value }], answer: null }
}

describe("a session", () => {
  test("answers in any order, and those of one turn travel in one message", async () => {
    const rig = await open()
    const call = begin(rig)
    const heard = new Heard(call)
    call.write(messageOf(1, 2, 3))
    await rig.door.until(3)
    const { session, request } = rig.door.arrived[0]!
    assert.equal(request.principal, "ann")
    for (const id of [3, 1, 2]) rig.api.reply(session, ok(id))
    await heard.until(() => heard.replies.length === 3)
    assert.deepEqual(heard.replies, [ok(3), ok(1), ok(2)])
    assert.equal(heard.messages, 1)
  })

  test("drops answers to what it did not ask, answered before, or asked in a session that ended", async () => {
    const rig = await open()
    const first = begin(rig)
    first.write(messageOf(1))
    await rig.door.until(1)
    const call = begin(rig)
    const heard = new Heard(call)
    call.write(messageOf(1, 2))
    await rig.door.until(3)
    const [old, own] = [rig.door.arrived[0]!.session, rig.door.arrived[1]!.session]
    assert.notEqual(old, own)
    first.cancel()
    while (rig.api.sessions.length > 1) await new Promise((resolve) => setImmediate(resolve))
    rig.api.reply(old, ok(1))
    for (const id of [7, 1, 1, 2]) rig.api.reply(own, ok(id))
    await heard.until(() => heard.replies.length >= 2)
    assert.deepEqual(heard.replies, [ok(1), ok(2)])
  })

  test("an unreadable request is refused alone; what cannot even be told apart is a fault", async () => {
    const rig = await open()
    const call = begin(rig)
    const heard = new Heard(call)
    // A request of id 5 whose only operation is empty, then a good one.
    call.write(Buffer.concat([Buffer.from([0x0a, 4, 0x08, 5, 0x5a, 0]), messageOf(6)]))
    call.write(Buffer.from([0xff, 0xff, 0xff]))
    call.write(messageOf(6))
    await rig.door.until(1)
    await heard.until(() => heard.faults.length === 2 && heard.replies.length === 1)
    assert.deepEqual(
      heard.replies.map((reply) => [reply.id, reply.type === "error" && reply.error.code]),
      [[5, "badRequest"]],
    )
    assert.match(heard.faults[1]!.reason, /id 6 is in flight/)
    rig.api.reply(rig.door.arrived[0]!.session, ok(6))
    await heard.until(() => heard.replies.length === 2)
  })

  test("a reader that stops is paced: its requests wait in its stream, and memory is bounded", async () => {
    const rig = await open()
    const call = begin(rig)
    const heard = new Heard(call)
    call.pause()
    const value = "x".repeat(64 << 10)
    let sent = 0
    const door = rig.door
    // Each request is answered as soon as it arrives, with 64 KiB that nobody reads.
    const answer = (from: number): void => {
      for (const { session, request } of door.arrived.slice(from))
        rig.api.reply(session, ok(request.id, value))
    }
    let quietTurns = 0
    let answered = 0
    while (quietTurns < 200 && sent < 20_000) {
      for (let i = 0; i < 4 && call.writableLength < 16; i++) call.write(messageOf(++sent))
      quietTurns = door.arrived.length > answered ? 0 : quietTurns + 1
      answer(answered)
      answered = door.arrived.length
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.ok(answered < sent, "requests wait")
    assert.ok(answered < 1_000, `${answered} were taken in`)
    const [session] = rig.api.sessions
    assert.ok(session!.heldBytes < 4 << 20, `${session!.heldBytes} bytes are held`)
    call.resume()
    while (answered < sent || heard.replies.length < sent) {
      answer(answered)
      answered = door.arrived.length
      await new Promise((resolve) => setImmediate(resolve))
    }
    assert.equal(heard.replies.length, sent)
  })

  test("a client that ends its side hears the answers it waits for", async () => {
    const rig = await open()
    const call = begin(rig)
    const heard = new Heard(call)
    call.end(messageOf(1))
    await rig.door.until(1)
    rig.api.reply(rig.door.arrived[0]!.session, ok(1))
    const [status] = (await once(call, "status")) as [{ code: number }]
    assert.equal(status.code, 0)
    assert.equal(heard.replies.length, 1)
  })

  test("of a tenant that is not here does not begin", async () => {
    const rig = await open()
    const metadata = new Metadata()
    metadata.set("orrery-tenant", "9")
    const call = begin(rig, metadata)
    call.resume()
    const status = await new Promise<StatusObject>((resolve) => call.on("status", resolve))
    assert.equal(status.code, 7)
    assert.match(status.details, /^badRequest/)
  })
})

describe("the port", () => {
  test("gives nothing to plain text", async () => {
    const { api } = await open()
    const socket = createConnection(api.port, "127.0.0.1")
    let heard = 0
    socket.on("data", (chunk) => (heard += chunk.includes("HTTP") ? chunk.length : 0))
    socket.on("error", () => {})
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    await once(socket, "close")
    assert.equal(heard, 0)
  })

  test("refuses TLS 1.2, strangers' certificates and none at all", async () => {
    const { api, tls } = await open()
    const stranger = await (await TestAuthority.make()).client("ann")
    const tries = [{ ...tls, maxVersion: "TLSv1.2" as const }, { ...stranger, ca: tls.ca }, { ca: tls.ca }]
    for (const options of tries) {
      const socket = connectTls({ ...options, host: "127.0.0.1", port: api.port, ALPNProtocols: ["h2"] })
      let heard = 0
      socket.on("data", (chunk) => (heard += chunk.length))
      socket.on("error", () => {})
      await new Promise((resolve) => socket.on("close", resolve))
      // A server that had taken it would have said its settings at once, and not hung up.
      assert.equal(heard, 0)
    }
  })
})
