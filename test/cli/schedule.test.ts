import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import { DEFAULT_CAMPAIGN } from "#cli/campaign/default-campaign.ts"
import { defaultShares, jobCount, jobsOf, roundLength, type Selection } from "#cli/campaign/schedule.ts"

const shares = fc
  .array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 })
  .map((weights) => weights.map((weight, index) => ({ scenario: `s${index}`, weight })))
const whole = fc.record({ shares, firstSeed: fc.nat(1_000), runs: fc.nat(300), shard: fc.constant(null) })

test("the shards of a campaign hold each of its runs exactly once, in the campaign's order", () => {
  fc.assert(
    fc.property(whole, fc.integer({ min: 1, max: 9 }), (selection, count) => {
      const all = [...jobsOf(selection)]
      const parts = Array.from({ length: count }, (_, index) => {
        const part: Selection = { ...selection, shard: { index: index + 1, count } }
        const jobs = [...jobsOf(part)]
        assert.equal(jobCount(part), jobs.length)
        return jobs
      })
      assert.deepEqual(
        parts.flat().sort((a, b) => a.index - b.index),
        all,
      )
      const names = new Set(all.map((job) => `${job.scenario} ${job.seed}`))
      assert.equal(names.size, selection.runs)
    }),
  )
})

test("a longer campaign begins as the shorter one does, so its first runs are the same", () => {
  fc.assert(
    fc.property(whole, (selection) => {
      const longer = [...jobsOf({ ...selection, runs: selection.runs + 17 })]
      assert.deepEqual(longer.slice(0, selection.runs), [...jobsOf(selection)])
    }),
  )
})

test("the default campaign gives its main scenario most of the runs and each other one its few seeds", () => {
  const { mainScenario, mainWeight, rounds } = DEFAULT_CAMPAIGN
  const shares = defaultShares([mainScenario, "smoke"])
  const jobs = [...jobsOf({ shares, firstSeed: 1, runs: roundLength(shares) * rounds, shard: null })]
  const seedsOf = (name: string): readonly number[] =>
    jobs.filter((job) => job.scenario === name).map((job) => job.seed)
  assert.deepEqual(seedsOf(mainScenario), upTo(mainWeight * rounds))
  assert.deepEqual(seedsOf("smoke"), upTo(rounds))
})

function upTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, index) => index + 1)
}
