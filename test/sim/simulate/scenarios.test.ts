import assert from "node:assert/strict"
import { readdirSync } from "node:fs"
import { test } from "vitest"
import { drawPlan, isPlanError, parsePlan } from "#sim"
import { SCENARIOS, scenarioOf } from "#scenarios/index.ts"

const SECOND = 1_000_000

test("every scenario file is in the list, under its own name", () => {
  const files = readdirSync(new URL("../../../scenarios/", import.meta.url), {
    recursive: true,
    encoding: "utf8",
  })
    .filter((path) => path.endsWith(".ts") && path !== "index.ts")
    .map((path) => path.split(/[\\/]/).at(-1)!.replace(".ts", ""))
  assert.deepEqual([...files].sort(), SCENARIOS.map((scenario) => scenario.name).sort())
  assert.ok(SCENARIOS.length >= 12)
  assert.equal(SCENARIOS[0]!.name, "campaign")
  assert.equal(scenarioOf("smoke")!.name, "smoke")
  assert.equal(scenarioOf("smok"), null)
})

test("every scenario says what it is about, in sentences", () => {
  for (const { about, name } of SCENARIOS) assert.match(about, /^[A-Z].{30,}\.$/, name)
})

test("every scenario draws plans that can run, of a campaign's size or with a reason", () => {
  for (const scenario of SCENARIOS) {
    for (let seed = 0; seed < 5; seed++) {
      const plan = drawPlan(scenario, seed)
      const read = parsePlan(JSON.parse(JSON.stringify(plan)))
      assert.ok(!isPlanError(read), isPlanError(read) ? `${scenario.name}: ${read.message}` : "")
      if (scenario.smallBecause !== undefined) continue
      const { phases, workload, faults } = plan
      assert.ok(
        phases.rounds * (phases.faultsUs + phases.quietUs) >= 60 * SECOND,
        `${scenario.name} is too short`,
      )
      assert.ok(workload.ops.length >= 500, `${scenario.name} has ${workload.ops.length} operations`)
      assert.ok(faults.length >= 5, `${scenario.name}, seed ${seed}, has ${faults.length} faults`)
      assert.ok(phases.quietUs > 0)
    }
  }
})
