import assert from "node:assert/strict"
import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { test } from "vitest"
import { MARK_FLOOR_RUNS, MARKS } from "#sim"
import { SCENARIOS } from "#scenarios/index.ts"

const ROOT = join(import.meta.dirname, "../..")

test("a mark has either a floor that chance can miss or a sentence on where it is reached instead", () => {
  assert.ok(MARKS.length > 100)
  assert.equal(new Set(MARKS.map(({ name }) => name)).size, MARKS.length)
  for (const { name, floor, elsewhere } of MARKS) {
    if (floor === null) assert.match(elsewhere, /^[A-Z].*[.:] .*`.*`.*\.$/, name)
    else {
      assert.equal(elsewhere, "", name)
      assert.ok(Number.isInteger(floor) && floor >= 1 && floor < MARK_FLOOR_RUNS, name)
    }
  }
})

test("who is said to reach a mark instead does: a test that names it, or a scenario that promises it", () => {
  let seen = 0
  for (const { name, floor, elsewhere } of MARKS) {
    if (floor !== null) continue
    for (const [, place] of elsewhere.matchAll(/`([^`]+)`/g)) {
      seen++
      const scenario = SCENARIOS.find((known) => known.name === place)
      if (scenario !== undefined)
        assert.ok(scenario.marks?.includes(name), `${place} does not promise ${name}`)
      else {
        assert.ok(existsSync(join(ROOT, place!)), `${name}: ${place} is neither a scenario nor a file`)
        const text = readFileSync(join(ROOT, place!), "utf8")
        assert.ok(text.includes(`"${name}"`), `${place} does not ask for ${name}`)
      }
    }
  }
  assert.ok(seen > 0, "no mark is reached elsewhere")
})

test("what scenarios promise to reach are marks", () => {
  const known = new Set(MARKS.map(({ name }) => name))
  for (const { name, marks = [] } of SCENARIOS)
    for (const mark of marks) assert.ok(known.has(mark), `${name} promises ${mark}`)
})
