import type { KernelError } from "../errors.ts"
import type { LogIndex, Mono, StoreId, Timestamp, Wall } from "../ids.ts"
import type { Observation } from "../node/observation.ts"
import type { Switches } from "../node/switches.ts"
import type { Push } from "../txn/known.ts"
import type { Waits } from "../txn/lock-table.ts"
import type { KvReply } from "./request.ts"

/** What the service needs to know of its group at one moment. */
export type ServiceContext = {
  readonly mono: Mono
  readonly wall: Wall
  readonly isLeader: boolean
  /** What is answered as long as the state is not to be read; null when it is. */
  readonly refusal: KernelError | null
  /** Where requests should go instead; null when nobody knows. */
  readonly leaderStore: StoreId | null
  readonly term: number
  /** Leadership is being handed over: nothing new is assigned. */
  readonly isTransferring: boolean
  readonly isFenced: boolean
  /** No segment, or no checkpoint, can be made: what makes room is admitted still. */
  readonly isDiskFull: boolean
  /** Nor is there much left of the segments there are. */
  readonly isDiskExhausted: boolean
  readonly termStartIndex: number
  readonly uncommittedBytes: number
  /** Of the whole volume: log that waits to be written. */
  readonly pendingLogBytes: number
  /** Requests that other groups of this store hold. */
  readonly requestsBeside: number
  readonly switches: Switches
}

/** What a group can say of a read that arrives now. */
export interface ReadPath {
  /** The index from which on this leader may serve it without asking anybody; null when it holds no lease. */
  leaseIndex(): LogIndex | null
  /** The round of the read-index that will confirm it. */
  nextRound(): number
  /** The wall clock of the leader as of which this follower holds everything; null when it cannot know. */
  timelineWall(): Wall | null
  /** Nothing that is not applied here has a timestamp at or below it, but for what intents become. */
  closedTs(): Timestamp
}

export type ServiceEffect =
  | { readonly type: "reply"; readonly session: number; readonly reply: KvReply }
  | { readonly type: "observe"; readonly observation: Observation }
  /** Asks the record of a transaction, wherever it lies. Each is answered once, by `pushed`. */
  | ({ readonly type: "push" } & Push)
  /** For whom a transaction waits here, to be told to its gateway. */
  | ({ readonly type: "waits" } & Waits)
