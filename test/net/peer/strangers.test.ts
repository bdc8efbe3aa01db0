import assert from "node:assert/strict"
import { connect as connectHttp2, constants } from "node:http2"
import { connect, type Socket } from "node:net"
import { connect as connectTls } from "node:tls"
import { afterEach, beforeEach, describe, test } from "vitest"
import { status } from "@grpc/grpc-js"
import { encodeFrame } from "#kernel"
import { Sfc32 } from "#kernel/lib/rng.ts"
import { Authority } from "#net/cluster/authority.ts"
import { FRAME_BYTES_MAX } from "#net/peer/limits.ts"
import { pathOf } from "#net/peer/service.ts"
import { beat, PeerRig, Stranger, until, type Ending, type Peer } from "../../support/peer-rig.ts"

let rig: PeerRig
let peer: Peer
const strangers: Stranger[] = []

beforeEach(async () => {
  rig = await PeerRig.make()
  peer = await rig.open(1, await rig.addresses(2))
})

afterEach(async () => {
  for (const stranger of strangers.splice(0)) stranger.close()
  await rig.close()
})

function stranger(...parameters: ConstructorParameters<typeof Stranger>): Stranger {
  const made = new Stranger(...parameters)
  strangers.push(made)
  return made
}

function good(): Uint8Array {
  return encodeFrame(rig.frame(2, 1, [beat(1)]))
}

function assertNothing(ending: Ending): void {
  assert.equal(ending.accepted, false)
  assert.equal(ending.code, status.UNAVAILABLE)
  assert.deepEqual(peer.frames, [])
}

describe("a listener tells nothing to", () => {
  test("a certificate of another authority", async () => {
    const other = await Authority.create(rig.cluster, Date.now())
    const tls = { ...(await rig.tls(2, other)), ca: rig.authority.credential.certificate }
    assertNothing(await stranger(peer.links.port, tls).say("raft", [good()]))
    assert.equal(peer.links.stats().refused.handshakeFailed, 1)
  })

  test("a client without a certificate", async () => {
    const { ca } = await rig.tls(2)
    assertNothing(await stranger(peer.links.port, { ca }).say("raft", [good()]))
    assert.equal(peer.links.stats().refused.handshakeFailed, 1)
  })

  test("gRPC in plaintext", async () => {
    assertNothing(await stranger(peer.links.port, null).say("raft", [good()]))
    assert.equal(peer.links.stats().refused.handshakeFailed, 1)
  })

  test("bytes in plaintext", async () => {
    const socket = connect(peer.links.port, "127.0.0.1")
    socket.write("GET / HTTP/1.1\r\n\r\n")
    assert.equal(await heard(socket), "")
    assert.equal(peer.links.stats().refused.handshakeFailed, 1)
  })

  test("TLS 1.2", async () => {
    const { ca, certificate, key } = await rig.tls(2)
    const socket = connectTls({
      port: peer.links.port,
      host: "127.0.0.1",
      ca,
      cert: certificate,
      key,
      maxVersion: "TLSv1.2",
      checkServerIdentity: () => undefined,
    })
    let isSecure = false
    socket.on("secureConnect", () => (isSecure = true))
    assert.equal(await heard(socket), "")
    assert.equal(isSecure, false)
    assert.equal(peer.links.stats().refused.handshakeFailed, 1)
  })

  test("a client's certificate", async () => {
    const { certificate, key } = await rig.authority.client("someone", Date.now())
    const tls = { ca: rig.authority.credential.certificate, certificate, key }
    assertNothing(await stranger(peer.links.port, tls).say("raft", [good()]))
    assert.equal(peer.links.stats().refused.notAStore, 1)
  })

  test("a store that has no address here, or is this one", async () => {
    assertNothing(await stranger(peer.links.port, await rig.tls(3)).say("raft", [good()]))
    assertNothing(await stranger(peer.links.port, await rig.tls(1)).say("raft", [good()]))
    assert.equal(peer.links.stats().refused.unknownStore, 2)
  })
})

