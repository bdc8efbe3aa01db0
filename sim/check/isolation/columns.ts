import { invariant, lowerBound } from "#kernel"
import type { Level, Transaction, Value } from "./history.ts"
import { Words } from "./words.ts"

/**
 * A history in columns: keys and values as small integers, operations of all transactions in a row. Everything
 * behind this reads typed arrays only; the objects it came from are looked at again when an anomaly is told.
 *
 * Scans are taken apart here: each row is a read of its key, and each other key of the span, if anybody ever
 * names it, is an `ABSENT`. Reads of transactions that are not `ok` are left out, for they mean nothing.
 */

export const FAIL = 0
export const INFO = 1
export const OK = 2

export const READ_COMMITTED = 0
export const SNAPSHOT = 1
export const SERIALIZABLE = 2

/** Of a register, its value in `opValue`; or of any key, `NONE`: it was absent. */
export const READ = 0
/** Of a list: `opValue` is its place in `lists`. */
export const LIST = 1
/** By a scan that did not give this key. */
export const ABSENT = 2
export const WRITE = 3
export const APPEND = 4

/** The value of an absent register. */
export const NONE = -1

const LEVELS: Readonly<Record<Level, number>> = {
  readCommitted: READ_COMMITTED,
  snapshot: SNAPSHOT,
  serializable: SERIALIZABLE,
}

export type Columns = {
  readonly transactions: readonly Transaction[]
  readonly count: number
  readonly status: Uint8Array
  readonly level: Uint8Array
  readonly process: Float64Array
  readonly invokedAt: Float64Array
  /** Of those that are not `ok`: when they began, where it costs nothing, for nothing follows from their end. */
  readonly completedAt: Float64Array
  /** NaN where it is not known. */
  readonly startTs: Float64Array
  readonly commitTs: Float64Array
  /** Key names by number. */
  readonly keys: readonly string[]
  readonly keyHoldsList: Uint8Array
  /** The operations of transaction `t` are `[opFrom[t], opFrom[t + 1])`. */
  readonly opFrom: Int32Array
  readonly opCount: number
  readonly opKind: Int32Array
  readonly opKey: Int32Array
  readonly opValue: Int32Array
  readonly lists: readonly (readonly Value[])[]
  valueNumber(value: Value): number
}

/** `level`, when given, is what every transaction is judged by, whatever it was promised. */
export function columnsOf(transactions: readonly Transaction[], level: Level | null): Columns {
  return new Reader(transactions, level).read()
}

/** What a scan is until all keys are known: `opValue` is its place among the scans. */
const SCAN = 5

class Reader {
  readonly #transactions: readonly Transaction[]
  readonly #level: Level | null
  readonly #keyNumbers = new Map<string, number>()
  readonly #keys: string[] = []
  /** 1: a list, 2: a register; the sum would be both. */
  readonly #holds: number[] = []
  readonly #valueNumbers = new Map<Value, number>()
  readonly #lists: (readonly Value[])[] = []
  readonly #scans: { readonly start: string; readonly end: string }[] = []
  #opKind: Words
  #opKey: Words
  #opValue: Words
  #opFrom: Int32Array

  constructor(transactions: readonly Transaction[], level: Level | null) {
    this.#transactions = transactions
    this.#level = level
    // One allocation each: what is outgrown is collected at the price of walking the whole history.
    let expected = 0
    for (const { ops } of transactions) expected += ops.length
    this.#opKind = new Words(expected)
    this.#opKey = new Words(expected)
    this.#opValue = new Words(expected)
    this.#opFrom = new Int32Array(transactions.length + 1)
  }

