import assert from "node:assert/strict"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, test } from "vitest"
import { drawPlan } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"
import { conform, newTally } from "./trace.ts"

// A thousand of them: node test/conformance/run.ts.

const root = mkdtempSync(join(tmpdir(), "orrery-conform-"))
afterAll(() => rmSync(root, { recursive: true, force: true }))

for (const [scenario, seed] of [
  ["smoke", 1],
  ["power-loss", 1],
] as const) {
  test(`every store of ${scenario} ${seed} does the same on real files, and what it is told crosses as bytes`, async () => {
    const tally = newTally()
    const plan = drawPlan(scenarioOf(scenario)!, seed)
    await conform(plan, join(root, scenario), tally)
    assert.deepEqual(tally.differences, [])
    assert.ok(tally.frames > 100 && tally.lives >= plan.cluster.stores)
    assert.ok(tally.orders > 100 && tally.files >= 2 * tally.lives)
  })
}
