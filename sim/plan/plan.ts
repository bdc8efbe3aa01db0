import type { Bootstrap, KvOp, Limits, SwitchName, Timing } from "#kernel"

/**
 * A run as data. A seed only draws a plan; replay, shrinking and editing by hand work on the plan.
 * Every time is in microseconds since the start of the run, every operation and fault is explicit and
 * has an id that survives the removal of others.
 */
export type Plan = {
  readonly format: 1
  readonly scenario: string
  /** Content hashes or names of kernel builds; the first one starts. */
  readonly builds: readonly string[]
  readonly cluster: PlanCluster
  readonly workload: PlanWorkload
  readonly faults: readonly PlanFault[]
  readonly phases: PlanPhases
  readonly host: PlanHost
  readonly seed: number
}

export type PlanCluster = {
  /** Store ids from 1; the first `stores` of them exist from the start, spares are born empty when asked. */
  readonly stores: number
  readonly spares: number
  readonly tenants: readonly number[]
  readonly ranges: readonly Bootstrap[]
  readonly config: { readonly timing: Timing; readonly limits: Limits }
}

export type PlanWorkload = {
  readonly kind: string
  readonly clients: number
  readonly ops: readonly PlanOp[]
}

/** A client runs its operations one after the other, none before its time. */
export type PlanOp = {
  readonly id: number
  readonly at: number
  readonly client: number
  readonly op: PlanRequest
}

export type PlanRequest = {
  readonly ops: readonly KvOp[]
  readonly range: number
  /** With a token a repeat is safe, so the client retries after a timeout; without one it gives up as "info". */
  readonly token: boolean
  readonly timeoutUs: number
  /** Sends every request this many times (late duplicates of the network are faults, these are the client's). */
  readonly copies: number
  /** The client forgets the request at once: nobody waits for its answer. */
  readonly abandoned: boolean
  /** What its reads ask for: the newest state, or one that may be a little old and any replica may have. */
  readonly read: "strong" | "timeline"
}

export type FaultKind =
  | NetworkKind
  | ProcessKind
  | DiskKind
  | ClockKind
  | TopologyKind
  | SwitchKind
  | HostKind

/** `stores` to `peers`, and back unless args.oneWay is 1. */
export type NetworkKind =
  | "partition"
  | "drop" // args.ratioPpm
  | "duplicate" // args.ratioPpm
  | "delay" // args.minUs, args.meanUs, args.tailPpm, args.tailUs
  | "corrupt" // args.ratioPpm: one bit of the frame's bytes flips
  | "capacity" // args.messages: more in flight on one link are dropped
  | "clog" // nothing leaves the link until lifted, then all of it
  | "flap" // args.upUs, args.downUs
  | "misroute" // args.ratioPpm: delivered to another store
  | "swizzle" // the links of `stores` are clogged one store after the other, then freed in another order
  | "hold" // kept back, and let go together every args.periodUs; args.order: 0 as sent, 1 reversed, 2 shuffled
  | "prioritize" // streams of messages have priorities: the lower, the later, up to args.slowestUs; args.by, args.changes
  | "replayOld" // up to args.messages of an older life of `stores` come again, args.afterUs after a newer one spoke

export type ProcessKind =
  | "crash" // stores; back after args.restartUs; args.powerLoss 1: unsynced writes may be lost, torn, reordered
  | "crashLoop" // args.times, args.upUs, args.restartUs, args.powerLoss
  | "drain" // told that it is to be stopped, and is when it is ready; back after args.restartUs
  | "pause"
  | "slowProcess" // args.factor: turns take this many times longer
  | "zombie" // starts anew after args.restartUs beside its old process, which has no disk, and hears args.hearsPpm

