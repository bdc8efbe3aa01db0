import type { Violation } from "./check/checker.ts"
import { checkCommitOrder, checkExactlyOnce } from "./check/exactly-once.ts"
import type { Operation } from "./check/history.ts"
import { checkLinearizable } from "./check/linearizable.ts"
import { firstStale } from "./check/timeline.ts"
import type { Plan, PlanOp } from "./plan/plan.ts"
import type { RunClass } from "./result.ts"
import { finalStateOf } from "./workload/final-reads.ts"
import { workloadOf } from "./workload/kinds.ts"

const STEPS_MAX = 4_000_000
/** 32 MiB: several workers share a machine. */
const MEMO_WORDS_MAX = 8 * 1024 * 1024

export type JudgeOptions = {
  readonly runClass: RunClass
  /** The reads of every written key at the end: part of the history. */
  readonly reads: readonly PlanOp[]
  /** The moment of a commit timestamp on the clock of the history, in microseconds. */
  readonly trueTimeOf: (commitTs: number) => number
  /** Attempts of the linearizability check to place an operation; null for the usual budget. */
  readonly stepsMax: number | null
}

export type Found = Pick<Violation, "oracle" | "message">

/**
 * What clients asked and heard, held against what a run of this plan promises: the same judge whether virtual time or
 * sockets carried it. "unknown" when the budget did not suffice; null when nothing is wrong.
 */
export function judgeHistory(
  plan: Plan,
  history: readonly Operation[],
  timeline: readonly Operation[],
  options: JudgeOptions,
): Found | "unknown" | null {
  if (options.runClass === "undetectable") return null
  return checkTimeline(plan, history, timeline, options) ?? checkHistory(plan, history, options)
}

/** Reads that may be a little old, by the bounds the plan's timing states. */
function checkTimeline(
  plan: Plan,
  history: readonly Operation[],
  timeline: readonly Operation[],
  { runClass, trueTimeOf }: JudgeOptions,
): Found | null {
  const { leaseUs, clockBoundUs } = plan.cluster.config.timing
  const stale = firstStale(history, timeline, {
    beforeStartUs: leaseUs + clockBoundUs,
    beforeStateUs: runClass === "within" ? clockBoundUs : null,
    trueTimeOf,
  })
  return stale === null ? null : { oracle: "LEASE-stale", message: stale }
}

/**
 * What the whole history says. Linearizability comes first, since a repeated write breaks it as well, but
 * exactly-once names that bug where the state alone shows it.
 */
function checkHistory(
  plan: Plan,
  history: readonly Operation[],
  { reads, stepsMax }: JudgeOptions,
): Found | "unknown" | null {
  const { settled, state } = finalStateOf(history, reads)
  const twice = checkExactlyOnce(settled, state)[0]
  if (twice !== undefined) return { oracle: "ONCE-exactly-once", message: twice.message }
  const order = checkCommitOrder(history)[0]
  if (order !== undefined) return { oracle: "LIN-commit-order", message: order.message }
  const bounds = { stepsMax: stepsMax ?? STEPS_MAX, memoWordsMax: MEMO_WORDS_MAX }
  const { verdict, explanation } = checkLinearizable(history, bounds)
  if (verdict === "invalid") {
    return {
      oracle: "LIN-linearizable",
      message: explanation?.lines.join("\n") ?? "The history is not linearizable",
    }
  }
  const broken = workloadOf(plan.workload.kind)?.check(history) ?? null
  if (broken !== null) return { oracle: `WORK-${plan.workload.kind}`, message: broken }
  return verdict === "unknown" ? "unknown" : null
}
