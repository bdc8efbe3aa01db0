import type { PlanPhases } from "./plan/plan.ts"

/** When a run ends. */
export function runUs(phases: PlanPhases): number {
  return phases.rounds * (phases.faultsUs + phases.quietUs)
}

/** When the quiet part of a round (from 0) begins; it ends with the round. */
export function quietAt(phases: PlanPhases, round: number): number {
  return round * (phases.faultsUs + phases.quietUs) + phases.faultsUs
}

export function isQuiet(phases: PlanPhases, at: number): boolean {
  return at >= runUs(phases) || at % (phases.faultsUs + phases.quietUs) >= phases.faultsUs
}

/** The start of the first quiet part after `at`, which lies in a faults part. */
export function quietAfter(phases: PlanPhases, at: number): number {
  return quietAt(phases, Math.floor(at / (phases.faultsUs + phases.quietUs)))
}
