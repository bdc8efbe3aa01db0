/**
 * Histories of transactions: what each asked, what it heard, and when. This is what the isolation checks judge.
 *
 * A key holds either a list, changed by appends, or a register, changed by writes; never both. The checker of cycles
 * needs values that tell who wrote them: no two transactions write the same value to the same key.
 */

/** What a client wrote. Numbers are compared as numbers, so `1` and `"1"` are two values. */
export type Value = string | number

/** What a key holds: a register's value, a list's elements; `null` is absent, which for a list is the empty one. */
export type Held = Value | readonly Value[] | null

export type AppendOp = { readonly f: "append"; readonly key: string; readonly value: Value }
/** `null` deletes. */
export type WriteOp = { readonly f: "write"; readonly key: string; readonly value: Value | null }
/** `value` is what was read; in a transaction that is not `ok` it means nothing. */
export type ReadOp = { readonly f: "read"; readonly key: string; readonly value: Held }
/** A predicate read: all keys of `[start, end)` that are not absent, in ascending order, and what they hold. */
export type ScanOp = {
  readonly f: "scan"
  readonly start: string
  readonly end: string
  readonly rows: readonly (readonly [string, Value | readonly Value[]])[]
}
export type TxnOp = AppendOp | WriteOp | ReadOp | ScanOp

/** What a transaction was promised. `snapshot` is snapshot isolation, SQL's REPEATABLE READ here. */
export type Level = "readCommitted" | "snapshot" | "serializable"

/**
 * One transaction of one client.
 *
 * - `ok`: it committed, between `invokedAt` and `completedAt`.
 * - `fail`: it certainly did not.
 * - `info`: nobody knows. It may commit at any time after `invokedAt`, or never.
 */
export type Transaction = {
  readonly id: number
  readonly process: number
  readonly status: "ok" | "fail" | "info"
  /** Integer microseconds; `completedAt` of an `info` is not looked at. */
  readonly invokedAt: number
  readonly completedAt: number
  readonly level: Level
  readonly ops: readonly TxnOp[]
  /** Of the snapshot it read, where that is known: it sees the versions whose `commitTs` is not above. */
  readonly startTs: number | null
  readonly commitTs: number | null
}
