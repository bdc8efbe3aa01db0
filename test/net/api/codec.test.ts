import assert from "node:assert/strict"
import fc from "fast-check"
import { describe, test } from "vitest"
import type { KvOp, KvReply, KvRequest, KvResult } from "#kernel"
import { decodeAnswers, encodeAnswers, replyBytes, type Fault } from "#net/api/answer-codec.ts"
import {
  decodeAdminReply,
  decodeAdminRequest,
  decodeLocateRequest,
  decodeLocations,
  encodeAdminReply,
  encodeAdminRequest,
  encodeLocateRequest,
  encodeLocations,
} from "#net/api/control-codec.ts"
import { decodeRequests, encodeRequests, requestBytes } from "#net/api/request-codec.ts"
import { WireWriter } from "#net/api/wire.ts"
import { requestOf } from "../../support/requests.ts"

/** With the prototype that a decoder's records have. */
function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true })
}

const uint = fc.maxSafeNat()
const bytes = fc.uint8Array({ maxLength: 60 }).map((array) => Buffer.from(array).toString("latin1"))
const bool = fc.boolean()
const safe = fc.maxSafeInteger()

const op: fc.Arbitrary<KvOp> = fc.oneof(
  record({ type: fc.constantFrom("get", "delete"), key: bytes }),
  record({ type: fc.constantFrom("put", "append"), key: bytes, value: bytes }),
  record({
    type: fc.constant("cas" as const),
    key: bytes,
    expected: fc.option(bytes),
    value: bytes,
  }),
  record({ type: fc.constant("increment" as const), key: bytes, by: safe }),
  record({ type: fc.constant("scan" as const), start: bytes, end: bytes, limit: uint, reverse: bool }),
)

const token = record({ client: uint, birth: uint, seq: uint, ackedSeq: uint })
const request: fc.Arbitrary<KvRequest> = record({
  id: uint,
  rangeId: uint,
  generation: uint,
  token: fc.option(token),
  deadlineUs: uint,
  read: fc.constantFrom("strong", "timeline", "eventual"),
  readTs: uint,
  configEpoch: uint,
  bundleHash: bytes,
  trace: bytes,
  ops: fc.array(op, { maxLength: 6 }),
}).map(({ ops, ...more }) => requestOf(ops, { ...more, tenant: 7, principal: "who" }))

const result: fc.Arbitrary<KvResult> = fc.oneof(
  record({ type: fc.constant("value" as const), value: fc.option(bytes) }),
  fc.constant({ type: "done" } as const),
  record({ type: fc.constant("swapped" as const), swapped: bool }),
  record({ type: fc.constant("count" as const), value: safe }),
  record({ type: fc.constant("rows" as const), rows: fc.array(fc.tuple(bytes, bytes)), more: bool }),
)
const descriptor = record({
  rangeId: uint,
  groupId: uint,
  tenant: uint,
  start: bytes,
  end: bytes,
  generation: uint,
})
const error = fc.oneof(
  record({
    code: fc.constant("notLeader" as const),
    hint: fc.option(fc.integer({ min: 1 })),
    term: uint,
  }),
  record({ code: fc.constant("staleGeneration" as const), descriptor }),
  record({ code: fc.constantFrom("keyOutOfRange" as const, "notAnInteger" as const), key: bytes }),
  record({ code: fc.constant("tooLarge" as const), limit: uint, actual: uint }),
  record({ code: fc.constant("badRequest" as const), reason: fc.string({ unit: "grapheme" }) }),
  record({ code: fc.constantFrom("overloaded" as const, "diskFull" as const, "recovering" as const) }),
)
const reply: fc.Arbitrary<KvReply> = fc.oneof(
  record({
    type: fc.constant("ok" as const),
    id: uint,
    commitTs: uint,
    results: fc.array(result, { maxLength: 6 }),
    answer: fc.constant(null),
  }),
  record({ type: fc.constant("error" as const), id: uint, error }),
)

type Read = { readonly requests: KvRequest[]; readonly refused: { id: number; reason: string }[] }

function read(message: Buffer): Read {
  const requests: KvRequest[] = []
  const refused: { id: number; reason: string }[] = []
  decodeRequests(message, { tenant: 7, principal: "who" }, 1_000, {
    request: (request) => requests.push(request),
    unreadable: (id, reason) => refused.push({ id, reason }),
  })
  return { requests, refused }
}

function write(requests: readonly KvRequest[]): Buffer {
  const ids = requests.map(({ id }) => id)
  return encodeRequests(requests, ids, new WireWriter(16))
}

