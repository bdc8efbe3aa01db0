import { type Columns, FAIL, NONE, WRITE } from "./columns.ts"

/**
 * Who wrote which value to which key: one record for each write and append of the history, in the order of its
 * operations, and a table that finds it. A hash finds the place; key and value are compared.
 */
export class Writes {
  readonly count: number
  readonly transaction: Int32Array
  readonly key: Int32Array
  readonly value: Int32Array
  /** 1 when its transaction changes the key no more: what others may see. */
  readonly isFinal: Uint8Array
  /** The record of an operation, or -1. */
  readonly ofOp: Int32Array
  /** 1 when a register was deleted by someone: then absent does not tell which version was read. */
  readonly keyHasDelete: Uint8Array
  /** 1 when two transactions may have written one value to it: then a value does not tell who did. */
  readonly keyIsAmbiguous: Uint8Array
  readonly #slots: Int32Array

  constructor(columns: Columns) {
    const { opKind, opKey, opValue, opFrom, status } = columns
    let count = 0
    for (let op = 0; op < columns.opCount; op++) if (opKind[op]! >= WRITE) count++
    this.count = count
    this.transaction = new Int32Array(count)
    this.key = new Int32Array(count)
    this.value = new Int32Array(count)
    this.isFinal = new Uint8Array(count).fill(1)
    this.ofOp = new Int32Array(columns.opCount).fill(-1)
    this.keyHasDelete = new Uint8Array(columns.keys.length)
    this.keyIsAmbiguous = new Uint8Array(columns.keys.length)
    let size = 16
    while (size < count * 2) size *= 2
    this.#slots = new Int32Array(size)

    const lastRecord = new Int32Array(columns.keys.length).fill(-1)
    let record = 0
    for (let t = 0; t < columns.count; t++) {
      for (let op = opFrom[t]!; op < opFrom[t + 1]!; op++) {
        if (opKind[op]! < WRITE) continue
        const key = opKey[op]!
        this.ofOp[op] = record
        this.transaction[record] = t
        this.key[record] = key
        this.value[record] = opValue[op]!
        const last = lastRecord[key]!
        if (last >= 0 && this.transaction[last] === t) this.isFinal[last] = 0
        lastRecord[key] = record
        if (opKind[op] === WRITE && opValue[op] === NONE) {
          if (status[t] !== FAIL) this.keyHasDelete[key] = 1
        } else this.#insert(record, status, opKind[op] === WRITE)
        record++
      }
    }
  }

  /** The record of who wrote `value` to `key`, or -1. */
  find(key: number, value: number): number {
    const mask = this.#slots.length - 1
    let slot = hashOf(key, value) & mask
    for (;;) {
      const record = this.#slots[slot]! - 1
      if (record < 0 || (this.key[record] === key && this.value[record] === value)) return record
      slot = (slot + 1) & mask
    }
  }

  #insert(record: number, status: Uint8Array, isRegister: boolean): void {
    const key = this.key[record]!
    const value = this.value[record]!
    const mask = this.#slots.length - 1
    let slot = hashOf(key, value) & mask
    for (;;) {
      const other = this.#slots[slot]! - 1
      if (other < 0) break
      if (this.key[other] === key && this.value[other] === value) {
        // A client that tries again writes the same value; what its failed attempt wrote is nobody's.
        if (status[this.transaction[record]!] === FAIL) return
        const isAgain = isRegister && this.transaction[other] === this.transaction[record]
        if (status[this.transaction[other]!] !== FAIL && !isAgain) this.keyIsAmbiguous[key] = 1
        break
      }
      slot = (slot + 1) & mask
    }
    this.#slots[slot] = record + 1
  }

  /** The records by key: those of `key` are `records[from[key]..from[key + 1])`, in the order of their operations. */
  byKey(keyCount: number): { readonly from: Int32Array; readonly records: Int32Array } {
    const from = new Int32Array(keyCount + 1)
    for (let record = 0; record < this.count; record++) from[this.key[record]! + 1]!++
    for (let key = 0; key < keyCount; key++) from[key + 1]! += from[key]!
    const next = from.slice()
    const records = new Int32Array(this.count)
    for (let record = 0; record < this.count; record++) records[next[this.key[record]!]!++] = record
    return { from, records }
  }
}

function hashOf(key: number, value: number): number {
  let hash = Math.imul(key, 0x9e37_79b1) ^ Math.imul(value, 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b_3c6d)
  return hash ^ (hash >>> 16)
}
