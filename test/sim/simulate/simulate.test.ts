import assert from "node:assert/strict"
import { test } from "vitest"
import {
  drawPlan,
  findParting,
  makeCapsule,
  parseCapsule,
  replay,
  scenario,
  simulate,
  writeCapsule,
  type Capsule,
  type KernelBuild,
  type Plan,
} from "#sim"
import { kernelBuild } from "#sim/build.ts"
import { shrinkFailure } from "#sim/shrink/failure.ts"
import { scenarioOf } from "#scenarios/index.ts"

const SECOND = 1_000_000
const smoke = scenarioOf("smoke")!
const drawn = drawPlan(smoke, 1)
/** Reads of a state a little old are judged by another rule. */
const plan: Plan = {
  ...drawn,
  workload: {
    ...drawn.workload,
    ops: drawn.workload.ops.map((op) => ({ ...op, op: { ...op.op, read: "strong" } })),
  },
}

/** The kernel of this checkout, but for one answer. */
function withLie(change: (value: string) => string): KernelBuild {
  return {
    ...kernelBuild,
    name: "liar",
    open(config, images, boot) {
      const opened = kernelBuild.open(config, images, boot)
      const { kernel } = opened
      return {
        effects: opened.effects,
        kernel: {
          step: (input) =>
            kernel.step(input).map((effect) => {
              if (effect.type !== "reply" || effect.reply.type !== "ok") return effect
              const results = effect.reply.results.map((result) =>
                result.type === "value" && result.value !== null
                  ? { ...result, value: change(result.value) }
                  : result,
              )
              return { ...effect, reply: { ...effect.reply, results } }
            }),
          save: (sink) => kernel.save(sink),
          identity: () => kernel.identity(),
          status: () => kernel.status(),
          isDrained: () => kernel.isDrained(),
          leaseTerm: (group, stamp) => kernel.leaseTerm(group, stamp),
          view: (volume) => kernel.view(volume),
        },
      }
    },
  }
}

test("the smoke scenario holds: a leader dies, nothing acknowledged is lost, every key is read again", () => {
  const result = simulate(plan)
  assert.equal(result.verdict, "valid", result.violation?.message ?? "")
  assert.equal(result.simulatedUs, 23 * SECOND)
  const { invoked, ok } = result.operations
  assert.ok(invoked > plan.workload.ops.length, "there were no final reads")
  assert.ok(ok >= invoked / 2)
  assert.deepEqual(result.faults.crash, { applied: 1, effective: 1 })
  assert.equal(result.history.length, invoked)
})

test("one plan gives one run, to the last bit", () => {
  const { traceHash, stateHash, checkpoints, history } = simulate(plan)
  const again = simulate(plan)
  assert.deepEqual([again.traceHash, again.stateHash, again.checkpoints], [traceHash, stateHash, checkpoints])
  assert.deepEqual(again.history, history)
})

test("a kernel that answers with what nobody wrote is caught by linearizability, shrunk and replayed", () => {
  const build = withLie((value) => `${value}!`)
  const failed = simulate(plan, { build })
  assert.equal(failed.violation?.oracle, "LIN-linearizable")
  const shrunk = shrinkFailure(plan, { build, runsMax: 200 })!
  assert.equal(shrunk.result.violation?.oracle, "LIN-linearizable")
  assert.equal(shrunk.plan.faults.length, 0)
  assert.ok(shrunk.plan.workload.ops.length <= 2, `${shrunk.plan.workload.ops.length} operations are left`)
  const text = writeCapsule(makeCapsule(shrunk.plan, shrunk.result, { version: "0", command: "x" }))
  assert.ok(text.length < 50_000)
  const capsule = parseCapsule(JSON.parse(text)) as Capsule
  assert.equal(replay(capsule, { build }).same, true)
  const honest = replay(capsule)
  assert.deepEqual([honest.same, honest.result.verdict], [false, "valid"])
  assert.notEqual(honest.firstDifference, null)
})

test("where two runs part is found to the event", () => {
  const lie = withLie((value) => `${value}!`)
  const parting = findParting(
    (listener) => simulate(plan, { ...(listener && { onTrace: listener }) }),
    (listener) => simulate(plan, { build: lie, ...(listener && { onTrace: listener }) }),
  )!
  assert.ok(parting.event > 0)
  assert.match(parting.first!, /reply \d+ ok/)
  assert.match(parting.second!, /reply \d+ ok/)
  const same = (): ReturnType<typeof simulate> => simulate(plan)
  assert.equal(findParting(same, same), null)
})

test("a run can be ended early, by events or by time, and then has no end checks", () => {
  assert.ok(simulate(plan, { eventsMax: 500 }).events < 2_000)
  assert.ok(simulate(plan, { until: 3 * SECOND }).simulatedUs === 3 * SECOND)
})

test("a kernel that throws is a finding with an oracle", () => {
  const build: KernelBuild = {
    ...kernelBuild,
    open() {
      throw new Error("no")
    },
  }
  assert.match(simulate(plan, { build }).violation!.oracle, /^RES-/)
})

test("an idle cluster stays as it is", () => {
  const result = simulate(drawPlan(scenarioOf("idle")!, 1))
  assert.equal(result.verdict, "valid", result.violation?.message ?? "")
  assert.equal(result.operations.invoked, 0)
})

test("tenants that use the same keys meet in no history", () => {
  const shared = scenario({ ...smoke, name: "tenants", cluster: { ...smoke.cluster, tenants: 2, ranges: 2 } })
  const two: Plan = drawPlan(shared, 1)
  const result = simulate(two)
  assert.equal(result.verdict, "valid", result.violation?.message ?? "")
  const keys = new Set(
    result.history.flatMap(({ request }) => request.map((op) => (op.type === "scan" ? op.start : op.key))),
  )
  assert.ok([...keys].some((key) => key.startsWith("1/")) && [...keys].some((key) => !key.includes("/")))
})
