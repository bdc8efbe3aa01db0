import {
  findParting,
  partingWindow,
  simulate,
  type KernelBuild,
  type Listener,
  type Parting,
  type Plan,
  type RunResult,
} from "#sim"
import { editPlan, type Edit } from "./edit.ts"

/** A run beside the one that failed. */
export type Neighbour = {
  readonly edit: Edit
  readonly plan: Plan
  readonly verdict: RunResult["verdict"]
  readonly traceHash: string
  readonly parting: Parting | null
}

export type CompareOptions = {
  readonly build?: KernelBuild
  readonly runsMax?: number
  readonly onProgress?: (done: number, of: number) => void
}

const RUNS_MAX = 64

/**
 * Of the plans with one fault less (or, where there is none or none helps, one operation less) that pass, the one whose
 * run goes with the failing one for longest. Null when none passes.
 */
export function nearestPassing(
  plan: Plan,
  failed: RunResult,
  options: CompareOptions = {},
): Neighbour | null {
  const of = (edit: Edit): { readonly edit: Edit; readonly plan: Plan } | null => {
    const edited = editPlan(plan, edit)
    return typeof edited === "string" ? null : { edit, plan: edited }
  }
  const faults = plan.faults.map(({ id }) => of({ type: "dropFault", id }))
  const ops = plan.workload.ops.map(({ id }) => of({ type: "dropOperation", id }))
  const runsMax = options.runsMax ?? RUNS_MAX
  for (const candidates of [faults, ops]) {
    const tried = candidates.filter((candidate) => candidate !== null).slice(-runsMax)
    let best: {
      readonly edit: Edit
      readonly plan: Plan
      readonly result: RunResult
      readonly from: number
    } | null = null
    for (const [index, candidate] of tried.entries()) {
      options.onProgress?.(index, tried.length)
      const result = simulate(candidate.plan, buildOf(options))
      if (result.verdict !== "valid") continue
      const from = partingWindow(failed, result)?.from ?? Number.MAX_SAFE_INTEGER
      if (best === null || from > best.from) best = { ...candidate, result, from }
    }
    if (best === null) continue
    const { edit, plan: passing, result } = best
    const parting = partOf(plan, passing, options)
    return { edit, plan: passing, verdict: result.verdict, traceHash: result.traceHash, parting }
  }
  return null
}

/** Where the runs of two plans part: null when they are one run. */
export function partOf(first: Plan, second: Plan, options: CompareOptions = {}): Parting | null {
  const rerun =
    (plan: Plan) =>
    (listener: Listener | null): RunResult =>
      simulate(plan, { ...buildOf(options), ...(listener === null ? {} : { onTrace: listener }) })
  return findParting(rerun(first), rerun(second))
}

function buildOf({ build }: CompareOptions): { readonly build?: KernelBuild } {
  return build === undefined ? {} : { build }
}
