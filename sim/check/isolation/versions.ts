import { type Columns, OK } from "./columns.ts"
import type { Writes } from "./writes.ts"

/**
 * What is known of the order of versions: for each key a tree whose root is the version before all writes. A version
 * is known to come after its parent, and directly after it where it is the only child.
 *
 * The version of record `r` is `keyCount + r`; the first version of key `k` is `k` itself, and nobody wrote it.
 */
export class Versions {
  readonly columns: Columns
  readonly writes: Writes
  readonly keyCount: number
  /** 1 for transactions that took effect: the `ok`, and each `info` of which something was read. */
  readonly committed: Uint8Array
  /** The version that an operation read from outside its transaction; -1: none, or nobody can tell. */
  readonly opVersion: Int32Array
  readonly parent: Int32Array
  readonly firstChild: Int32Array
  readonly nextSibling: Int32Array
  readonly childCount: Int32Array
  /** Among its siblings, from 0. */
  readonly place: Int32Array
  /** Reads whose version could not be told. */
  unresolved = 0

  constructor(columns: Columns, writes: Writes) {
    this.columns = columns
    this.writes = writes
    this.keyCount = columns.keys.length
    this.committed = columns.status.map((status) => (status === OK ? 1 : 0))
    this.opVersion = new Int32Array(columns.opCount).fill(-1)
    const count = this.keyCount + writes.count
    this.parent = new Int32Array(count).fill(-1)
    this.firstChild = new Int32Array(count).fill(-1)
    this.nextSibling = new Int32Array(count).fill(-1)
    this.childCount = new Int32Array(count)
    this.place = new Int32Array(count)
  }

  versionOf(record: number): number {
    return this.keyCount + record
  }

  /** The transaction that wrote it, or -1. */
  writerOf(version: number): number {
    return version < this.keyCount ? -1 : this.writes.transaction[version - this.keyCount]!
  }

  keyOf(version: number): number {
    return version < this.keyCount ? version : this.writes.key[version - this.keyCount]!
  }

  link(parent: number, child: number): void {
    this.parent[child] = parent
    this.nextSibling[child] = this.firstChild[parent]!
    this.firstChild[parent] = child
    this.place[child] = this.childCount[parent]!++
  }

  /**
   * Places records of one key behind `base`, one behind the other by commit timestamp. False, and nothing is placed, if a
   * timestamp is unknown or two transactions have the same.
   */
  placeByTimestamp(base: number, records: readonly number[]): boolean {
    const { commitTs } = this.columns
    const tsOf = (record: number): number => commitTs[this.writes.transaction[record]!]!
    for (const record of records) if (Number.isNaN(tsOf(record))) return false
    const sorted = records.toSorted((a, b) => tsOf(a) - tsOf(b) || a - b)
    for (let i = 1; i < sorted.length; i++) {
      const [a, b] = [sorted[i - 1]!, sorted[i]!]
      if (tsOf(a) === tsOf(b) && this.writes.transaction[a] !== this.writes.transaction[b]) return false
    }
    let previous = base
    for (const record of sorted) {
      this.link(previous, this.versionOf(record))
      previous = this.versionOf(record)
    }
    return true
  }

  /** Places records of one key that come after `base` in an unknown order; those of one transaction follow each other. */
  placeBeside(base: number, records: readonly number[]): void {
    let previous = base
    let previousWriter = -1
    for (const record of records) {
      const writer = this.writes.transaction[record]!
      const version = this.versionOf(record)
      this.link(writer === previousWriter ? previous : base, version)
      previous = version
      previousWriter = writer
    }
  }
}
