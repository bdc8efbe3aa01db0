import type { Capsule, Plan, PlanTable, RunResult, Scenario } from "#sim"
import { EnvironmentError, messageOf } from "../errors.ts"

export type ShrunkFailure = {
  /** The smallest plan found that still fails by the same oracle. */
  readonly plan: Plan
  readonly result: RunResult
  /** How many plans were tried. */
  readonly runs: number
  /** False when the budget ended the search before nothing more could be left out. */
  readonly minimal: boolean
}

export type SimulateOptions = {
  /** Stop soon after this many kernel events; 0 is the whole run. */
  readonly untilEvent: number
  /** Tell these events, both ends included, a line each; null is none. */
  readonly trace: TraceWindow | null
  readonly tell: (line: string) => void
}

export type TraceWindow = { readonly from: number; readonly to: number }

/** A whole run of which nothing is told. */
export const WHOLE_RUN: SimulateOptions = { untilEvent: 0, trace: null, tell: () => {} }

export type ShrinkOptions = {
  readonly runsMax: number
  /** Asked between two tries: true ends the search with what was found. */
  readonly shouldStop: (runs: number) => boolean
}

/**
 * The simulator as the command line sees it: the one place where its names are spelled. `simulator.ts` is
 * the real one; tests bring a toy. It is loaded by URL, because each worker loads its own.
 */
export interface Engine {
  readonly scenarios: readonly Scenario[]
  drawPlan(scenario: Scenario, seed: number): Plan
  simulate(plan: Plan, options: SimulateOptions): RunResult
  /** Both throw an Error with one clear sentence on anything they do not know, unknown fields included. */
  parsePlan(json: unknown): Plan
  parseCapsule(json: unknown): Capsule
  /** The text of a capsule file. */
  writeCapsule(
    plan: Plan,
    result: RunResult,
    about: { readonly version: string; readonly command: string },
  ): string
  writePlan(plan: Plan): string
  explainPlan(plan: Plan): readonly PlanTable[]
  shrink(plan: Plan, oracle: string, options: ShrinkOptions): ShrunkFailure
  /** JSON lines, one for the start and one for the end of each request. */
  writeHistory(history: RunResult["history"]): string
}

export async function loadEngine(url: string): Promise<Engine> {
  try {
    const door = (await import(url)) as { readonly engine: Engine }
    return door.engine
  } catch (thrown) {
    throw new EnvironmentError(`Cannot load the simulator: ${messageOf(thrown)}`)
  }
}
