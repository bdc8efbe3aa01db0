import type { TenantId, Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { TXN_SPANS_MAX } from "../limits.ts"
import type { Token } from "../range/request.ts"
import {
  readAnchor,
  readControl,
  readIsolation,
  readItems,
  readKeySpan,
  readReadSpan,
  readSeqSpan,
  readTxnId,
  writeAnchor,
  writeControl,
  writeIsolation,
  writeItems,
  writeKeySpan,
  writeReadSpan,
  writeSeqSpan,
  writeTxnId,
} from "../txn/protocol-codec.ts"
import type {
  Anchor,
  Control,
  Isolation,
  KeySpan,
  LockStrength,
  ReadSpan,
  SeqSpan,
  TxnId,
  TxnMeta,
  WaitPolicy,
} from "../txn/protocol.ts"
import { readTokenOrNull, writeTokenOrNull } from "./client-codec.ts"

/** What a transaction did to a key; `value` is of a write that waits at the gateway, null a delete. */
export type Written = { readonly seq: number; readonly value: string | null }
export type Savepoint = { readonly name: string; readonly seq: number }

/** How its reads are made. */
export type Mode =
  /** Each statement anew, of what is newest. */
  | "statement"
  /** All at `readTs`, its writes are intents at once. */
  | "snapshot"
  /** Of what is newest, under locks. */
  | "locking"
  /** All at `readTs`, its writes wait here. */
  | "optimistic"

/** What was given with its beginning. */
export type Begun = {
  readonly id: TxnId
  readonly tenant: TenantId
  readonly level: Isolation
  readonly control: Control
  readonly readOnly: boolean
  readonly token: Token | null
}

export type MetaOptions = {
  readonly seq: number
  readonly wait: WaitPolicy
  readonly lock: LockStrength | null
  readonly pipelined: boolean
  readonly onePhase: readonly ReadSpan[] | null
}

/** What a gateway keeps of a transaction. Flows read it, and give a `Draft` of what it has become. */
export class Transaction {
  readonly begun: Begun
  readonly mode: Mode
  /** Where its record would lie; an empty key: not decided. */
  anchor: Anchor
  /** Something of it may be somewhere, so that somebody may ask for its record. */
  isAnchored = false
  readTs: Timestamp
  writeTs: Timestamp = 0
  limitTs: Timestamp
  /** Whatever was read at or below it was found unchanged up to it. */
  refreshedTo: Timestamp = 0
  nextSeq = 1
  /** Ascending, apart from each other. */
  rolledBack: readonly SeqSpan[] = []
  /** By key, oldest first; an entry may be rolled back, and without any live one there may still be an intent. */
  readonly writes: Map<string, Written[]> = new Map()
  writtenBytes = 0
  reads: ReadSpan[] = []
  /** Where it may hold locks. */
  locks: KeySpan[] = []
  savepoints: readonly Savepoint[] = []

  constructor(begun: Begun, anchor: Anchor, readTs: Timestamp, limitTs: Timestamp) {
    this.begun = begun
    this.anchor = anchor
    this.readTs = readTs
    this.limitTs = limitTs
    this.mode = modeOf(begun, limitTs)
  }

  /** Whether any range may hold anything of it. */
  get holdsAnything(): boolean {
    return this.locks.length > 0 || (this.writes.size > 0 && this.mode !== "optimistic")
  }

  isRolledBack(seq: number): boolean {
    return holds(this.rolledBack, seq)
  }

  /** The write that is in force for this key. */
  live(key: string): Written | null {
    const written = this.writes.get(key)
    if (written === undefined) return null
    for (let i = written.length - 1; i >= 0; i--) if (!this.isRolledBack(written[i]!.seq)) return written[i]!
    return null
  }

  /** Keys and what is in force for them, by key. */
  liveWrites(): readonly (readonly [string, Written])[] {
    const live: (readonly [string, Written])[] = []
    for (const key of this.writes.keys()) {
      const written = this.live(key)
      if (written !== null) live.push([key, written])
    }
    return live.sort((a, b) => (a[0] < b[0] ? -1 : 1))
  }

  apply(draft: Draft): void {
    this.readTs = draft.readTs
    this.writeTs = draft.writeTs
    this.refreshedTo = draft.refreshedTo
    this.nextSeq = draft.nextSeq
    this.rolledBack = draft.rolledBack
    for (const [key, written] of draft.writes) {
      const known = this.writes.get(key)
      if (known === undefined) this.writes.set(key, [written])
      else known.push(written)
      this.writtenBytes += key.length + (written.value?.length ?? 0)
    }
    this.reads = bounded([...this.reads, ...draft.reads])
    this.locks = draft.locks.length === 0 ? this.locks : merged([...this.locks, ...draft.locks])
  }

  /** Takes back all since the savepoint of this name, the last of that name; false when there is none. */
  rollbackTo(name: string): boolean {
    const at = this.savepoints.findLastIndex((savepoint) => savepoint.name === name)
    if (at < 0) return false
    const { seq } = this.savepoints[at]!
    if (seq < this.nextSeq) this.rolledBack = withSpan(this.rolledBack, { from: seq, to: this.nextSeq - 1 })
    this.savepoints = this.savepoints.slice(0, at + 1)
    return true
  }

  release(name: string): boolean {
    const at = this.savepoints.findLastIndex((savepoint) => savepoint.name === name)
    if (at < 0) return false
    this.savepoints = this.savepoints.slice(0, at)
    return true
  }

  save(sink: Sink): void {
    const { id, tenant, level, control, readOnly, token } = this.begun
    writeTxnId(id, sink)
    sink.uint(tenant)
    writeIsolation(level, sink)
    writeControl(control, sink)
    sink.bool(readOnly)
    writeTokenOrNull(token, sink)
    writeAnchor(this.anchor, sink)
    sink.bool(this.isAnchored)
    sink.uint(this.readTs)
    sink.uint(this.limitTs)
    sink.uint(this.writeTs)
    sink.uint(this.refreshedTo)
    sink.uint(this.nextSeq)
    writeItems(this.rolledBack, sink, writeSeqSpan)
    sink.uint(this.writes.size)
    for (const [key, written] of this.writes) {
      sink.str(key)
      sink.uint(written.length)
      for (const { seq, value } of written) {
        sink.uint(seq)
        sink.bool(value !== null)
        if (value !== null) sink.str(value)
      }
    }
    sink.uint(this.writtenBytes)
    writeItems(this.reads, sink, writeReadSpan)
    writeItems(this.locks, sink, writeKeySpan)
    sink.uint(this.savepoints.length)
    for (const { name, seq } of this.savepoints) {
      sink.str(name)
      sink.uint(seq)
    }
  }

  static load(reader: ByteReader): Transaction {
    const [id, tenant] = [readTxnId(reader), reader.uint()]
    const [level, control, readOnly] = [readIsolation(reader), readControl(reader), reader.bool()]
    const begun = { id, tenant, level, control, readOnly, token: readTokenOrNull(reader) }
    const [anchor, isAnchored] = [readAnchor(reader), reader.bool()]
    const [readTs, limitTs] = [reader.uint(), reader.uint()]
    const txn = new Transaction(begun, anchor, readTs, limitTs)
    txn.isAnchored = isAnchored
    txn.writeTs = reader.uint()
    txn.refreshedTo = reader.uint()
    txn.nextSeq = reader.uint()
    txn.rolledBack = readItems(reader, 2, readSeqSpan)
    for (let left = reader.count(2); left > 0; left--) {
      const key = reader.str()
      const written: Written[] = []
      for (let more = reader.count(2); more > 0; more--) {
        written.push({ seq: reader.uint(), value: reader.bool() ? reader.str() : null })
      }
      txn.writes.set(key, written)
    }
    txn.writtenBytes = reader.uint()
    txn.reads = [...readItems(reader, 3, readReadSpan)]
    txn.locks = [...readItems(reader, 2, readKeySpan)]
    txn.savepoints = readItems(reader, 2, (from) => ({ name: from.str(), seq: from.uint() }))
    return txn
  }
}

/** Where nothing of a transaction lies yet: a key like any other. */
const UNANCHORED = "\0"

/** A transaction that only reads is serialized by its snapshot, and needs no lock. */
function modeOf({ level, control, readOnly }: Begun, limitTs: Timestamp): Mode {
  if (level === "readCommitted" && (!readOnly || limitTs > 0)) return "statement"
  if (level !== "serializable" || readOnly) return "snapshot"
  return control
}

/** What becomes of a transaction by one statement, or by its commit. */
export class Draft {
  readonly txn: Transaction
  readTs: Timestamp
  writeTs: Timestamp
  refreshedTo: Timestamp
  nextSeq: number
  rolledBack: readonly SeqSpan[]
  readonly writes: (readonly [string, Written])[] = []
  readonly reads: ReadSpan[] = []
  readonly locks: KeySpan[] = []

  constructor(txn: Transaction) {
    this.txn = txn
    this.readTs = txn.readTs
    this.writeTs = txn.writeTs
    this.refreshedTo = txn.refreshedTo
    this.nextSeq = txn.nextSeq
    this.rolledBack = txn.rolledBack
  }

  /** Gives the first of so many sequence numbers. */
  takeSeqs(count: number): number {
    const first = this.nextSeq
    this.nextSeq += count
    return first
  }

  rollBack(from: number, to: number): void {
    if (from <= to) this.rolledBack = withSpan(this.rolledBack, { from, to })
  }

  meta({ seq, wait, lock, pipelined, onePhase }: MetaOptions): TxnMeta {
    const { begun, mode, limitTs, anchor } = this.txn
    const readsNow = mode === "statement" || mode === "locking"
    return {
      id: begun.id,
      anchor: anchor.key === "" ? { ...anchor, key: UNANCHORED } : anchor,
      level: mode === "snapshot" ? "snapshot" : begun.level,
      control: begun.control,
      readTs: readsNow ? 0 : this.readTs,
      writeTs: this.writeTs,
      limitTs: readsNow ? 0 : limitTs,
      seq,
      rolledBack: this.rolledBack,
      wait,
      lock,
      pipelined,
      onePhase,
    }
  }

  /** All that was read so far, each as of when it is known to be unchanged. */
  allReads(): readonly ReadSpan[] {
    const { refreshedTo } = this
    return [...this.txn.reads, ...this.reads].map((span) =>
      span.fromTs >= refreshedTo ? span : { ...span, fromTs: refreshedTo },
    )
  }
}

export function holds(spans: readonly SeqSpan[], seq: number): boolean {
  let low = 0
  let high = spans.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (spans[middle]!.to < seq) low = middle + 1
    else high = middle
  }
  return low < spans.length && spans[low]!.from <= seq
}

