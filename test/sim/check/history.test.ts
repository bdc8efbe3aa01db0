import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import { byInvocation, readHistory, writeHistory } from "#sim/check/history.ts"
import { agrees, answerOf, integerIn, MapKeys, scanAgrees, scanned, valueAfter } from "#sim/check/models.ts"
import { smallHistory } from "../../support/history-arbitraries.ts"

test("what is written as JSON lines is read back as it was, by start and id", () => {
  fc.assert(
    fc.property(smallHistory(6), (history) => {
      const parsed = readHistory(writeHistory(history))
      assert.deepEqual(parsed, { type: "history", operations: history.toSorted(byInvocation) })
    }),
    { numRuns: 500, seed: 1 },
  )
})

const STARTED =
  '{"process":1,"type":"invoke","f":"put","key":"x","value":"\u00e9","time":5,"id":7,' +
  '"request":[{"type":"put","key":"x","value":"\u00e9"}],"token":{"client":1,"seq":2}}\n'
const ENDED =
  '{"process":1,"type":"ok","f":"put","key":"x","value":"\u00e9","time":9,"id":7,' +
  '"results":[{"type":"done"}],"commitTs":3,"retries":0}\n'

test("a line is in Jepsen's words, with our own fields behind them", () => {
  const parsed = readHistory(STARTED + ENDED)
  assert.equal(parsed.type, "history")
  assert.equal(parsed.type === "history" ? writeHistory(parsed.operations) : "", STARTED + ENDED)
})

test("a history that is damaged in any way is refused with its line", () => {
  const refusals: [string, number, RegExp][] = [
    ["{", 1, /JSON/],
    ["[]\n", 1, /not an object/],
    [ENDED, 1, /ends without a start/],
    [STARTED, 1, /never ends/],
    [STARTED + STARTED, 2, /starts twice/],
    [STARTED + ENDED + ENDED, 3, /or twice/],
    [STARTED + ENDED + STARTED, 3, /starts twice/],
    [STARTED.replace('"id":7', '"id":7,"more":1') + ENDED, 1, /no field "more"/],
    [STARTED.replace('"time":5,', "") + ENDED, 1, /"time" is missing/],
    [STARTED + ENDED.replace('"time":9', '"time":4'), 2, /ends before it starts/],
    [STARTED + ENDED.replace('"time":9', '"time":9.5'), 2, /not a safe integer/],
    [STARTED + ENDED.replace('"ok"', '"okay"'), 2, /none of invoke, ok, fail, info/],
    [STARTED + ENDED.replace('"ok"', '"fail"'), 2, /results do not fit/],
    [STARTED + ENDED.replace('[{"type":"done"}]', "[]"), 2, /0 results answer 1/],
    [STARTED + ENDED.replace('"process":1', '"process":2'), 2, /changes its process/],
    [
      STARTED.replace('"key":"x","value":"\u00e9","time"', '"key":"y","value":"\u00e9","time"') + ENDED,
      2,
      /key does not say/,
    ],
    [STARTED.replaceAll("\u00e9", "\u0101") + ENDED.replaceAll("\u00e9", "\u0101"), 2, /beyond latin1/],
  ]
  for (const [text, line, message] of refusals) {
    const parsed = readHistory(text)
    assert.ok(parsed.type === "malformed", text)
    assert.equal(parsed.line, line)
    assert.match(parsed.message, message)
  }
})

test("the two forms of the model agree on every operation, value and answer", () => {
  const values = [null, "", "0", "7", "-3", "x", String(Number.MAX_SAFE_INTEGER)]
  const key = "k"
  const ops = [
    { type: "get", key },
    { type: "put", key, value: "7" },
    { type: "delete", key },
    { type: "cas", key, expected: null, value: "7" },
    { type: "cas", key, expected: "7", value: "x" },
    { type: "increment", key, by: 1 },
    { type: "increment", key, by: -1 },
    { type: "append", key, value: "x" },
  ] as const
  const answers = ops.flatMap((op) => values.map((value) => answerOf(op, value)))
  for (const op of ops) {
    for (const value of values) {
      if (valueAfter(op, value) === undefined) continue
      const own = JSON.stringify(answerOf(op, value))
      for (const answer of answers) assert.equal(agrees(op, value, answer), JSON.stringify(answer) === own)
    }
  }
})

test("an integer has one spelling, an absent key is 0, and no count leaves the safe integers", () => {
  assert.deepEqual([null, "0", "-12", "9007199254740991"].map(integerIn), [0, 0, -12, 9007199254740991])
  for (const text of ["", "-0", "01", "1.0", "1e3", " 1", "0x1", "9007199254740993"])
    assert.equal(integerIn(text), null)
  assert.equal(valueAfter({ type: "increment", key: "k", by: 1 }, "9007199254740991"), undefined)
})

test("a scan agrees with its own answer and with no other of its span", () => {
  const held = new MapKeys(
    new Map([
      ["a", "1"],
      ["b", "2"],
      ["c", "3"],
    ]),
  )
  const present = held.span("a", "c")
  const answers = [false, true].flatMap((reverse) =>
    [0, 1, 2, 3].map((limit) => scanned({ type: "scan", start: "a", end: "c", limit, reverse }, present)),
  )
  for (const reverse of [false, true]) {
    for (const limit of [0, 1, 2, 3]) {
      const op = { type: "scan", start: "a", end: "c", limit, reverse } as const
      const own = JSON.stringify(scanned(op, present))
      for (const answer of answers)
        assert.equal(scanAgrees(op, present, answer), JSON.stringify(answer) === own)
    }
  }
})
