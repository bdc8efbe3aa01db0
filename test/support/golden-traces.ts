import { drawPlan, simulate } from "#sim"
import { scenarioOf } from "#scenarios/index.ts"

/** What one seed came to: the same on every supported Node, CPU and day. */
export type GoldenTrace = {
  readonly scenario: string
  readonly seed: number
  readonly events: number
  readonly traceHash: string
  readonly stateHash: string
}

/** Few enough to be quick, and of every kind: quiet, crashes, disks, clocks, membership, and the campaign. */
export const GOLDEN_RUNS: readonly (readonly [scenario: string, seed: number])[] = [
  ["smoke", 1],
  ["power-loss", 1],
  ["disk-full", 1],
  ["hour-back", 1],
  ["churn", 1],
  ["campaign", 1],
  ["campaign", 2],
]

export function traceOf(scenario: string, seed: number): GoldenTrace {
  const { events, traceHash, stateHash } = simulate(drawPlan(scenarioOf(scenario)!, seed))
  return { scenario, seed, events, traceHash, stateHash }
}
