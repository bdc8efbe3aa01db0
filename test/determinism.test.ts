import assert from "node:assert/strict"
import { execFile } from "node:child_process"
import { readFileSync } from "node:fs"
import { promisify } from "node:util"
import { test } from "vitest"
import { GOLDEN_RUNS, traceOf, type GoldenTrace } from "./support/golden-traces.ts"

const run = promisify(execFile)
const root = new URL("..", import.meta.url)

const golden = JSON.parse(
  readFileSync(new URL("golden/traces.json", import.meta.url), "utf8"),
) as GoldenTrace[]

test("the golden traces are those of the runs that are listed", () => {
  assert.deepEqual(
    golden.map(({ scenario, seed }) => [scenario, seed]),
    GOLDEN_RUNS,
  )
})

for (const expected of golden) {
  test(`${expected.scenario} with seed ${expected.seed} comes to the same trace and state as ever`, () => {
    assert.deepEqual(traceOf(expected.scenario, expected.seed), expected)
  })
}

test("one seed in two processes prints the same trace hash", async () => {
  const args = ["bin/orrery.js", "sim", "run", "smoke", "--seed", "7", "--jobs", "1", "--json", "-"]
  const outputs = await Promise.all([1, 2].map(() => run(process.execPath, args, { cwd: root })))
  const hashes = outputs.map(
    ({ stdout }) => (JSON.parse(stdout) as { results: { traceHash: string }[] }).results[0]!.traceHash,
  )
  assert.match(hashes[0]!, /^[0-9a-f]{16}$/)
  assert.equal(hashes[0], hashes[1])
})
