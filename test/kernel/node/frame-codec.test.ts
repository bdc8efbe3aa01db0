import { readFileSync, writeFileSync } from "node:fs"
import fc from "fast-check"
import { assert, test } from "vitest"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { Digest } from "#kernel/lib/digest.ts"
import { decodeFrame, encodeFrame } from "#kernel/node/frame-codec.ts"
import type { Frame } from "#kernel/node/input.ts"
import { plainRequest } from "#kernel/range/request.ts"
import { readPeerMessage, writePeerMessage } from "#kernel/node/peer-message.ts"
import { frame, message } from "../../support/kernel-arbitraries.ts"

test("every frame decodes to what was encoded, entries with their lengths and digests", () => {
  fc.assert(
    fc.property(frame, (original) => {
      assert.deepEqual(decodeFrame(encodeFrame(original)), original)
    }),
    { numRuns: 1000 },
  )
})

test("a message as an object and as bytes gives one hash", () => {
  fc.assert(
    fc.property(message, (original) => {
      const writer = new ByteWriter()
      writePeerMessage(original, writer, true)
      const reader = new ByteReader(writer.finish())
      const decoded = readPeerMessage(reader)
      assert.deepEqual([reader.failed, reader.remaining], [false, 0])
      const [a, b] = [new Digest(), new Digest()]
      writePeerMessage(original, a, false)
      writePeerMessage(decoded, b, false)
      assert.deepEqual([a.hex(), a.length], [b.hex(), b.length])
    }),
    { numRuns: 1000 },
  )
})

test("messages that differ in any field differ in their hash", () => {
  fc.assert(
    fc.property(message, message, (a, b) => {
      const bytes = [a, b].map((each) => {
        const writer = new ByteWriter()
        writePeerMessage(each, writer, true)
        return writer.finish()
      })
      const hashes = [a, b].map((each) => {
        const digest = new Digest()
        writePeerMessage(each, digest, false)
        return digest.hex()
      })
      const isSame = Buffer.compare(bytes[0]!, bytes[1]!) === 0
      assert.equal(hashes[0] === hashes[1], isSame)
    }),
    { numRuns: 1000 },
  )
})

test("no flipped bit of a frame passes", () => {
  const [original] = fc.sample(frame, { seed: 7, numRuns: 1 })
  const bytes = encodeFrame(original!)
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice()
    flipped[bit >> 3]! ^= 1 << (bit & 7)
    assert.isNull(decodeFrame(flipped), `bit ${bit}`)
  }
})

test("a frame that is cut short, or has something after it, is none", () => {
  const [original] = fc.sample(frame, { seed: 8, numRuns: 1 })
  const bytes = encodeFrame(original!)
  for (let length = 0; length < bytes.length; length++) assert.isNull(decodeFrame(bytes.slice(0, length)))
  assert.isNull(decodeFrame(new Uint8Array([...bytes, 0])))
})

test("a frame of an unknown version is none", () => {
  const [original] = fc.sample(frame, { seed: 9, numRuns: 1 })
  const { header, messages } = original!
  assert.isNull(decodeFrame(encodeFrame({ header: { ...header, version: 1 }, messages })))
})

const HEADER: Frame["header"] = {
  version: 2,
  cluster: "orbit",
  fromStore: 2,
  toStore: 3,
  fromIncarnation: 0x1234_5678_9abc,
  fromBoot: 7,
  fromNonce: 0x1f_ffff_ffff_fffe,
  volumes: [{ volume: 1, incarnation: 0x10_0000_0001 }],
  configEpoch: 0,
  wall: 1_700_000_000_000_000,
}

function assertGolden(name: string, messages: Frame["messages"]): void {
  const header = HEADER
  const bytes = encodeFrame({ header, messages })
  const lines: string[] = []
  for (let at = 0; at < bytes.length; at += 16) {
    lines.push([...bytes.subarray(at, at + 16)].map((byte) => byte.toString(16).padStart(2, "0")).join(" "))
  }
  const text = `${lines.join("\n")}\n`
  const path = new URL(`../../golden/${name}.hex`, import.meta.url)
  if (process.env["ORRERY_GOLDEN"] === "write") writeFileSync(path, text)
  assert.equal(text, readFileSync(path, "utf8"))
  assert.deepEqual(decodeFrame(bytes), { header, messages })
}

test("what stores say of lives, losses and repairs has its golden bytes", () => {
  const envelope = { group: 1, from: 2, to: 3, term: 300 }
  assertGolden("frame-lives", [
    { type: "absent", ...envelope, sentMono: 1_000_000 },
    { type: "stored", ...envelope, matchIndex: 40, lastIndex: 41, sentMono: 0 },
    { type: "repairAsk", ...envelope, nonce: 0x1f_ffff_ffff_ffff },
    { type: "repairAnswer", ...envelope, nonce: 1, index: 42 },
    { type: "outdated", incarnation: 5, boot: 6, nonce: 0x10_0000_0003 },
  ])
})

test("what gateways say to each other has its golden bytes", () => {
  const [one, two] = ["0123456789abcdef", "fedcba9876543210"]
  const anchor = { tenant: 0, rangeId: 7, key: "a" }
  const range = { tenant: 0, rangeId: 7, generation: 3 }
  const request = plainRequest(range, [], { id: 300, deadlineUs: 1_000_000 })
  const wait = { txn: one, tenant: 0, rangeId: 7, ticket: 4 }
  const meta = {
    id: one,
    anchor,
    level: "serializable",
    control: "locking",
    readTs: 3_481_600_000_000_000,
    writeTs: 0,
    limitTs: 3_481_600_000_512_000,
    seq: 5,
    rolledBack: [{ from: 2, to: 3 }],
    wait: "skipLocked",
    lock: "exclusive",
    pipelined: true,
    onePhase: [{ start: "a", end: "b", fromTs: 9 }],
  } as const
  const promised = [{ rangeId: 7, key: "a", seq: 5 }]
  const staged = { status: "staging", ts: 10, promised, rolledBack: [], isAbandoned: false } as const
  const stage = {
    type: "stage",
    txn: one,
    anchor,
    commitTs: 10,
    promised,
    rolledBack: [],
    results: [],
  } as const
  const ok = { type: "ok", id: 300, commitTs: 10, results: [] } as const
  assertGolden("frame-gateways", [
    { type: "ask", request: { ...request, txn: meta, ops: [{ type: "put", key: "a", value: "1" }] } },
    { type: "ask", request: { ...request, command: stage } },
    {
      type: "answer",
      nonce: 0x1f_ffff_ffff_fffe,
      reply: { ...ok, answer: { type: "state", state: staged } },
    },
    { type: "waits", wait, for: [two] },
    { type: "probe", path: [wait, { ...wait, txn: two, rangeId: 8 }], to: one },
  ])
})

test("the heartbeat between stores has its golden bytes, with and without volumes that are full", () => {
  const heartbeat = {
    type: "storeHeartbeat",
    life: 2,
    asks: true,
    sentMono: 1_000_000,
    sentWall: 1_700_000_000_000_000,
    epoch: 3,
    ofIncarnation: 0x1f_ffff_ffff_ffff,
    ofBoot: 4,
    ofLife: 1,
    askedMono: 900_000,
    askedWall: 1_699_999_999_900_000,
    heldUs: 99_000,
  } as const
  assertGolden("frame-heartbeat", [
    { ...heartbeat, full: [] },
    { ...heartbeat, full: [1, 300] },
  ])
})