describe("messages of a session", () => {
  test("requests are read as they were written, and no longer than was said", () => {
    fc.assert(
      fc.property(fc.array(request, { maxLength: 5 }), (requests) => {
        const message = write(requests)
        assert.deepEqual(read(message), { requests, refused: [] })
        const most = requests.reduce((sum, one) => sum + requestBytes(one) + 200 + 30 * one.ops.length, 0)
        assert.ok(message.length <= most)
      }),
    )
  })

  test("answers and faults are read as they were written", () => {
    const fault = record({
      code: fc.constant("badRequest" as const),
      reason: fc.string({ unit: "grapheme" }),
    })
    fc.assert(
      fc.property(fc.array(reply, { maxLength: 5 }), fc.array(fault, { maxLength: 2 }), (replies, faults) => {
        const message = encodeAnswers(replies, 0, replies.length, faults, new WireWriter(16))
        const found: KvReply[] = []
        const told: Fault[] = []
        const sink = { answer: (one: KvReply) => found.push(one), fault: (one: Fault) => told.push(one) }
        assert.equal(decodeAnswers(message, sink), true)
        assert.deepEqual(found, replies)
        assert.deepEqual(told, faults)
        assert.ok(replies.every((one) => replyBytes(one) > 0))
      }),
    )
  })

  test("a request is laid out as the interface says, byte for byte", () => {
    const ops: KvOp[] = [
      { type: "put", key: "k", value: "v" },
      { type: "increment", key: "n", by: -1 },
    ]
    const token = { client: 300, birth: 0, seq: 2, ackedSeq: 1 }
    const message = write([requestOf(ops, { id: 1, rangeId: 2, generation: 3, token, read: "eventual" })])
    assert.equal(
      message.toString("hex"),
      "0a2b080110021803220708ac02180220013002" +
        "5a081206" +
        "0a016b120176" +
        "5a0e2a0c" +
        "0a016e11ffffffffffffffff",
    )
  })

  test("fields nobody knows are passed over, whatever their wire type", () => {
    const unknown = Buffer.from("f80601f1060000000000000000fa0602aaaafd0600000000", "hex")
    const body = write([requestOf([{ type: "get", key: "k" }], { id: 9 })]).subarray(2)
    const inner = Buffer.concat([body, unknown])
    const message = Buffer.concat([Buffer.from([0x0a, inner.length]), inner, unknown])
    assert.deepEqual([read(message).requests.map(({ id }) => id), read(message).refused], [[9], []])
  })

  test("numbers above 2^53 - 1 and groups are refused", () => {
    const above = Buffer.from([0x0a, 9, 0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10])
    const group = Buffer.from([0x0a, 2, 0x0b, 0x0c])
    for (const message of [above, group]) {
      assert.equal(read(message).refused.length, 1)
      assert.equal(read(message).requests.length, 0)
    }
  })

  test("whatever is done to a message, reading it ends, and what is read is a request", () => {
    const edit = record({ at: fc.nat(), to: fc.nat({ max: 255 }), cut: fc.option(fc.nat()) })
    fc.assert(
      fc.property(fc.array(request, { minLength: 1, maxLength: 4 }), fc.array(edit), (requests, edits) => {
        let message = Buffer.from(write(requests))
        for (const { at, to, cut } of edits) {
          if (message.length === 0) break
          message[at % message.length] = to
          if (cut !== null) message = message.subarray(0, cut % (message.length + 1))
        }
        const found = read(message)
        assert.ok(found.requests.length + found.refused.length <= 1_001)
        // What was accepted is a request like any other: written again it reads the same.
        assert.deepEqual(read(write(found.requests)), { requests: found.requests, refused: [] })
        decodeAnswers(message, { answer: () => {}, fault: () => {} })
        decodeLocations(message)
        decodeLocateRequest(message)
        decodeAdminRequest(message)
        decodeAdminReply(message)
      }),
      { numRuns: 3_000 },
    )
  })
})

describe("messages of the other calls", () => {
  test("are read as they were written", () => {
    const location = record({ range: descriptor, stores: fc.array(uint), leader: uint })
    fc.assert(
      fc.property(fc.array(location), bytes, uint, (locations, start, limit) => {
        assert.deepEqual(decodeLocations(encodeLocations(locations)), locations)
        assert.deepEqual(decodeLocateRequest(encodeLocateRequest({ start, limit })), { start, limit })
      }),
    )
    const orders = [
      { type: "addVoter", store: 3, incarnation: 5 },
      { type: "addLearner", store: 3, incarnation: 5 },
      { type: "removeReplica", store: 3 },
      { type: "transferLeader", store: 3 },
    ] as const
    for (const action of orders) {
      const order = { id: 0, group: 4, action }
      assert.deepEqual(decodeAdminRequest(encodeAdminRequest(order)), order)
    }
    for (const answer of [
      { type: "accepted", id: 0 },
      { type: "error", id: 0, error: { code: "membershipBusy" } },
    ] as const)
      assert.deepEqual(decodeAdminReply(encodeAdminReply(answer)), answer)
  })
})
