import { OrderMeter } from "../coverage/order-meter.ts"
import { numberOf } from "../coverage/step-meter.ts"
import type { Plan } from "../plan/plan.ts"
import type { RunResult } from "../result.ts"
import { simulate, type SimulateOptions } from "../simulate.ts"

/** What a run showed of itself, as numbers that are equal for equal things in every run. */
export type Sighting = {
  /** Each mark that was hit, with how often by powers of two. */
  readonly marks: readonly number[]
  /** Pairs of rare things that a store said one after the other. */
  readonly steps: readonly number[]
  /** Orders in which things happened to a group. */
  readonly orders: readonly number[]
}

export const NOTHING_SEEN: Sighting = { marks: [], steps: [], orders: [] }

/** A run, and what a strategy learns from it. The trace is that of `simulate` alone. */
export function simulateSighted(
  plan: Plan,
  options: SimulateOptions = {},
): { readonly result: RunResult; readonly sighting: Sighting } {
  const meter = new OrderMeter()
  const result = simulate(plan, { ...options, watchers: [...(options.watchers ?? []), meter] })
  const { marks, signature } = result
  return {
    result,
    sighting: {
      marks: Object.entries(marks).map(([name, hits]) => numberOf(`${name} ${octaveOf(hits)}`)),
      steps: signature.steps,
      orders: meter.orders(),
    },
  }
}

/** 1, 2 to 3, 4 to 7 … are alike. */
function octaveOf(hits: number): number {
  return 32 - Math.clz32(hits)
}
