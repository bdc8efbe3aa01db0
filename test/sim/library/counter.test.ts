import assert from "node:assert/strict"
import fc from "fast-check"
import { describe, test } from "vitest"
import { counter, merge, type Counts } from "../../../docs/library/counter.ts"

test("the counter converges and loses nothing, whatever goes wrong", () => {
  const { failure, faults } = counter.hunt({ seeds: 10 })
  assert.equal(failure, null)
  // It was put to the test, too.
  assert.ok(faults["crash"]! > 0 && faults["partition"]! > 0)
})

describe("counts merge", () => {
  const tally = fc.record({ up: fc.nat(9), down: fc.nat(9) })
  const counts: fc.Arbitrary<Counts> = fc.dictionary(fc.constantFrom("1", "2", "3"), tally)

  test("in any order", () => {
    fc.assert(fc.property(counts, counts, (a, b) => assert.deepEqual(merge(a, b), merge(b, a))))
  })

  test("however they are grouped", () => {
    fc.assert(
      fc.property(counts, counts, counts, (a, b, c) =>
        assert.deepEqual(merge(merge(a, b), c), merge(a, merge(b, c))),
      ),
    )
  })

  test("however often", () => {
    fc.assert(fc.property(counts, counts, (a, b) => assert.deepEqual(merge(merge(a, b), b), merge(a, b))))
  })
})
