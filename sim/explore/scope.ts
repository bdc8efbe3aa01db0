import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  NO_SWITCHES,
  type Bootstrap,
  type ClusterBootstrap,
  type KernelConfig,
  type Timing,
} from "#kernel"

/** What one exploration tries out: every schedule within these bounds, of this small cluster. */
export type Scope = {
  /** Chance of the kernels: election delays, incarnations' salts. */
  readonly seed: number
  /** 1 to 3. */
  readonly stores: number
  /** Where schedules begin: all stores have started, or one of them leads as well. */
  readonly from: "start" | "leader"
  /** Requests of clients, in this order: puts of values of their own and gets, all of one key. */
  readonly operations: readonly ("put" | "get")[]
  /** Most steps of one schedule. */
  readonly events: number
  /** Most timers that fire in one schedule. */
  readonly ticks: number
  /** Most deviations of one schedule from the plain order, of all kinds together. */
  readonly deviations: number
  /** Most deviations of one kind. `delays` null: no order is the plain one, all are tried. */
  readonly delays: number | null
  readonly gathers: number
  readonly drops: number
  readonly duplicates: number
  readonly crashes: number
  readonly cuts: number
  readonly lapses: number
}

/** Kinds of deviation, in the order of the counts that a state carries. */
export const DEVIATIONS = ["delays", "gathers", "drops", "duplicates", "crashes", "cuts", "lapses"] as const

export type Deviation = (typeof DEVIATIONS)[number]

export const STORES_MAX = 3
export const OPERATIONS_MAX = 8
export const EVENTS_MAX = 10_000

export const DEFAULT_SCOPE: Scope = {
  seed: 1,
  stores: 3,
  from: "leader",
  operations: ["put", "get"],
  events: 300,
  ticks: 3,
  deviations: 1,
  delays: 2,
  gathers: 1,
  drops: 1,
  duplicates: 1,
  crashes: 1,
  cuts: 1,
  lapses: 1,
}

export const GROUP = 1
const TENANT = 0
const RANGE = 1
const CLUSTER = "orrery-explore"
const SEGMENT_BYTES = 8_192

/**
 * How long nothing happens in a lapse: whatever one store had promised another by its clock is over, and so is the
 * longest silence before an election.
 */
export const LAPSE_US: number = DEFAULT_TIMING.supportUs + DEFAULT_TIMING.electionUsMax

/**
 * The timing that is shipped, but for clocks that agree, as they do here, and for heartbeats that are no more frequent than they must be: a new leader
 * waits for the one before it writes, and the other is a timer that fires again and again for one and the same state.
 */
export const TIMING: Timing = { ...DEFAULT_TIMING, clockBoundUs: 1_000, heartbeatUs: 500_000 }

export const RANGE_DESCRIPTOR: Bootstrap["descriptor"] = {
  rangeId: RANGE,
  groupId: GROUP,
  tenant: TENANT,
  start: "",
  end: "",
  generation: 1,
}

/** One range on all stores, with the timing that is shipped. */
export function birthOf(stores: number): Bootstrap {
  const voters = storesOf(stores).map((store) => ({ replica: store, store, incarnation: 100 + store }))
  return {
    descriptor: RANGE_DESCRIPTOR,
    configuration: { voters, outgoing: [], learners: [], promoting: [], nextReplica: stores + 1 },
  }
}

export function storesOf(stores: number): readonly number[] {
  return Array.from({ length: stores }, (_, index) => index + 1)
}

export function configOf(stores: number, store: number): KernelConfig {
  const bootstrap: ClusterBootstrap = {
    cluster: CLUSTER,
    stores: storesOf(stores).map((each) => ({
      store: each,
      incarnation: 100 + each,
      region: "r1",
      zone: `z${each}`,
    })),
    groups: [birthOf(stores)],
  }
  return {
    cluster: CLUSTER,
    store,
    tenants: [TENANT],
    bootstrap,
    timing: TIMING,
    limits: { ...DEFAULT_LIMITS, segmentBytesFirst: SEGMENT_BYTES, segmentBytesMax: SEGMENT_BYTES },
    switches: NO_SWITCHES,
  }
}
