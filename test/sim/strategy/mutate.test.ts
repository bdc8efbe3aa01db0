import assert from "node:assert/strict"
import { test } from "vitest"
import {
  Chance,
  classify,
  drawPlan,
  isPlanError,
  mutated,
  parsePlan,
  simulate,
  simulateSighted,
  writePlan,
  type Plan,
} from "#sim"
import { main as campaign } from "#scenarios/campaign.ts"
import { FAULTS_MAX } from "#sim/strategy/mutate.ts"

const SEVERITY = { within: 0, detectable: 1, undetectable: 2 }

/** Each a change of the one before, as long as it is one. */
function* line(seed: number, length: number): Generator<{ readonly parent: Plan; readonly child: Plan }> {
  let parent = drawPlan(campaign, seed)
  const donor = drawPlan(campaign, seed + 1_000)
  for (let turn = 0; turn < length; turn++) {
    const child = mutated(campaign, parent, donor, new Chance(`${seed}/${turn}`))
    if (child === null) continue
    yield { parent, child }
    parent = child
  }
}

test("whatever is changed, and however often, can be read, and is of no worse class than what it came from", () => {
  let changed = 0
  for (let seed = 1; seed <= 8; seed++) {
    for (const { parent, child } of line(seed, 10)) {
      changed++
      const read = parsePlan(JSON.parse(writePlan(child)))
      assert.ok(!isPlanError(read), isPlanError(read) ? read.message : "")
      assert.deepEqual(read, child)
      assert.ok(SEVERITY[classify(child)] <= SEVERITY[classify(parent)])
      assert.ok(child.faults.length <= FAULTS_MAX)
      const { rounds, faultsUs, quietUs } = child.phases
      for (const { at, until } of child.faults) {
        const since = at % (faultsUs + quietUs)
        assert.ok(at < rounds * (faultsUs + quietUs) && since <= faultsUs && until - at + since <= faultsUs)
      }
      // One fault a clock and part: two of them could add up beyond the bound.
      const clocks = child.faults.filter(({ kind }) => kind.startsWith("clock") || kind === "monoDrift")
      if (classify(child) === "within") {
        const places = clocks.map(
          ({ at, target }) => `${Math.floor(at / (faultsUs + quietUs))} ${target.stores.join()}`,
        )
        assert.equal(new Set(places).size, places.length)
      }
    }
  }
  assert.ok(changed > 50)
})

test("the same chance makes the same change", () => {
  const [parent, donor] = [drawPlan(campaign, 1), drawPlan(campaign, 2)]
  const change = (name: string): Plan | null => mutated(campaign, parent, donor, new Chance(name))
  assert.deepEqual(change("a"), change("a"))
  assert.notDeepEqual(change("a"), change("b"))
})

test("a changed plan replays from its file to the same trace, without what made it", () => {
  for (const { child } of line(7, 2)) {
    const { result } = simulateSighted(child)
    const read = parsePlan(JSON.parse(writePlan(child)))
    assert.ok(!isPlanError(read))
    const again = simulate(read)
    assert.equal(again.traceHash, result.traceHash)
    assert.equal(again.stateHash, result.stateHash)
  }
})
