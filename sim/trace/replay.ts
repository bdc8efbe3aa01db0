import type { RunResult } from "../result.ts"
import { simulate, type SimulateOptions } from "../simulate.ts"
import type { Capsule } from "./capsule.ts"
import { partingWindow, type Window } from "./diff.ts"

export type Replay = {
  /** The same trace and the same verdict, to the last bit. */
  readonly same: boolean
  readonly result: RunResult
  /** Events among which the run left the recorded one; null when it did not. */
  readonly firstDifference: Window | null
}

/** Runs a capsule again and holds the run against what the capsule says of the first one. */
export function replay(capsule: Capsule, options: SimulateOptions = {}): Replay {
  const result = simulate(capsule.plan, options)
  const firstDifference = partingWindow(capsule, result)
  const same = firstDifference === null && (result.violation?.oracle ?? "") === capsule.oracle
  return { same, result, firstDifference }
}
