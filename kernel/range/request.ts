import type { KernelError } from "../errors.ts"
import type { GroupId, RangeId, StoreId, TenantId, Timestamp } from "../ids.ts"
import type { TxnAnswer, TxnCommand, TxnMeta } from "../txn/protocol.ts"
import type { RangeDescriptor } from "./descriptor.ts"

/**
 * One step of a key-value request. Keys are byte strings of at most `KEY_BYTES_MAX`, values of at most
 * `VALUE_BYTES_MAX`.
 */
export type KvOp =
  | { readonly type: "get"; readonly key: string }
  | { readonly type: "put"; readonly key: string; readonly value: string }
  | { readonly type: "delete"; readonly key: string }
  /** Writes if the current value is `expected`; null is "absent". */
  | { readonly type: "cas"; readonly key: string; readonly expected: string | null; readonly value: string }
  /** Adds to a safe integer kept as decimal text; absent counts as 0. */
  | { readonly type: "increment"; readonly key: string; readonly by: number }
  /** Appends to the current bytes; absent counts as empty. */
  | { readonly type: "append"; readonly key: string; readonly value: string }
  /** At most `limit` rows of `[start, end)`, an empty `end` is the end of the range; from the last when `reverse`. */
  | {
      readonly type: "scan"
      readonly start: string
      readonly end: string
      readonly limit: number
      readonly reverse: boolean
    }

export type KvResult =
  | { readonly type: "value"; readonly value: string | null }
  | { readonly type: "done" }
  | { readonly type: "swapped"; readonly swapped: boolean }
  | { readonly type: "count"; readonly value: number }
  | { readonly type: "rows"; readonly rows: readonly (readonly [string, string])[]; readonly more: boolean }

/**
 * Makes a request safe to repeat: the same token never takes effect twice. `birth` is a timestamp a
 * store issued (the `commitTs` of any earlier reply), kept across retries; results of sequences up to
 * `ackedSeq` may be forgotten.
 */
export type Token = {
  readonly client: number
  readonly birth: Timestamp
  readonly seq: number
  readonly ackedSeq: number
}

/** DESIGN §14. The ops of one request lie in one range, are atomic and run in order. */
export type KvRequest = {
  readonly id: number
  readonly tenant: TenantId
  readonly rangeId: RangeId
  readonly generation: number
  readonly token: Token | null
  /** Microseconds from its arrival; 0 is the default of the store. */
  readonly deadlineUs: number
  readonly read: "strong" | "timeline" | "eventual"
  /** Read at this timestamp; 0 is "now". */
  readonly readTs: Timestamp
  /** Of which transaction the ops are; null: of none but their own. */
  readonly txn: TxnMeta | null
  /** Instead of ops: what one store asks of a range of another. Never a client. */
  readonly command: TxnCommand | null
  readonly principal: string
  readonly configEpoch: number
  readonly bundleHash: string
  readonly trace: string
  readonly ops: readonly KvOp[]
}

/** A strong request of this range, now, without a token and with the store's deadline, but for what `more` says. */
export function plainRequest(
  { tenant, rangeId, generation }: Pick<RangeDescriptor, "tenant" | "rangeId" | "generation">,
  ops: readonly KvOp[],
  more: Partial<KvRequest>,
): KvRequest {
  return {
    id: 0,
    tenant,
    rangeId,
    generation,
    token: null,
    deadlineUs: 0,
    read: "strong",
    readTs: 0,
    txn: null,
    command: null,
    principal: "",
    configEpoch: 0,
    bundleHash: "",
    trace: "",
    ops,
    ...more,
  }
}

export type KvReply =
  | {
      readonly type: "ok"
      readonly id: number
      /** Given to the writes; without any, the one that was read at. */
      readonly commitTs: Timestamp
      readonly results: readonly KvResult[]
      /** To a command. */
      readonly answer: TxnAnswer | null
    }
  | { readonly type: "error"; readonly id: number; readonly error: KernelError }

/** What an operator asks of a group's leader. */
export type AdminRequest = {
  readonly id: number
  readonly group: GroupId
  readonly action:
    | { readonly type: "addVoter"; readonly store: StoreId; readonly incarnation: number }
    | { readonly type: "addLearner"; readonly store: StoreId; readonly incarnation: number }
    | { readonly type: "removeReplica"; readonly store: StoreId }
    | { readonly type: "transferLeader"; readonly store: StoreId }
}

export type AdminReply =
  | { readonly type: "accepted"; readonly id: number }
  | { readonly type: "error"; readonly id: number; readonly error: KernelError }
