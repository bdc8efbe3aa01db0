import assert from "node:assert/strict"
import { readdirSync, readFileSync } from "node:fs"
import { test } from "vitest"
import { isPlanError, parseCapsule, simulate } from "#sim"

const folder = new URL("../../scenarios/regressions/", import.meta.url)
const files = readdirSync(folder).filter((file) => file.endsWith(".json"))

test("there are regressions to look at", () => {
  assert.ok(files.length > 0)
})

for (const file of files) {
  test(`the schedule that showed ${file.replace(".json", "")} breaks nothing any more`, () => {
    const capsule = parseCapsule(JSON.parse(readFileSync(new URL(file, folder), "utf8")))
    if (isPlanError(capsule)) throw new Error(JSON.stringify(capsule))
    assert.notEqual(capsule.oracle, "")
    assert.equal(simulate(capsule.plan).violation, null)
  })
}
