import { assert, test } from "vitest"
import { KEY_BYTES_MAX, REQUEST_BYTES_MAX, SCAN_ROWS_MAX, VALUE_BYTES_MAX } from "#kernel/limits.ts"
import type { RangeDescriptor } from "#kernel/range/descriptor.ts"
import type { KvOp, KvRequest } from "#kernel/range/request.ts"
import { outside, touched, validate } from "#kernel/range/validate.ts"
import { requestOf } from "../../support/requests.ts"

const REQUEST = requestOf([])

function codeOf(change: Partial<KvRequest>): string | null {
  return validate({ ...REQUEST, ...change })?.code ?? null
}

function codeOfOps(...ops: KvOp[]): string | null {
  return codeOf({ ops })
}

test("a request at its limits is taken, one past any of them is refused", () => {
  const key = "k".repeat(KEY_BYTES_MAX)
  const value = "v".repeat(VALUE_BYTES_MAX)
  assert.isNull(codeOfOps())
  assert.isNull(codeOfOps({ type: "put", key, value }))
  assert.equal(codeOfOps({ type: "get", key: key + "k" }), "tooLarge")
  assert.equal(codeOfOps({ type: "put", key, value: value + "v" }), "tooLarge")
  assert.equal(codeOfOps({ type: "get", key: "" }), "badRequest")
  assert.equal(codeOfOps({ type: "increment", key, by: 0.5 }), "badRequest")
  const put: KvOp = { type: "put", key: "k", value }
  assert.isNull(codeOfOps(put, put, put))
  assert.deepEqual(validate({ ...REQUEST, ops: [put, put, put, put] }), {
    code: "tooLarge",
    limit: REQUEST_BYTES_MAX,
    actual: 4 * (VALUE_BYTES_MAX + 17),
  })
})

test("a scan has bounds in order and a limit that is a count", () => {
  const scan = { type: "scan", start: "b", end: "c", limit: 10, reverse: false } as const
  assert.isNull(codeOfOps(scan))
  assert.isNull(codeOfOps({ ...scan, end: "" }))
  assert.isNull(codeOfOps({ ...scan, limit: SCAN_ROWS_MAX }))
  assert.equal(codeOfOps({ ...scan, end: "a" }), "badRequest")
  assert.equal(codeOfOps({ ...scan, limit: -1 }), "badRequest")
  assert.equal(codeOfOps({ ...scan, limit: SCAN_ROWS_MAX + 1 }), "tooLarge")
})

test("numbers are safe integers, writes are of the present", () => {
  for (const field of [
    "id",
    "tenant",
    "rangeId",
    "generation",
    "deadlineUs",
    "readTs",
    "configEpoch",
  ] as const) {
    for (const value of [-1, 0.5, Number.NaN, 2 ** 53])
      assert.equal(codeOf({ [field]: value }), "badRequest", field)
  }
  const put: KvOp = { type: "put", key: "k", value: "" }
  assert.equal(codeOf({ readTs: 5, ops: [put] }), "badRequest")
  assert.equal(codeOf({ read: "eventual", ops: [put] }), "badRequest")
  assert.isNull(codeOf({ readTs: 5, read: "timeline", ops: [{ type: "get", key: "k" }] }))
  assert.isNull(codeOf({ token: { client: 1, birth: 1, seq: 1, ackedSeq: 0 }, ops: [put] }))
  assert.equal(codeOf({ token: { client: 1, birth: 1, seq: 1, ackedSeq: 1 }, ops: [put] }), "badRequest")
})

test("keys and values are byte strings: a char above 0xff is refused before it could be cut", () => {
  const wide = "caf\u0113"
  const ops: readonly KvOp[] = [
    { type: "get", key: wide },
    { type: "put", key: "k", value: wide },
    { type: "append", key: "k", value: wide },
    { type: "cas", key: "k", expected: wide, value: "v" },
    { type: "scan", start: "a", end: wide, limit: 1, reverse: false },
  ]
  for (const op of ops) assert.equal(codeOfOps(op), "badRequest")
  assert.isNull(codeOfOps({ type: "put", key: "k\xff", value: "\0\xff" }))
})

test("an op outside the range is named by its key", () => {
  const range: RangeDescriptor = { rangeId: 1, groupId: 1, tenant: 0, start: "b", end: "m", generation: 1 }
  const scan = { type: "scan", start: "b", end: "m", limit: 1, reverse: false } as const
  assert.isNull(outside([{ type: "get", key: "b" }, scan, { ...scan, end: "" }], range))
  assert.deepEqual(outside([{ type: "get", key: "m" }], range), { code: "keyOutOfRange", key: "m" })
  assert.deepEqual(outside([{ ...scan, start: "a" }], range), { code: "keyOutOfRange", key: "a" })
  assert.deepEqual(outside([{ ...scan, end: "n" }], range), { code: "keyOutOfRange", key: "n" })
})

test("latches: reads are spans, writes are keys once each, the anchor first", () => {
  const ops: KvOp[] = [
    { type: "get", key: "a" },
    { type: "increment", key: "b", by: 1 },
    { type: "scan", start: "c", end: "", limit: 1, reverse: false },
    { type: "put", key: "b", value: "" },
    { type: "delete", key: "a" },
  ]
  assert.deepEqual(touched(ops), {
    reads: [
      { start: "a", end: "a\0" },
      { start: "c", end: "" },
    ],
    writes: ["b", "a"],
  })
})
