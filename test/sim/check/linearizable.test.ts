import assert from "node:assert/strict"
import { test } from "vitest"
import { INSTANT_NEVER, type KvOp, type KvResult, type Operation } from "#sim/check/history.ts"
import { checkLinearizable } from "#sim/check/linearizable.ts"

const DONE = { type: "done" } as const

function ok(id: number, from: number, to: number, request: KvOp[], results: KvResult[]): Operation {
  const common = { commitTs: 0, token: null, retries: 0 }
  return { id, process: id, request, invokedAt: from, endedAt: to, outcome: "ok", results, ...common }
}

/** A request whose answer never came. */
function lost(id: number, from: number, request: KvOp[]): Operation {
  return { ...ok(id, from, INSTANT_NEVER, request, []), outcome: "info", results: null }
}

function put(key: string, value: string): KvOp {
  return { type: "put", key, value }
}

function get(key: string): KvOp {
  return { type: "get", key }
}

function cas(key: string, expected: string | null, value: string): KvOp {
  return { type: "cas", key, expected, value }
}

function saw(value: string | null): KvResult {
  return { type: "value", value }
}

function swapped(isSwapped: boolean): KvResult {
  return { type: "swapped", swapped: isSwapped }
}

function scanAll(...rows: [string, string][]): [KvOp[], KvResult[]] {
  const scan: KvOp = { type: "scan", start: "", end: "~", limit: 10, reverse: false }
  return [[scan], [{ type: "rows", rows, more: false }]]
}

function verdictOf(...history: Operation[]): string {
  return checkLinearizable(history, { stepsMax: 10_000 }).verdict
}

test("the empty history is valid and has no partitions", () => {
  assert.deepEqual(checkLinearizable([], { stepsMax: 1 }), {
    verdict: "valid",
    steps: 0,
    partitions: 0,
    explanation: null,
  })
})

test("a read that begins after a write has ended must not be stale", () => {
  const writes = [ok(1, 0, 1, [put("x", "a")], [DONE]), ok(2, 2, 3, [put("x", "b")], [DONE])]
  assert.equal(verdictOf(...writes, ok(3, 4, 5, [get("x")], [saw("a")])), "invalid")
  assert.equal(verdictOf(...writes, ok(3, 4, 5, [get("x")], [saw("b")])), "valid")
})

test("a read that touches a write in time may see the old value or the new one", () => {
  const write = ok(1, 0, 5, [put("x", "a")], [DONE])
  assert.equal(verdictOf(write, ok(2, 5, 6, [get("x")], [saw(null)])), "valid")
  assert.equal(verdictOf(write, ok(2, 5, 6, [get("x")], [saw("a")])), "valid")
  assert.equal(verdictOf(write, ok(2, 6, 7, [get("x")], [saw(null)])), "invalid")
})

test("two reads one after the other do not see a concurrent write come and go", () => {
  const write = ok(1, 0, 9, [put("x", "a")], [DONE])
  const [first, second] = [ok(2, 1, 2, [get("x")], [saw("a")]), ok(3, 3, 4, [get("x")], [saw(null)])]
  assert.equal(verdictOf(write, first, second), "invalid")
})

test("of two increments that both hear 1, one update is lost", () => {
  const increment: KvOp = { type: "increment", key: "n", by: 1 }
  const first = ok(1, 0, 9, [increment], [{ type: "count", value: 1 }])
  assert.equal(verdictOf(first, ok(2, 0, 9, [increment], [{ type: "count", value: 1 }])), "invalid")
  assert.equal(verdictOf(first, ok(2, 0, 9, [increment], [{ type: "count", value: 2 }])), "valid")
})

test("an append that a list shows twice took effect twice", () => {
  const append = ok(1, 0, 1, [{ type: "append", key: "l", value: "a," }], [DONE])
  assert.equal(verdictOf(append, ok(2, 2, 3, [get("l")], [saw("a,a,")])), "invalid")
  assert.equal(verdictOf(append, ok(2, 2, 3, [get("l")], [saw("a,")])), "valid")
})

