import assert from "node:assert/strict"
import { test } from "vitest"
import {
  drawPlan,
  isPlanError,
  parseCapsule,
  partingWindow,
  scenario,
  writeCapsule,
  writePlan,
  type Capsule,
} from "#sim"

const campaign = scenario({ name: "campaign", about: "Everything.", workload: { operations: 20 } })

const CAPSULE: Capsule = {
  capsule: 1,
  bug: "",
  version: "0.1.0",
  command: "npx orrery sim replay capsule.json",
  oracle: "LIN-linearizable",
  message: 'Two lines\nand "quotes"',
  traceHash: "0123456789abcdef",
  checkpoints: ["00", "01"],
  plan: drawPlan(campaign, 3),
  shrink: null,
  found: null,
}

test("a capsule survives being written and read", () => {
  assert.deepEqual(parseCapsule(JSON.parse(writeCapsule(CAPSULE))), CAPSULE)
  assert.deepEqual(JSON.parse(writePlan(CAPSULE.plan)), CAPSULE.plan)
})

test("what a capsule says of its search and of the runs it stands for survives as well, and may be missing", () => {
  const from = { plan: "0123456789abcdef", faults: 9, operations: 300, stores: 5 }
  const cursor = { pass: "faults", place: [4, 9, 1], changed: true, whole: false }
  const found = {
    signature: "LIN-linearizable+crash+12ab",
    count: 2,
    seeds: [{ scenario: "smoke", seed: 4 }],
  }
  const told: Capsule = { ...CAPSULE, shrink: { from, runs: 80, cursor }, found }
  const text = writeCapsule(told)
  assert.deepEqual(parseCapsule(JSON.parse(text)), told)
  const done: Capsule = { ...told, shrink: { from, runs: 80, cursor: null } }
  assert.deepEqual(parseCapsule(JSON.parse(writeCapsule(done))), done)
  assert.ok(!/"shrink"|"found"/.test(writeCapsule(CAPSULE)))
  const broken = parseCapsule(JSON.parse(text.replace('"place":[4,9,1]', '"place":[4,-9,1]')))
  assert.ok(isPlanError(broken))
  assert.equal(broken.path, "$.shrink.cursor.place[1]")
})

test("a capsule has a line for each operation and each fault", () => {
  const lines = writeCapsule(CAPSULE).split("\n")
  const { workload, faults } = CAPSULE.plan
  for (const part of [...workload.ops, ...faults]) {
    assert.ok(lines.some((line) => line.startsWith(JSON.stringify(part))))
  }
})

test("an empty plan is written as well", () => {
  const plan = { ...CAPSULE.plan, faults: [], workload: { ...CAPSULE.plan.workload, ops: [] } }
  assert.deepEqual(parseCapsule(JSON.parse(writeCapsule({ ...CAPSULE, plan }))), { ...CAPSULE, plan })
})

test("a broken capsule is refused with the place", () => {
  const read = parseCapsule({ ...CAPSULE, orcale: "" })
  assert.ok(isPlanError(read))
  assert.equal(read.nearest, "oracle")
  const inner = parseCapsule({ ...CAPSULE, plan: { ...CAPSULE.plan, seed: -1 } })
  assert.ok(isPlanError(inner))
  assert.equal(inner.path, "$.plan.seed")
})

test("runs part after their last common checkpoint", () => {
  const one = { traceHash: "x", checkpoints: ["a", "b", "c"] }
  assert.equal(partingWindow(one, one), null)
  assert.deepEqual(partingWindow(one, { traceHash: "y", checkpoints: ["a", "z", "c"] }), {
    from: 1_024,
    to: 2_048,
  })
  assert.deepEqual(partingWindow(one, { traceHash: "y", checkpoints: ["a", "b"] }), {
    from: 2_048,
    to: 3_072,
  })
})
