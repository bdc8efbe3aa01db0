import assert from "node:assert/strict"
import { test } from "vitest"
import { drawPlan, KERNEL_SEARCH, runUs, scenario, shrink, signatureOf, type Plan } from "#sim"
import { shorterPlans } from "#sim/shrink/times.ts"

const campaign = scenario({ name: "campaign", about: "Everything.", workload: { operations: 60 } })
const VIOLATION = { oracle: "RAFT-x", message: 'Group 3 replica 12 (store 2) told "k7" before 4.5 s.' }

test("what is left is numbered from 1 in the order of time, at plain times, close together", () => {
  const plan = drawPlan(campaign, 4)
  const [first, second] = [plan.faults[3]!, plan.faults[9]!]
  const kinds = new Set([first.kind, second.kind])
  const fails = ({ faults, workload }: Plan): boolean =>
    [...kinds].every((kind) => faults.some((fault) => fault.kind === kind)) && workload.ops.length > 1
  const small = shrink(plan, {
    oracle: "A",
    run: (candidate) => (fails(candidate) ? "A" : null),
    runsMax: 100_000,
  })
  assert.ok(small.minimal)
  const { faults, workload, phases } = small.plan
  assert.deepEqual(
    faults.map(({ id }) => id),
    faults.map((_, index) => index + 1),
  )
  assert.deepEqual(
    workload.ops.map(({ id }) => id),
    [1, 2],
  )
  for (const { at } of [...faults, ...workload.ops]) assert.equal(at % 1_000, 0)
  assert.deepEqual(
    faults.map(({ at }) => at),
    faults.map(({ at }) => at).toSorted((a, b) => a - b),
  )
  assert.equal(phases.rounds, 1)
  assert.ok(runUs(phases) < runUs(plan.phases) / 20, `${runUs(phases)} µs are left`)
})

test("a shorter plan keeps everything within the run, in its order", () => {
  for (let seed = 1; seed <= 20; seed++) {
    const plan = drawPlan(campaign, seed)
    for (const shorter of shorterPlans(plan)) {
      // Where a part ends at a plain time it may end a moment later.
      assert.ok(runUs(shorter.phases) < runUs(plan.phases) + 100_000)
      const order = ({ faults }: Plan): readonly number[] =>
        faults.toSorted((a, b) => a.at - b.at || a.id - b.id).map(({ id }) => id)
      assert.deepEqual(order(shorter), order(plan))
    }
  }
})

test("failures have one signature whose checks, kinds of fault and sentences are the same", () => {
  const plan = drawPlan(campaign, 4)
  const some = { ...plan, faults: plan.faults.slice(0, 2) }
  const other = { oracle: "RAFT-x", message: 'Group 1 replica 2 (store 1) told "k19" before 12 s.' }
  const signature = signatureOf(some, VIOLATION)
  assert.match(signature, /^RAFT-x(\+\w+){1,2}\+[0-9a-f]{4}$/)
  const moved = some.faults.map((fault) => ({ ...fault, at: 0, until: 1, id: fault.id + 7 })).toReversed()
  assert.equal(signatureOf({ ...some, faults: [...moved, moved[0]!] }, other), signature)
  assert.notEqual(signatureOf(some, { ...other, oracle: "RAFT-y" }), signature)
  assert.notEqual(signatureOf(some, { ...other, message: "Group 1 replica 2 forgot." }), signature)
  assert.notEqual(signatureOf({ faults: [] }, VIOLATION), signature)
})

test("a search of a plan that nothing can be left out of says so at once", () => {
  const plan = drawPlan(campaign, 4)
  const small = shrink(plan, { oracle: "A", run: () => "A", runsMax: 100_000 }).plan
  assert.equal(KERNEL_SEARCH.next(KERNEL_SEARCH.resume(small, 0, null)), null)
  const again = shrink(small, { oracle: "A", run: () => "A", runsMax: 100_000 })
  assert.deepEqual([again.plan, again.minimal], [small, true])
})
