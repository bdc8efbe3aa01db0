import assert from "node:assert/strict"
import { test } from "vitest"
import {
  classify,
  Corpus,
  drawPlan,
  GENERATION,
  isPlanError,
  NOTHING_SEEN,
  prioritized,
  simulate,
  simulateSighted,
  Strategist,
  writePlan,
  type Lesson,
  type Plan,
  type Strategy,
} from "#sim"
import { numberOf } from "#sim/coverage/step-meter.ts"
import { main as campaign } from "#scenarios/campaign.ts"
import { main as smoke } from "#scenarios/smoke/smoke.ts"

/** As if what a run shows were a number of its plan's. */
function lessonOf(plan: Plan): Lesson {
  const sighting = { ...NOTHING_SEEN, orders: [numberOf(writePlan(plan)), plan.faults.length] }
  return { plan, result: { runClass: classify(plan), verdict: "valid" }, sighting }
}

/** Plans of the seeds from `from` on, each generation learnt from in order, whatever order its runs end in. */
function planned(strategist: Strategist, from: number, generations: number): readonly Plan[] {
  const plans: Plan[] = []
  for (let generation = 0; generation < generations; generation++) {
    const own = Array.from({ length: GENERATION }, (_, index) =>
      strategist.plan(from + generation * GENERATION + index),
    )
    strategist.learn(own.map(lessonOf))
    plans.push(...own)
  }
  return plans
}

const texts = (plans: readonly Plan[]): readonly string[] => plans.map(writePlan)

test("a swarm's plan of a seed is what the seed draws, and a priority's the same with an order in it", () => {
  for (let seed = 1; seed <= 5; seed++) {
    assert.deepEqual(new Strategist("swarm", campaign).plan(seed), drawPlan(campaign, seed))
    assert.deepEqual(new Strategist("priority", campaign).plan(seed), prioritized(drawPlan(campaign, seed)))
  }
})

for (const strategy of ["guided", "portfolio"] satisfies Strategy[]) {
  test(`${strategy}: the same seeds give the same plans, and go on from a file as if nothing had happened`, () => {
    const whole = new Strategist(strategy, smoke)
    const plans = planned(whole, 1, 4)
    assert.deepEqual(texts(planned(new Strategist(strategy, smoke), 1, 4)), texts(plans))
    const half = new Strategist(strategy, smoke)
    planned(half, 1, 2)
    const corpus = Corpus.parse(JSON.parse(JSON.stringify(half.corpus.toJson())))
    assert.ok(!isPlanError(corpus))
    const rest = planned(new Strategist(strategy, smoke, corpus), 1 + 2 * GENERATION, 2)
    assert.deepEqual(texts(rest), texts(plans.slice(2 * GENERATION)))
  })
}

test("a guided search begins with draws, then most plans are changed ones, and all of a generation come before its lessons", () => {
  const strategist = new Strategist("guided", smoke)
  const plans = planned(strategist, 1, 5)
  const isDrawn = (plan: Plan, index: number): boolean =>
    writePlan(plan) === writePlan(drawPlan(smoke, 1 + index))
  const drawn = plans.map(isDrawn)
  assert.ok(drawn.slice(0, GENERATION).every(Boolean))
  const later = drawn.slice(GENERATION)
  const share = later.filter(Boolean).length / later.length
  assert.ok(share > 0.15 && share < 0.6, `${share}`)
})

test("a portfolio takes turns: half swarm, a fifth priorities, the rest changed plans", () => {
  const strategist = new Strategist("portfolio", campaign)
  const first = drawPlan(campaign, 1_000)
  const sighting = { ...NOTHING_SEEN, orders: [1] }
  strategist.learn([{ plan: first, result: { runClass: "within", verdict: "valid" }, sighting }])
  const count = { swarm: 0, priority: 0, changed: 0 }
  for (let seed = 1; seed <= 40; seed++) {
    const text = writePlan(strategist.plan(seed))
    const drawn = drawPlan(campaign, seed)
    if (text === writePlan(drawn)) count.swarm++
    else if (text === writePlan(prioritized(drawn))) count.priority++
    else count.changed++
  }
  assert.deepEqual(count, { swarm: 20, priority: 8, changed: 12 })
})

test("failures and runs that nobody judges are learnt from and not kept", () => {
  const strategist = new Strategist("guided", smoke)
  const plan = drawPlan(smoke, 1)
  const lesson = (order: number, result: Lesson["result"]): Lesson => ({
    plan,
    result,
    sighting: { ...NOTHING_SEEN, orders: [order] },
  })
  strategist.learn([
    lesson(1, { runClass: "within", verdict: "invalid" }),
    lesson(2, { runClass: "undetectable", verdict: "valid" }),
  ])
  assert.equal(strategist.corpus.size, 0)
  assert.equal(strategist.corpus.runs, 2)
  strategist.learn([lesson(2, { runClass: "within", verdict: "valid" })])
  assert.equal(strategist.corpus.size, 0)
  strategist.learn([lesson(3, { runClass: "within", verdict: "valid" })])
  assert.equal(strategist.corpus.size, 1)
})

test("to look on changes no run", () => {
  const plan = drawPlan(smoke, 5)
  const { result, sighting } = simulateSighted(plan)
  assert.equal(result.traceHash, simulate(plan).traceHash)
  for (const seen of [sighting.marks, sighting.steps, sighting.orders]) assert.ok(seen.length > 0)
})
