import assert from "node:assert/strict"
import fc from "fast-check"
import { describe, test } from "vitest"
import { checkCalls, type Call, type Model } from "orrery/sim"

type Request =
  | { readonly op: "write"; readonly key: string; readonly value: number }
  | { readonly op: "read"; readonly key: string }

/** A register for each key; it holds 0 at first, and a write answers what it overwrote. */
const register: Model<number, Request, number> = {
  init: 0,
  part: ({ key }) => key,
  step(held, request, answer) {
    if (answer !== undefined && answer !== held) return null
    return { state: request.op === "write" ? request.value : held }
  },
}

function call(
  id: number,
  request: Request,
  [invokedAt, endedAt]: readonly [number, number],
  answer: number | null,
): Call<Request, number> {
  const outcome = answer === null ? "info" : "ok"
  return {
    id,
    process: id,
    client: id,
    request,
    invokedAt,
    endedAt,
    outcome,
    answer,
    reason: null,
    attempts: 1,
  }
}

const write = (value: number, key = "a"): Request => ({ op: "write", key, value })
const read = (key = "a"): Request => ({ op: "read", key })

describe("a history of calls", () => {
  const verdict = (...calls: readonly Call<Request, number>[]): string => checkCalls(calls, register).verdict

  test("is in order when one after the other fits", () => {
    assert.equal(verdict(), "valid")
    assert.equal(verdict(call(1, write(1), [0, 1], 0), call(2, read(), [2, 3], 1)), "valid")
    assert.equal(verdict(call(1, write(1), [0, 1], 0), call(2, read(), [2, 3], 0)), "invalid")
  })

  test("may place concurrent calls either way, and calls that only touch are concurrent", () => {
    assert.equal(verdict(call(1, write(1), [0, 5], 0), call(2, read(), [2, 3], 0)), "valid")
    assert.equal(verdict(call(1, write(1), [0, 5], 0), call(2, read(), [5, 6], 0)), "valid")
    assert.equal(verdict(call(1, write(1), [0, 5], 0), call(2, read(), [6, 7], 0)), "invalid")
  })

  test("may place what nobody heard of late, or never", () => {
    const lost = call(1, write(1), [0, 1], null)
    assert.equal(verdict(lost, call(2, read(), [9, 10], 0)), "valid")
    assert.equal(verdict(lost, call(2, read(), [9, 10], 1)), "valid")
    assert.equal(verdict(lost, call(2, read(), [9, 10], 1), call(3, read(), [11, 12], 0)), "invalid")
    assert.equal(verdict(call(2, read(), [0, 1], 1), call(1, write(1), [5, 6], null)), "invalid")
  })

  test("has its parts judged alone, and calls that failed not at all", () => {
    const failed = { ...call(3, write(7), [2, 3], 0), outcome: "fail" as const, answer: null }
    assert.equal(verdict(call(1, write(1), [0, 1], 0), call(2, read("b"), [2, 3], 0), failed), "valid")
  })

  test("that is invalid is explained by the call that has no place", () => {
    const { explanation } = checkCalls([call(1, write(1), [0, 1], 0), call(2, read(), [2, 3], 5)], register)
    assert.match(explanation!, /no place: call 2 of client 2/)
    assert.match(explanation!, /call 1 of client 1/)
  })

  test("that is too much for the budget is unknown", () => {
    const many = Array.from({ length: 12 }, (_, i) => call(i + 1, write(i + 1), [0, 100], null))
    const { verdict: found, steps } = checkCalls([...many, call(20, read(), [101, 102], 99)], register, {
      stepsMax: 50,
    })
    assert.equal(found, "unknown")
    assert.equal(steps, 50)
  })
})

/** Whether any order at all fits, tried one by one. */
function bruteForce(calls: readonly Call<Request, number>[], state = 0): boolean {
  if (calls.every(({ outcome }) => outcome === "info")) return true
  return calls.some((next) => {
    // Whoever ended before another began comes before it.
    if (calls.some((other) => other !== next && other.outcome === "ok" && other.endedAt < next.invokedAt))
      return false
    const stepped = register.step(state, next.request, next.answer ?? undefined)
    return (
      stepped !== null &&
      bruteForce(
        calls.filter((other) => other !== next),
        stepped.state,
      )
    )
  })
}

test("the search finds what trying every order finds", () => {
  const one = fc.record({
    value: fc.integer({ min: 1, max: 2 }),
    isWrite: fc.boolean(),
    from: fc.nat(9),
    length: fc.nat(5),
    answer: fc.option(fc.nat(2), { freq: 4 }),
  })
  let [valid, invalid] = [0, 0]
  fc.assert(
    fc.property(fc.array(one, { maxLength: 6 }), (drawn) => {
      const calls = drawn.map(({ value, isWrite, from, length, answer }, index) =>
        call(index + 1, isWrite ? write(value) : read(), [from, from + length], answer),
      )
      const { verdict } = checkCalls(calls, register)
      if (verdict === "valid") valid++
      else invalid++
      assert.equal(verdict, bruteForce(calls) ? "valid" : "invalid")
    }),
    { numRuns: 2_000, seed: 1 },
  )
  assert.ok(valid > 200 && invalid > 200, `${valid} valid, ${invalid} invalid`)
})