describe("a peer's stream is ended by", () => {
  test.each([
    ["a frame in another store's name", "wrongStore", { fromStore: 3 }],
    ["a frame for another store", "wrongStore", { toStore: 3 }],
    ["a frame of another cluster", "wrongCluster", { cluster: "elsewhere" }],
  ] as const)("%s", async (_, code, part) => {
    const bytes = encodeFrame(rig.frame(2, 1, [beat(2)], part))
    const ending = await stranger(peer.links.port, await rig.tls(2)).say("raft", [good(), bytes, good()])
    assert.equal(ending.code, status.FAILED_PRECONDITION)
    assert.match(ending.details, new RegExp(`^${code}: `))
    assert.equal(peer.frames.length, 1, "what came before it is good, what comes after it is not read")
    assert.equal(peer.links.stats().refused[code], 1)
  })

  test("bytes that are no frame, in a thousand ways, and the next stream is heard", async () => {
    const client = stranger(peer.links.port, await rig.tls(2))
    const rng = new Sfc32(1, 2)
    for (let at = 0; at < 1_000; at++) {
      const bytes = good()
      const changed = rng.below(bytes.length)
      bytes[changed] = bytes[changed]! ^ (1 + rng.below(255))
      const cut = rng.below(4) === 0 ? bytes.subarray(0, rng.below(bytes.length)) : bytes
      const ending = await client.say("raft", [cut])
      assert.match(ending.details, /^badFrame: /)
    }
    assert.deepEqual(peer.frames, [])
    assert.equal(peer.links.stats().refused.badFrame, 1_000)
    assert.equal((await client.say("raft", [good()])).code, status.OK)
    assert.equal(peer.frames.length, 1)
  })

  test("bytes behind a frame that are not another", async () => {
    const client = stranger(peer.links.port, await rig.tls(2))
    assert.equal((await client.say("raft", [Buffer.concat([good(), good(), good()])])).code, status.OK)
    assert.equal(peer.frames.length, 3, "a message may hold several frames")
    for (const rest of [Buffer.alloc(1), Buffer.alloc(40), good().subarray(0, 20), good().subarray(1)]) {
      const ending = await client.say("raft", [Buffer.concat([good(), rest, good()])])
      assert.match(ending.details, /^badFrame: /)
    }
    assert.equal(peer.frames.length, 3 + 4)
    assert.match((await client.say("raft", [Buffer.alloc(0)])).details, /^badFrame: /)
  })

  test("a message that calls itself larger than any may be, before it is taken in", async () => {
    const { ca, certificate, key } = await rig.tls(2)
    const session = connectHttp2(`https://127.0.0.1:${peer.links.port}`, {
      ca,
      cert: certificate,
      key,
      checkServerIdentity: () => undefined,
    })
    session.on("error", () => {})
    const stream = session.request({
      ":method": "POST",
      ":path": pathOf("bulk"),
      "content-type": "application/grpc",
      te: "trailers",
    })
    const head = Buffer.alloc(5)
    head.writeUInt32BE(FRAME_BYTES_MAX + 1, 1)
    stream.write(head)
    const trailers = await new Promise<Record<string, unknown>>((ended) => {
      stream.on("trailers", ended)
      stream.on("error", () => {})
      stream.resume()
    })
    assert.equal(trailers["grpc-status"], String(status.RESOURCE_EXHAUSTED))
    session.destroy(undefined, constants.NGHTTP2_CANCEL)
    assert.deepEqual(peer.frames, [])
  })

  test("a newer one of the same peer and lane", async () => {
    const old = await rig.tls(2).then((tls) => stranger(peer.links.port, tls))
    const stays = old.hold("raft", good())
    await until("it is heard", () => peer.frames.length === 1)
    const next = stranger(peer.links.port, await rig.tls(2))
    assert.equal((await next.say("raft", [good()])).code, status.OK)
    assert.match((await stays).details, /^superseded: /)
  })
})

/** All that arrives before the other side hangs up. */
function heard(socket: Socket): Promise<string> {
  let text = ""
  return new Promise((ended) => {
    socket.on("data", (bytes) => (text += bytes.toString("latin1")))
    socket.on("error", () => {})
    socket.on("close", () => ended(text))
  })
}
