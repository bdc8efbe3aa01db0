import assert from "node:assert/strict"
import { test } from "vitest"
import { SWITCHES, type SwitchName } from "#kernel"
import { drawPlan, simulate } from "#sim"
import { HostSwitches } from "#sim/env/switches.ts"
import type { Plan } from "#sim/plan/plan.ts"
import { scenarioOf } from "#scenarios/index.ts"
import { fault } from "./support/plans.ts"

const SECOND = 1_000_000
const base = drawPlan(scenarioOf("steady")!, 1)
const STORES = Array.from({ length: base.cluster.stores }, (_, index) => index + 1)
/** A quarter of a usual's run, busy enough that there is always something in flight. */
const busy: Plan = {
  ...base,
  cluster: {
    ...base.cluster,
    config: {
      ...base.cluster.config,
      limits: {
        ...base.cluster.config.limits,
        windowMessagesMax: 32,
        logKeepEntries: 32,
        segmentBytesFirst: 1 << 12,
        segmentBytesMax: 1 << 16,
        checkpointLogBytes: 1 << 13,
      },
    },
  },
  phases: { rounds: 1, faultsUs: 14 * SECOND, quietUs: 4 * SECOND },
  faults: [
    fault(1, "crash", 4 * SECOND, 4 * SECOND, { stores: [1] }, { restartUs: SECOND, powerLoss: 0 }),
    fault(2, "partition", 6 * SECOND, 11 * SECOND, { stores: [2] }),
  ],
  workload: {
    ...base.workload,
    ops: base.workload.ops.filter((op) => op.at < 15 * SECOND),
  },
}

function withSwitch(name: SwitchName): Plan {
  return { ...busy, faults: [...busy.faults, fault(3, name, SECOND, 13 * SECOND, { stores: STORES })] }
}

for (const name of Object.keys(SWITCHES) as SwitchName[]) {
  test(`${name} changes what a kernel does, and none of its promises`, () => {
    const result = simulate(withSwitch(name))
    assert.equal(result.verdict, "valid", result.violation?.message ?? "")
    assert.deepEqual(result.faults[name], { applied: 1, effective: 1 })
  })
}

test("a switch stays as it is when the kernel is replaced by what it saved", () => {
  const switched = withSwitch("electionSoonest")
  const reloads = [3, 5, 8, 12].map((at, index) =>
    fault(10 + index, "reload", at * SECOND, at * SECOND, { stores: STORES }),
  )
  const reloaded = simulate({ ...switched, faults: [...switched.faults, ...reloads] })
  assert.equal(reloaded.traceHash, simulate(switched).traceHash)
})

test("a switch is off unless a fault in force has turned it on, and every yes is counted", () => {
  const switches = new HostSwitches()
  const first = { changes: 0 }
  const second = { changes: 0 }
  assert.equal(switches.on("windowOfOne"), false)
  switches.turnOn(1, "windowOfOne", first)
  switches.turnOn(2, "windowOfOne", second)
  assert.equal(switches.on("appendOfOne"), false)
  assert.equal(switches.on("windowOfOne"), true)
  switches.turnOff(1)
  assert.equal(switches.on("windowOfOne"), true)
  switches.turnOff(2)
  assert.equal(switches.on("windowOfOne"), false)
  assert.deepEqual([first.changes, second.changes], [1, 2])
})
