import type { Brand } from "../lib/brand.ts"
import type { RangeId, TenantId, Timestamp } from "../ids.ts"
import type { KvResult, Token } from "../range/request.ts"

/** Sixteen bytes: begin timestamp · gateway's store · low word of its process's nonce. Byte order is age. ADR 50. */
export type TxnId = Brand<string, "TxnId">

export type Isolation = "readCommitted" | "snapshot" | "serializable"
/** How a serializable transaction meets others; nothing to the other levels. */
export type Control = "locking" | "optimistic"
/** What to do about a lock somebody else holds. */
export type WaitPolicy = "wait" | "noWait" | "skipLocked"
export type LockStrength = "shared" | "exclusive"

/** Where a transaction's record lies. */
export type Anchor = { readonly tenant: TenantId; readonly rangeId: RangeId; readonly key: string }

/** Writes of these sequence numbers, both included, were rolled back to a savepoint. */
export type SeqSpan = { readonly from: number; readonly to: number }

/** Of which transaction a request is. */
export type TxnMeta = {
  readonly id: TxnId
  readonly anchor: Anchor
  readonly level: Isolation
  readonly control: Control
  /** The snapshot; 0 for "now" (READ COMMITTED, reads under locks). */
  readonly readTs: Timestamp
  /** It may not commit below this: the greatest timestamp that any of its writes or pushes was given. */
  readonly writeTs: Timestamp
  /** What lies above `readTs` up to here may have been acknowledged before it began; 0 when nothing can have been. */
  readonly limitTs: Timestamp
  /** Of the first op; the following count up. Never used twice in a transaction. */
  readonly seq: number
  readonly rolledBack: readonly SeqSpan[]
  readonly wait: WaitPolicy
  /** What the reads of this request lock, whatever the level; null: what the level asks for. */
  readonly lock: LockStrength | null
  /** Answer when proposed: that the writes are there is asked later, with `queryIntent`. */
  readonly pipelined: boolean
  /**
   * Not null: these ops are the whole rest of a transaction that has no intents anywhere. They are committed in one phase,
   * after these spans of this range, read before, are refreshed to their timestamp.
   */
  readonly onePhase: readonly ReadSpan[] | null
}

/** A write that must be there for a staged transaction to be committed. */
export type Promised = { readonly rangeId: RangeId; readonly key: string; readonly seq: number }

export type TxnStatus = "pending" | "staging" | "committed" | "aborted"

/** What a record says of its transaction, to whoever asks its range. */
export type TxnState = {
  readonly status: TxnStatus
  /** When committed or staging: its timestamp. When pending: it will not commit below this. */
  readonly ts: Timestamp
  /** Of a staging one. */
  readonly promised: readonly Promised[]
  /** Of a staging or committed one: these sequence numbers are not part of it. */
  readonly rolledBack: readonly SeqSpan[]
  /** Its coordinator has let five heartbeats go by. */
  readonly isAbandoned: boolean
}

/** A span of user keys; an empty `end` is the end of the range. */
export type KeySpan = { readonly start: string; readonly end: string }

/** A span that was read at `fromTs`. */
export type ReadSpan = KeySpan & { readonly fromTs: Timestamp }

/**
 * What is asked of a range beside reads and writes. A request has ops or one command. Addressed like
 * ops: those of a record by the anchor, the others by the keys they name.
 */
