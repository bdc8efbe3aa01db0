import fc from "fast-check"
import { assert, test } from "vitest"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { REPLY_BYTES_MAX, VALUE_BYTES_MAX } from "#kernel/limits.ts"
import { decodeVersionKey } from "#kernel/mvcc/key.ts"
import { readVersion, writeVersion } from "#kernel/mvcc/store.ts"
import { evaluate, type Evaluation } from "#kernel/range/evaluate.ts"
import type { KvOp, KvResult } from "#kernel/range/request.ts"

const TENANT = 1

function engineOf(rows: Readonly<Record<string, string>>): OverlayEngine {
  const engine = new OverlayEngine(MemoryBase.empty())
  engine.apply(Object.entries(rows).map(([key, value]) => writeVersion(TENANT, key, 10, value)))
  return engine
}

function resultsOf(evaluation: Evaluation): readonly KvResult[] {
  assert.isTrue(evaluation.ok)
  return evaluation.ok ? evaluation.results : []
}

test("ops see what those before them did, and each key is written once", () => {
  const engine = engineOf({ a: "1", b: "x" })
  const evaluation = evaluate(
    engine,
    TENANT,
    [
      { type: "increment", key: "a", by: 4 },
      { type: "get", key: "a" },
      { type: "cas", key: "b", expected: "x", value: "y" },
      { type: "cas", key: "b", expected: "x", value: "z" },
      { type: "append", key: "b", value: "!" },
      { type: "delete", key: "a" },
      { type: "put", key: "c", value: "new" },
      { type: "scan", start: "", end: "", limit: 9, reverse: true },
    ],
    20,
    21,
  )
  assert.deepEqual(resultsOf(evaluation), [
    { type: "count", value: 5 },
    { type: "value", value: "5" },
    { type: "swapped", swapped: true },
    { type: "swapped", swapped: false },
    { type: "done" },
    { type: "done" },
    { type: "done" },
    {
      type: "rows",
      rows: [
        ["c", "new"],
        ["b", "y!"],
      ],
      more: false,
    },
  ])
  const writes = evaluation.ok ? evaluation.writes : []
  assert.deepEqual(
    writes.map((write) => decodeVersionKey(write.key)),
    ["a", "b", "c"].map((userKey) => ({ tenant: TENANT, table: 0, userKey, ts: 21 })),
  )
  engine.apply(writes)
  assert.deepEqual(readVersion(engine, TENANT, "a", 30), { ts: 21, value: null })
  assert.deepEqual(readVersion(engine, TENANT, "b", 30), { ts: 21, value: "y!" })
  assert.deepEqual(readVersion(engine, TENANT, "a", 20), { ts: 10, value: "1" })
})

test("an increment takes decimal safe integers and nothing else, and gives nothing else", () => {
  const max = Number.MAX_SAFE_INTEGER
  const outcomes = (text: string, by: number): number | string => {
    const evaluation = evaluate(engineOf({ n: text }), TENANT, [{ type: "increment", key: "n", by }], 20, 21)
    if (!evaluation.ok) return evaluation.error.code
    const result = evaluation.results[0]!
    return result.type === "count" ? result.value : "?"
  }
  assert.equal(outcomes("-7", 7), 0)
  assert.equal(outcomes(String(max), -1), max - 1)
  assert.equal(outcomes(String(-max), -0), -max)
  for (const text of [
    "",
    " 1",
    "1 ",
    "+1",
    "01",
    "-0",
    "1.0",
    "1e3",
    "0x10",
    "NaN",
    "Infinity",
    "9007199254740992",
  ]) {
    assert.equal(outcomes(text, 1), "notAnInteger", text)
  }
  assert.equal(outcomes(String(max), 1), "notAnInteger")
  assert.equal(outcomes(String(-max), -max), "notAnInteger")
  assert.deepEqual(
    resultsOf(evaluate(engineOf({}), TENANT, [{ type: "increment", key: "n", by: -3 }], 20, 21)),
    [{ type: "count", value: -3 }],
  )
})