test("a request without an answer may take effect late, or never, but not before it began, nor twice", () => {
  const unknown = lost(1, 5, [put("x", "a")])
  const [early, before] = [ok(2, 0, 1, [get("x")], [saw("a")]), ok(3, 6, 7, [get("x")], [saw(null)])]
  const after = ok(4, 100, 101, [get("x")], [saw("a")])
  assert.equal(verdictOf(unknown, before, after), "valid")
  assert.equal(verdictOf(unknown, before), "valid")
  assert.equal(verdictOf(unknown, early), "invalid")
  assert.equal(verdictOf(unknown, after, ok(5, 102, 103, [get("x")], [saw(null)])), "invalid")
  const overwritten = ok(5, 102, 103, [put("x", "b")], [DONE])
  assert.equal(verdictOf(unknown, after, overwritten, ok(6, 104, 105, [get("x")], [saw("a")])), "invalid")
})

test("an unknown request that has an end may take effect after it", () => {
  const gaveUp = { ...lost(1, 0, [put("x", "a")]), endedAt: 3 }
  const [absent, there] = [ok(2, 10, 11, [get("x")], [saw(null)]), ok(3, 12, 13, [get("x")], [saw("a")])]
  assert.equal(verdictOf(gaveUp, absent, there), "valid")
})

test("a failed request had no effect", () => {
  const failed: Operation = { ...lost(1, 0, [put("x", "a")]), endedAt: 1, outcome: "fail" }
  assert.equal(verdictOf(failed, ok(2, 2, 3, [get("x")], [saw("a")])), "invalid")
  assert.equal(verdictOf(failed, ok(2, 2, 3, [get("x")], [saw(null)])), "valid")
})

test("a swap answers by what was there, both ways", () => {
  const write = ok(1, 0, 1, [put("x", "a")], [DONE])
  assert.equal(verdictOf(write, ok(2, 2, 3, [cas("x", "a", "b")], [swapped(true)])), "valid")
  assert.equal(verdictOf(write, ok(2, 2, 3, [cas("x", "a", "b")], [swapped(false)])), "invalid")
  assert.equal(verdictOf(write, ok(2, 2, 3, [cas("x", null, "b")], [swapped(false)])), "valid")
  assert.equal(verdictOf(write, ok(2, 2, 3, [cas("x", null, "b")], [swapped(true)])), "invalid")
})

test("of two swaps from one value at most one succeeds", () => {
  const [a, b] = [
    ok(1, 0, 9, [cas("x", null, "a")], [swapped(true)]),
    ok(2, 0, 9, [cas("x", null, "b")], [swapped(true)]),
  ]
  assert.equal(verdictOf(a, b), "invalid")
  assert.equal(verdictOf(a, { ...b, results: [swapped(false)] }), "valid")
})

test("a scan sees its keys at one moment", () => {
  const writes = [ok(1, 0, 1, [put("x", "1")], [DONE]), ok(2, 2, 3, [put("y", "1")], [DONE])]
  assert.equal(verdictOf(...writes, ok(3, 0, 9, ...scanAll(["x", "1"]))), "valid")
  // Each key for itself could have held that: only together they could not.
  assert.equal(verdictOf(...writes, ok(3, 0, 9, ...scanAll(["y", "1"]))), "invalid")
  assert.equal(verdictOf(ok(3, 0, 9, ...scanAll(["y", "1"]))), "invalid")
})

test("the end of a scan lies outside it, and its limit, its direction and its `more` are checked", () => {
  const write = ok(1, 0, 1, [put("a", "1"), put("b", "2"), put("c", "3")], [DONE, DONE, DONE])
  const scan = (limit: number, reverse: boolean): KvOp => ({
    type: "scan",
    start: "a",
    end: "c",
    limit,
    reverse,
  })
  const found = (more: boolean, ...rows: [string, string][]): KvResult => ({ type: "rows", rows, more })
  assert.equal(
    verdictOf(write, ok(2, 2, 3, [scan(9, false)], [found(false, ["a", "1"], ["b", "2"])])),
    "valid",
  )
  assert.equal(verdictOf(write, ok(2, 2, 3, [scan(1, true)], [found(true, ["b", "2"])])), "valid")
  assert.equal(verdictOf(write, ok(2, 2, 3, [scan(1, true)], [found(false, ["b", "2"])])), "invalid")
  assert.equal(verdictOf(write, ok(2, 2, 3, [scan(1, false)], [found(true, ["b", "2"])])), "invalid")
})