export type TxnCommand =
  /** Nobody wrote these spans in `(fromTs, toTs]`, and nobody will. */
  | {
      readonly type: "refresh"
      readonly txn: TxnId
      readonly spans: readonly ReadSpan[]
      readonly toTs: Timestamp
    }
  /** Record: made or kept alive. */
  | { readonly type: "heartbeat"; readonly txn: TxnId; readonly anchor: Anchor }
  /**
   * Record: staged at `commitTs`; committed at once when nothing is promised. Nothing is, if the request carries a token:
   * its outcome, `results`, is stored by the same write, and an outcome that stands already is what is answered.
   */
  | {
      readonly type: "stage"
      readonly txn: TxnId
      readonly anchor: Anchor
      readonly commitTs: Timestamp
      readonly promised: readonly Promised[]
      /** Rolled back to savepoints, refused, or without a write: an intent of one of these is none. */
      readonly rolledBack: readonly SeqSpan[]
      readonly results: readonly KvResult[]
    }
  /** Record: all that was promised is there (by its coordinator or a recoverer): committed, if it still stages `commitTs`. */
  | { readonly type: "commit"; readonly txn: TxnId; readonly anchor: Anchor; readonly commitTs: Timestamp }
  /** Record: aborted, unless committed; a recoverer says which staged timestamp it has found prevented. */
  | {
      readonly type: "abort"
      readonly txn: TxnId
      readonly anchor: Anchor
      readonly ifStagedAt: Timestamp | null
    }
  /** Record: what is it? `minCommitTs` above 0 pushes a pending one above it. An abandoned one is aborted. */
  | { readonly type: "push"; readonly txn: TxnId; readonly anchor: Anchor; readonly minCommitTs: Timestamp }
  /** Are all these writes here, at or below `ts`? `prevent`: those that are not never will be. */
  | {
      readonly type: "queryIntent"
      readonly txn: TxnId
      readonly writes: readonly { readonly key: string; readonly seq: number }[]
      readonly ts: Timestamp
      readonly prevent: boolean
    }
  /** The transaction is decided: its intents and locks in these keys and spans are made versions, or go. */
  | {
      readonly type: "resolve"
      readonly txn: TxnId
      /** Null: aborted. */
      readonly commitTs: Timestamp | null
      readonly rolledBack: readonly SeqSpan[]
      readonly keys: readonly string[]
      readonly spans: readonly KeySpan[]
    }
  /** Record: every intent is resolved, it may be collected. */
  | { readonly type: "forget"; readonly txn: TxnId; readonly anchor: Anchor }
  /** Does this transaction still wait here under this ticket, and for whom? */
  | { readonly type: "queryWait"; readonly txn: TxnId; readonly ticket: number }
  /** The transaction ends: it waits here no longer. */
  | { readonly type: "cancelWait"; readonly txn: TxnId }
  /** What can be read at `ts` and above is kept, under a name of the asker's; 0: no longer. Too late: `snapshotTooOld`. */
  | { readonly type: "protect"; readonly id: number; readonly ts: Timestamp }
  /** What came of this token, whose outcome lies at `key`? `prevent`: nothing yet means that nothing ever will. */
  | { readonly type: "queryOutcome"; readonly key: string; readonly token: Token; readonly prevent: boolean }

export type TxnAnswer =
  | { readonly type: "refreshed" }
  /** `at`: the timestamp of what was found in the way, and whose intent, if it is one. */
  | { readonly type: "changed"; readonly key: string; readonly at: Timestamp; readonly by: TxnId | null }
  | { readonly type: "state"; readonly state: TxnState }
  | { readonly type: "intent"; readonly isThere: boolean }
  | { readonly type: "waits"; readonly for: readonly TxnId[] }
  /** Of a token. `results` null: dropped since its client had them. */
  | {
      readonly type: "outcome"
      readonly status: "none" | "committed" | "prevented" | "expired"
      readonly commitTs: Timestamp
      readonly results: readonly KvResult[] | null
    }
  | { readonly type: "done" }

/** What the leader of a range asks of, or tells, the gateway of its own store. */
export type TxnWord =
  /** What has become of this transaction? It is in somebody's way. Answered once, by what its record says. */
  | {
      readonly type: "push"
      readonly txn: TxnId
      readonly anchor: Anchor
      readonly minCommitTs: Timestamp
    }
  /** For whom this transaction waits here, under which ticket; for nobody: it waits no longer. */
  | { readonly type: "waits"; readonly txn: TxnId; readonly for: readonly TxnId[]; readonly ticket: number }

/** Why a transaction must be begun anew, beside SQLSTATE 40001: machine-readable, with the key it met. */
export type RestartReason =
  | "writeTooOld"
  | "readSpanChanged"
  | "uncertainty"
  | "pushed"
  | "leaseLost"
  | "recordFloor"
  | "abandoned"
