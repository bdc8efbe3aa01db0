import type { Plan, PlanFault, PlanOp } from "../plan/plan.ts"
import { firstFlaw } from "../plan/well-formed.ts"
import { minimize } from "./minimize.ts"
import { plainer, tighter, withoutIdleClients, withoutRange, withoutSpare, withoutStore } from "./passes.ts"
import { shorterPlans, weakerFaults, weakerOps } from "./weaken.ts"

export type ShrinkOptions = {
  /** The check that must still fail: another one would be another bug. */
  readonly oracle: string
  /** Runs a plan and names the check it fails, or null. */
  readonly run: (plan: Plan) => string | null
  readonly runsMax: number
  /** Asked before each run: the caller's clock. */
  readonly shouldStop?: () => boolean
  readonly onProgress?: (progress: ShrinkProgress) => void
}

export type ShrinkProgress = {
  readonly runs: number
  readonly pass: string
  readonly faults: number
  readonly operations: number
  readonly stores: number
}

export type Shrunk = {
  readonly plan: Plan
  readonly runs: number
  /** Without any one of its faults or operations the check no longer fails: tried, each of them. */
  readonly minimal: boolean
}

/**
 * The smallest plan found that still fails the same check: fewer faults, operations, stores, ranges and
 * clients, then milder ones. Every candidate is run; none is kept because it ought to fail.
 */
export function shrink(plan: Plan, options: ShrinkOptions): Shrunk {
  const trial = new Trial(plan, options)
  // Once, and first: later it would undo what "plainer" does.
  trial.pass = "tighten"
  tighter(trial.plan).some((tight) => trial.take(tight))
  for (let before: Plan | null = null; before !== trial.plan && !trial.exhausted;) {
    before = trial.plan
    trial.pass = "faults"
    dropFaults(trial)
    trial.pass = "operations"
    dropOperations(trial)
    trial.pass = "stores"
    dropPlaces(trial)
    trial.pass = "weaken"
    weaken(trial)
  }
  return { plan: trial.plan, runs: trial.runs, minimal: !trial.exhausted }
}

/** The smallest plan so far, and the budget for more. */
class Trial {
  plan: Plan
  runs = 0
  pass = ""
  /** True once the budget has refused a run. */
  exhausted = false
  readonly #options: ShrinkOptions

  constructor(plan: Plan, options: ShrinkOptions) {
    this.plan = plan
    this.#options = options
  }

  /** Takes the candidate in place of the plan if it is one and fails alike. */
  take(candidate: Plan | null): boolean {
    if (candidate === null || this.exhausted || firstFlaw(candidate) !== null) return false
    const { runsMax, shouldStop, run, oracle, onProgress } = this.#options
    if (this.runs >= runsMax || shouldStop?.() === true) {
      this.exhausted = true
      return false
    }
    this.runs++
    const fails = run(candidate) === oracle
    if (fails) this.plan = candidate
    onProgress?.({
      runs: this.runs,
      pass: this.pass,
      faults: this.plan.faults.length,
      operations: this.plan.workload.ops.length,
      stores: this.plan.cluster.stores,
    })
    return fails
  }
}

function dropFaults(trial: Trial): void {
  minimize(trial.plan.faults, (faults) => trial.take({ ...trial.plan, faults }))
}

function dropOperations(trial: Trial): void {
  const take = (ops: readonly PlanOp[]): boolean =>
    trial.take({ ...trial.plan, workload: { ...trial.plan.workload, ops } })
  // Whole clients and whole ranges first: they are few.
  const clients = [...new Set(trial.plan.workload.ops.map((op) => op.client))]
  const all = trial.plan.workload.ops
  minimize(clients, (kept) => take(all.filter((op) => kept.includes(op.client))))
  minimize(trial.plan.workload.ops, take)
}

function dropPlaces(trial: Trial): void {
  for (const { descriptor } of trial.plan.cluster.ranges)
    trial.take(withoutRange(trial.plan, descriptor.rangeId))
  while (trial.take(withoutSpare(trial.plan)));
  for (let store = trial.plan.cluster.stores; store > 0; store--) {
    const fewer = withoutStore(trial.plan, store)
    if (trial.take(fewer) || fewer === null || store === 1) continue
    // A majority of four is as hard to lose as one of five, so one store alone may not be dispensable.
    if (trial.take(withoutStore(fewer, store - 1))) store--
  }
  trial.take(withoutIdleClients(trial.plan))
  for (const plan of plainer(trial.plan)) {
    // Each was made from the plan before: only one that still differs in one thing is tried.
    if (!trial.take(plan)) continue
    while (plainer(trial.plan).some((next) => trial.take(next)));
    break
  }
}

function weaken(trial: Trial): void {
  while (shorterPlans(trial.plan).some((plan) => trial.take(plan)));
  for (let index = 0; index < trial.plan.faults.length; index++) {
    while (
      weakerFaults(trial.plan.faults[index]!).some((fault) => trial.take(withFault(trial.plan, index, fault)))
    );
  }
  for (let index = 0; index < trial.plan.workload.ops.length; index++) {
    while (
      weakerOps(trial.plan.workload.ops[index]!).some((op) => trial.take(withOp(trial.plan, index, op)))
    );
  }
}

function withFault(plan: Plan, index: number, fault: PlanFault): Plan {
  return { ...plan, faults: plan.faults.with(index, fault) }
}

function withOp(plan: Plan, index: number, op: PlanOp): Plan {
  return { ...plan, workload: { ...plan.workload, ops: plan.workload.ops.with(index, op) } }
}
