import type { Plan } from "../plan/plan.ts"
import type { RunResult } from "../result.ts"
import { simulate, type SimulateOptions } from "../simulate.ts"
import { shrink, type ShrinkOptions, type Shrunk } from "./shrink.ts"

/** A failure found while a run goes on shows again at about the same time, or earlier. */
const SLACK_US = 2_000_000
/** Oracles that look at the end of a part or of the run. */
const END_ORACLES = ["LIVE-", "LIN-", "ONCE-", "WORK-", "HASH-"]

export type FailureOptions = Omit<ShrinkOptions, "oracle" | "run"> &
  Pick<SimulateOptions, "build" | "stepsMax">

/** Shrinks the plan of a failed run, and runs what is left once more; null when the plan does not fail. */
export function shrinkFailure(
  plan: Plan,
  options: FailureOptions,
): (Shrunk & { readonly result: RunResult }) | null {
  const { build, stepsMax, ...limits } = options
  const settings = { ...(build && { build }), ...(stepsMax !== undefined && { stepsMax }) }
  const first = simulate(plan, settings)
  if (first.violation === null) return null
  const { oracle } = first.violation
  const isOnline = !END_ORACLES.some((prefix) => oracle.startsWith(prefix))
  let until = first.violation.at + SLACK_US
  const run = (candidate: Plan): string | null => {
    const { violation } = simulate(candidate, isOnline ? { ...settings, until } : settings)
    if (violation?.oracle === oracle) until = Math.min(until, violation.at + SLACK_US)
    return violation?.oracle ?? null
  }
  const started = isOnline ? upTo(plan, first.violation.at) : plan
  // What comes after the failure cannot have caused it, but a queue of operations may have begun later than planned.
  const shrunk = shrink(run(started) === oracle ? started : plan, { ...limits, oracle, run })
  return { ...shrunk, result: simulate(shrunk.plan, settings) }
}

function upTo(plan: Plan, at: number): Plan {
  const { workload } = plan
  return {
    ...plan,
    workload: { ...workload, ops: workload.ops.filter((op) => op.at <= at) },
    faults: plan.faults.filter((fault) => fault.at <= at),
  }
}
