import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import {
  classify,
  drawPlan,
  isPlanError,
  parsePlan,
  prioritized,
  simulate,
  withPriorities,
  writePlan,
} from "#sim"
import { Priorities } from "#sim/env/priorities.ts"
import { main as campaign } from "#scenarios/campaign.ts"
import { main as smoke } from "#scenarios/smoke/smoke.ts"
import { race } from "./relay.ts"

const MS = 1_000
const SECOND = 1_000_000
/** Of the race, by each strategy. */
const SEEDS = 45
const ENDPOINTS = 4
const LINKS = Array.from({ length: ENDPOINTS * ENDPOINTS }, (_, link) => ({
  from: Math.floor(link / ENDPOINTS),
  to: link % ENDPOINTS,
})).filter(({ from, to }) => from !== to)

function prioritiesOf(seed: number, changes: number, by: "link" | "sender" = "sender"): Priorities {
  const spec = { by, slowestUs: SECOND, changes }
  return new Priorities(spec, { seed, id: 1 }, { from: 0, until: 10 * SECOND }, LINKS, ENDPOINTS, 1)
}

/** How much later than it would be a message is that each of them sends now. */
function lateness(priorities: Priorities, now: number): readonly number[] {
  return [0, 1, 2, 3].map((from) => priorities.latencyOf(from, (from + 1) % ENDPOINTS, 0, now, MS) - MS)
}

test("the last stream is late by all of it, the one before by a quarter, and the order is the seed's", () => {
  const orders = new Set<string>()
  for (let seed = 1; seed <= 100; seed++) {
    const late = lateness(prioritiesOf(seed, 0), 0)
    assert.deepEqual(
      late.toSorted((a, b) => a - b),
      [15_625, 62_500, 250_000, SECOND],
    )
    assert.deepEqual(lateness(prioritiesOf(seed, 0), 0), late)
    orders.add(late.join())
  }
  // Four streams have 24 orders.
  assert.ok(orders.size > 20)
})

test("at each change whoever speaks goes behind those that have not yet, and nobody else is moved", () => {
  for (let seed = 1; seed <= 50; seed++) {
    const calm = lateness(prioritiesOf(seed, 0), 0)
    const changed = prioritiesOf(seed, 1)
    // The moment of the change has passed when 1 speaks.
    changed.latencyOf(1, 2, 0, 10 * SECOND, MS)
    const late = lateness(changed, 20 * SECOND)
    assert.equal(late[1], SECOND)
    const others = [0, 2, 3]
    const order = (lates: readonly number[]): readonly number[] =>
      others.toSorted((a, b) => lates[a]! - lates[b]!)
    assert.deepEqual(order(late), order(calm))
  }
})

test("within a stream everything arrives as it was sent", () => {
  const sends = fc.array(
    fc.record({
      from: fc.nat({ max: ENDPOINTS - 1 }),
      to: fc.nat({ max: ENDPOINTS - 1 }),
      after: fc.nat({ max: 500 * MS }),
      latency: fc.integer({ min: 1, max: 100 * MS }),
    }),
    { maxLength: 60 },
  )
  fc.assert(
    fc.property(sends, fc.nat(), fc.constantFrom("link" as const, "sender" as const), (sent, seed, by) => {
      const priorities = prioritiesOf(seed, 4, by)
      const last = new Map<string, number>()
      let now = 0
      for (const { from, to, after, latency } of sent) {
        if (from === to) continue
        now += after
        const at = now + priorities.latencyOf(from, to, 0, now, latency)
        assert.ok(at >= now + latency && at >= (last.get(`${from} ${to}`) ?? 0))
        last.set(`${from} ${to}`, at)
      }
    }),
  )
})

test("a stream that is left out leaves the others in their order", () => {
  const spec = { by: "sender", slowestUs: SECOND, changes: 0 } as const
  for (let seed = 1; seed <= 50; seed++) {
    const fewer = LINKS.filter(({ from }) => from !== 2)
    const span = { from: 0, until: SECOND }
    const left = new Priorities(spec, { seed, id: 1 }, span, fewer, ENDPOINTS, 1)
    const order = (lates: readonly number[]): readonly number[] =>
      [0, 1, 3].toSorted((a, b) => lates[a]! - lates[b]!)
    assert.deepEqual(order(lateness(left, 0)), order(lateness(prioritiesOf(seed, 0), 0)))
  }
})

test("a plan with priorities is one for ever, can be read, and is of the class it was", () => {
  let ordered = 0
  for (let seed = 1; seed <= 15; seed++) {
    const drawn = drawPlan(campaign, seed)
    const plan = prioritized(drawn)
    assert.deepEqual(prioritized(drawPlan(campaign, seed)), plan)
    assert.equal(classify(plan), classify(drawn))
    const read = parsePlan(JSON.parse(writePlan(plan)))
    assert.ok(!isPlanError(read))
    assert.deepEqual(read, plan)
    assert.deepEqual({ ...plan, faults: [] }, { ...drawn, faults: [] })
    if (plan.faults.some(({ kind }) => kind === "prioritize")) {
      ordered++
      assert.ok(!plan.faults.some(({ kind }) => kind === "delay" || kind === "hold"))
    }
  }
  assert.ok(ordered >= 12)
})

test("a run under priorities is the same again, and they change what arrives when", () => {
  const plan = prioritized(drawPlan(smoke, 3))
  const first = simulate(plan)
  assert.equal(simulate(plan).traceHash, first.traceHash)
  const { applied, effective } = first.faults.prioritize ?? { applied: 0, effective: 0 }
  assert.ok(applied > 0 && effective === applied)
})

test("what takes two orders at once is found by priorities more often than by random delays", () => {
  const found = (strategy: "swarm" | "priority"): number => {
    let finds = 0
    for (let from = 1; from <= SEEDS;) {
      const { seeds, failure } = race.hunt({ from, seeds: SEEDS + 1 - from, strategy, guard: false })
      if (failure !== null) finds++
      from += seeds
    }
    return finds
  }
  const [swarm, priority] = [found("swarm"), found("priority")]
  assert.ok(priority > 2 * swarm, `${priority} of ${SEEDS} seeds by priorities, ${swarm} by a swarm`)
})

test("a failure that takes an order shrinks to one order, as any fault, and replays from its capsule", () => {
  const plan = withPriorities(race.plan(6))
  assert.ok(plan.faults.length > 3)
  const small = race.shrink(plan)
  assert.ok(small !== null && small.minimal)
  const [fault, ...others] = small.plan.faults
  assert.equal(others.length, 0)
  assert.equal(fault?.kind, "prioritize")
  assert.ok(small.plan.workload.ops.length === 1)
  assert.ok(race.replay(race.capsule(small.result)).same)
})
