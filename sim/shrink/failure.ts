import type { Violation } from "../check/checker.ts"
import type { Plan } from "../plan/plan.ts"
import type { RunResult } from "../result.ts"
import { simulate, type SimulateOptions } from "../simulate.ts"
import { drive, type DriveOptions } from "./drive.ts"
import type { Cursor } from "./search.ts"
import { KERNEL_SEARCH, type Shrunk } from "./shrink.ts"

export type FailureOptions = Omit<DriveOptions<Plan>, "oracle" | "run"> &
  Pick<SimulateOptions, "build" | "stepsMax"> & {
    /** Where an earlier search of this very plan was put away. */
    readonly cursor?: Cursor
  }

export type ShrunkFailure = Shrunk & {
  readonly result: RunResult
  /** Where to go on when it is not minimal; null when it is. */
  readonly cursor: Cursor | null
}

/** Shrinks the plan of a failed run, and runs what is left once more; null when the plan does not fail. */
export function shrinkFailure(plan: Plan, options: FailureOptions): ShrunkFailure | null {
  const { build, stepsMax, cursor, ...bounds } = options
  const settings = { ...(build && { build }), ...(stepsMax !== undefined && { stepsMax }) }
  const { violation } = simulate(plan, settings)
  if (violation === null) return null
  const begun =
    cursor === undefined
      ? KERNEL_SEARCH.begin(plan, violation.at)
      : KERNEL_SEARCH.resume(plan, violation.at, cursor)
  const { oracle } = violation
  const run = (candidate: Plan, until: number): Violation | null => failureOf(candidate, until, settings)
  const { state, runs } = drive(KERNEL_SEARCH, begun, { ...bounds, oracle, run })
  const result = simulate(state.plan, settings)
  return { plan: state.plan, runs, minimal: state.cursor === null, result, cursor: state.cursor }
}

/** What a plan fails by, when it is run up to a simulated microsecond. A candidate needs no trace hash. */
export function failureOf(
  plan: Plan,
  until: number,
  settings: Pick<SimulateOptions, "build" | "stepsMax"> = {},
): Violation | null {
  return simulate(plan, { ...settings, until, hash: false }).violation
}

/** The faults and operations that a plan does not need to fail by this check: none, when it is 1-minimal. */
export function superfluous(
  plan: Plan,
  oracle: string,
  run: (candidate: Plan) => string | null,
): readonly { readonly what: "fault" | "operation"; readonly id: number }[] {
  const { faults, workload } = plan
  const spare: { what: "fault" | "operation"; id: number }[] = []
  for (const { id } of faults) {
    const without = { ...plan, faults: faults.filter((fault) => fault.id !== id) }
    if (run(without) === oracle) spare.push({ what: "fault", id })
  }
  for (const { id } of workload.ops) {
    const ops = workload.ops.filter((op) => op.id !== id)
    if (run({ ...plan, workload: { ...workload, ops } }) === oracle) spare.push({ what: "operation", id })
  }
  return spare
}
