import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import { distinct, diversityOf, mergeDiversity } from "#cli/campaign/diversity.ts"

const run = fc.record({
  marks: fc.nat(40),
  faults: fc.nat(200),
  steps: fc.uniqueArray(fc.nat(500), { maxLength: 12 }),
})

test("a hundred runs show what is new in them, in the order of the campaign", () => {
  const signature = (marks: number, steps: readonly number[]) => ({ marks, faults: 0, steps })
  const runs = [
    { index: 250, signature: signature(3, [1, 4]) },
    { index: 0, signature: signature(1, [1, 2]) },
    { index: 99, signature: signature(1, [2, 3]) },
    { index: 100, signature: signature(2, [3]) },
  ]
  const { marks, faults, steps } = diversityOf(runs)
  assert.deepEqual(marks, [[1], [2], [3]])
  assert.deepEqual(faults, [[0]])
  assert.deepEqual(steps, [[1, 2, 3], [], [4]])
  assert.equal(distinct(steps), 4)
})

test("shards in any order have the curves of the whole", () => {
  fc.assert(
    fc.property(fc.array(run, { maxLength: 400 }), fc.integer({ min: 1, max: 4 }), (signatures, count) => {
      const runs = signatures.map((signature, index) => ({ index, signature }))
      const shards = Array.from({ length: count }, (_, shard) =>
        diversityOf(runs.filter(({ index }) => index % count === shard)),
      )
      assert.deepEqual(mergeDiversity(shards.toReversed()), diversityOf(runs))
    }),
    { numRuns: 50 },
  )
})
