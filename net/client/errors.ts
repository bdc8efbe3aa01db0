import type { AccessCode } from "../api/access.ts"
import { RECOURSE, type ErrorCode, type KernelError, type Recourse } from "#kernel"

/** Codes of the cluster (docs/ERRORS.md), and what a client finds by itself. */
export type ClientErrorCode = ErrorCode | AccessCode | "unavailable" | "closed"

/** What to do about each, in a sentence. */
const ADVICE: Readonly<Record<ClientErrorCode, string>> = {
  notLeader: "No leader was found in time: try again later",
  staleGeneration: "The range moved more often than it could be followed: try again",
  keyOutOfRange: "The operations of a batch must lie in one range",
  deadlineExceeded: "It may have taken effect, or may yet: read before writing again",
  overloaded: "Send less at once, or try again later",
  tooLarge: "Make the key, the value or the batch smaller",
  notAnInteger: "The value under this key is no decimal integer, or would leave the safe integers",
  tokenExpired: "It may have taken effect long ago: read before writing again",
  outcomeUnknown: "It may have taken effect, or may yet: read before writing again",
  recovering: "The replicas are being repaired: try again later",
  corruptSingleReplica: "The only copy of this data is damaged: restore it",
  replicasDiverged: "Replicas differ and none has a majority: an operator must decide",
  membershipBusy: "Another change of members is under way: try again later",
  diskFull: "The disks are full: make room, then try again",
  clockOutOfBound: "A store's clock is off: set it, then try again",
  badRequest: "The request itself is wrong",
  txnRestart: "Another transaction was in the way: begin this one anew",
  txnAborted: "The transaction was ended by another one: begin it anew",
  deadlock: "Transactions waited for each other: begin this one anew",
  cancelled: "It was cancelled",
  noTransaction: "Begin a transaction first",
  readOnlyTransaction: "This transaction only reads: write in another one",
  tooManyTransactions: "End some of the open transactions first",
  lockNotAvailable: "Another transaction holds it: try again later",
  snapshotTooOld: "What could be read at that time may be gone: read at a later one",
  unavailable: "No store could be reached in time: see that the cluster runs, then try again",
  closed: "This client was closed",
  notAClient: "Connect with a certificate that was made for a client of this cluster",
  wrongCluster: "Connect with a certificate of this cluster, or to the cluster of this certificate",
  notPermitted: "Only the operator of a cluster may do this",
}

/** Why an operation failed, and what to do about it. */
export class OrreryError extends Error {
  override readonly name: string = "OrreryError"
  readonly code: ClientErrorCode
  /** After `retryable` and `final` nothing has happened; after `unknown` it may have, or may yet. */
  readonly recourse: Recourse
  readonly advice: string
  /** The cluster's own words, when it had any. */
  readonly refusal: KernelError | null
  /** How often it was tried again. */
  readonly retries: number

  constructor(code: ClientErrorCode, refusal: KernelError | null, retries: number, detail = "") {
    const advice = ADVICE[code]
    super(`${code}: ${detail === "" ? detailOf(refusal) : `${detail}. `}${advice}`)
    this.code = code
    this.recourse = recourseOf(code)
    this.advice = advice
    this.refusal = refusal
    this.retries = retries
  }
}

function recourseOf(code: ClientErrorCode): Recourse {
  switch (code) {
    case "unavailable":
    case "closed":
      return "retryable"
    case "notAClient":
    case "wrongCluster":
    case "notPermitted":
      return "final"
    default:
      return RECOURSE[code]
  }
}

/** Nobody can say whether the write took effect, and it may still do so. */
export class OutcomeUnknownError extends OrreryError {
  override readonly name: string = "OutcomeUnknownError"

  constructor(refusal: KernelError | null, retries: number) {
    super("outcomeUnknown", refusal, retries)
  }
}

function detailOf(refusal: KernelError | null): string {
  if (refusal?.code === "badRequest") return `${refusal.reason}. `
  if (refusal?.code === "tooLarge") return `${refusal.actual} bytes, at most ${refusal.limit}. `
  return ""
}
