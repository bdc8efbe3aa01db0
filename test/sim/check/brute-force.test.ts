import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import type { KvResult, Operation } from "#sim/check/history.ts"
import { checkLinearizable } from "#sim/check/linearizable.ts"
import { MapKeys, runRequest } from "#sim/check/models.ts"
import { type RunShape, smallHistory, trueRun } from "../../support/history-arbitraries.ts"

/**
 * The definition itself: every order that respects real time, and every choice of the requests of unknown
 * outcome. It shares the sequential model with the checker and nothing else: no partitions, no memo, no cuts.
 */
function isLinearizable(history: readonly Operation[]): boolean {
  const operations = history.filter(({ outcome }) => outcome !== "fail")
  const place = (left: readonly Operation[], held: MapKeys): boolean => {
    if (left.every(({ outcome }) => outcome === "info")) return true
    return left.some((operation) => {
      const mustWait = left.some(({ outcome, endedAt }) => outcome === "ok" && endedAt < operation.invokedAt)
      if (mustWait) return false
      const after = held.copy()
      const results = runRequest(operation.request, after)
      if (results === null || (operation.results !== null && !same(results, operation.results))) return false
      return place(
        left.filter((other) => other !== operation),
        after,
      )
    })
  }
  return place(operations, new MapKeys())
}

function same(a: readonly KvResult[], b: readonly KvResult[]): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

const STEPS_MAX = 1_000_000

test("on 10,000 small histories the checker says what trying every order says, and both answers are common", () => {
  let valid = 0
  const runs = 10_000
  fc.assert(
    fc.property(smallHistory(6), (history) => {
      const expected = isLinearizable(history)
      if (expected) valid++
      assert.equal(
        checkLinearizable(history, { stepsMax: STEPS_MAX }).verdict,
        expected ? "valid" : "invalid",
      )
    }),
    { numRuns: runs, seed: 1 },
  )
  assert.ok(valid > runs * 0.2 && valid < runs * 0.8, `${valid} of ${runs} are linearizable`)
})

const SHAPES: readonly RunShape[] = [
  { count: 300, clients: 8, keys: 3, types: ["get", "put"], values: 0, infoPercent: 5, manyPercent: 0 },
  {
    count: 300,
    clients: 8,
    keys: 3,
    types: ["get", "put", "cas", "delete"],
    values: 3,
    infoPercent: 5,
    manyPercent: 0,
  },
  { count: 300, clients: 8, keys: 3, types: ["get", "append"], values: 0, infoPercent: 5, manyPercent: 0 },
  { count: 300, clients: 8, keys: 3, types: ["get", "increment"], values: 0, infoPercent: 3, manyPercent: 0 },
  {
    count: 100,
    clients: 4,
    keys: 3,
    types: ["get", "put", "increment", "append"],
    values: 3,
    infoPercent: 2,
    manyPercent: 0,
  },
  {
    count: 100,
    clients: 4,
    keys: 5,
    types: ["get", "put", "cas", "delete"],
    values: 2,
    infoPercent: 3,
    manyPercent: 40,
  },
  {
    count: 100,
    clients: 4,
    keys: 5,
    types: ["get", "put", "increment", "scan"],
    values: 3,
    infoPercent: 2,
    manyPercent: 20,
  },
]

test("a true run of many clients is never accused, whatever its operations", () => {
  let unknown = 0
  fc.assert(
    fc.property(fc.integer(), fc.constantFrom(...SHAPES), (seed, shape) => {
      const { verdict } = checkLinearizable(trueRun(seed, shape), { stepsMax: 100_000 })
      assert.notEqual(verdict, "invalid")
      if (verdict === "unknown") unknown++
    }),
    { numRuns: 400, seed: 5 },
  )
  assert.ok(unknown <= 8, `${unknown} of 400 runs were beyond the budget`)
})

test("a search without memory of configurations reaches the same verdicts", () => {
  fc.assert(
    fc.property(smallHistory(9), (history) => {
      const remembered = checkLinearizable(history, { stepsMax: STEPS_MAX })
      const forgetful = checkLinearizable(history, { stepsMax: STEPS_MAX, memoWordsMax: 0 })
      const cramped = checkLinearizable(history, { stepsMax: STEPS_MAX, memoWordsMax: 16 })
      assert.notEqual(remembered.verdict, "unknown")
      assert.equal(forgetful.verdict, remembered.verdict)
      assert.equal(cramped.verdict, remembered.verdict)
    }),
    { numRuns: 2_000, seed: 2 },
  )
})

test("names of keys, ids and processes, a shift in time and the order of the list change no verdict", () => {
  fc.assert(
    fc.property(smallHistory(8), (history) => {
      const renamed = history.toReversed().map((operation) => ({
        ...operation,
        id: 100 - operation.id,
        process: operation.process + 7,
        invokedAt: operation.invokedAt + 1_000,
        endedAt: Math.min(operation.endedAt + 1_000, Number.MAX_SAFE_INTEGER),
      }))
      const { verdict } = checkLinearizable(history, { stepsMax: STEPS_MAX })
      assert.equal(checkLinearizable(renamed, { stepsMax: STEPS_MAX }).verdict, verdict)
    }),
    { numRuns: 1_000, seed: 3 },
  )
})

test("every explanation is a wrong sub-history from which no read can go, and the rest of it finds places", () => {
  let count = 0
  fc.assert(
    fc.property(smallHistory(6), (history) => {
      const { explanation } = checkLinearizable(history, { stepsMax: STEPS_MAX })
      if (explanation === null) return
      count++
      const { operations, placed, stuck, lines } = explanation
      assert.equal(isLinearizable(operations), false)
      assert.ok(stuck.length > 0 && lines.length <= 15)
      for (const operation of operations) {
        const isRead = operation.request.every(({ type }) => type === "get" || type === "scan")
        const rest = operations.filter((other) => other !== operation)
        if (isRead) assert.equal(isLinearizable(rest), true)
      }
      // What the explanation says is placed is at least an order that the model accepts.
      const held = new MapKeys()
      for (const id of placed) {
        const operation = operations.find((other) => other.id === id)!
        const results = runRequest(operation.request, held)
        assert.ok(results !== null && (operation.results === null || same(results, operation.results)))
      }
    }),
    { numRuns: 1_000, seed: 4 },
  )
  assert.ok(count > 200)
})
