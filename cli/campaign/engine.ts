import type { RunResult } from "#sim/result.ts"
import type { FaultKind, Plan } from "#sim/plan/plan.ts"
import type { Scenario } from "#sim/plan/scenario.ts"

export type { RunClass, RunResult } from "#sim/result.ts"
export type { Violation } from "#sim/check/checker.ts"
export type { FaultKind, Plan, PlanFault, PlanOp } from "#sim/plan/plan.ts"
export type { Scenario } from "#sim/plan/scenario.ts"

/** A failure in one file. DESIGN §14. */
export type Capsule = {
  readonly plan: Plan
  readonly oracle: string
  readonly message: string
  readonly traceHash: string
  readonly checkpoints: readonly string[]
  readonly command: string
}

export type Shrunk = {
  /** The smallest plan found that still fails by the same oracle. */
  readonly plan: Plan
  readonly result: RunResult
  /** How many plans were tried. */
  readonly runs: number
  /** False when the budget ended the search before nothing more could be left out. */
  readonly minimal: boolean
}

export type SimulateOptions = {
  /** Stop after this many kernel events; 0 is the whole run. */
  readonly untilEvent: number
  readonly keepHistory: boolean
}

export type ShrinkOptions = {
  readonly runsMax: number
  /** Asked between two tries: true ends the search with what was found. */
  shouldStop(runs: number): boolean
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
  makeCapsule(plan: Plan, result: RunResult, command: string): Capsule
  shrink(plan: Plan, oracle: string, options: ShrinkOptions): Shrunk
  /** JSON lines, one for the start and one for the end of each request. */
  writeHistory(history: RunResult["history"]): string
}

export async function loadEngine(url: string): Promise<Engine> {
  const door = (await import(url)) as { readonly engine: Engine }
  return door.engine
}

/** Every fault there is. A kind that the plan learns and this table does not know is refused by the compiler. */
const FAULT_ROOM: Readonly<
  Record<FaultKind, "network" | "process" | "disk" | "clock" | "topology" | "host">
> = {
  partition: "network",
  drop: "network",
  duplicate: "network",
  delay: "network",
  corrupt: "network",
  capacity: "network",
  clog: "network",
  flap: "network",
  misroute: "network",
  crash: "process",
  crashLoop: "process",
  pause: "process",
  slowProcess: "process",
  syncError: "disk",
  diskFull: "disk",
  slowDisk: "disk",
  stalledDisk: "disk",
  clockOffset: "clock",
  clockDrift: "clock",
  clockStep: "clock",
  clockFreeze: "clock",
  addVoter: "topology",
  addLearner: "topology",
  removeReplica: "topology",
  transferLeader: "topology",
  reload: "host",
}

export const FAULT_KINDS: readonly string[] = Object.keys(FAULT_ROOM)
