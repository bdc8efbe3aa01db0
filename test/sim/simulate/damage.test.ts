import assert from "node:assert/strict"
import { test } from "vitest"
import { drawPlan, scenario, simulate, type Plan } from "#sim"
import { kernelBuild } from "#sim/build.ts"
import { classify } from "#sim/faults/atlas.ts"
import type { FaultKind, PlanFault } from "#sim/plan/plan.ts"
import { World } from "#sim/world.ts"

const SECOND = 1_000_000

/** Three stores with one range and a workload, and nothing wrong with them. */
const healthy = drawPlan(
  scenario({
    name: "damage",
    about: "A small cluster under faults that a test names.",
    cluster: { stores: 3, ranges: 1, spares: 0 },
    workload: { kinds: ["register"], clients: 3, operations: 200 },
    faults: {},
    phases: { rounds: 1, faultsUs: 20 * SECOND, quietUs: 20 * SECOND },
    smallBecause: "It is a part of a test.",
  }),
  1,
)

function fault(
  id: number,
  kind: FaultKind,
  at: number,
  until: number,
  stores: readonly number[],
  args: Readonly<Record<string, number>> = {},
): PlanFault {
  return { id, at, until, kind, target: { role: "stores", stores, peers: [], group: 0 }, args }
}

function under(...faults: readonly PlanFault[]): Plan {
  return { ...healthy, faults }
}

function worldOf(plan: Plan): World {
  return new World({ plan, build: kernelBuild, checkers: [], clients: null, listener: null })
}

test("stores with each other's disks stop by name and do not serve, and go on when they have their own", () => {
  const world = worldOf(under(fault(1, "swapDisks", 5 * SECOND, 12 * SECOND, [1, 2])))
  world.runUntil(11 * SECOND)
  assert.deepEqual([...world.fatals], [["identityMismatch", 2]])
  assert.deepEqual(
    [1, 2, 3].map((store) => world.host(store).alive),
    [false, false, true],
  )
  world.runUntil(18 * SECOND)
  assert.deepEqual([...world.fatals], [["identityMismatch", 2]])
  const incarnations = healthy.cluster.ranges[0]!.configuration.voters.map((voter) => voter.incarnation)
  for (const store of [1, 2, 3]) {
    assert.equal(world.host(store).kernel!.identity().incarnation, incarnations[store - 1])
  }
  assert.equal(simulate(under(fault(1, "swapDisks", 5 * SECOND, 12 * SECOND, [1, 2]))).verdict, "valid")
})

test("a store whose system volume is damaged stays down, and gets an empty disk when it is quiet", () => {
  const world = worldOf(
    under(
      fault(1, "bitRot", 5 * SECOND, 5 * SECOND, [1], { zone: 1, system: 1 }),
      fault(2, "crash", 6 * SECOND, 7 * SECOND, [1], { restartUs: SECOND }),
    ),
  )
  world.runUntil(5 * SECOND)
  const before = world.host(1).kernel!.identity().incarnation
  world.runUntil(20 * SECOND - 1)
  assert.deepEqual([...world.fatals], [["corruptSystemVolume", 1]])
  assert.equal(world.host(1).alive, false)
  world.runUntil(21 * SECOND)
  const { boot, incarnation } = world.host(1).kernel!.identity()
  assert.equal(boot, 1)
  assert.notEqual(incarnation, before, "nobody comes back under an old name with an empty memory")
})

test("a store that lost its disk is not born again: it starts empty and as someone else", () => {
  const world = worldOf(under(fault(1, "diskLoss", 5 * SECOND, 6 * SECOND, [2], { restartUs: SECOND })))
  world.runUntil(5 * SECOND - 1)
  const before = world.host(2).kernel!.identity()
  world.runUntil(6 * SECOND)
  const after = world.host(2).kernel!
  assert.notEqual(after.identity().incarnation, before.incarnation)
  assert.deepEqual(after.status(), [])
})

test("a store that dies before it ever spoke is born by the same document", () => {
  const world = worldOf(
    under(...[0, 1, 2, 3, 4].map((id) => fault(id + 1, "crash", 100 * id, 100 * id, [1], { restartUs: 50 }))),
  )
  world.runUntil(5 * SECOND)
  assert.ok(world.host(1).boots > 3)
  assert.equal(world.host(1).kernel!.status().length, healthy.cluster.ranges.length)
})

test("with a majority of disks lost a cluster may halt: nothing is asked of it but not to lie", () => {
  const plan = under(
    fault(1, "diskLoss", 5 * SECOND, 6 * SECOND, [1, 2], { restartUs: SECOND }),
    fault(2, "crash", 5 * SECOND, 6 * SECOND, [3], { restartUs: SECOND }),
  )
  assert.equal(classify(plan), "detectable")
  const { runClass, simulatedUs, violation } = simulate(plan)
  assert.equal(runClass, "detectable")
  assert.notEqual(violation?.oracle, "LIVE-leader")
  assert.ok(violation !== null || simulatedUs === 40 * SECOND)
})

test("where a majority forgot what it cannot know of, a run ends and is counted apart", () => {
  const plan = under(
    fault(1, "oldImage", 2 * SECOND, 12 * SECOND, [1], { ageUs: 8 * SECOND, restartUs: 100_000 }),
    fault(2, "oldImage", 2 * SECOND, 12 * SECOND, [2], { ageUs: 8 * SECOND, restartUs: 100_000 }),
  )
  assert.equal(classify(plan), "undetectable")
  const { runClass, faults } = simulate(plan)
  assert.equal(runClass, "undetectable")
  assert.deepEqual(faults.oldImage, { applied: 2, effective: 2 })
})
