import type { Effect, Input, Observation } from "#kernel"

/** What a check found. `oracle` is a stable id (`RAFT-election-safety`); a failing run names exactly one. */
export type Violation = {
  readonly oracle: string
  /** One sentence: what was promised, what was seen, where. */
  readonly message: string
  /** Simulated microseconds. */
  readonly at: number
  /** Number of the kernel event after which it was seen. */
  readonly event: number
}

/** What a checker may ask of the running world. */
export interface WorldView {
  readonly now: number
  readonly event: number
  /** Who would serve a read of this group now without asking anybody, by what it knows and its own clocks. */
  leaseHolders(group: number): readonly { readonly store: number; readonly term: number }[]
  /** Called by a checker; the run stops at the first one. */
  report(oracle: string, message: string): void
}

/**
 * Looks at every step while the run goes on. It sees what the kernel says (observations) and what it
 * does (inputs and effects), never its inside. Methods it does not need are absent.
 */
export interface OnlineChecker {
  readonly name: string
  /** The store's process died; `powerLoss` when unsynced writes may be gone. */
  storeCrashed?(world: WorldView, store: number, powerLoss: boolean): void
  storeBooted?(world: WorldView, store: number, boot: number): void
  /** The store stopped itself, with this code. */
  storeStopped?(world: WorldView, store: number, code: string): void
  stepped?(world: WorldView, store: number, input: Input, effects: readonly Effect[]): void
  observed?(world: WorldView, store: number, observation: Observation): void
  /** A volume's log is on the disk up to `lsn`; the kernel hears of it later, by its completion. */
  synced?(world: WorldView, store: number, volume: number, lsn: number): void
  /** An effect with a barrier left the store (its barrier was met), or one without. */
  released?(world: WorldView, store: number, effect: Effect): void
}
