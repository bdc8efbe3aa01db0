import type { LogIndex, Lsn, Term } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant, InvariantError } from "../lib/invariant.ts"
import { readEntry, writeEntry, type Entry, type LogEnd } from "./types.ts"

/**
 * A group's log in memory: the entries after `start`, and for each the lsn of the frame it was last
 * written in. An entry overwritten twice has the lsn of the last writing, so a completion that belongs
 * to an older one never makes it durable (no ABA).
 */
export class RaftLog {
  /** What the state machine's checkpoint contains: the entry before the first one kept. */
  #start: LogEnd
  #entries: Entry[] = []
  #lsns: Lsn[] = []
  /** Entries up to here have an lsn that is durable. */
  #durableIndex: LogIndex
  /** Bytes of the entries up to and including each, counted from one that is long gone. */
  #ends: number[] = []
  #endBefore = 0

  constructor(start: LogEnd) {
    this.#start = start
    this.#durableIndex = start.index
  }

  /** Index and term before the first entry. */
  get start(): LogEnd {
    return this.#start
  }

  get firstIndex(): LogIndex {
    return this.#start.index + 1
  }

  get lastIndex(): LogIndex {
    return this.#start.index + this.#entries.length
  }

  get lastTerm(): Term {
    const count = this.#entries.length
    return count === 0 ? this.#start.term : this.#entries[count - 1]!.term
  }

  get durableIndex(): LogIndex {
    return this.#durableIndex
  }

  /** Encoded bytes of all entries kept. */
  get bytes(): number {
    return this.#end - this.#endBefore
  }

  get #end(): number {
    return this.#ends.length === 0 ? this.#endBefore : this.#ends[this.#ends.length - 1]!
  }

  /** Encoded bytes of the entries after `index`. */
  bytesAfter(index: LogIndex): number {
    const count = index - this.#start.index
    return count <= 0 ? this.bytes : this.#end - (this.#ends[count - 1] ?? this.#end)
  }

  get length(): number {
    return this.#entries.length
  }

  /** Null when the entry was compacted away or does not exist yet. */
  termAt(index: LogIndex): Term | null {
    if (index === this.#start.index) return this.#start.term
    const entry = this.#entries[index - this.#start.index - 1]
    return entry === undefined ? null : entry.term
  }

  entryAt(index: LogIndex): Entry {
    const entry = this.#entries[index - this.#start.index - 1]
    return entry ?? this.#notHeld(index)
  }

  #notHeld(index: LogIndex): never {
    throw new InvariantError(
      `Cannot read entry ${index}: the log holds ${this.firstIndex} to ${this.lastIndex}`,
    )
  }

  lsnAt(index: LogIndex): Lsn {
    return index <= this.#start.index ? 0 : (this.#lsns[index - this.#start.index - 1] ?? 0)
  }

  /** Entries from `from` on, as many as fit in `bytesMax`, at least one if there is any. */
  slice(from: LogIndex, bytesMax: number): readonly Entry[] {
    invariant(from > this.#start.index, "Cannot read entries that were compacted away")
    const first = from - this.#start.index - 1
    let bytes = 0
    let end = first
    while (end < this.#entries.length) {
      bytes += this.#entries[end]!.length
      if (bytes > bytesMax && end > first) break
      end++
    }
    return this.#entries.slice(first, end)
  }

  /** Adds entries that follow the last one, or replaces the log from their first index on. */
  append(entries: readonly Entry[], lsn: Lsn): void {
    const first = entries[0]
    invariant(first !== undefined, "Cannot append nothing")
    invariant(
      first.index > this.#start.index && first.index <= this.lastIndex + 1,
      "Cannot append: a gap in the log",
    )
    if (first.index <= this.lastIndex) this.#truncate(first.index)
    for (const entry of entries) {
      invariant(entry.index === this.lastIndex + 1, "Cannot append: entries are not consecutive")
      invariant(entry.term >= this.lastTerm, "Cannot append: terms go back")
      this.#entries.push(entry)
      this.#lsns.push(lsn)
      this.#ends.push(this.#end + entry.length)
    }
  }

  #truncate(from: LogIndex): void {
    const keep = from - this.#start.index - 1
    this.#entries.length = keep
    this.#lsns.length = keep
    this.#ends.length = keep
    this.#durableIndex = Math.min(this.#durableIndex, from - 1)
  }

  /** Everything written in a frame up to `lsn` is durable. */
  synced(lsn: Lsn): void {
    while (this.#durableIndex < this.lastIndex && this.lsnAt(this.#durableIndex + 1) <= lsn)
      this.#durableIndex++
  }

  /** Drops entries up to `index`, which a durable checkpoint contains. */
  compact(index: LogIndex): void {
    if (index <= this.#start.index) return
    const term = this.termAt(index)
    invariant(term !== null, "Cannot compact beyond the end of the log")
    const count = index - this.#start.index
    this.#endBefore = this.#ends[count - 1]!
    this.#entries.splice(0, count)
    this.#lsns.splice(0, count)
    this.#ends.splice(0, count)
    this.#start = { index, term }
    this.#durableIndex = Math.max(this.#durableIndex, index)
  }

  /** Forgets everything: a snapshot of the state at `start` has taken the log's place. */
  reset(start: LogEnd): void {
    this.#start = start
    this.#entries = []
    this.#lsns = []
    this.#ends = []
    this.#endBefore = 0
    this.#durableIndex = start.index
  }

  /** Is a log that ends there at least as up to date as this one? §5.4.1. */
  isUpToDate(end: LogEnd): boolean {
    return end.term > this.lastTerm || (end.term === this.lastTerm && end.index >= this.lastIndex)
  }

  /** The last index at or before `index` whose term is at most `term`: where two logs may agree. */
  lastIndexWithTermAtMost(index: LogIndex, term: Term): LogEnd {
    let at = Math.min(index, this.lastIndex)
    while (at > this.#start.index && this.termAt(at)! > term) at--
    return { index: at, term: this.termAt(at) ?? 0 }
  }

  save(sink: Sink): void {
    sink.uint(this.#start.index)
    sink.uint(this.#start.term)
    sink.uint(this.#durableIndex)
    sink.uint(this.#entries.length)
    for (let i = 0; i < this.#entries.length; i++) {
      sink.uint(this.#lsns[i]!)
      writeEntry(this.#entries[i]!, sink)
    }
  }

  static load(reader: ByteReader): RaftLog {
    const index = reader.uint()
    const log = new RaftLog({ index, term: reader.uint() })
    log.#durableIndex = reader.uint()
    for (let left = reader.count(4); left > 0; left--) {
      log.#lsns.push(reader.uint())
      const entry = readEntry(reader)
      log.#entries.push(entry)
      log.#ends.push(log.#end + entry.length)
    }
    return log
  }
}
