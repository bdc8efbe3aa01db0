import type { Call } from "./clients.ts"
import type { Durable } from "./machine.ts"
import type { MachinePlan } from "./plan.ts"

/** One node as checks see it. Look, and change nothing. */
export interface NodeView<S> {
  readonly node: number
  readonly up: boolean
  /** Starts of this node so far. */
  readonly boot: number
  /** Null while the node is down. */
  readonly state: S | null
  /** What its disk holds for sure, at this moment. */
  durable(): Durable
}

export type Observation = { readonly at: number; readonly node: number; readonly what: unknown }

/** A call whose client still waits. */
export type OpenCall<Q> = Omit<Call<Q>, "endedAt" | "outcome" | "answer" | "reason">

/** The world as checks see it. */
export interface WorldNow<S, Q = unknown, A = unknown> {
  readonly plan: MachinePlan<Q>
  /** True time in microseconds since the start, which no node can know. */
  readonly now: number
  /** Steps of machines so far. */
  readonly event: number
  /** Whether a quiet part is on. */
  readonly quiet: boolean
  readonly nodes: readonly NodeView<S>[]
  /** Calls that have ended, in the order of their ends. */
  readonly history: readonly Call<Q, A>[]
  /** Calls that have not. */
  open(): readonly OpenCall<Q>[]
  /** What machines made observable, in order. */
  readonly observations: readonly Observation[]
}

/** A sentence says what is broken; nothing says that it holds; `unknown` says why nobody can tell. */
export type Finding = string | { readonly unknown: string } | null | undefined | void

/**
 * A promise of yours. It is broken when `check` returns a sentence or throws, as assertions do; the run ends
 * there, and its verdict names the check. Shrinking keeps to the check of this name.
 */
export type Check<S, Q = unknown, A = unknown> = {
  /** Kebab-case; the oracle is called `CHECK-<name>`. */
  readonly name: string
  /**
   * After each step of a machine and each thing that happens to a client; in the last microsecond of each
   * quiet part; or once, when all is over.
   */
  readonly when: "always" | "quiet" | "end"
  check(world: WorldNow<S, Q, A>): Finding
}
