import type { GroupId, Incarnation, LogIndex, Lsn, Mono, ReplicaId, Term, Timestamp, Wall } from "../ids.ts"
import type { Support } from "../liveness/support.ts"
import type { Sfc32 } from "../lib/rng.ts"
import type { Observation } from "../node/observation.ts"
import type { Member, RangeDescriptor } from "../range/descriptor.ts"
import type { WalItem } from "../wal/item.ts"
import type { Limits, Timing } from "../node/config.ts"
import type { StoreBudget } from "../node/store-budget.ts"
import type { Lane } from "../node/effect.ts"
import type { Switches } from "../node/switches.ts"
import type { ConfigurationLog } from "./membership.ts"
import type { LeaseState } from "./lease.ts"
import type { RaftLog } from "./log.ts"
import type { RaftMessage, SnapshotAnswer, SnapshotChunk, SnapshotOffer } from "./message.ts"
import type { Configuration } from "./types.ts"
import type { Progress } from "./progress.ts"
import type { ReadIndexQueue } from "./read-index.ts"
import type { Recovery, RepairQuestion } from "./repair.ts"

/** `recovering`: its log or its state was damaged; it receives, and campaigns or votes only as DESIGN §5 allows. */
export type Role = "follower" | "candidate" | "leader" | "recovering"

/** What one step needs to know of the world around the group. */
export type StepContext = {
  readonly mono: Mono
  readonly wall: Wall
  /** The frame in which anything persisted by this step will travel. */
  readonly nextLsn: Lsn
  readonly durableLsn: Lsn
  /** This store does not trust its own clock, or its disk hangs: it leads nothing. */
  readonly fenced: boolean
  /** This store is about to be stopped: whoever else can be elected shall be. */
  readonly draining: boolean
  /** The support between this store and the others, which leases rest on. */
  readonly support: Support
  /** Nothing was assigned or served above this timestamp: what a transfer hands over. */
  readonly highWater: Timestamp
  /** What only this leader remembers of its range, for whoever it hands over to. */
  readonly memory: () => string
  /** What the other groups led here have on their way to the same stores. */
  readonly budget: Pick<StoreBudget, "bytesBeside">
  readonly switches: Switches
}

/** What a message was said by: a start of a store, in a life of its system volume. */
export type Speaker = { readonly home: Incarnation; readonly boot: number }

export type RaftEffect =
  | { readonly type: "persist"; readonly item: WalItem }
  /** `barrier` 0: nothing to wait for. */
  | {
      readonly type: "send"
      readonly to: Member
      readonly lane: Lane
      readonly message: RaftMessage
      readonly barrier: Lsn
    }
  /** The state machine's snapshot is wanted by this member. */
  | { readonly type: "sendSnapshot"; readonly to: Member }
  /** A leader offers one: say where its reception stands. `isStale`: the log here is past it, and may not go back. */
  | {
      readonly type: "snapshotOffered"
      readonly message: SnapshotOffer
      readonly from: Member
      readonly isStale: boolean
    }
  | { readonly type: "snapshotChunk"; readonly message: SnapshotChunk; readonly from: Member }
  | { readonly type: "snapshotAnswered"; readonly message: SnapshotAnswer }
  /** Replace the state machine by what was received, checkpoint, then `snapshotSynced`. */
  | { readonly type: "installSnapshot"; readonly message: SnapshotOffer; readonly from: Member }
  /** Reads that asked in this round or before may be served once `index` is applied. */
  | { readonly type: "readConfirmed"; readonly round: number; readonly index: LogIndex }
  /** This replica leads, from the entry at `index` on; `highWater` and `memory` came with a transfer, else null. */
  | {
      readonly type: "becameLeader"
      readonly index: LogIndex
      readonly highWater: Timestamp | null
      readonly memory: string | null
    }
  | { readonly type: "lostLeadership" }
  /** A committed configuration no longer names this replica. */
  | { readonly type: "removed" }
  | { readonly type: "observe"; readonly observation: Observation }

/** Where the parts of a group put what they want done; drained after each step, in order. */
export type Outbox = RaftEffect[]

export type Transfer = { readonly target: ReplicaId; readonly deadline: Mono; asked: boolean }

/** All a group remembers. Owned by `Raft`; the functions beside it work on it one step at a time. */
export type RaftState = {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly timing: Timing
  readonly limits: Limits
  readonly rng: Sfc32
  /** What a store is told that does not know it holds a replica yet. */
  descriptor: RangeDescriptor
  term: Term
  /** 0: nobody. */
  votedFor: ReplicaId
  /** The frame that carries `term` and `votedFor`. */
  hardStateLsn: Lsn
  role: Role
  /** 0: unknown. */
  leader: ReplicaId
  log: RaftLog
  commitIndex: LogIndex
  configurations: ConfigurationLog
  /** The other members of the configuration `peersOf`, found once for all broadcasts under it. */
  peers: readonly Member[]
  peersOf: Configuration | null

  /** Follower: when to campaign. Candidate: when to try again. */
  electionDeadline: Mono
  /** When the leader was last heard of; a fresh leader's followers refuse to depose it. */
  leaderHeardAt: Mono
  preVoting: boolean
  /** This campaign was asked for by the leader; the timestamps it handed over, valid in that term only. */
  transferHighWater: Timestamp | null
  transferMemory: string
  transferTerm: Term
  votes: Map<ReplicaId, boolean>

  /** Leader only. */
  progress: Map<ReplicaId, Progress>
  /** Members whose store holds nothing of their name, with the incarnation their volume has by now. */
  lost: Map<ReplicaId, Incarnation>
  /** Members that went back on what they acknowledged, with their incarnation: they are not believed, in any term. */
  refused: Map<ReplicaId, Incarnation>
  /** The highest committed index that each member acknowledged while this replica led, in any term. */
  vouched: Map<ReplicaId, LogIndex>
  /** Damaged members that wait to hear how far they must be repaired. */
  questions: Map<ReplicaId, RepairQuestion>
  /** Replicas that a configuration in force no longer names and that have not yet heard so. */
  departing: Member[]
  heartbeatDeadline: Mono
  quorumDeadline: Mono
  /** Index of the first entry of this leader's term: it serves nothing before that is committed. */
  termStartIndex: LogIndex
  reads: ReadIndexQueue
  transfer: Transfer | null
  promotionDeadline: Mono

  readonly lease: LeaseState

  /** A snapshot was taken in, and its checkpoint is not durable yet. */
  installing: SnapshotOffer | null
  /** The state here is damaged: every answer asks for a snapshot, and nothing more is committed before it. */
  wantsSnapshot: boolean
  recovery: Recovery | null
  /** Up to here this log is that of the leader of `storedTerm`, as far as this process has seen. */
  stored: LogIndex
  storedTerm: Term
  /** The state machine is not to be trusted until a snapshot has taken its place; the log is. */
  stateDamaged: boolean
  /** When to ask the leader for its state again. */
  askDeadline: Mono
}