/** With one more span; neighbours become one. */
export function withSpan(spans: readonly SeqSpan[], added: SeqSpan): readonly SeqSpan[] {
  const out: SeqSpan[] = []
  let { from, to } = added
  for (const span of spans) {
    if (span.to + 1 < from || span.from > to + 1) out.push(span)
    else {
      from = Math.min(from, span.from)
      to = Math.max(to, span.to)
    }
  }
  out.push({ from, to })
  return out.sort((a, b) => a.from - b.from)
}

/** An empty end is above every key. */
function endsBefore(a: string, b: string): boolean {
  return a !== "" && (b === "" || a < b)
}

/** By start, those that touch made one: each as of the older of the two. */
function merged<Span extends KeySpan>(spans: readonly Span[]): Span[] {
  const sorted = [...spans].sort((a, b) => (a.start < b.start ? -1 : a.start > b.start ? 1 : 0))
  const out: Span[] = []
  for (const span of sorted) {
    const last = out.at(-1)
    if (last === undefined || endsBefore(last.end, span.start)) out.push(span)
    else out[out.length - 1] = joined(last, span)
  }
  return out
}

function joined<Span extends KeySpan>(a: Span, b: Span): Span {
  const end = endsBefore(a.end, b.end) ? b.end : a.end
  if (!("fromTs" in a) || !("fromTs" in b)) return { ...a, end }
  return { ...a, end, fromTs: Math.min(a.fromTs as number, b.fromTs as number) }
}

/** Not more than a transaction remembers: pairs of neighbours become one span that has what lies between as well. */
function bounded(reads: ReadSpan[]): ReadSpan[] {
  if (reads.length <= TXN_SPANS_MAX) return reads
  let spans = merged(reads)
  while (spans.length > TXN_SPANS_MAX / 2) {
    const paired: ReadSpan[] = []
    for (let i = 0; i < spans.length; i += 2) {
      const next = spans[i + 1]
      paired.push(next === undefined ? spans[i]! : joined(spans[i]!, next))
    }
    spans = paired
  }
  return spans
}