export type DiskKind =
  | "syncError" // the next sync fails, or the next one of a checkpoint: fatal for the store, which restarts after args.restartUs
  | "diskFull"
  | "diskQuota" // it holds args.bytes more than when it began, and no more
  | "slowDisk" // args.factor
  | "stalledDisk"
  | "lyingSync" // syncs say ok and nothing is durable: the next power loss may take it, sector by sector
  | "renameNotDurable" // as lyingSync, of directories alone: new, replaced and removed files
  | "readError" // args.zone, args.system, args.sectors: a start cannot read them
  | "latentSector" // args.zone, args.system, args.sectors: unreadable until they are written again
  | "bitRot" // args.zone, args.system: one bit of durable bytes turns over
  | "misdirectedWrite" // args.reach: the next append lands elsewhere
  | "misdirectedRead" // args.zone, args.system, args.sectors: a start is told what stands elsewhere, once
  | "staleRead" // args.zone, args.system, args.sectors: a start is told what stood there before, once
  | "diskLoss" // everything a store had is gone; it starts again, empty, after args.restartUs
  | "volumeLoss" // one tenant's volume is gone; back after args.restartUs
  | "swapDisks" // two stores start with each other's disks
  | "oldImage" // a backup taken at `at` is put back after args.ageUs; back after args.restartUs
  | "fileLoss" // one file is gone from the middle of a tenant's log; back after args.restartUs
  | "shortFile" // power is lost, and the end of a tenant's log ends within its last write; back after args.restartUs
  | "earlierVolume" // volumeLoss, and after args.ageUs the lost directory is put back; each time back after args.restartUs
  | "laterFormat" // args.system: the header of a log file is of a later format, until it is lifted
  | "liveReadError" // args.rows of a base give errors to the process that runs, until it is lifted

export type ClockKind =
  | "clockOffset" // args.offsetUs
  | "clockDrift" // args.ppm
  | "clockStep" // args.offsetUs, at once
  | "clockFreeze"
  | "clockSmear" // args.offsetUs, reached evenly within args.overUs
  | "clockSine" // args.amplitudeUs, args.periodUs: ahead, behind, ahead …
  | "clockBackAtBoot" // args.offsetUs, from the next start of the process on
  | "clockFarFuture" // args.aheadUs: what its frames claim; its own clock is right
  | "monoDrift" // args.ppm: the monotonic clock alone, beside a wall clock that is right
  | "timerSkew" // wake-ups come up to args.earlyUs too early or args.lateUs too late

/** Asked of the leader of `group`, until accepted or lifted. */
export type TopologyKind =
  | "addVoter"
  | "addLearner"
  | "removeReplica"
  | "transferLeader"
  | "replaceReplica" // a voter on `stores`, and when it is there, none on `peers` any more
  | "topologyStorm" // args.changes changes at random among `stores`, one each args.periodUs
  | "rebalanceStorm" // the same, of every group: replicas move from store to store
  | "quorumLoss" // a majority of the voters die at once; back after args.restartUs; args.powerLoss

/** Switches in the code of the kernels of `stores`: `SWITCHES` of the kernel says what each does. */
export type SwitchKind = SwitchName

export type HostKind =
  // the kernel of `stores` is replaced by load(save()): nothing may change
  | "reload"
  // the operator has the replica of `group` on `stores` go on with what is left of it, by an order that names
  // args.generation of its range; the store starts anew for it, after args.restartUs
  | "recoverGroup"

/**
 * Whom a fault strikes. With `role` "stores" the lists say it; otherwise `stores` is taken at the moment
 * of activation from the group's replicas, and empty `peers` are all other stores.
 */
export type FaultTarget = {
  readonly role: "stores" | "leader" | "followers"
  readonly stores: readonly number[]
  readonly peers: readonly number[]
  readonly group: number
}

/** In force in [at, until); an event without duration has `until` = `at`. */
export type PlanFault = {
  readonly id: number
  readonly at: number
  readonly until: number
  readonly kind: FaultKind
  readonly target: FaultTarget
  readonly args: Readonly<Record<string, number>>
}

/**
 * Safety under faults → quiet (all faults lifted, workload goes on) → liveness, possibly several times:
 * each round lasts `faultsUs + quietUs`. Checkers of liveness look at the end of each quiet part.
 */
export type PlanPhases = { readonly rounds: number; readonly faultsUs: number; readonly quietUs: number }

/** How the hosts of this run behave when nothing is wrong. */
export type PlanHost = {
  /** Messages cross as objects or as bytes: the hash is the same. */
  readonly transport: "objects" | "bytes"
  readonly latencyUsMin: number
  readonly latencyUsMean: number
  readonly syncUsMin: number
  readonly syncUsMean: number
  /** A turn collects inputs for up to this long. */
  readonly turnUsMax: number
}
