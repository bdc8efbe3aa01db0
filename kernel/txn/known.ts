import type { Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Anchor, TxnId, TxnState } from "./protocol.ts"
import { readAnchor, readState, writeAnchor, writeState } from "./protocol-codec.ts"

/** A question to the record of a transaction, which the store carries to wherever that is: each is answered once. */
export type Push = { readonly txn: TxnId; readonly anchor: Anchor; readonly minCommitTs: Timestamp }

export type KnownState = {
  readonly state: TxnState
  /** When it was asked for, in the order of questions and requests here: it was true at that moment or later. */
  readonly stamp: number
}

/** Transactions of each kind remembered here: of older ones it is asked again, or assumed the worst. */
const KNOWN_MAX = 4_096

/**
 * What a leader has learnt of the transactions whose intents lie in its range. What a record once said stays true: what is
 * decided is decided, what will not commit below a timestamp never does. Only "not decided yet" grows old, which is what
 * the stamps are for.
 */
export class KnownTxns {
  #stamp = 0
  #states = new Map<TxnId, KnownState>()
  /** Asked, and not answered yet: by the stamp of the question. It outlives leadership, so that no answer is taken for another. */
  #asked = new Map<TxnId, number>()
  /** Up to where this leader had given timestamps when it first heard of a transaction. */
  #seen = new Map<TxnId, Timestamp>()
  #asks: Push[] = []

  /** A new moment in the order of questions and requests. */
  stamp(): number {
    return ++this.#stamp
  }

  get(txn: TxnId): KnownState | undefined {
    return this.#states.get(txn)
  }

  /** Asks the record, unless it is being asked. */
  ask(push: Push): void {
    if (this.#asked.has(push.txn)) return
    this.#asked.set(push.txn, this.stamp())
    this.#asks.push(push)
  }

  takeAsks(): readonly Push[] {
    if (this.#asks.length === 0) return NO_ASKS
    const asks = this.#asks
    this.#asks = []
    return asks
  }

  /** The answer; null: nobody could tell. */
  learned(txn: TxnId, state: TxnState | null): void {
    const stamp = this.#asked.get(txn)
    if (stamp === undefined) return
    this.#asked.delete(txn)
    if (state === null) return
    this.#states.delete(txn)
    bounded(this.#states)
    this.#states.set(txn, { state, stamp })
  }

  /**
   * Above which timestamp whatever this leader assigned was assigned after it first heard of the transaction, and so was
   * acknowledged to nobody before that began. `assigned` is the last that was given until now.
   */
  firstSeen(txn: TxnId, assigned: Timestamp): Timestamp {
    const known = this.#seen.get(txn)
    if (known !== undefined) return known
    bounded(this.#seen)
    this.#seen.set(txn, assigned)
    return assigned
  }

  lostLeadership(): void {
    this.#states.clear()
    this.#seen.clear()
    this.#asks = []
  }

  save(sink: Sink): void {
    sink.uint(this.#stamp)
    sink.uint(this.#states.size)
    for (const [txn, { state, stamp }] of this.#states) {
      sink.str(txn)
      writeState(state, sink)
      sink.uint(stamp)
    }
    sink.uint(this.#asked.size)
    for (const [txn, stamp] of this.#asked) {
      sink.str(txn)
      sink.uint(stamp)
    }
    sink.uint(this.#seen.size)
    for (const [txn, ts] of this.#seen) {
      sink.str(txn)
      sink.uint(ts)
    }
    sink.uint(this.#asks.length)
    for (const { txn, anchor, minCommitTs } of this.#asks) {
      sink.str(txn)
      writeAnchor(anchor, sink)
      sink.uint(minCommitTs)
    }
  }

  static load(reader: ByteReader): KnownTxns {
    const known = new KnownTxns()
    known.#stamp = reader.uint()
    for (let left = reader.count(4); left > 0; left--) {
      const txn = reader.str() as TxnId
      known.#states.set(txn, { state: readState(reader), stamp: reader.uint() })
    }
    for (let left = reader.count(2); left > 0; left--) known.#asked.set(reader.str(), reader.uint())
    for (let left = reader.count(2); left > 0; left--) known.#seen.set(reader.str(), reader.uint())
    for (let left = reader.count(4); left > 0; left--) {
      known.#asks.push({
        txn: reader.str(),
        anchor: readAnchor(reader),
        minCommitTs: reader.uint(),
      })
    }
    return known
  }
}

/** Makes room for one more: the oldest goes. */
function bounded<Value>(map: Map<TxnId, Value>): void {
  if (map.size < KNOWN_MAX) return
  for (const oldest of map.keys()) {
    map.delete(oldest)
    return
  }
}

const NO_ASKS: readonly Push[] = []
