import assert from "node:assert/strict"
import { describe, test } from "vitest"
import { parsePlan, simulate } from "#sim"
import { shrinkMutant } from "../../bench/support/zoo-shrinks.ts"
import { mutantOf } from "./mutants.ts"

// A handful of the zoo. All of it is a command, which measures as well: `node bench/sim/shrink.ts`.

/** Where each was met by the unhinted campaign: it is looked for from there. */
const MET: readonly (readonly [id: string, seed: number])[] = [
  ["R09", 5],
  ["R05", 2],
  ["W05", 1],
  ["I03", 3],
]

/** A few seconds each; a machine that does much else takes its time. */
const TIMEOUT_MS = 240_000

describe("a failure of the zoo, shrunk under its mutant", () => {
  test.each(MET)(
    "%s is small, and fails no more without any one of its faults or operations",
    async (id, from) => {
      const mutant = mutantOf(id)!
      const seeds = { from, count: 100 }
      const shrunk = await shrinkMutant({
        mutant: id,
        scenario: "campaign",
        seeds,
        runsMax: 10_000,
        cpuMsMax: 60_000,
      })
      assert.ok(shrunk !== null, `not met within ${seeds.count} seeds from ${from}`)
      assert.ok(shrunk.minimal)
      assert.deepEqual(shrunk.superfluous, [])
      assert.ok(mutant.oracles.includes(shrunk.oracle))
      const { faults, operations, stores } = shrunk.after
      assert.ok(faults <= 5 && operations <= 10 && stores <= 5, JSON.stringify(shrunk.after))
      // What is left is a plan like any other, and the bug is the mutant's alone.
      assert.deepEqual(parsePlan(JSON.parse(JSON.stringify(shrunk.plan))), shrunk.plan)
      assert.equal(simulate(shrunk.plan).violation, null)
    },
    TIMEOUT_MS,
  )
})