test("a failing op fails the request and leaves no writes", () => {
  const engine = engineOf({ n: "text", big: "x".repeat(VALUE_BYTES_MAX) })
  const put: KvOp = { type: "put", key: "a", value: "1" }
  assert.deepEqual(evaluate(engine, TENANT, [put, { type: "increment", key: "n", by: 1 }], 20, 21), {
    ok: false,
    error: { code: "notAnInteger", key: "n" },
  })
  assert.deepEqual(evaluate(engine, TENANT, [put, { type: "append", key: "big", value: "y" }], 20, 21), {
    ok: false,
    error: { code: "tooLarge", limit: VALUE_BYTES_MAX, actual: VALUE_BYTES_MAX + 1 },
  })
  const gets = Array.from({ length: 5 }, (): KvOp => ({ type: "get", key: "big" }))
  assert.deepEqual(evaluate(engine, TENANT, gets, 20, 21), {
    ok: false,
    error: { code: "tooLarge", limit: REPLY_BYTES_MAX, actual: 5 * VALUE_BYTES_MAX },
  })
})

test("a damaged version is no outcome: another replica may know", () => {
  const engine = engineOf({ a: "1" })
  const write = writeVersion(TENANT, "a", 15, "2")
  engine.apply([{ ...write, value: write.value.slice(0, -1) }])
  const recovering: Evaluation = { ok: false, error: { code: "recovering" } }
  assert.deepEqual(evaluate(engine, TENANT, [{ type: "get", key: "a" }], 20, 21), recovering)
  const scan: KvOp = { type: "scan", start: "", end: "", limit: 9, reverse: false }
  assert.deepEqual(evaluate(engine, TENANT, [scan], 20, 21), recovering)
  assert.isTrue(evaluate(engine, TENANT, [{ type: "put", key: "a", value: "3" }], 20, 21).ok)
})

test("a scan without an end stops at the end of the range", () => {
  const scan: KvOp = { type: "scan", start: "", end: "", limit: 9, reverse: false }
  const results = resultsOf(evaluate(engineOf({ a: "1", m: "2" }), TENANT, [scan], 20, 21, "m"))
  assert.deepEqual(results, [{ type: "rows", rows: [["a", "1"]], more: false }])
})

/** More than a request looks through one by one. */
const KEYS = "abcdefghijklmnop".split("")
const key = fc.oneof(fc.constantFrom("a", "b", "c", "d"), fc.constantFrom(...KEYS))
const value = fc.constantFrom("", "1", "-2", "1", "-2", "7", "7", "x")
const op: fc.Arbitrary<KvOp> = fc.oneof(
  fc.record({ type: fc.constant("get" as const), key }),
  fc.record({ type: fc.constant("put" as const), key, value }),
  fc.record({ type: fc.constant("delete" as const), key }),
  fc.record({ type: fc.constant("cas" as const), key, expected: fc.option(value), value }),
  fc.record({ type: fc.constant("increment" as const), key, by: fc.integer({ min: -2, max: 2 }) }),
  fc.record({ type: fc.constant("append" as const), key, value }),
  fc.record({
    type: fc.constant("scan" as const),
    start: fc.constantFrom("", "b"),
    end: fc.constantFrom("", "d"),
    limit: fc.nat(4),
    reverse: fc.boolean(),
  }),
)

test("ops in one request do what they do one request at a time, or nothing", () => {
  fc.assert(
    fc.property(fc.array(op, { maxLength: 40, size: "max" }), (ops) => {
      const engine = engineOf({ a: "1", b: "x", d: "3" })
      const whole = evaluate(engine, TENANT, ops, 20, 21)
      const single = engineOf({ a: "1", b: "x", d: "3" })
      const results: KvResult[] = []
      for (const [at, op] of ops.entries()) {
        const step = evaluate(single, TENANT, [op], 20 + at, 21 + at)
        if (!step.ok) {
          assert.deepEqual(whole, step)
          return
        }
        single.apply(step.writes)
        results.push(...step.results)
      }
      assert.deepEqual(resultsOf(whole), results)
      engine.apply(whole.ok ? whole.writes : [])
      for (const key of KEYS) {
        const left = readVersion(engine, TENANT, key, 99)
        const right = readVersion(single, TENANT, key, 99)
        assert.isTrue(left !== "damaged" && right !== "damaged" && left.value === right.value)
      }
    }),
    { numRuns: 500 },
  )
})
