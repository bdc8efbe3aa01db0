import type { GroupId, Incarnation, ReplicaId, StoreId, TenantId } from "../ids.ts"
import type { Bootstrap } from "../raft/types.ts"
import type { Switches } from "./switches.ts"

/** Every duration in microseconds. The defaults are those `orrery start` ships (DESIGN §14). */
export type KernelConfig = {
  readonly cluster: string
  readonly store: StoreId
  /** Tenants with a volume here, ascending. */
  readonly tenants: readonly TenantId[]
  /**
   * Applied once, into an empty store; every store of the cluster is given the same. Null once the store has lived: an
   * empty disk in an old place is not a birth.
   */
  readonly bootstrap: ClusterBootstrap | null
  /** Where ranges were at the cluster's birth, also once the store has lived: where its gateway looks for them first. */
  readonly places?: readonly Bootstrap[]
  readonly timing: Timing
  readonly limits: Limits
  readonly switches: Switches
  /** What an operator says of groups that have lost their only replica: looked at by a start, and by nobody later. */
  readonly recover?: readonly RecoverOrder[]
}

/**
 * Go on with what is left of this group, whatever acknowledged writes are lost with the rest. All four are as whoever says
 * so has seen them: a replica, a life of its volume and a generation of its range that are not there any more make it void.
 */
export type RecoverOrder = {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly incarnation: Incarnation
  readonly generation: number
}

/** The birth of a cluster: one document, identical everywhere; it becomes entry 1 of each group. */
export type ClusterBootstrap = {
  readonly cluster: string
  /** First incarnations: a store of another one was wiped and may not use its old names. */
  readonly stores: readonly {
    readonly store: StoreId
    readonly incarnation: number
    readonly region: string
    readonly zone: string
  }[]
  readonly groups: readonly Bootstrap[]
}

export type Timing = {
  /** Heartbeat of a group while it is active. */
  readonly heartbeatUs: number
  /** A follower campaigns after a silence drawn from [min, max). */
  readonly electionUsMin: number
  readonly electionUsMax: number
  /** Largest difference between any two clocks of the cluster; a store fences itself at 80 % of it. */
  readonly clockBoundUs: number
  /** Heartbeat between stores, for all groups at once. */
  readonly livenessUs: number
  /** For how long a store counts another alive after a heartbeat: no leader there is deposed before. */
  readonly supportUs: number
  /** How old what a follower serves to a timeline read may be, by the clock of its leader. */
  readonly leaseUs: number
  /** Followers whose leader's store is gone campaign within this, not all at once. */
  readonly staggerUs: number
  /** A store of which something has waited so long to be durable leads nothing. */
  readonly syncOverdueUs: number
  readonly requestDeadlineUs: number
  /** Age at which tokens may be forgotten: below the horizon the answer is `tokenExpired`. */
  readonly tokenTtlUs: number
  /** Age at which versions that are written over may go: below that reads are `snapshotTooOld`. A day unless said. */
  readonly versionTtlUs?: number
  /** Every so often a replica counts its rows again, and a leader compares its state with its followers'. */
  readonly scrubPeriodUs: number
}

export type Limits = {
  /** Appends in flight to one follower. */
  readonly windowMessagesMax: number
  readonly windowBytesMax: number
  /**
   * Bytes of entries in flight to one store, over all groups that are led here; beyond it each of them sends one small
   * append at a time.
   */
  readonly peerBytesMax: number
  /** Bytes of entries in one append. */
  readonly appendBytesMax: number
  /** Bytes of log a leader holds uncommitted; beyond it new writes are `overloaded`. */
  readonly uncommittedBytesMax: number
  /** Bytes of a volume's log that wait to be written; beyond it new writes are `overloaded`. */
  readonly pendingLogBytesMax: number
  /** Requests one group holds at once; beyond it new ones are `overloaded`. */
  readonly requestsMax: number
  /** Requests all groups of a store hold at once; beyond it new ones are `overloaded`. */
  readonly storeRequestsMax: number
  /** Applied entries kept in the log behind a durable checkpoint, for followers that lag a little. */
  readonly logKeepEntries: number
  /**
   * Segments of a volume's log that stay for the sake of a few old entries; a group that keeps more gives its own up
   * with the next checkpoint, which is taken for it.
   */
  readonly pinnedSegmentsMax: number
  /** A volume is checkpointed after this much log. */
  readonly checkpointLogBytes: number
  /** A chunk of a snapshot is closed by the row that brings it to this. */
  readonly snapshotChunkBytes: number
  /** Chunks on their way to one receiver that it has not answered for. */
  readonly snapshotWindowChunks: number
  /** Bytes of chunks a store sends in a second. */
  readonly snapshotBytesPerSecond: number
  readonly snapshotsSendingMax: number
  readonly snapshotsReceivingMax: number
  /**
   * Bytes of log a leader keeps for a snapshot under way beside as many as have arrived of it; beyond that the receiver
   * needs a newer one.
   */
  readonly snapshotLogBytesMax: number
  /** Rows a store counts again in a second, over all its replicas. */
  readonly scrubRowsPerSecond: number
  readonly segmentBytesFirst: number
  /**
   * Of the largest segments. A start reads what is kept whole: `pinnedSegmentsMax` of these, the one that is filled and
   * the one made ahead; and a leader has the entries of those it keeps in memory.
   */
  readonly segmentBytesMax: number
}

export const DEFAULT_TIMING: Timing = {
  heartbeatUs: 100_000,
  electionUsMin: 1_000_000,
  electionUsMax: 2_000_000,
  clockBoundUs: 250_000,
  livenessUs: 1_000_000,
  supportUs: 3_000_000,
  leaseUs: 3_000_000,
  staggerUs: 300_000,
  syncOverdueUs: 1_500_000,
  requestDeadlineUs: 10_000_000,
  tokenTtlUs: 600_000_000,
  scrubPeriodUs: 3_600_000_000,
}

export const DEFAULT_LIMITS: Limits = {
  windowMessagesMax: 256,
  windowBytesMax: 4 << 20,
  peerBytesMax: 16 << 20,
  appendBytesMax: 1 << 20,
  uncommittedBytesMax: 64 << 20,
  pendingLogBytesMax: 32 << 20,
  requestsMax: 4_096,
  storeRequestsMax: 65_536,
  logKeepEntries: 4_096,
  pinnedSegmentsMax: 4,
  checkpointLogBytes: 16 << 20,
  snapshotChunkBytes: 256 << 10,
  snapshotWindowChunks: 4,
  snapshotBytesPerSecond: 64 << 20,
  snapshotsSendingMax: 4,
  snapshotsReceivingMax: 2,
  snapshotLogBytesMax: 64 << 20,
  scrubRowsPerSecond: 20_000,
  segmentBytesFirst: 1 << 20,
  segmentBytesMax: 32 << 20,
}
