import type { Operation } from "./check/history.ts"
import type { Violation } from "./check/checker.ts"
import type { Cells } from "./coverage/sites.ts"
import type { FaultKind } from "./plan/plan.ts"

/** Decided from the plan, before it runs. DESIGN §9. */
export type RunClass = "within" | "detectable" | "undetectable"

/** Numbers that are equal for equal things, in every run. */
export type RunSignature = {
  /** Of the set of marks that were hit. */
  readonly marks: number
  /** Of the set of kinds of faults that were effective. */
  readonly faults: number
  /** Of each pair of rare things that a store said one after the other, ascending. */
  readonly steps: readonly number[]
}

/** What came of one run. */
export type RunResult = {
  readonly scenario: string
  readonly seed: number
  readonly runClass: RunClass
  readonly verdict: "valid" | "invalid" | "unknown"
  readonly violation: Violation | null
  /** 16 hexadecimal digits. */
  readonly traceHash: string
  /** The trace hash after every 1,024th event: where two runs part. */
  readonly checkpoints: readonly string[]
  readonly stateHash: string
  readonly events: number
  readonly simulatedUs: number
  readonly operations: {
    readonly invoked: number
    readonly ok: number
    readonly fail: number
    readonly info: number
  }
  readonly faults: Readonly<
    Partial<Record<FaultKind, { readonly applied: number; readonly effective: number }>>
  >
  /** Times each mark was hit. */
  readonly marks: Readonly<Record<string, number>>
  /** Whom faults struck and in which moment: `crash/leader/electing`, and how often. */
  readonly cells: Cells
  /** What tells this run from others. */
  readonly signature: RunSignature
  readonly history: readonly Operation[]
}
