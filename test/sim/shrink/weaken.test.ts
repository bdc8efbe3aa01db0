import assert from "node:assert/strict"
import fc from "fast-check"
import { describe, test } from "vitest"
import { drawPlan, FAULT_KINDS, FAULTS, scenario, type FaultKind, type PlanFault } from "#sim"
import { firstFlaw } from "#sim/plan/well-formed.ts"
import { MILDER, weakerFaults } from "#sim/shrink/weaken.ts"

const campaign = scenario({ name: "campaign", about: "Everything.", workload: { operations: 20 } })

function fault(kind: FaultKind, args: PlanFault["args"], stores: readonly number[] = [1]): PlanFault {
  const target = { role: "stores", stores, peers: [], group: 0 } as const
  return { id: 1, at: 5_000_000, until: FAULTS[kind].lasting ? 9_000_000 : 5_000_000, kind, target, args }
}

const kindsOf = (weaker: readonly PlanFault[]): readonly string[] => weaker.map(({ kind }) => kind)

describe("a weaker fault", () => {
  test("a crash was a pause, corruption was loss, a lie of the disk a read that failed", () => {
    assert.ok(kindsOf(weakerFaults(fault("crash", { restartUs: 9, powerLoss: 0 }), 3)).includes("pause"))
    assert.ok(kindsOf(weakerFaults(fault("corrupt", { ratioPpm: 9, oneWay: 0 }), 3)).includes("drop"))
    const misread = fault("staleRead", { zone: 3, system: 1, sectors: 8 })
    const [milder, ...others] = weakerFaults(misread, 3)
    assert.deepEqual([milder?.kind, milder?.args], ["readError", misread.args])
    // Damage stays in the zone where it was.
    assert.ok(others.every(({ args }) => args["zone"] === 3))
    assert.ok(others.some(({ args }) => args["sectors"] === 4))
  })

  test("of a store that only has to be away keeps its disk", () => {
    const weaker = weakerFaults(fault("diskLoss", { restartUs: 9 }), 3).slice(0, 2)
    assert.deepEqual(
      weaker.map(({ kind, args }) => [kind, args]),
      [
        ["crash", { restartUs: 9, powerLoss: 0 }],
        ["volumeLoss", { restartUs: 9 }],
      ],
    )
  })

  test("strikes fewer: each store alone, each of the others, one follower by name", () => {
    const many = weakerFaults(fault("pause", {}, [1, 2, 3]), 3).map(({ target }) => target.stores)
    for (const stores of [[1], [2], [3], [2, 3], [1, 3], [1, 2]])
      assert.ok(many.some((struck) => struck.join() === stores.join()))
    const target = { role: "followers", stores: [], peers: [], group: 1 } as const
    const named = weakerFaults({ ...fault("pause", {}), target }, 2).map((weaker) => weaker.target)
    assert.deepEqual(
      named.slice(0, 2).map(({ role, stores }) => [role, stores]),
      [
        ["stores", [1]],
        ["stores", [2]],
      ],
    )
  })

  test("of disks that were swapped, or of a change that was asked for, is not one of half of it", () => {
    for (const kind of ["swapDisks", "replaceReplica"] as const) {
      for (const { kind: milder, target } of weakerFaults(fault(kind, {}, [1, 2]), 3))
        if (milder === kind) assert.deepEqual(target.stores, [1, 2])
    }
  })

  test("lasts less, at either end, and takes less of what it takes", () => {
    const weaker = weakerFaults(fault("drop", { ratioPpm: 800_000, oneWay: 0 }), 3)
    assert.ok(weaker.some(({ at, until }) => at === 5_000_000 && until === 7_000_000))
    assert.ok(weaker.some(({ at, until }) => at === 7_000_000 && until === 9_000_000))
    assert.ok(weaker.some(({ args }) => args["ratioPpm"] === 400_000))
    assert.ok(weaker.some(({ args }) => args["oneWay"] === 1))
  })

  test("exists for every kind that lasts: switches in the code too", () => {
    for (const kind of FAULT_KINDS) {
      if (FAULTS[kind].lasting) assert.notEqual(weakerFaults(fault(kind, {}), 3).length, 0, kind)
    }
  })
})

test("no kind comes back to itself by getting milder", () => {
  const reached = (kind: FaultKind, path: readonly FaultKind[]): void => {
    assert.ok(!path.includes(kind), [...path, kind].join(" → "))
    for (const milder of MILDER[kind]) reached(milder.kind, [...path, kind])
  }
  for (const kind of FAULT_KINDS) reached(kind, [])
})

test("arguments of a milder kind are its own, within their bounds, and its plan is well-formed", () => {
  fc.assert(
    fc.property(fc.nat(10_000), (seed) => {
      const plan = drawPlan(campaign, seed)
      for (const [index, drawn] of plan.faults.entries()) {
        for (const weaker of weakerFaults(drawn, plan.cluster.stores)) {
          const { args } = FAULTS[weaker.kind]
          for (const [name, value] of Object.entries(weaker.args)) {
            const [min, max] = args[name] ?? [1, 0]
            assert.ok(value >= min && value <= max, `${drawn.kind} → ${weaker.kind} ${name}=${value}`)
          }
          assert.equal(firstFlaw({ ...plan, faults: plan.faults.with(index, weaker) }), null)
          assert.notDeepEqual(weaker, drawn)
        }
      }
    }),
    { numRuns: 40, seed: 7 },
  )
})
