import type { KernelError } from "../errors.ts"
import type { TenantId, Timestamp } from "../ids.ts"
import type { KvOp, KvResult, Token } from "../range/request.ts"
import type { Control, Isolation, LockStrength, WaitPolicy } from "../txn/protocol.ts"

/**
 * What a session asks about its transactions. Requests of one transaction are carried out in the order in which they come, one
 * after the other; `cancel` does not wait.
 */
export type TxnRequest = {
  readonly id: number
  readonly tenant: TenantId
  /** The client's name for the transaction, one of its own; given with `begin`, free again when that has ended. */
  readonly txn: number
  /** Microseconds for this request, from its arrival; of `begin`: for the whole transaction. 0 is the default. */
  readonly deadlineUs: number
  readonly action: TxnAction
}

export type TxnAction =
  | {
      readonly type: "begin"
      readonly level: Isolation
      readonly control: Control
      readonly readOnly: boolean
      /** Read the past at this timestamp; 0 is now. Only to read. */
      readonly readTs: Timestamp
      /** Makes its commit safe to ask for again, by the same steps or by `outcome`. */
      readonly token: Token | null
    }
  /** Over any keys of the tenant, in order and all or none. An error of an op undoes this and leaves the transaction open. */
  | {
      readonly type: "execute"
      readonly ops: readonly KvOp[]
      readonly wait: WaitPolicy
      /** FOR SHARE, FOR UPDATE: of what is read. */
      readonly lock: LockStrength | null
      /** And commit, if it succeeds. */
      readonly commit: boolean
    }
  | { readonly type: "savepoint"; readonly name: string }
  | { readonly type: "release"; readonly name: string }
  | { readonly type: "rollbackTo"; readonly name: string }
  | { readonly type: "commit" }
  | { readonly type: "rollback" }
  /** Ends what the transaction is doing: that is answered by `cancelled`. */
  | { readonly type: "cancel" }
  /** A whole transaction in one request; `txn` is nothing. */
  | {
      readonly type: "run"
      readonly level: Isolation
      readonly control: Control
      readonly ops: readonly KvOp[]
      readonly wait: WaitPolicy
      readonly lock: LockStrength | null
      readonly token: Token | null
    }
  /** What came of this token? Whatever has not happened by now never will. `key`: the first that a `run` wrote; empty for others. */
  | { readonly type: "outcome"; readonly token: Token; readonly key: string }
  /** The session is over: all it had open is rolled back. Not answered. */
  | { readonly type: "leave" }

export type TxnReply =
  | {
      readonly type: "ok"
      readonly id: number
      /** The snapshot; of READ COMMITTED and under locks: 0. */
      readonly readTs: Timestamp
      /** 0 unless it is committed. */
      readonly commitTs: Timestamp
      readonly results: readonly KvResult[]
    }
  /** To `outcome`. `results` null: dropped, or none were kept. */
  | {
      readonly type: "outcome"
      readonly id: number
      readonly status: "committed" | "prevented" | "expired"
      readonly commitTs: Timestamp
      readonly results: readonly KvResult[] | null
    }
  /** `isOpen`: the transaction goes on as if this had not been asked. */
  | { readonly type: "error"; readonly id: number; readonly error: KernelError; readonly isOpen: boolean }
