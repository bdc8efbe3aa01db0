import type { RangeDescriptor } from "./range/descriptor.ts"
import type { StoreId, Term } from "./ids.ts"

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
  recovering: "retryable", // the replica is being repaired, or may have been lost here: ask another
  corruptSingleReplica: "final", // damaged, and there is no peer to repair it from
  replicasDiverged: "final", // replicas have different states, and none a majority
  membershipBusy: "retryable", // one change at a time
  diskFull: "retryable", // when space returns
  clockOutOfBound: "retryable", // this store fences itself: ask another
  badRequest: "final",
}

/** What stops a store for good until an operator or a restart: a name, never a guess. */
export type FatalCode =
  | "syncFailed" // a write or sync of the log failed: what it left behind is not known
  | "checkpointFailed" // the base could not be written
  | "corruptSystemVolume" // the store no longer knows who it is
  | "corruptSingleReplica" // a damaged log with no peer to repair it from
  | "outdatedImage" // the disk is an older state of itself: what it promised since is not known
  | "identityMismatch" // the directory belongs to another cluster or store
