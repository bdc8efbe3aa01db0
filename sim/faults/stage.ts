import type { AdminRequest, GroupStatus } from "#kernel"
import type { Clock } from "../env/clock.ts"
import type { Tally } from "../env/link-overlay.ts"
import type { Network } from "../env/network.ts"
import type { Process } from "../env/process.ts"
import type { PlanFault } from "../plan/plan.ts"
import type { Handle } from "../scheduler.ts"
import type { ClockTally, StoreHost, TimerSkew } from "../store-host.ts"

/** One member of the world as faults of links, clocks and processes meet it: what it runs does not matter. */
export interface Member {
  /** Starts of this member so far. */
  readonly boots: number
  readonly alive: boolean
  readonly clock: Clock
  readonly process: Process
  readonly clockTallies: ClockTally[]
  readonly timerSkews: TimerSkew[]
  clockChanged(): void
  resumed(): void
  /** False when what runs there would save other bytes once loaded. */
  reload(): boolean
}

/** What a fault may touch of any world. */
export interface CommonStage<M extends Member = Member> {
  readonly now: number
  readonly seed: number
  readonly network: Pick<
    Network,
    "overlay" | "lift" | "burst" | "endpointCount" | "endpointOfStore" | "endpointOfClient"
  >
  /** Stores that exist from the start, then spares: ids from 1 to this. */
  readonly storeCount: number
  host(store: number): M
  /** The leader of the highest term; 0 when no store says it leads. */
  leaderOf(group: number): number
  /** Stores that a voter of the group lives on, ascending. */
  membersOf(group: number): readonly number[]
  /** Kills the process and starts it again at `restartAt`. False when it was down already. */
  crash(store: number, powerLoss: boolean, restartAt: number): boolean
  /** Calls the fault again at this time. */
  actAt(run: FaultRun, act: number, at: number): Handle
  violated(oracle: string, message: string): void
}

/** What a fault may touch of a world of stores. */
export interface Stage extends CommonStage<StoreHost> {
  readonly network: Network
  /** Ids of all groups of the plan. */
  readonly groups: readonly number[]
  /** What the groups of a store say of themselves; nothing while it is down. */
  statusOf(store: number): readonly GroupStatus[]
  /**
   * Starts the process anew at `restartAt` and lets the old one live on, hearing `hearsPpm` of what is sent
   * to it. False when it was down.
   */
  raise(store: number, run: FaultRun, hearsPpm: number, restartAt: number): boolean
  /**
   * Stops the process and starts it at `restartAt` with the order to go on with what is left of this group in this
   * generation. False when the plan places no replica of it there.
   */
  recover(store: number, group: number, generation: number, restartAt: number): boolean
  /** Starts a spare that was never started. */
  bear(store: number): void
  ask(run: FaultRun, store: number, request: AdminRequest): void
}

/** One activation of a fault of the plan. */
export type FaultRun = {
  /** Place in the plan. */
  readonly index: number
  readonly fault: PlanFault
  readonly tally: Tally
  applied: boolean
  active: boolean
  /** Whom it strikes, taken when it began: stores, or clients from 1,000 on. */
  stores: readonly number[]
  peers: readonly number[]
  /** How far a fault of several acts has come. */
  progress: number
  next: Handle
  /** What a kind with a memory of its own has in mind while it is in force. */
  own: unknown
}

/** What one kind of fault does. */
export interface FaultKindActions<S = Stage> {
  begin(stage: S, run: FaultRun): void
  act?(stage: S, run: FaultRun, act: number): void
  /** An administrator's request of this fault was answered. */
  answered?(stage: S, run: FaultRun, accepted: boolean): void
  lift(stage: S, run: FaultRun): void
}

/** An argument of a fault, or what it is when the plan does not say. */
export function argument(run: FaultRun, name: string, otherwise: number): number {
  return run.fault.args[name] ?? otherwise
}

/** The stores a fault strikes, without the clients. */
export function storesOf(stage: CommonStage, run: FaultRun): readonly number[] {
  return run.stores.filter((store) => store >= 1 && store <= stage.storeCount)
}