test("the operations of one request are atomic, in order, and see each other", () => {
  const move = ok(1, 0, 9, [put("x", "1"), put("y", "1"), get("x")], [DONE, DONE, saw("1")])
  assert.equal(verdictOf(move, ok(2, 0, 9, [get("x"), get("y")], [saw("1"), saw(null)])), "invalid")
  assert.equal(verdictOf(move, ok(2, 0, 9, [get("x"), get("y")], [saw("1"), saw("1")])), "valid")
})

test("a refused increment takes its whole request with it", () => {
  const text = ok(1, 0, 1, [put("n", "text")], [DONE])
  const unknown = lost(2, 2, [put("x", "1"), { type: "increment", key: "n", by: 1 }])
  assert.equal(verdictOf(text, unknown, ok(3, 3, 4, [get("x")], [saw("1")])), "invalid")
  assert.equal(verdictOf(text, unknown, ok(3, 3, 4, [get("x")], [saw(null)])), "valid")
})

test("keys that no request joins are partitions of their own, and a scan joins those of its span", () => {
  const writes = ["a", "b", "c"].map((key, i) => ok(i, 0, 1, [put(key, "1")], [DONE]))
  assert.equal(checkLinearizable(writes, { stepsMax: 100 }).partitions, 3)
  const scan: KvOp = { type: "scan", start: "a", end: "c", limit: 9, reverse: false }
  const rows: KvResult = {
    type: "rows",
    rows: [
      ["a", "1"],
      ["b", "1"],
    ],
    more: false,
  }
  assert.equal(checkLinearizable([...writes, ok(9, 2, 3, [scan], [rows])], { stepsMax: 100 }).partitions, 2)
})

test("which unknown requests were used matters, not only what they came to", () => {
  const unknown = [1, 1, 2].map((by, i) => lost(i, 0, [{ type: "increment", key: "n", by }]))
  const reads = ["2", "3", "4"].map((value, i) =>
    ok(10 + i, 10 + 2 * i, 11 + 2 * i, [get("n")], [saw(value)]),
  )
  assert.equal(verdictOf(...unknown, ...reads), "valid")
  assert.equal(verdictOf(...unknown.slice(1), ...reads), "invalid")
})

/** Lost increments of different sizes, and a read of a sum that no choice of them gives. */
function hard(key: string): Operation[] {
  const unknown = Array.from({ length: 40 }, (_, i) =>
    lost(i, 0, [{ type: "increment", key, by: 2 * i + 2 }]),
  )
  return [...unknown, ok(100, 1, 2, [get(key)], [saw("401")])]
}

test("a budget too small is unknown, never a verdict, and no more than the budget is spent", () => {
  const { verdict, steps, explanation } = checkLinearizable(hard("n"), { stepsMax: 5_000 })
  assert.deepEqual([verdict, explanation], ["unknown", null])
  assert.ok(steps <= 5_010)
})

test("a plain fault is found beside a partition that is beyond any budget", () => {
  const stale = [ok(200, 0, 1, [put("z", "a")], [DONE]), ok(201, 2, 3, [get("z")], [saw(null)])]
  const { verdict, steps, explanation } = checkLinearizable([...hard("a"), ...stale], { stepsMax: 100_000 })
  assert.equal(verdict, "invalid")
  assert.ok(steps < 1_000)
  assert.deepEqual(explanation?.keys, ["z"])
})

test("one history gives one answer, to the step and to the letter", () => {
  const history = [...hard("a").slice(20), ok(201, 2, 3, [get("z")], [saw("?")])]
  const first = checkLinearizable(history, { stepsMax: 10_000 })
  assert.deepEqual(checkLinearizable(history, { stepsMax: 10_000 }), first)
})

