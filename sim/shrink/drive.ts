import { Digest } from "#kernel"
import { runUs } from "../phases.ts"
import type { PlanLike } from "./passes.ts"
import type { Search, SearchState, Step } from "./search.ts"

/** How a candidate ran: by which check it failed and when, or null. */
export type Seen = { readonly oracle: string; readonly at: number } | null

export type ShrinkProgress = {
  readonly runs: number
  readonly pass: string
  readonly faults: number
  readonly operations: number
  readonly stores: number
}

export type DriveOptions<P> = {
  /** The check that must still fail: another one would be another bug. */
  readonly oracle: string
  /** Runs a candidate up to a simulated microsecond. */
  readonly run: (candidate: P, until: number) => Seen
  readonly runsMax: number
  /** Asked before each run: the caller's clock. */
  readonly shouldStop?: () => boolean
  readonly onProgress?: (progress: ShrinkProgress) => void
}

export type Driven<P> = { readonly state: SearchState<P>; readonly runs: number }

/** Takes one candidate after the other that fails by the same check. Every one is run: none is taken because it ought to fail. */
export function drive<P extends PlanLike>(
  search: Search<P>,
  from: SearchState<P>,
  options: DriveOptions<P>,
): Driven<P> {
  const { oracle, run, runsMax, shouldStop, onProgress } = options
  const tried = new Tried<P>()
  let state = from
  let runs = 0
  for (;;) {
    const step = search.next(state)
    if (step === null) return { state: { ...state, cursor: null }, runs }
    if (!tried.isNew(step)) {
      state = step.left
      continue
    }
    if (runs >= runsMax || shouldStop?.() === true) return { state, runs }
    runs++
    const seen = run(step.candidate, step.until)
    const isTaken = seen?.oracle === oracle
    tried.add(step, isTaken)
    state = isTaken ? step.taken(seen.at) : step.left
    onProgress?.({ runs, pass: step.pass, ...sizeOf(state.plan) })
  }
}

export function sizeOf(plan: PlanLike): Pick<ShrinkProgress, "faults" | "operations" | "stores"> {
  return {
    faults: plan.faults.length,
    operations: plan.workload.ops.length,
    stores: plan.cluster.stores,
  }
}

/**
 * Plans that were run, and how far: one that was left once is left again, and one that was taken is not taken a second
 * time. It saves runs, and sees to it that a search ends.
 */
export class Tried<P extends PlanLike> {
  readonly #untils: Map<string, number> = new Map()

  isNew({ candidate, until }: Step<P>): boolean {
    return (this.#untils.get(keyOf(candidate)) ?? -1) < Math.min(until, runUs(candidate.phases))
  }

  add({ candidate, until }: Step<P>, isTaken: boolean): void {
    const key = keyOf(candidate)
    this.#untils.set(key, isTaken ? Infinity : Math.max(until, this.#untils.get(key) ?? 0))
  }
}

function keyOf(candidate: PlanLike): string {
  const digest = new Digest()
  digest.str(JSON.stringify(candidate))
  return digest.hex()
}
