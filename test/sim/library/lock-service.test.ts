import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import { plans } from "orrery/sim/fast-check"
import { careful, hasty } from "../../../docs/library/lock-service.ts"

const SEEDS = 40

test("a lock service that answers before its write is durable is found, made small, and replayed", () => {
  const { failure } = hasty.hunt({ seeds: SEEDS })
  assert.equal(failure?.violation?.oracle, "CHECK-linearizable")

  const small = hasty.shrink(failure.plan)
  assert.ok(small !== null && small.minimal)
  assert.ok(small.plan.faults.length === 1 && small.plan.workload.ops.length <= 3)

  const capsule = hasty.capsule(small.result)
  assert.ok(hasty.replay(capsule).same)
  // The repaired one runs the very same plan, and it does not fail.
  const repaired = careful.replay(capsule)
  assert.equal(repaired.result.verdict, "valid")
  assert.equal(repaired.otherMachine?.name, "hasty-lock")
})

test("the one that waits for its disk survives the same seeds, and takes its rare path in them", () => {
  const { failure, seeds, unknown, missed } = careful.hunt({ seeds: SEEDS })
  assert.equal(failure, null)
  assert.equal(seeds, SEEDS)
  assert.equal(unknown, 0)
  assert.deepEqual(missed, [])
})

test("it survives any plan that fast-check draws", () => {
  fc.assert(
    fc.property(plans(fc, careful), (plan) => careful.simulate(plan).verdict === "valid"),
    { numRuns: 10 },
  )
})
