import assert from "node:assert/strict"
import { execFileSync } from "node:child_process"
import { join } from "node:path"
import fc from "fast-check"
import { describe, test } from "vitest"
import {
  drawPlan,
  effect,
  isPlanError,
  MACHINE_FAULTS,
  parseMachineCapsule,
  parseMachinePlan,
  scenario,
  simulate,
  system,
  type Check,
  type Dice,
  type Machine,
  type MachinePlan,
  type System,
  type SystemSpec,
} from "orrery/sim"
import { plans } from "orrery/sim/fast-check"
import { counter } from "../../../docs/library/counter.ts"
import { careful, hasty } from "../../../docs/library/lock-service.ts"

type Seen = { readonly seen: number }

/** Counts its requests, in memory only. */
const forgetful: Machine<Seen, number, { readonly n: number }, number> = {
  name: "forgetful",
  version: "1",
  init: () => ({ seen: 0 }),
  step: (state, input) => {
    if (input.type !== "request") return { state, effects: [] }
    const seen = state.seen + 1
    return { state: { seen }, effects: [effect.reply(input.caller, seen), effect.mark("forgetful.asked")] }
  },
}

type Spec = SystemSpec<Seen, number, { readonly n: number }, number>

function systemOf(spec: Partial<Spec> = {}): System<Seen, { readonly n: number }, number> {
  return system({
    name: "forgetful",
    machine: forgetful,
    nodes: [1, 3],
    workload: { clients: 2, operations: 40, draw: (dice) => ({ n: dice.below(10) }) },
    phases: { faultsUs: 8_000_000, quietUs: 4_000_000 },
    checks: [],
    ...spec,
  })
}

function check(name: string, when: Check<Seen>["when"], does: Check<Seen>["check"]): Check<Seen> {
  return { name, when, check: does }
}

describe("a plan", () => {
  test("is decided by its seed, and survives JSON", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), (seed) => {
        const plan = counter.plan(seed)
        assert.deepEqual(counter.plan(seed), plan)
        assert.deepEqual(parseMachinePlan(JSON.parse(JSON.stringify(plan))), plan)
        assert.ok(plan.faults.every(({ kind }) => MACHINE_FAULTS.includes(kind)))
      }),
      { numRuns: 50 },
    )
  })

  test("with something wrong is refused with its place", () => {
    const plan = careful.plan(1)
    const wrong = (change: object): string => {
      const read = parseMachinePlan({ ...plan, ...change })
      return isPlanError(read) ? read.message : "nothing"
    }
    const [op] = plan.workload.ops
    const [fault] = plan.faults
    assert.match(wrong({ buildz: 1 }), /there is no field "buildz"/)
    assert.match(wrong({ machine: { name: "a" } }), /"version" is missing/)
    assert.match(wrong({ workload: { clients: 0, ops: [op] } }), /there is no client/)
    const ops = [{ ...op, op: { ...op!.op, stores: [9] } }]
    assert.match(wrong({ workload: { ...plan.workload, ops } }), /there is no node 9/)
    assert.match(wrong({ workload: { ...plan.workload, ops: [op, op] } }), /is there twice/)
    assert.match(wrong({ faults: [{ ...fault, kind: "addVoter", args: {} }] }), /which machines do not meet/)
    assert.match(wrong({ faults: [fault, fault] }), /is there twice/)
    const plan2: MachinePlan<never> = { ...plan, cluster: { stores: 0 } } as never
    assert.throws(
      () => careful.simulate({ ...plan2, faults: [{ ...fault!, until: -1 }] }),
      /Cannot run this plan/,
    )
  })

  test("with anything wrong anywhere is refused and never throws", () => {
    const parts = (
      json: unknown,
      path: readonly (string | number)[] = [],
    ): (readonly (string | number)[])[] =>
      typeof json !== "object" || json === null
        ? [path]
        : [path, ...Object.entries(json).flatMap(([name, held]) => parts(held, [...path, name]))]
    const whole = JSON.parse(hasty.capsule(hasty.simulate(13))) as object
    const paths = parts(whole).filter((path) => path.length > 0 && !path.includes("request"))
    fc.assert(
      fc.property(fc.constantFrom(...paths), fc.jsonValue({ maxDepth: 2 }), (path, value) => {
        const changed = structuredClone(whole) as Record<string | number, never>
        const place = path.slice(0, -1).reduce((held, name) => held[name]!, changed)
        place[path.at(-1)!] = value as never
        const read = parseMachineCapsule(changed)
        if (isPlanError(read)) assert.ok(read.path.startsWith("$"))
        // Both as text, which has no -0.
        else assert.deepEqual(JSON.parse(JSON.stringify(read)), JSON.parse(JSON.stringify(changed)))
      }),
      { numRuns: 500 },
    )
  })

  test("comes from a spec that can be drawn from, or the author is told", () => {
    assert.throws(() => systemOf({ name: "Not Kebab" }), /use kebab-case/)
    const twice = check("one", "end", () => null)
    assert.throws(() => systemOf({ checks: [twice, twice] }), /two checks of one name/)
    assert.throws(() => systemOf({ faults: { swarm: ["addVoter"] } }).plan(1), /meets no fault "addVoter"/)
    const draw = (): never => ({ n: undefined }) as never
    assert.throws(
      () => systemOf({ workload: { clients: 1, operations: 1, draw } }).plan(1),
      /request\.n of operation 1 is not plain JSON/,
    )
    const askNodes = [4]
    assert.throws(
      () => systemOf({ workload: { clients: 1, operations: 1, askNodes, draw: () => ({ n: 1 }) } }).plan(1),
      /nodes that are not there/,
    )
  })

  test("strikes leaders only where a machine can say who leads", () => {
    const leading = system({
      name: "leading",
      machine: { ...forgetful, leads: () => true },
      nodes: 3,
      workload: { clients: 1, operations: 1, draw: () => ({ n: 1 }) },
      checks: [],
    })
    const rolesOf = (own: { plan(seed: number): MachinePlan }): Set<string> =>
      new Set(
        Array.from({ length: 30 }, (_, seed) =>
          own.plan(seed).faults.map(({ target }) => target.role),
        ).flat(),
      )
    assert.deepEqual([...rolesOf(systemOf({ nodes: 3 }))], ["stores"])
    assert.ok(rolesOf(leading).has("leader"))
  })
})

