import type { Plan, RunResult, Seen, Sighting } from "#sim"
import type { TraceWindow } from "./engine.ts"

/** What a worker is given. Everything here crosses a thread as plain records. */
export type WorkerTask =
  | {
      readonly type: "run"
      readonly scenario: string
      readonly seed: number
      /** What is run in the place of what the seed draws, and what of it is told to learn from. */
      readonly planned: Plan | null
      /** Send what a second run is compared by. */
      readonly keepCheckpoints: boolean
      readonly keepHistory: boolean
    }
  | {
      readonly type: "simulate"
      readonly plan: Plan
      readonly untilEvent: number
      readonly trace: TraceWindow | null
      readonly keepHistory: boolean
    }
  | {
      readonly type: "try"
      /** A candidate of the shrinker. */
      readonly plan: Plan
      readonly until: number
    }

export type WorkerAnswer =
  | {
      readonly type: "result"
      readonly result: RunResult
      readonly wallMs: number
      readonly history: string | null
      readonly lines: readonly string[]
      /** Of a planned run. */
      readonly sighting: Sighting | null
    }
  | { readonly type: "tried"; readonly seen: Seen }
  /** The simulator itself threw: a defect of ours, reported as a failing run. */
  | { readonly type: "threw"; readonly message: string }

export type ToWorker = { readonly id: number; readonly task: WorkerTask }
export type FromWorker =
  /** The simulator is loaded: what goes wrong from here on is the task's. */
  { readonly type: "ready" } | { readonly id: number; readonly type: "answer"; readonly answer: WorkerAnswer }

/** Oracles of the command line itself, for what no checker can say. */
export const ORACLE = {
  /** A run asked the machine for something. */
  leak: "DET-leak",
  /** The same plan gave another trace in another worker. */
  rerun: "DET-rerun",
  /** The simulator threw. */
  threw: "SIM-threw",
  /** The worker ended: out of memory, or a crash of the engine. */
  died: "SIM-worker-died",
  /** The run did not end within the wall-clock bound. */
  hung: "SIM-hung",
} as const

export function failedResult(scenario: string, seed: number, oracle: string, message: string): RunResult {
  return {
    scenario,
    seed,
    runClass: "within",
    verdict: "invalid",
    violation: { oracle, message, at: 0, event: 0 },
    traceHash: "0".repeat(16),
    checkpoints: [],
    stateHash: "0".repeat(16),
    events: 0,
    simulatedUs: 0,
    operations: { invoked: 0, ok: 0, fail: 0, info: 0 },
    faults: {},
    marks: {},
    cells: {},
    signature: { marks: 0, faults: 0, steps: [] },
    history: [],
  }
}
