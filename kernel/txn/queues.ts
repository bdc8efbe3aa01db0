import type { Mono } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { TXN_HEARTBEAT_US } from "../limits.ts"
import { KnownTxns, type Push } from "./known.ts"
import { LockTable, type Lock, type Met, type Waits } from "./lock-table.ts"
import type { TxnId, TxnState } from "./protocol.ts"
import { readState, readTxnId, writeState, writeTxnId } from "./protocol-codec.ts"
import type { Case, Verdict } from "./verdict.ts"

/** Intents of a decided transaction that somebody met: to be resolved by whoever leads the range. */
export type Cleaning = { readonly txn: TxnId; readonly state: TxnState; readonly keys: readonly string[] }

const FOREVER = Number.MAX_SAFE_INTEGER
/** How long somebody waits for an intent or lock before its transaction's record is asked, and the gateway told. */
const PATIENCE_US = 100_000
/** How often those who wait are looked at. */
const TICK_US = 20_000

/** Those who wait for locks and intents, what is asked for their sake, and what is cleared out of their way. */
export class Queues {
  locks: LockTable = new LockTable()
  known: KnownTxns = new KnownTxns()
  /** Keys whose intents are being resolved by this leader itself. */
  #cleaning = new Set<string>()
  #toClean = new Map<TxnId, { readonly state: TxnState; readonly keys: string[] }>()
  /** When the record of a transaction that somebody waits for is asked again. */
  #askAgainAt = new Map<TxnId, Mono>()
  #tickAt: Mono = FOREVER
  /** When it is looked again at who has waited for long. */
  #lookAt: Mono = 0

  get deadline(): Mono {
    return this.#tickAt
  }

  /** Asks what a reader has to know, at once; who wants a lock has patience. */
  blocked(wanted: readonly Lock[], met: readonly Met[]): Verdict {
    for (const { txn, anchor, pushTs } of met) {
      if (pushTs === null) continue
      const status = this.known.get(txn)?.state.status
      // It is being decided, or resolved: asked again now and then, and not all the time.
      if (status === undefined || status === "pending") this.known.ask({ txn, anchor, minCommitTs: pushTs })
    }
    return { type: "blocked", wanted, met }
  }

  /** Takes a request that is blocked into the queue, or back to its place. */
  wait(each: Case, wanted: readonly Lock[], met: readonly Met[], mono: Mono): void {
    const txn = each.request.txn?.id ?? null
    if (each.place === 0) each.place = this.locks.ticket()
    if (this.locks.has(each.place)) this.locks.waitAgain(each.place, wanted, met)
    else this.locks.wait(each.place, txn, wanted, met, mono)
    if (this.#tickAt !== FOREVER) return
    this.#tickAt = mono + TICK_US
    this.#lookAt = mono + PATIENCE_US
  }

  /** It waits no longer: it was answered, proposed, or is over. */
  leave(each: Case): void {
    if (each.place === 0) return
    this.locks.leave(each.place)
    each.place = 0
  }

  /** What a record said to the question of this leader; null: nobody could tell. */
  learned(txn: TxnId, state: TxnState | null): void {
    this.known.learned(txn, state)
    if (state === null) return
    if (state.status === "committed" || state.status === "aborted") {
      for (const key of this.locks.keysOf(txn)) this.clean(txn, state, key)
      this.locks.release(txn, null)
    }
    // Who waits for a decision is not helped by hearing that there is none yet.
    if (state.status !== "staging") this.locks.learned(txn)
  }

  /** An intent of a decided transaction, met by somebody: it is resolved, once. */
  clean(txn: TxnId, state: TxnState, key: string): void {
    if (this.#cleaning.has(key)) return
    this.#cleaning.add(key)
    const entry = this.#toClean.get(txn)
    if (entry === undefined) this.#toClean.set(txn, { state, keys: [key] })
    else entry.keys.push(key)
  }

  takeCleanings(): readonly Cleaning[] {
    if (this.#toClean.size === 0) return NO_CLEANINGS
    const cleanings = [...this.#toClean].map(([txn, { state, keys }]) => ({ txn, state, keys }))
    this.#toClean.clear()
    return cleanings
  }

  /** These are resolved, or were resolved by somebody else, or will be tried again by whoever meets them next. */
  cleaned(keys: readonly string[]): void {
    for (const key of keys) this.#cleaning.delete(key)
  }

  /** Time has passed: asks and tells what has become due by it. */
  tick(mono: Mono): readonly Waits[] {
    if (mono < this.#tickAt) return NO_WAITS
    if (this.locks.waiting === 0) {
      this.#askAgainAt.clear()
      this.#tickAt = FOREVER
      return NO_WAITS
    }
    this.#tickAt = mono + TICK_US
    for (const met of this.locks.toAsk()) this.#ask(met)
    if (mono < this.#lookAt) return NO_WAITS
    this.#lookAt = mono + PATIENCE_US
    for (const met of this.locks.holdingUp(mono - PATIENCE_US)) {
      if (mono < (this.#askAgainAt.get(met.txn) ?? 0)) continue
      this.#askAgainAt.set(met.txn, mono + TXN_HEARTBEAT_US)
      this.#ask(met)
    }
    return this.locks.takeWaits(mono - PATIENCE_US)
  }

  /** Asks a record, unless it is known to be decided: then what is left of that is cleared away. */
  #ask({ key, txn, anchor, pushTs }: Met): void {
    const state = this.known.get(txn)?.state
    if (state?.status === "committed" || state?.status === "aborted") {
      this.clean(txn, state, key)
      this.locks.release(txn, null)
    } else this.known.ask({ txn, anchor, minCommitTs: pushTs ?? 0 })
  }

  takeAsks(): readonly Push[] {
    return this.known.takeAsks()
  }

  lostLeadership(): void {
    this.locks.clear()
    this.known.lostLeadership()
    this.#cleaning.clear()
    this.#toClean.clear()
    this.#askAgainAt.clear()
    this.#tickAt = FOREVER
  }

  save(sink: Sink): void {
    this.locks.save(sink)
    this.known.save(sink)
    sink.uint(this.#cleaning.size)
    for (const key of this.#cleaning) sink.str(key)
    sink.uint(this.#toClean.size)
    for (const [txn, { state, keys }] of this.#toClean) {
      writeTxnId(txn, sink)
      writeState(state, sink)
      sink.uint(keys.length)
      for (const key of keys) sink.str(key)
    }
    sink.uint(this.#askAgainAt.size)
    for (const [txn, mono] of this.#askAgainAt) {
      writeTxnId(txn, sink)
      sink.uint(mono)
    }
    sink.uint(this.#tickAt)
    sink.uint(this.#lookAt)
  }

  load(reader: ByteReader): void {
    this.locks = LockTable.load(reader)
    this.known = KnownTxns.load(reader)
    for (let left = reader.count(); left > 0; left--) this.#cleaning.add(reader.str())
    for (let left = reader.count(4); left > 0; left--) {
      const txn = readTxnId(reader)
      const state = readState(reader)
      const keys: string[] = []
      for (let count = reader.count(); count > 0; count--) keys.push(reader.str())
      this.#toClean.set(txn, { state, keys })
    }
    for (let left = reader.count(2); left > 0; left--) this.#askAgainAt.set(readTxnId(reader), reader.uint())
    this.#tickAt = reader.uint()
    this.#lookAt = reader.uint()
  }
}

const NO_CLEANINGS: readonly Cleaning[] = []
const NO_WAITS: readonly Waits[] = []
