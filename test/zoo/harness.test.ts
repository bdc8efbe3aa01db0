import assert from "node:assert/strict"
import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"
import { join } from "node:path"
import { beforeAll, describe, test } from "vitest"
import { HARNESS_MUTANTS } from "./harness.ts"
import { patchedText, ROOT } from "./patch.ts"

// Bugs in the simulator itself. All of them are run by one Vitest, which this one starts: a project over each.

type Result = { readonly project: string; readonly name: string; readonly state: "passed" | "failed" }

/** What a Vitest with `harness.config.ts` says of each test that it ran. */
async function runAll(): Promise<readonly Result[]> {
  const vitest = join(ROOT, "node_modules/vitest/vitest.mjs")
  const child = spawn(
    process.execPath,
    [vitest, "run", "--root", ROOT, "--config", join(ROOT, "test/zoo/harness.config.ts")],
    // Nothing of the Vitest that runs this test.
    { timeout: 220_000, env: { PATH: process.env["PATH"] }, stdio: ["ignore", "pipe", "pipe"] },
  )
  const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)])
  const lines = out.split("\n").filter((line) => line.startsWith("{"))
  assert.ok(lines.length > 0, `Vitest ran nothing.\n${out}\n${err}`)
  return lines.map((line) => JSON.parse(line) as Result)
}

describe("the harness zoo", () => {
  let results: readonly Result[] = []
  beforeAll(async () => {
    results = await runAll()
  }, 240_000)

  function stateOf(project: string, name: string): string {
    return results.find((result) => result.project === project && result.name === name)?.state ?? "not run"
  }

  test.each(HARNESS_MUTANTS)("$id, $title: $test.name", ({ id, test: { name } }) => {
    assert.equal(stateOf("pure", name), "passed")
    assert.equal(stateOf(id, name), "failed")
  })

  test("every edit fits exactly one place", () => {
    for (const { edits } of HARNESS_MUTANTS) {
      for (const { file } of edits) assert.notEqual(patchedText(edits, file), patchedText([], file))
    }
    assert.equal(new Set(HARNESS_MUTANTS.map(({ id }) => id)).size, HARNESS_MUTANTS.length)
  })
})
