import assert from "node:assert/strict"
import { test } from "vitest"
import { drawPlan, simulate } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { mirroredBuild, newTally } from "./mirror.ts"

// A thousand of them: node test/conformance/run.ts.

for (const [scenario, seed] of [
  ["smoke", 1],
  ["rare-paths", 1],
  ["campaign", 1],
] as const) {
  test(`every kernel of ${scenario} ${seed} is the same when all it hears crosses as bytes`, () => {
    const tally = newTally()
    const plan = drawPlan(scenarioOf(scenario)!, seed)
    const mirrored = simulate(plan, { build: mirroredBuild(tally) })
    assert.deepEqual(tally.differences, [])
    assert.equal(mirrored.violation, null)
    assert.equal(mirrored.traceHash, simulate(plan).traceHash)
    assert.ok(tally.frames > 100 && tally.lives >= plan.cluster.stores)
  })
}
