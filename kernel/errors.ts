import type { RangeDescriptor } from "./range/descriptor.ts"
import type { StoreId, Term, Timestamp } from "./ids.ts"
import type { RestartReason, TxnId } from "./txn/protocol.ts"

/** What a caller may do about a refusal: try again at once or later, give up, or find out what happened. */
export type Recourse = "retryable" | "final" | "unknown"

/**
 * A refusal as a caller sees it. `retryable` and `final` had no effect; after `unknown` the request may
 * have taken effect, or may yet.
 */
export type KernelError =
  | { readonly code: "notLeader"; readonly hint: StoreId | null; readonly term: Term }
  | { readonly code: "staleGeneration"; readonly descriptor: RangeDescriptor }
  | { readonly code: "keyOutOfRange"; readonly key: string }
  | { readonly code: "deadlineExceeded" }
  | { readonly code: "overloaded" }
  | { readonly code: "tooLarge"; readonly limit: number; readonly actual: number }
  | { readonly code: "notAnInteger"; readonly key: string }
  | { readonly code: "tokenExpired" }
  | { readonly code: "outcomeUnknown" }
  | { readonly code: "recovering" }
  | { readonly code: "corruptSingleReplica" }
  | { readonly code: "replicasDiverged" }
  | { readonly code: "membershipBusy" }
  | { readonly code: "diskFull" }
  | { readonly code: "clockOutOfBound" }
  | { readonly code: "badRequest"; readonly reason: string }
  /** `at` is where `readTs` must go for "uncertainty", else the timestamp of what was met at `key`. */
  | {
      readonly code: "txnRestart"
      readonly reason: RestartReason
      readonly key: string
      readonly at: Timestamp
      /** Whose intent or lock it was; null: what was met is committed, or a record. */
      readonly by: TxnId | null
    }
  | { readonly code: "txnAborted" }
  | { readonly code: "lockNotAvailable"; readonly key: string; readonly by: TxnId | null }
  | { readonly code: "snapshotTooOld" }
  | { readonly code: "deadlock" }
  | { readonly code: "cancelled" }
  | { readonly code: "noTransaction" }
  | { readonly code: "readOnlyTransaction" }
  | { readonly code: "tooManyTransactions"; readonly limit: number }

export type ErrorCode = KernelError["code"]

/** The one table of codes. A code without a row does not compile. */
export const RECOURSE: Readonly<Record<ErrorCode, Recourse>> = {
  notLeader: "retryable", // ask the store in the hint
  staleGeneration: "retryable", // route anew with the descriptor in the answer
  keyOutOfRange: "final",
  deadlineExceeded: "unknown", // the entry may commit after the deadline
  overloaded: "retryable", // after a pause
  tooLarge: "final",
  notAnInteger: "final",
  tokenExpired: "final", // SQLSTATE 40003: never a second execution
  outcomeUnknown: "unknown", // leadership was lost with the entry in flight
  recovering: "retryable", // the replica is being repaired: ask another
  corruptSingleReplica: "final", // damaged, and there is no peer to repair it from
  replicasDiverged: "final", // replicas have different states, and none a majority
  membershipBusy: "retryable", // one change at a time
  diskFull: "retryable", // when space returns
  clockOutOfBound: "retryable", // this store fences itself: ask another
  badRequest: "final",
  txnRestart: "final", // SQLSTATE 40001: the whole transaction may be begun anew
  txnAborted: "final", // 40001: its record says so
  lockNotAvailable: "final", // 55P03: somebody holds it, and nobody wants to wait
  snapshotTooOld: "final", // 72000: what could be read there may be gone
  deadlock: "final", // 40P01: the youngest of those that wait for each other
  cancelled: "final", // 57014
  noTransaction: "final", // 25P01
  readOnlyTransaction: "final", // 25006
  tooManyTransactions: "final", // 53300
}

/** What stops a store for good until an operator or a restart: a name, never a guess. */
export type FatalCode =
  | "syncFailed" // a write or sync of the log failed: what it left behind is not known
  | "checkpointFailed" // the base could not be written
  | "corruptSystemVolume" // the store no longer knows who it is
  | "corruptSingleReplica" // a damaged log with no peer to repair it from
  | "outdatedImage" // the disk is an older state of itself: what it promised since is not known
  | "identityMismatch" // the directory belongs to another cluster or store
