import assert from "node:assert/strict"
import * as fc from "fast-check"
import { describe, test } from "vitest"
import { MARK_FLOOR_RUNS } from "#sim"
import { atMostProbability, corrected } from "#cli/campaign/chance.ts"
import { isHeldToFloors, markTotals, tellable } from "#cli/campaign/floors.ts"
import type { CampaignFacts } from "#cli/report/model.ts"

describe("how likely so few hits are", () => {
  test("as counted by hand", () => {
    const near = (found: number, expected: number): void =>
      assert.ok(Math.abs(found - expected) < 1e-12 * expected, `${found}, not ${expected}`)
    near(atMostProbability(0, 3, 0.5), 1 / 8)
    near(atMostProbability(1, 3, 0.5), 4 / 8)
    near(atMostProbability(0, 20_000, 1 / 20_000), (1 - 1 / 20_000) ** 20_000)
    assert.equal(atMostProbability(0, 0, 0.5), 1)
    assert.equal(atMostProbability(4, 5, 1), 0)
    assert.equal(atMostProbability(5, 5, 1), 1)
  })

  test("as summed over every sequence of hits and misses, and never less where runs differ", () => {
    const rates = fc.array(fc.integer({ min: 1, max: 99 }), { minLength: 1, maxLength: 9 })
    fc.assert(
      fc.property(rates, fc.nat({ max: 8 }), (percents, hits) => {
        const chances = percents.map((percent) => percent / 100)
        const mean = chances.reduce((sum, chance) => sum + chance, 0) / chances.length
        const runs = chances.length
        const found = atMostProbability(hits, runs, mean)
        if (hits >= runs * mean) assert.equal(found, 1)
        else assert.ok(Math.abs(found - byCounting(hits, Array(runs).fill(mean))) < 1e-12)
        if (hits <= runs * mean - 1) assert.ok(byCounting(hits, chances) <= found + 1e-12)
      }),
    )
  })

  test("of many questions at once the least likely is held against the strictest bound, and order does not matter", () => {
    assert.deepEqual(corrected([0.5, 0.001, 0.02]), [0.5, 0.003, 0.04])
    assert.deepEqual(corrected([0.3, 0.2]), [0.4, 0.4])
    assert.deepEqual(corrected([]), [])
  })
})

/** The chance that at most `hits` of these happen. */
function byCounting(hits: number, chances: readonly number[]): number {
  let sum = 0
  for (let bits = 0; bits < 1 << chances.length; bits++) {
    let chance = 1
    let count = 0
    for (const [index, rate] of chances.entries()) {
      const isHit = (bits & (1 << index)) !== 0
      chance *= isHit ? rate : 1 - rate
      if (isHit) count++
    }
    if (count <= hits) sum += chance
  }
  return sum
}

describe("floors", () => {
  const rule = (name: string, floor: number | null, elsewhere = "") => ({ name, floor, elsewhere })

  test("healthy campaigns of any length hardly ever fall below them, and lost marks always do", () => {
    // 120 marks whose rates are just their floors, which is the worst that is healthy.
    const rules = Array.from({ length: 120 }, (_, index) => rule(`m${index}`, (index + 1) * 40))
    let word = 1
    const draw = (): number => {
      word = (Math.imul(word, 1_664_525) + 1_013_904_223) >>> 0
      return word / 2 ** 32
    }
    let wrong = 0
    for (let campaign = 0; campaign < 40; campaign++) {
      const runs = 150 + campaign * 20
      const hits: Record<string, number> = {}
      for (const { name, floor } of rules)
        for (let run = 0; run < runs; run++)
          if (draw() < floor! / MARK_FLOOR_RUNS) hits[name] = (hits[name] ?? 0) + 1
      if (markTotals(rules, hits, runs).some(({ isBelow }) => isBelow)) wrong++
    }
    assert.ok(wrong <= 2, `${wrong} of 40 campaigns were called low`)
    const lost = markTotals(rules, {}, 1_710)
    assert.ok(lost.filter(({ isBelow }) => isBelow).length >= tellable(lost, 1_710))
    assert.ok(tellable(lost, 1_710) > 100)
  })

  test("a mark whose floor is null, and a stranger, are counted and asked for nothing", () => {
    assert.deepEqual(markTotals([rule("a", null, "Elsewhere.")], { b: 3 }, 5_000), [
      { name: "a", floor: null, elsewhere: "Elsewhere.", runs: 0, chance: null, isBelow: false },
      { name: "b", floor: null, elsewhere: "", runs: 3, chance: null, isBelow: false },
    ])
  })

  test("only a whole default campaign of at least a round is held to them", () => {
    const scenarios = [{ name: "campaign" }, { name: "smoke" }]
    const whole: CampaignFacts = {
      isDefault: true,
      runsPlanned: null,
      firstSeed: 1,
      shardCount: 2,
      shards: [1, 2],
      interrupted: false,
      verified: 0,
      jobs: 1,
      elapsedSeconds: 1,
      command: "",
      journal: null,
    }
    assert.equal(isHeldToFloors(scenarios, 66, whole), true)
    assert.equal(isHeldToFloors(scenarios, 65, whole), false)
    assert.equal(isHeldToFloors(scenarios, 66, { ...whole, isDefault: false }), false)
    assert.equal(isHeldToFloors(scenarios, 66, { ...whole, interrupted: true }), false)
    assert.equal(isHeldToFloors(scenarios, 66, { ...whole, shards: [1] }), false)
  })
})