  read(): Columns {
    const count = this.#transactions.length
    const status = new Uint8Array(count)
    const level = new Uint8Array(count)
    const process = new Float64Array(count)
    const invokedAt = new Float64Array(count)
    const completedAt = new Float64Array(count)
    const startTs = new Float64Array(count)
    const commitTs = new Float64Array(count)
    for (let t = 0; t < count; t++) {
      const transaction = this.#transactions[t]!
      invariant(
        transaction.status !== "ok" || transaction.invokedAt <= transaction.completedAt,
        () => `Cannot check: transaction ${transaction.id} ends before it begins`,
      )
      status[t] = transaction.status === "ok" ? OK : transaction.status === "info" ? INFO : FAIL
      process[t] = transaction.process
      invokedAt[t] = transaction.invokedAt
      completedAt[t] = status[t] === OK ? transaction.completedAt : transaction.invokedAt
      startTs[t] = transaction.startTs ?? NaN
      commitTs[t] = transaction.commitTs ?? NaN
      level[t] = LEVELS[this.#level ?? transaction.level]
      this.#opFrom[t] = this.#opKind.length
      this.#readOps(transaction)
    }
    this.#opFrom[count] = this.#opKind.length
    if (this.#scans.length > 0) this.#expandScans()
    return {
      transactions: this.#transactions,
      count,
      status,
      level,
      process,
      invokedAt,
      completedAt,
      startTs,
      commitTs,
      keys: this.#keys,
      keyHoldsList: Uint8Array.from(this.#holds, (holds) => (holds === 1 ? 1 : 0)),
      opFrom: this.#opFrom,
      opCount: this.#opKind.length,
      opKind: this.#opKind.words,
      opKey: this.#opKey.words,
      opValue: this.#opValue.words,
      lists: this.#lists,
      valueNumber: (value) => this.#valueNumber(value),
    }
  }

  #readOps(transaction: Transaction): void {
    const isOk = transaction.status === "ok"
    const { ops } = transaction
    for (let i = 0; i < ops.length; i++) {
      const op = ops[i]!
      if (op.f === "append") {
        this.#push(APPEND, this.#keyNumber(op.key, 1), this.#valueNumber(op.value))
      } else if (op.f === "read") {
        if (isOk) this.#pushRead(op.key, op.value)
      } else if (op.f === "write") {
        this.#push(WRITE, this.#keyNumber(op.key, 2), op.value === null ? NONE : this.#valueNumber(op.value))
      } else if (isOk) {
        let before: string | null = null
        for (const [key, value] of op.rows) {
          invariant(
            key >= op.start && key < op.end && (before === null || before < key),
            () =>
              `Cannot check: a scan of transaction ${transaction.id} gave ${key} outside its span or order`,
          )
          before = key
          this.#pushRead(key, value)
        }
        this.#push(SCAN, op.rows.length, this.#scans.push(op) - 1)
      }
    }
  }

  #pushRead(key: string, value: Value | readonly Value[] | null): void {
    if (value === null) this.#push(READ, this.#keyNumber(key, 0), NONE)
    else if (typeof value === "object") this.#push(LIST, this.#keyNumber(key, 1), this.#lists.push(value) - 1)
    else this.#push(READ, this.#keyNumber(key, 2), this.#valueNumber(value))
  }

  #push(kind: number, key: number, value: number): void {
    this.#opKind.push(kind)
    this.#opKey.push(key)
    this.#opValue.push(value)
  }

  #keyNumber(key: string, holds: number): number {
    let number = this.#keyNumbers.get(key)
    if (number === undefined) {
      number = this.#keys.push(key) - 1
      this.#keyNumbers.set(key, number)
      this.#holds.push(holds)
    } else if (holds !== 0 && this.#holds[number] !== holds) {
      invariant(this.#holds[number] === 0, () => `Cannot check: ${key} is used as a list and as a register`)
      this.#holds[number] = holds
    }
    return number
  }

  /** Natural numbers of 31 bits are their own; all others are counted down from -2. */
  #valueNumber(value: Value): number {
    if (typeof value === "number" && (value | 0) === value && value >= 0) return value
    let number = this.#valueNumbers.get(value)
    if (number === undefined) {
      number = -2 - this.#valueNumbers.size
      this.#valueNumbers.set(value, number)
    }
    return number
  }

  /** Puts the absent keys of each scan where the scan stands, behind its rows. */
  #expandScans(): void {
    const [kinds, keys, values, from] = [this.#opKind, this.#opKey, this.#opValue, this.#opFrom]
    const sorted = this.#keys.toSorted((a, b) => (a < b ? -1 : 1))
    this.#opKind = new Words(kinds.length)
    this.#opKey = new Words(kinds.length)
    this.#opValue = new Words(kinds.length)
    this.#opFrom = new Int32Array(from.length)
    for (let t = 0; t + 1 < from.length; t++) {
      this.#opFrom[t] = this.#opKind.length
      for (let op = from[t]!; op < from[t + 1]!; op++) {
        if (kinds.at(op) === SCAN) {
          const { start, end } = this.#scans[values.at(op)]!
          let row = op - keys.at(op)
          for (let i = lowerBound(sorted, start); i < sorted.length && sorted[i]! < end; i++) {
            const key = this.#keyNumbers.get(sorted[i]!)!
            if (row < op && keys.at(row) === key) row++
            else this.#push(ABSENT, key, NONE)
          }
        } else this.#push(kinds.at(op), keys.at(op), values.at(op))
      }
    }
    this.#opFrom[from.length - 1] = this.#opKind.length
  }
}
