import type { Base } from "../engine/base.ts"
import type { GroupId, Incarnation, LogIndex, Mono, ReplicaId, StoreId, Term, VolumeId } from "../ids.ts"
import type { Follower } from "../raft/progress.ts"
import type { Configuration } from "../raft/types.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import type { SegmentImage } from "../wal/recovery.ts"
import type { Stamp, VolumeLife } from "./input.ts"

/** What a host read from one volume's directory at start: the kernel decides what it means. */
export type VolumeImage = {
  readonly volume: VolumeId
  readonly segments: readonly SegmentImage[]
  /** The side slot; null when it was never written or cannot be read. */
  readonly witness: Uint8Array | null
  readonly base: Base
}

/** One start of a process: its clocks and its chance. */
export type BootStamp = Stamp & { readonly seedHigh: number; readonly seedLow: number }

/** Who this store is: the host writes it into the header of every frame. */
export type Identity = {
  readonly cluster: string
  readonly store: StoreId
  readonly incarnation: Incarnation
  readonly boot: number
  readonly nonce: number
  /** Volumes of another incarnation than the store's. */
  readonly volumes: readonly VolumeLife[]
  readonly configEpoch: number
}

/** One replica as a person sees it. */
export type GroupStatus = {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly role: "follower" | "candidate" | "leader" | "learner" | "recovering"
  readonly term: Term
  /** 0 when no leader is known. */
  readonly leader: ReplicaId
  /** For whom it voted in this term; 0 for nobody yet. */
  readonly votedFor: ReplicaId
  readonly lastIndex: LogIndex
  /** Up to where its log is on its own disk. */
  readonly durableIndex: LogIndex
  readonly commitIndex: LogIndex
  readonly appliedIndex: LogIndex
  readonly firstIndex: LogIndex
  readonly configuration: Configuration
  readonly descriptor: RangeDescriptor
  /** Commutative hash of the range's state at `appliedIndex`. */
  readonly hashHigh: number
  readonly hashLow: number
  readonly waitingRequests: number
  /** Of a leader: bytes of entries on their way to the stores that have not answered for them. */
  readonly sending: readonly { readonly store: StoreId; readonly bytes: number }[]
  /** Of a leader: how far it believes each other member to be. */
  readonly followers: readonly Follower[]
  /** What a scrub or a read found: only a `whole` state is served from. */
  readonly state: "whole" | "damaged" | "diverged"
  /** The entry at which an operator had the group go on without what its only replica had lost; 0: none is known. */
  readonly recoveredAt: LogIndex
  /** How much the range holds here; null until it was counted once since the start or the last snapshot. */
  readonly size: RangeSize | null
  /** Of the volume: the last durable one of this boot; null when there was none. */
  readonly checkpoint: { readonly id: number; readonly mono: Mono } | null
  /** `mono` is when the last pass over all rows ended, 0 for never; `key` where the one under way stands. */
  readonly scrub: { readonly passes: number; readonly mono: Mono; readonly key: string }
}

/** Rows are versions and records; `bytes` are those of their keys and values. */
export type RangeSize = { readonly rows: number; readonly bytes: number; readonly tombstones: number }
