import type { GroupId, LogIndex, ReplicaId, StoreId, Term, Timestamp, VolumeId } from "../ids.ts"
import type { Configuration } from "../raft/types.ts"
import type { ErrorCode } from "../errors.ts"
import type { Control, Isolation, RestartReason, TxnId } from "../txn/protocol.ts"
import type { RecoverOrder } from "./config.ts"
import type { RecoverRefusal } from "./refound.ts"

/**
 * What the kernel has to say for people and checkers. The simulator checks them online, the shell turns
 * them into logs, metrics and traces. A mark is a probe with a dotted name, for rare paths.
 */
export type Observation =
  | { readonly type: "mark"; readonly name: string }
  | {
      readonly type: "roleChanged"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly term: Term
      readonly role: "follower" | "candidate" | "leader" | "learner" | "recovering"
    }
  /** A vote this replica means to keep; `granted` to itself when it campaigns. */
  | {
      readonly type: "voted"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly term: Term
      readonly votedFor: ReplicaId
    }
  /** The log of a replica changed: entries from `index` on were replaced by these. */
  | {
      readonly type: "logChanged"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly index: LogIndex
      readonly terms: readonly Term[]
      readonly digests: readonly number[]
    }
  | {
      readonly type: "committed"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly term: Term
      readonly index: LogIndex
    }
  /** Up to and including `index`; the hash is that of the whole state of the range after it. */
  | {
      readonly type: "applied"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly index: LogIndex
      readonly term: Term
      readonly digest: number
      readonly hashHigh: number
      readonly hashLow: number
    }
  | {
      readonly type: "snapshotInstalled"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly index: LogIndex
      readonly term: Term
    }
  | {
      readonly type: "configurationChanged"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly index: LogIndex
      readonly configuration: Configuration
    }
  /** A leader serves a read by its lease: nobody else may lead the group at this moment. */
  | { readonly type: "leaseRead"; readonly group: GroupId; readonly replica: ReplicaId; readonly term: Term }
  /** `member`, on `store`, went back on what it had acknowledged to this replica: its disk lies, or is an old one. */
  | {
      readonly type: "memberRefused"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly member: ReplicaId
      readonly store: StoreId
    }
  /**
   * A damaged state, which had applied up to `index`, is about to be replaced: this is the first row at which it differs
   * from what replaces it. `space` and `key` are for people, escaped and cut. Unless `isCertain` it may be a row that was
   * written after `index`.
   */
  | {
      readonly type: "stateDiffered"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly index: LogIndex
      readonly space: string
      readonly key: string
      readonly kind: "missing" | "extra" | "changed" | "unreadable"
      readonly isCertain: boolean
    }
  /** A replica that nobody can repair has lost something: what an order to go on without it must name. */
  | { readonly type: "recoverable"; readonly order: RecoverOrder }
  /** By an operator's order its group goes on with what is left, from entry `index` on in this generation. */
  | {
      readonly type: "groupRecovered"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly generation: number
      readonly index: LogIndex
      /** Entries of the log are lost; rows of the state are, or tokens. */
      readonly isLogLost: boolean
      readonly isStateLost: boolean
    }
  | { readonly type: "recoverRefused"; readonly order: RecoverOrder; readonly code: RecoverRefusal }
  /**
   * The log begins behind `logStart`, which was in a durable checkpoint, and the base has the state at `applied`: it has
   * gone, or gone back, without a word. The replica keeps its name and its log, and takes its state from a peer.
   */
  | {
      readonly type: "stateLost"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly applied: LogIndex
      readonly logStart: LogIndex
    }
  /**
   * At every start: this volume has lost what may have made replicas that nothing names any more. Ranges that it does not
   * know are answered for by `recovering`.
   */
  | { readonly type: "mayHaveForgotten"; readonly volume: VolumeId }
  | {
      readonly type: "txnBegan"
      readonly txn: TxnId
      readonly level: Isolation
      readonly control: Control
    }
  /** At its gateway. Of a failure: its code, and of a restart the reason and the key that was met, for people. */
  | {
      readonly type: "txnEnded"
      readonly txn: TxnId
      readonly level: Isolation
      readonly control: Control
      readonly outcome: "committed" | "rolledBack" | "failed"
      readonly code: ErrorCode | null
      readonly reason: RestartReason | null
      readonly key: string | null
      /** 0 unless it is committed. */
      readonly commitTs: Timestamp
      readonly latencyUs: number
      /** Keys it wrote. */
      readonly writes: number
    }
  /** Of a gateway with transactions, once a beat of its store: how many, their oldest snapshot, keys they have written. */
  | {
      readonly type: "txnsOpen"
      readonly open: number
      readonly oldestReadTs: Timestamp
      readonly writes: number
    }
  | { readonly type: "replicaRemoved"; readonly group: GroupId; readonly replica: ReplicaId }
  /** Groups that this store led when it was told to drain, or since: what others lead now, and what it kept. */
  | { readonly type: "drained"; readonly handed: number; readonly kept: number }
  | { readonly type: "recovered"; readonly volume: VolumeId; readonly verdict: string; readonly lsn: number }
  | { readonly type: "fenced"; readonly reason: string; readonly fenced: boolean }
  | {
      readonly type: "lowWaterSet"
      readonly group: GroupId
      readonly replica: ReplicaId
      readonly timestamp: Timestamp
    }
