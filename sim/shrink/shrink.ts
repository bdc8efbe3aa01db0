import type { Plan, PlanFault } from "../plan/plan.ts"
import { firstFlaw } from "../plan/well-formed.ts"
import { minimize } from "./minimize.ts"
import {
  plainer,
  tighter,
  withoutIdleClients,
  withoutRange,
  withoutSpare,
  withoutStore,
  type PlanLike,
} from "./passes.ts"
import { shorterPlans, weakerFaults, weakerOps } from "./weaken.ts"

export type ShrinkOptions<P = Plan> = {
  /** The check that must still fail: another one would be another bug. */
  readonly oracle: string
  /** Runs a plan and names the check it fails, or null. */
  readonly run: (plan: P) => string | null
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

export type Shrunk<P = Plan> = {
  readonly plan: P
  readonly runs: number
  /** Without any one of its faults or operations the check no longer fails: tried, each of them. */
  readonly minimal: boolean
}

/** How the plans of one kind of run get smaller, beyond what all plans have. */
export type Passes<P extends PlanLike> = {
  readonly isPlan: (plan: P) => boolean
  /** Tried once and before anything else: the first that fails alike is taken. */
  readonly tighter: (plan: P) => readonly P[]
  readonly dropPlaces: (trial: Trial<P>) => void
  readonly weakerOps: (op: P["workload"]["ops"][number]) => readonly P["workload"]["ops"][number][]
}

/**
 * The smallest plan found that still fails the same check: fewer faults, operations, stores, ranges and
 * clients, then milder ones. Every candidate is run; none is kept because it ought to fail.
 */
export function shrink(plan: Plan, options: ShrinkOptions): Shrunk {
  return shrinkBy(plan, options, {
    isPlan: (candidate) => firstFlaw(candidate) === null,
    tighter,
    dropPlaces,
    weakerOps,
  })
}

export function shrinkBy<P extends PlanLike>(
  plan: P,
  options: ShrinkOptions<P>,
  passes: Passes<P>,
): Shrunk<P> {
  const trial = new Trial(plan, options, passes.isPlan)
  // Once, and first: later it would undo what "plainer" does.
  trial.pass = "tighten"
  passes.tighter(trial.plan).some((tight) => trial.take(tight))
  for (let before: P | null = null; before !== trial.plan && !trial.exhausted;) {
    before = trial.plan
    trial.pass = "faults"
    dropFaults(trial)
    trial.pass = "operations"
    dropOperations(trial)
    trial.pass = "stores"
    passes.dropPlaces(trial)
    trial.pass = "weaken"
    weaken(trial, passes)
  }
  return { plan: trial.plan, runs: trial.runs, minimal: !trial.exhausted }
}

/** The smallest plan so far, and the budget for more. */
export class Trial<P extends PlanLike> {
  plan: P
  runs = 0
  pass = ""
  /** True once the budget has refused a run. */
  exhausted = false
  readonly #options: ShrinkOptions<P>
  readonly #isPlan: (plan: P) => boolean

  constructor(plan: P, options: ShrinkOptions<P>, isPlan: (plan: P) => boolean) {
    this.plan = plan
    this.#options = options
    this.#isPlan = isPlan
  }

  /** Takes the candidate in place of the plan if it is one and fails alike. */
  take(candidate: P | null): boolean {
    if (candidate === null || this.exhausted || !this.#isPlan(candidate)) return false
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

function dropFaults<P extends PlanLike>(trial: Trial<P>): void {
  minimize(trial.plan.faults, (faults) => trial.take({ ...trial.plan, faults }))
}

function dropOperations<P extends PlanLike>(trial: Trial<P>): void {
  const take = (ops: P["workload"]["ops"]): boolean =>
    trial.take({ ...trial.plan, workload: { ...trial.plan.workload, ops } })
  // Whole clients and whole ranges first: they are few.
  const clients = [...new Set(trial.plan.workload.ops.map((op) => op.client))]
  const all = trial.plan.workload.ops
  minimize(clients, (kept) => take(all.filter((op) => kept.includes(op.client))))
  minimize(trial.plan.workload.ops, take)
}

function dropPlaces(trial: Trial<Plan>): void {
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

function weaken<P extends PlanLike>(trial: Trial<P>, passes: Passes<P>): void {
  while (shorterPlans(trial.plan).some((plan) => trial.take(plan)));
  for (let index = 0; index < trial.plan.faults.length; index++) {
    while (
      weakerFaults(trial.plan.faults[index]!).some((fault) => trial.take(withFault(trial.plan, index, fault)))
    );
  }
  for (let index = 0; index < trial.plan.workload.ops.length; index++) {
    while (
      passes
        .weakerOps(trial.plan.workload.ops[index]!)
        .some((op) => trial.take(withOp(trial.plan, index, op)))
    );
  }
}

function withFault<P extends PlanLike>(plan: P, index: number, fault: PlanFault): P {
  return { ...plan, faults: plan.faults.with(index, fault) }
}

function withOp<P extends PlanLike>(plan: P, index: number, op: P["workload"]["ops"][number]): P {
  return { ...plan, workload: { ...plan.workload, ops: plan.workload.ops.with(index, op) } }
}
