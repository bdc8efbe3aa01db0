import type { RunResult } from "#sim"

/** Kernel events between two entries of `checkpoints`. DESIGN §3. */
export const CHECKPOINT_EVENTS = 1_024

/** What of two runs has to be equal. */
export type Trace = Pick<RunResult, "traceHash" | "stateHash" | "checkpoints" | "events">

/** Where two runs part: events in (`after`, `upTo`]. */
export type Divergence = {
  /** Counted from 1; null when every checkpoint of both is equal. */
  readonly checkpoint: number | null
  readonly after: number
  readonly upTo: number
}

/** Null when trace and state agree. */
export function compareTraces(first: Trace, second: Trace): Divergence | null {
  if (first.traceHash === second.traceHash && first.stateHash === second.stateHash) return null
  const { checkpoint, after } = firstDifference(first.checkpoints, second.checkpoints)
  const events = Math.max(first.events, second.events)
  const upTo = checkpoint === null ? events : Math.min(events, checkpoint * CHECKPOINT_EVENTS)
  return { checkpoint, after, upTo }
}

/** The first checkpoint that differs, and the last event before it at which both agreed. */
export function firstDifference(
  first: readonly string[],
  second: readonly string[],
): { readonly checkpoint: number | null; readonly after: number } {
  const shared = Math.min(first.length, second.length)
  for (let index = 0; index < shared; index++) {
    if (first[index] !== second[index]) return { checkpoint: index + 1, after: index * CHECKPOINT_EVENTS }
  }
  return { checkpoint: null, after: shared * CHECKPOINT_EVENTS }
}

/** `they part at checkpoint 4, between events 3,072 and 4,096`. */
export function tellDivergence(divergence: Divergence): string {
  const { checkpoint, after, upTo } = divergence
  const where = checkpoint === null ? "after the last common checkpoint" : `at checkpoint ${checkpoint}`
  return `they part ${where}, after event ${after} and not later than event ${upTo}`
}
