import assert from "node:assert/strict"
import { test } from "vitest"
import { DECLARED_SITES, drawPlan, missedSites, possibleCells, readCell, simulate, sitesOf } from "#sim"
import { numberOf, StepMeter } from "#sim/coverage/step-meter.ts"
import type { WorldView } from "#sim/check/checker.ts"
import type { PlanFault } from "#sim/plan/plan.ts"
import { World } from "#sim/world.ts"
import { scenarioOf } from "#scenarios/index.ts"
import { fault, plan } from "./support/plans.ts"
import { toyBuild } from "./support/toy-kernel.ts"

const SECOND = 1_000_000

function cellsOf(faults: readonly PlanFault[], leader = 1): Readonly<Record<string, number>> {
  const world = new World({
    plan: plan({ faults }),
    build: toyBuild(3, { leader }),
    checkers: [],
    clients: null,
    listener: null,
  })
  world.runUntil(9 * SECOND)
  return world.sites.cells()
}

test("an activation is counted for each store it strikes, by what that store was just before", () => {
  const crash = fault(1, "crash", 3 * SECOND, 3 * SECOND, { stores: [1, 2] }, { restartUs: 2 * SECOND })
  const again = fault(2, "pause", 4 * SECOND, 5 * SECOND, { stores: [3] })
  assert.deepEqual(cellsOf([crash, again]), {
    "crash/follower/idle": 1,
    "crash/leader/idle": 1,
    "pause/follower/idle": 1,
  })
})

test("who has just started, who is down, who holds nothing and who is a client are told apart", () => {
  const crash = fault(1, "crash", 3 * SECOND, 3 * SECOND, { stores: [2] }, { restartUs: SECOND })
  const slow = (id: number, at: number): PlanFault =>
    fault(id, "slowDisk", at * SECOND, (at + 0.1) * SECOND, { stores: [2] }, { factor: 2 })
  const cut = fault(9, "drop", 6 * SECOND, 7 * SECOND, { stores: [1], peers: [1_000] }, { ratioPpm: 1 })
  const cells = cellsOf([crash, slow(2, 3.5), slow(3, 4.2), slow(4, 5), cut])
  assert.equal(cells["slowDisk/down/idle"], 1)
  assert.equal(cells["slowDisk/follower/starting"], 1)
  assert.equal(cells["slowDisk/follower/idle"], 1)
  assert.equal(cells["drop/leader/idle"], 1)
})

test("a fault that finds nobody to strike is counted nowhere", () => {
  assert.deepEqual(cellsOf([fault(1, "crash", 3 * SECOND, 3 * SECOND, { role: "leader" })], 0), {})
})

test("a lost quorum is counted for those who died", () => {
  const lost = fault(1, "quorumLoss", 3 * SECOND, 3 * SECOND, { stores: [1, 2, 3, 4] }, { restartUs: SECOND })
  const cells = cellsOf([lost])
  assert.equal(
    Object.values(cells).reduce((sum, hits) => sum + hits, 0),
    2,
  )
})

test("cells are read as they are written, sites are their sums, and what was not hit is missed", () => {
  const cells = possibleCells()
  assert.equal(new Set(cells).size, cells.length)
  for (const cell of cells) assert.ok(readCell(cell) !== null, cell)
  assert.equal(readCell("crash/king/idle"), null)
  const sites = sitesOf({ "crash/leader/idle": 2, "crash/leader/serving": 3, "pause/leader/idle": 4 })
  assert.equal(sites.get("crash@leader"), 5)
  assert.equal(sites.get("process@idle"), 6)
  assert.deepEqual(missedSites({}), DECLARED_SITES)
  assert.deepEqual(missedSites(Object.fromEntries(cells.map((cell) => [cell, 1]))), [])
  assert.ok(!missedSites({ "crash/leader/serving": 1 }).includes("crash@leader"))
})

test("steps are pairs of rare words a store said, whatever other stores said between them", () => {
  const meter = new StepMeter()
  const world: WorldView = { now: 0, event: 0, leaseHolders: () => [], report: () => {} }
  const say = (store: number, name: string): void => meter.observed(world, store, { type: "mark", name })
  say(1, "a")
  say(2, "z")
  say(1, "b")
  say(1, "b")
  meter.observed(world, 1, { type: "committed", group: 1, replica: 1, term: 1, index: 1 })
  say(1, "a")
  meter.storeCrashed(world, 2)
  const expected = ["a b", "b a", "z died"].map(numberOf).sort((x, y) => x - y)
  assert.deepEqual(meter.steps(), expected)
})

test("a run says where faults struck and what sets it apart, alike each time", () => {
  const drawn = drawPlan(scenarioOf("smoke")!, 1)
  const { cells, signature } = simulate(drawn)
  assert.equal(cells["crash/leader/serving"] ?? cells["crash/leader/idle"], 1)
  assert.ok(signature.steps.length > 5)
  assert.deepEqual(simulate(drawn).signature, signature)
  assert.notEqual(simulate(drawPlan(scenarioOf("churn")!, 1)).signature.faults, signature.faults)
})
