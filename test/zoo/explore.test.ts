import assert from "node:assert/strict"
import { describe, test } from "vitest"
import { DEFAULT_SCOPE, explore, kernelBuild, replaySchedule, storyText, type Scope } from "#sim"
import { exploreMutant, replayMutant } from "./explore.ts"
import { mutantOf } from "./mutants.ts"

const PLAIN: Scope = {
  ...DEFAULT_SCOPE,
  deviations: 0,
  delays: 0,
  gathers: 0,
  drops: 0,
  duplicates: 0,
  crashes: 0,
  cuts: 0,
  lapses: 0,
  ticks: 0,
}

/** The smallest scopes in which each shows, a second each; more of them stand in sim/explore/README.md. */
const SHOWN: readonly (readonly [id: string, scope: Scope])[] = [
  ["R01", { ...PLAIN, from: "start", operations: [], ticks: 6 }],
  ["R03", { ...PLAIN, from: "start", operations: [], ticks: 6, deviations: 1, delays: 1 }],
  ["R09", { ...PLAIN, delays: null, operations: ["put"] }],
]

const TIMEOUT_MS = 60_000

describe("a planted bug in a small scope", () => {
  test.each(SHOWN)(
    "%s is found, its schedule breaks the same again, and the shipped kernel keeps every promise",
    async (id, scope) => {
      const { violation } = await exploreMutant(id, scope, null, () => {})
      assert.ok(violation !== null, "nothing was found")
      const { oracle, message, schedule } = violation
      assert.ok(mutantOf(id)!.oracles.includes(oracle), oracle)
      const { found, refusedAt, story } = await replayMutant(id, scope, schedule)
      assert.deepEqual([found, refusedAt], [{ oracle, message }, null])
      assert.ok(storyText(story, 40).length <= 40)
      const build = kernelBuild
      assert.equal(replaySchedule(scope, schedule, build).found, null)
      const shipped = explore(scope, { build })
      assert.deepEqual([shipped.violation, shipped.cutBy, shipped.completeTo], [null, null, scope.deviations])
    },
    TIMEOUT_MS,
  )
})
