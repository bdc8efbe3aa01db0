import assert from "node:assert/strict"
import { test } from "vitest"
import { drawPlan, scenario, type Plan } from "#sim"
import { kernelBuild } from "#sim/build.ts"
import type { FaultKind } from "#sim/plan/plan.ts"
import { World } from "#sim/world.ts"
import { fault } from "./support/plans.ts"

const MS = 1_000
const SECOND = 1_000_000
const GROUPS = 4

/** Three stores and nothing wrong with them, but that each is stopped in its turn. */
function planWith(kind: FaultKind, forUs = 3 * SECOND): Plan {
  const drawn = drawPlan(
    scenario({
      name: "planned",
      about: "",
      cluster: { stores: 3, spares: 0, ranges: GROUPS, tenants: 1, replicas: 3 },
      workload: { kinds: ["register"], operations: 1 },
      faults: {},
      phases: { rounds: 1, faultsUs: 60 * SECOND, quietUs: SECOND },
    }),
    1,
  )
  const faults = [1, 2, 3].map((store) => {
    const at = (10 + 12 * (store - 1)) * SECOND
    const until = kind === "drain" ? at + forUs : at
    return fault(store, kind, at, until, { stores: [store] }, { restartUs: SECOND })
  })
  return { ...drawn, faults }
}

/** The longest that any group was led by nobody after the first ten seconds, in looks of 10 ms, and all there was to see. */
function live(plan: Plan): {
  readonly gapMs: number
  readonly marks: ReadonlySet<string>
  readonly boots: number
} {
  const marks = new Set<string>()
  const checker = {
    name: "marks",
    observed(
      _world: unknown,
      _store: number,
      observation: { readonly type: string; readonly name?: string },
    ) {
      if (observation.type === "mark") marks.add(observation.name!)
    },
  }
  const world = new World({ plan, build: kernelBuild, checkers: [checker], clients: null, listener: null })
  world.runUntil(10 * SECOND - 1)
  marks.clear()
  const since = new Map<number, number>()
  let gapUs = 0
  for (let now = 10 * SECOND; now <= 58 * SECOND; now += 10 * MS) {
    world.runUntil(now)
    for (let group = 1; group <= GROUPS; group++) {
      if (world.leaderOf(group) !== 0) since.set(group, now)
      gapUs = Math.max(gapUs, now - (since.get(group) ?? now))
    }
  }
  return { gapMs: gapUs / MS, marks, boots: [1, 2, 3].reduce((sum, id) => sum + world.host(id).boots, 0) }
}

test("stores that are drained before they are stopped leave no group without a leader, and those that die do", () => {
  const drained = live(planWith("drain"))
  assert.equal(drained.boots, 6)
  assert.ok(drained.marks.has("node.drain.left"))
  assert.ok(!drained.marks.has("raft.election.timedOut"))
  assert.ok(drained.gapMs <= 100, `${drained.gapMs} ms`)
  const died = live(planWith("crash"))
  assert.equal(died.boots, 6)
  assert.ok(died.gapMs >= 1_000, `${died.gapMs} ms`)
})

test("a store that is not ready in its time is stopped all the same", () => {
  const { boots, marks } = live(planWith("drain", 1))
  assert.equal(boots, 6)
  assert.ok(!marks.has("node.drain.left"))
})