test("an explanation keeps what the fault needs, and says it in plain sentences", () => {
  const history = [
    ok(1, 0, 1, [put("x", "a")], [DONE]),
    ok(2, 2, 3, [get("x")], [saw("a")]),
    ok(3, 4, 5, [put("x", "b")], [DONE]),
    ok(4, 6, 7, [get("x")], [saw("a")]),
    ok(5, 8, 9, [put("x", "c")], [DONE]),
    ok(6, 0, 9, [get("y")], [saw(null)]),
  ]
  const { explanation } = checkLinearizable(history, { stepsMax: 1_000 })
  assert.deepEqual(explanation?.lines, [
    "No order of these 3 requests, each between its start and its end, gives the answers heard.",
    '  #1 client 1 [0, 1] put "x" "a" heard done',
    '  #3 client 3 [4, 5] put "x" "b" heard done',
    '  #4 client 4 [6, 7] get "x" heard "a"',
    'At best one can place #1, #3; then "x" holds "b".',
    "No place is left for #4.",
  ])
})

test("an explanation drops no write that a kept read has seen: that would be another story", () => {
  const appends = ["a,", "b,", "c,"].map((value, i) =>
    ok(i, 2 * i, 2 * i + 1, [{ type: "append", key: "l", value }], [DONE]),
  )
  const { explanation } = checkLinearizable([...appends, ok(9, 8, 9, [get("l")], [saw("a,c,")])], {
    stepsMax: 99,
  })
  assert.deepEqual(
    explanation?.operations.map(({ id }) => id),
    [0, 1, 2, 9],
  )
})

test("an explanation keeps the increments that a count rests on", () => {
  const increments = [1, 2, 3].map((value) =>
    ok(value, 2 * value, 2 * value + 1, [{ type: "increment", key: "n", by: 1 }], [{ type: "count", value }]),
  )
  const { explanation } = checkLinearizable([...increments, ok(9, 8, 9, [get("n")], [saw("2")])], {
    stepsMax: 99,
  })
  assert.deepEqual(
    explanation?.operations.map(({ id }) => id),
    [1, 2, 3, 9],
  )
  assert.deepEqual([explanation?.placed, explanation?.stuck], [[1, 2, 3], [9]])
})

test("an explanation ends with the first answer that nothing fits, and takes what was under way as unknown", () => {
  const underWay = ok(1, 0, 100, [put("x", "a")], [DONE])
  const [sees, misses] = [ok(2, 1, 2, [get("x")], [saw("a")]), ok(3, 3, 4, [get("x")], [saw(null)])]
  const later = ok(4, 200, 201, [get("x")], [saw(null)])
  const { explanation } = checkLinearizable([underWay, sees, misses, later], { stepsMax: 99 })
  assert.deepEqual(
    explanation?.operations.map(({ id, outcome }) => [id, outcome]),
    [
      [1, "info"],
      [2, "ok"],
      [3, "ok"],
    ],
  )
})

test("a value that nobody wrote is wrong at once, and is the whole story", () => {
  const orphan = ok(4, 200, 201, [get("a")], [saw("nonsense")])
  const { verdict, steps, explanation } = checkLinearizable(
    [ok(1, 0, 1, [put("a", "1")], [DONE]), orphan, ok(2, 2, 3, [put("a", "2")], [DONE])],
    { stepsMax: 99 },
  )
  assert.deepEqual([verdict, steps, explanation?.operations], ["invalid", 0, [orphan]])
  assert.ok(explanation?.lines.includes("  It does not fit even alone."))
})

test("an explanation may drop a write that began only after all who saw its value", () => {
  const history = [
    ok(1, 0, 1, [get("x")], [saw("a")]),
    ok(2, 2, 9, [put("x", "a")], [DONE]),
    ok(3, 3, 4, [get("y")], [saw(null)]),
    ok(4, 0, 1, [put("y", "b"), get("x")], [DONE, saw("a")]),
  ]
  const { explanation } = checkLinearizable(history, { stepsMax: 99 })
  assert.equal(explanation?.operations.length, 1)
})
