import type {
  Capsule,
  CapsuleNotes,
  MarkRule,
  Plan,
  PlanTable,
  RunResult,
  Scenario,
  Search,
  Seen,
  Sighting,
  Strategist,
  Strategy,
  Violation,
} from "#sim"
import { EnvironmentError, messageOf } from "../errors.ts"

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

/**
 * The simulator as the command line sees it: the one place where its names are spelled. `simulator.ts` is
 * the real one; tests bring a toy. It is loaded by URL, because each worker loads its own.
 */
export interface Engine {
  readonly scenarios: readonly Scenario[]
  /** Every mark the kernel has, and how often runs must hit it. */
  readonly marks: readonly MarkRule[]
  drawPlan(scenario: Scenario, seed: number): Plan
  simulate(plan: Plan, options: SimulateOptions): RunResult
  /** A whole run, and what a strategy learns from it. */
  simulateSighted(plan: Plan): { readonly result: RunResult; readonly sighting: Sighting }
  /** Goes on from what a corpus became as JSON; from nothing, when that is null. */
  strategist(strategy: Strategy, scenario: Scenario, corpus: unknown): Strategist
  /** Runs that are planned before the first of them is learnt from. */
  readonly generation: number
  /** Both throw an Error with one clear sentence on anything they do not know, unknown fields included. */
  parsePlan(json: unknown): Plan
  parseCapsule(json: unknown): Capsule
  /** The text of a capsule file. */
  writeCapsule(
    plan: Plan,
    result: RunResult,
    about: { readonly version: string; readonly command: string } & CapsuleNotes,
  ): string
  writePlan(plan: Plan): string
  explainPlan(plan: Plan): readonly PlanTable[]
  /** Which plans are tried to make one smaller, and in which order. */
  readonly search: Search<Plan>
  /** What a candidate of it fails by, run up to a simulated microsecond. */
  failureOf(plan: Plan, until: number): Seen
  /** A short name for what a shrunk plan shows: that of every seed that shrinks to the like. */
  signatureOf(plan: Pick<Plan, "faults">, violation: Violation): string
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