describe("a run", () => {
  test("is the same every time, here and in another process, with and without guard", () => {
    const first = counter.simulate(3)
    assert.equal(counter.verify(3).verdict, "valid")
    assert.equal(counter.simulate(3, { guard: false }).traceHash, first.traceHash)
    const module = join(import.meta.dirname, "../../../docs/library/counter.ts")
    const script = `const { counter } = await import(${JSON.stringify(`file://${module}`)})
      const { traceHash, stateHash } = counter.simulate(3)
      console.log(traceHash, stateHash)`
    const told = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" })
    assert.equal(told.trim(), `${first.traceHash} ${first.stateHash}`)
  })

  test("does not depend on who watches it", () => {
    const { traceHash } = counter.simulate(4)
    assert.equal(counter.simulate(4, { onLine: () => undefined }).traceHash, traceHash)
  })

  test("of a machine that keeps something beside its state differs from the next", () => {
    let runs = 0
    const impure: Machine<number> = {
      name: "impure",
      version: "1",
      init: () => runs,
      step: (state) => ({ state, effects: [effect.observe(state)] }),
    }
    const own = system({
      name: "impure",
      machine: impure,
      nodes: 1,
      workload: { clients: 0, operations: 0, draw: () => null },
      checks: [
        {
          name: "between-runs",
          when: "end",
          check: () => {
            runs++
          },
        },
      ],
    })
    const { violation } = own.verify(1)
    assert.equal(violation?.oracle, "DET-rerun")
    assert.match(violation.message, /between events 0 and 1024/)
  })

  test("ends with the first check that is broken, by a sentence or by an assertion", () => {
    const said = systemOf({ checks: [check("said", "always", ({ event }) => (event >= 5 ? "five" : null))] })
    assert.deepEqual(said.simulate(1).violation, {
      oracle: "CHECK-said",
      message: "five",
      at: said.simulate(1).simulatedUs,
      event: 5,
    })
    const thrown = systemOf({
      checks: [check("thrown", "end", ({ nodes }) => assert.equal(nodes.length, 99))],
    })
    assert.match(thrown.simulate(1).violation!.message, /^AssertionError: /)
  })

  test("asks quiet checks at the end of each quiet part, when everybody is up again", () => {
    const asked: [number, boolean, boolean][] = []
    const quiet = check("noted", "quiet", ({ now, quiet, nodes }) => {
      asked.push([now, quiet, nodes.every(({ up }) => up)])
    })
    const own = systemOf({ checks: [quiet], phases: { rounds: 2, faultsUs: 5_000_000, quietUs: 5_000_000 } })
    own.simulate(1)
    assert.deepEqual(asked, [
      [9_999_999, true, true],
      [19_999_999, true, true],
    ])
  })

  test("in which a check cannot tell is unknown", () => {
    const own = systemOf({ checks: [check("unsure", "end", () => ({ unknown: "too long" }))] })
    const result = own.simulate(1)
    assert.equal(result.verdict, "unknown")
    assert.deepEqual(result.unknowns, ["unsure: too long"])
    assert.equal(own.hunt({ seeds: 3 }).unknown, 3)
  })
})

describe("a hunt", () => {
  test("says which marks were missed", () => {
    const { missed, marks, failure } = systemOf({ marks: ["forgetful.asked", "forgetful.never"] }).hunt({
      seeds: 2,
    })
    assert.equal(failure, null)
    assert.deepEqual(missed, ["forgetful.never"])
    assert.ok(marks["forgetful.asked"]! > 0)
  })
})

describe("a failure", () => {
  const grows = check("grows", "always", ({ history }) => {
    const answers = history.filter(({ outcome }) => outcome === "ok").map(({ answer }) => answer as number)
    return answers.every((answer, i) => i === 0 || answer > answers[i - 1]!) ? null : "it forgot"
  })
  // One client: answers of two may cross on their way, which is nobody's fault.
  const workload = { clients: 1, operations: 40, draw: (dice: Dice) => ({ n: dice.below(10) }) }
  const faults = { swarm: ["crash", "delay", "pause"] } as const
  const own = systemOf({ nodes: [1, 1], workload, checks: [grows], faults })

  test("is made small, to what no smaller plan shows", () => {
    const { failure } = own.hunt({ seeds: 50 })
    const small = own.shrink(failure!.plan)!
    assert.ok(small.minimal)
    assert.equal(small.result.violation?.oracle, "CHECK-grows")
    assert.equal(small.plan.faults.length, 1)
    assert.ok(small.plan.workload.ops.length <= 3)
    for (const fault of small.plan.faults) {
      const faults = small.plan.faults.filter((other) => other !== fault)
      assert.equal(own.simulate({ ...small.plan, faults }).verdict, "valid")
    }
    assert.equal(own.shrink({ ...small.plan, faults: [] }), null)
  })

  test("loses the nodes it does not need, down to the fewest the system has", () => {
    const many = systemOf({
      nodes: [2, 5],
      checks: [check("asked", "always", ({ history }) => (history.length > 3 ? "four" : null))],
    })
    const seed = Array.from({ length: 30 }, (_, i) => i).find(
      (candidate) => many.plan(candidate).cluster.stores === 5,
    )!
    const small = many.shrink(seed)!
    assert.equal(small.plan.cluster.stores, 2)
    assert.deepEqual(small.plan.faults, [])
    assert.equal(small.plan.workload.ops.length, 4)
  })

  test("is a capsule that is read strictly, and replayed by whoever has the machine", () => {
    const { failure } = hasty.hunt({ seeds: 40 })
    const text = hasty.capsule(failure!)
    const json = JSON.parse(text) as object
    assert.deepEqual(isPlanError(parseMachineCapsule(json)), false)
    assert.throws(() => hasty.replay({ ...json, plam: 1 }), /there is no field "plam"/)
    const tampered = hasty.replay({ ...json, traceHash: "0000000000000000" })
    assert.equal(tampered.same, false)
    assert.deepEqual(tampered.otherMachine, null)
    assert.deepEqual(tampered.firstDifference, { from: 0, to: 1_024 })
  })
})

describe("plans of fast-check", () => {
  test("are those that seeds draw, and shrink to fewer faults and operations", () => {
    const failing = fc.check(
      fc.property(plans(fc, hasty), (plan) => hasty.simulate(plan, { guard: false }).verdict === "valid"),
      { numRuns: 200, seed: 1 },
    )
    assert.ok(failing.failed)
    const [plan] = failing.counterexample!
    assert.ok(plan.faults.length <= 2 && plan.workload.ops.length <= 4)
    assert.match(fc.stringify(plan), /^plan of locks: \d faults, \d operations, 1 stores$/)
    // And our own goes on from there.
    const small = hasty.shrink(plan)!
    assert.ok(small.plan.faults.length <= plan.faults.length)
    assert.equal(small.result.violation?.oracle, "CHECK-linearizable")
  })

  test("come from scenarios of the kernel as well", () => {
    const few = scenario({
      name: "few",
      about: "A little of everything.",
      cluster: { stores: 3 },
      workload: { kinds: ["register"], clients: 2, operations: 20 },
      smallBecause: "It is here to be drawn.",
    })
    const [plan] = fc.sample(plans(fc, few), { numRuns: 1, seed: 5 })
    assert.deepEqual({ ...plan }, drawPlan(few, plan!.seed))
    assert.equal(simulate(plan!).verdict, "valid")
  })
})
