import type { Mono, Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import type { Anchor, KeySpan, LockStrength, TxnId } from "./protocol.ts"
import { readAnchor, readTxnId, writeAnchor, writeTxnId } from "./protocol-codec.ts"

/** A span of user keys and how it is wanted or held; an empty `end` is unbounded. */
export type Lock = { readonly start: string; readonly end: string; readonly strength: LockStrength }

/** Somebody in the way: a holder, or one who came earlier (then `ticket` is theirs, else 0). `by` null: no transaction. */
export type Conflict = { readonly key: string; readonly by: TxnId | null; readonly ticket: number }

/**
 * An intent in the way of somebody who waits. `pushTs` null: until it is gone; else until more is known of its
 * transaction, which is to be pushed above.
 */
export type Met = {
  readonly key: string
  readonly txn: TxnId
  readonly anchor: Anchor
  readonly pushTs: Timestamp | null
}

type Held = { readonly txn: TxnId; readonly lock: Lock }

/** Of one transaction, in the order in which they were taken. `anchor` is where to ask whether it lives. */
type Holder = { readonly anchor: Anchor; locks: Lock[] }

type Waiter = {
  readonly ticket: number
  /** Null: a request without a transaction, which holds nothing when it waits. */
  readonly txn: TxnId | null
  readonly wanted: readonly Lock[]
  /** Intents in its way, by key. */
  readonly met: Map<string, Met>
  readonly since: Mono
  /** Nothing is in its way: it is being evaluated anew, and keeps its place until it says `leave`. */
  isReady: boolean
  /** For whom it was last said to wait. */
  told: readonly TxnId[]
}

/** For whom a transaction waits, to be told to its gateway. */
export type Waits = { readonly txn: TxnId; readonly for: readonly TxnId[]; readonly ticket: number }

/**
 * Who holds which keys and spans of a range beside its intents, and who waits. It lives in the memory of the leader: a
 * transfer hands the locks over, a crash loses them, which the refresh of those who held them answers for.
 *
 * Queues are fair: nobody goes before somebody who came earlier and with whom they conflict, unless that one
 * waits for a lock of theirs: an upgrade goes before all that wait.
 */
export class LockTable {
  #nextTicket = 1
  #held = new Map<TxnId, Holder>()
  /** Of these the ones of a single key, by key, and all others. */
  #points = new Map<string, Held[]>()
  #spans: Held[] = []
  #heldCount = 0
  /** In the order of their tickets, which is that of their coming. */
  #waiters = new Map<number, Waiter>()
  /** Tickets of those who want a single key, by key, and of those who want spans; both ascending. */
  #pointWaiters = new Map<string, number[]>()
  #spanWaiters: number[] = []
  /** Tickets by the transaction that waits under them, ascending. */
  #byTxn = new Map<TxnId, number[]>()
  #ready: number[] = []

  /** Nobody holds and nobody waits: whoever comes need not ask. */
  get isEmpty(): boolean {
    return this.#heldCount === 0 && this.#waiters.size === 0
  }
  get held(): number {
    return this.#heldCount
  }
  get waiting(): number {
    return this.#waiters.size
  }

  /** A place in the order of coming, for somebody who may have to wait. */
  ticket(): number {
    return this.#nextTicket++
  }

  /**
   * Who is in the way of these locks, beside intents; `all` false: the first of them. `ticket` is the
   * caller's place; 0 is the end of the queue.
   */
  conflicts(txn: TxnId | null, wanted: readonly Lock[], ticket: number, all: boolean): readonly Conflict[] {
    const found: Conflict[] = []
    for (const want of wanted) {
      this.#holders(txn, want, found)
      if (found.length > 0 && !all) return found
      if (this.#waiters.size > 0) this.#earlier(txn, want, ticket, found)
      if (found.length > 0 && !all) return found
    }
    return found
  }

  #holders(txn: TxnId | null, want: Lock, found: Conflict[]): void {
    const note = (held: Held): void => {
      if (held.txn !== txn && excludes(held.lock.strength, want.strength) && overlap(held.lock, want))
        found.push({ key: later(held.lock.start, want.start), by: held.txn, ticket: 0 })
    }
    if (isPoint(want)) this.#points.get(want.start)?.forEach(note)
    else for (const holders of this.#points.values()) holders.forEach(note)
    this.#spans.forEach(note)
  }

  /** Those who came before, but for whoever waits for something the transaction has. */
  #earlier(txn: TxnId | null, want: Lock, ticket: number, found: Conflict[]): void {
    const note = (other: number): boolean => {
      if (ticket !== 0 && other >= ticket) return false
      const waiter = this.#waiters.get(other)!
      if (txn !== null && (waiter.txn === txn || this.#waitsFor(waiter, txn))) return true
      const theirs = waiter.wanted.find(
        (each) => excludes(each.strength, want.strength) && overlap(each, want),
      )
      if (theirs !== undefined)
        found.push({ key: later(theirs.start, want.start), by: waiter.txn, ticket: other })
      return true
    }
    if (isPoint(want)) {
      for (const other of this.#pointWaiters.get(want.start) ?? NO_TICKETS) if (!note(other)) break
      for (const other of this.#spanWaiters) if (!note(other)) break
    } else for (const other of this.#waiters.keys()) if (!note(other)) break
  }

  /** Whether something `txn` has is in this waiter's way. */
  #waitsFor(waiter: Waiter, txn: TxnId): boolean {
    for (const met of waiter.met.values()) if (met.txn === txn) return true
    const locks = this.#held.get(txn)?.locks
    if (locks === undefined) return false
    return waiter.wanted.some((want) =>
      locks.some((lock) => excludes(lock.strength, want.strength) && overlap(lock, want)),
    )
  }

  /** Puts somebody into the queue, or back to the place they had; `met` are the intents in their way. */
  wait(
    ticket: number,
    txn: TxnId | null,
    wanted: readonly Lock[],
    met: readonly Met[],
    since: Mono,
    told: readonly TxnId[] = [],
  ): void {
    invariant(!this.#waiters.has(ticket), "Cannot wait: the ticket waits already")
    const waiter: Waiter = { ticket, txn, wanted, met: new Map(), since, isReady: false, told }
    for (const each of met) waiter.met.set(each.key, each)
    this.#waiters.set(ticket, waiter)
    const isLast = ticket === this.#nextTicket - 1
    if (!isLast) this.#waiters = new Map([...this.#waiters].sort(([a], [b]) => a - b))
    let wantsSpan = false
    for (const want of wanted) {
      if (isPoint(want)) insert(entryOf(this.#pointWaiters, want.start), ticket)
      else wantsSpan = true
    }
    if (wantsSpan) insert(this.#spanWaiters, ticket)
    if (txn !== null) insert(entryOf(this.#byTxn, txn), ticket)
    this.#check(waiter)
    for (const each of met) this.#gained(each.txn)
  }

  /** Back to waiting: it was ready, and met more, or wants something else by now. */
  waitAgain(ticket: number, wanted: readonly Lock[], met: readonly Met[]): void {
    const waiter = this.#waiters.get(ticket)
    invariant(waiter !== undefined && waiter.isReady, "Cannot wait again: the ticket is not ready")
    if (isSame(waiter.wanted, wanted)) {
      waiter.isReady = false
      waiter.met.clear()
      for (const each of met) waiter.met.set(each.key, each)
      this.#check(waiter)
      for (const each of met) this.#gained(each.txn)
    } else {
      this.leave(ticket)
      this.wait(ticket, waiter.txn, wanted, met, waiter.since, waiter.told)
    }
  }

  /** Others wait for more of it now: they stand in its way no longer. */
  #gained(txn: TxnId): void {
    for (const ticket of this.#byTxn.get(txn) ?? NO_TICKETS) this.#check(this.#waiters.get(ticket)!)
  }

  /** Gives a place up: what it wanted was done, or is not wanted any more. */
  leave(ticket: number): void {
    const waiter = this.#waiters.get(ticket)
    if (waiter === undefined) return
    this.#waiters.delete(ticket)
    let wantedSpan = false
    for (const want of waiter.wanted) {
      if (!isPoint(want)) wantedSpan = true
      else remove(this.#pointWaiters, want.start, ticket)
    }
    if (wantedSpan) this.#spanWaiters = this.#spanWaiters.filter((other) => other !== ticket)
    if (waiter.txn !== null) remove(this.#byTxn, waiter.txn, ticket)
    for (const want of waiter.wanted) this.#freed(want)
  }

  /** Who has nothing in their way any more, in the order in which it came so. */
  takeReady(): readonly number[] {
    if (this.#ready.length === 0) return NO_TICKETS
    const ready = this.#ready
    this.#ready = []
    return ready
  }

  /** Takes locks that were found free; what the transaction has already stays. */
  hold(txn: TxnId, anchor: Anchor, locks: readonly Lock[]): void {
    if (locks.length === 0) return
    const holder = this.#held.get(txn) ?? { anchor, locks: [] }
    const mine = holder.locks
    for (const lock of locks) {
      if (
        mine.some((had) => (had.strength === "exclusive" || lock.strength === "shared") && within(lock, had))
      )
        continue
      const weaker = mine.findIndex((had) => had.start === lock.start && had.end === lock.end)
      if (weaker >= 0) this.#drop(txn, mine.splice(weaker, 1)[0]!)
      mine.push(lock)
      this.#heldCount++
      if (isPoint(lock)) entryOf(this.#points, lock.start).push({ txn, lock })
      else this.#spans.push({ txn, lock })
    }
    this.#held.set(txn, holder)
    if (this.#waiters.size > 0) this.#gained(txn)
  }

  #drop(txn: TxnId, lock: Lock): void {
    this.#heldCount--
    if (!isPoint(lock)) {
      this.#spans = this.#spans.filter((held) => held.lock !== lock || held.txn !== txn)
      return
    }
    const left = this.#points.get(lock.start)!.filter((held) => held.lock !== lock || held.txn !== txn)
    if (left.length > 0) this.#points.set(lock.start, left)
    else this.#points.delete(lock.start)
  }

  holds(txn: TxnId): readonly Lock[] {
    return this.#held.get(txn)?.locks ?? []
  }

  /** Gives up what the transaction holds inside of these spans; all of it when there are none. */
  release(txn: TxnId, spans: readonly KeySpan[] | null): void {
    const holder = this.#held.get(txn)
    if (holder === undefined) return
    const mine = holder.locks
    const gone = spans === null ? mine : mine.filter((lock) => spans.some((span) => within(lock, span)))
    const kept = mine.filter((lock) => !gone.includes(lock))
    holder.locks = kept
    if (kept.length === 0) this.#held.delete(txn)
    for (const lock of gone) this.#drop(txn, lock)
    for (const lock of gone) this.#freed(lock)
  }

  /** The transaction is about to have intents at these keys. */
  wrote(txn: TxnId, anchor: Anchor, keys: readonly string[]): void {
    if (this.#waiters.size === 0) return
    let isMet = false
    for (const waiter of this.#waiters.values()) {
      if (waiter.txn === txn) continue
      for (const key of keys) {
        if (!waiter.wanted.some((want) => covers(want, key))) continue
        waiter.met.set(key, { key, txn, anchor, pushTs: null })
        isMet = true
      }
    }
    if (isMet) this.#gained(txn)
  }

  /** The intent at this key is gone, or never came to be. */
  intentGone(key: string): void {
    if (this.#waiters.size === 0) return
    // In the order of their coming; a reader wants no lock, and is found by nothing else.
    for (const waiter of this.#waiters.values()) if (waiter.met.delete(key)) this.#check(waiter)
    this.#freed({ start: key, end: key + "\0" })
  }

  /** Something in this span is free now: whoever wants it is looked at again. */
  #freed(span: KeySpan): void {
    if (this.#waiters.size === 0) return
    if (isPoint(span)) {
      for (const ticket of this.#pointWaiters.get(span.start) ?? NO_TICKETS)
        this.#check(this.#waiters.get(ticket)!)
      for (const ticket of this.#spanWaiters) this.#check(this.#waiters.get(ticket)!)
    } else for (const waiter of this.#waiters.values()) this.#check(waiter)
  }

  #check(waiter: Waiter): void {
    if (waiter.isReady || waiter.met.size > 0) return
    if (this.conflicts(waiter.txn, waiter.wanted, waiter.ticket, false).length > 0) return
    waiter.isReady = true
    this.#ready.push(waiter.ticket)
  }

  has(ticket: number): boolean {
    return this.#waiters.has(ticket)
  }

  /** The tickets under which a transaction waits. */
  ticketsOf(txn: TxnId): readonly number[] {
    return this.#byTxn.get(txn) ?? NO_TICKETS
  }

  /** For whom this ticket waits, ascending; nobody when it does not, or not for that transaction. */
  blockers(txn: TxnId, ticket: number): readonly TxnId[] {
    const waiter = this.#waiters.get(ticket)
    return waiter === undefined || waiter.txn !== txn ? [] : this.#blockersOf(waiter)
  }

  /** Through requests without a transaction, which nobody could ask: for whom they wait. */
  #blockersOf(waiter: Waiter): readonly TxnId[] {
    const found = new Set<TxnId>()
    const asked = new Set<number>([waiter.ticket])
    for (const ticket of asked) {
      const each = this.#waiters.get(ticket)!
      if (each.isReady) continue
      for (const { txn } of each.met.values()) found.add(txn)
      const ahead = new Set<number>()
      for (const { by, ticket: other } of this.conflicts(each.txn, each.wanted, ticket, true)) {
        if (other !== 0) ahead.add(other)
        else if (by !== null) found.add(by)
      }
      for (const other of this.#nearest(ahead)) {
        const { txn } = this.#waiters.get(other)!
        if (txn !== null) found.add(txn)
        else asked.add(other)
      }
    }
    if (waiter.txn !== null) found.delete(waiter.txn)
    return [...found].sort()
  }

  /** Of those ahead, who waits for no nearer one of them: the others are waited for through those. */
  #nearest(ahead: ReadonlySet<number>): readonly number[] {
    const nearest: number[] = []
    for (const ticket of [...ahead].sort((a, b) => b - a)) {
      const waiter = this.#waiters.get(ticket)!
      if (!nearest.some((nearer) => this.#isBehind(this.#waiters.get(nearer)!, waiter))) nearest.push(ticket)
    }
    return nearest
  }

  /** Whether `waiter` has to wait for `other`, who came earlier. */
  #isBehind({ txn, wanted, isReady }: Waiter, other: Waiter): boolean {
    if (isReady || (txn !== null && (other.txn === txn || this.#waitsFor(other, txn)))) return false
    return wanted.some((want) =>
      other.wanted.some((theirs) => excludes(theirs.strength, want.strength) && overlap(theirs, want)),
    )
  }

  /** Whose records are to be asked for the sake of readers. */
  toAsk(): readonly Met[] {
    const found = new Map<TxnId, Met>()
    for (const waiter of this.#waiters.values()) {
      for (const met of waiter.met.values()) {
        if (met.pushTs === null) continue
        const other = found.get(met.txn)
        if (other === undefined || met.pushTs > other.pushTs!) found.set(met.txn, met)
      }
    }
    return [...found.values()]
  }

  /** Those who have something that somebody has waited for since `mono` or longer. */
  holdingUp(mono: Mono): readonly Met[] {
    const found = new Map<TxnId, Met>()
    for (const waiter of this.#waiters.values()) {
      if (waiter.since > mono || waiter.isReady) continue
      for (const met of waiter.met.values()) if (!found.has(met.txn)) found.set(met.txn, met)
      const held: Conflict[] = []
      for (const want of waiter.wanted) this.#holders(waiter.txn, want, held)
      for (const { key, by } of held) {
        if (by === null || found.has(by)) continue
        found.set(by, { key, txn: by, anchor: this.#held.get(by)!.anchor, pushTs: null })
      }
    }
    return [...found.values()]
  }

  /** More is known of this transaction: who wanted to know looks again. */
  learned(txn: TxnId): void {
    for (const waiter of this.#waiters.values()) {
      let wasMet = false
      for (const met of waiter.met.values()) {
        if (met.txn !== txn || met.pushTs === null) continue
        waiter.met.delete(met.key)
        wasMet = true
      }
      if (wasMet) this.#check(waiter)
    }
  }

  /** The keys at which intents of this transaction are in somebody's way. */
  keysOf(txn: TxnId): readonly string[] {
    const keys = new Set<string>()
    for (const waiter of this.#waiters.values())
      for (const met of waiter.met.values()) if (met.txn === txn) keys.add(met.key)
    return [...keys]
  }

  /** What gateways were not told yet of transactions that have waited since `mono` or longer. */
  takeWaits(mono: Mono): readonly Waits[] {
    const waits: Waits[] = []
    for (const waiter of this.#waiters.values()) {
      // A reader waits for an answer, and not for what the other does next.
      if (waiter.txn === null || waiter.wanted.length === 0 || waiter.since > mono) continue
      const blockers = this.#blockersOf(waiter)
      if (blockers.length === waiter.told.length && blockers.every((txn, i) => txn === waiter.told[i]))
        continue
      waiter.told = blockers
      waits.push({ txn: waiter.txn, for: blockers, ticket: waiter.ticket })
    }
    return waits
  }

  /** Leadership is over. Tickets are never given twice. */
  clear(): void {
    this.#held.clear()
    this.#points.clear()
    this.#spans = []
    this.#heldCount = 0
    this.#waiters.clear()
    this.#pointWaiters.clear()
    this.#spanWaiters = []
    this.#byTxn.clear()
    this.#ready = []
  }

  /** What a transfer hands over. */
  saveHeld(sink: Sink): void {
    sink.uint(this.#held.size)
    for (const [txn, { anchor, locks }] of this.#held) {
      writeTxnId(txn, sink)
      writeAnchor(anchor, sink)
      saveLocks(locks, sink)
    }
  }

  loadHeld(reader: ByteReader): void {
    for (let left = reader.count(5); left > 0; left--)
      this.hold(readTxnId(reader), readAnchor(reader), loadLocks(reader))
  }

  save(sink: Sink): void {
    sink.uint(this.#nextTicket)
    this.saveHeld(sink)
    sink.uint(this.#waiters.size)
    for (const waiter of this.#waiters.values()) {
      sink.uint(waiter.ticket)
      sink.bool(waiter.txn !== null)
      sink.str(waiter.txn ?? "")
      saveLocks(waiter.wanted, sink)
      sink.uint(waiter.met.size)
      for (const { key, txn, anchor, pushTs } of waiter.met.values()) {
        sink.str(key)
        writeTxnId(txn, sink)
        writeAnchor(anchor, sink)
        sink.uint(pushTs === null ? 0 : pushTs + 1)
      }
      sink.uint(waiter.since)
      sink.bool(waiter.isReady)
      sink.uint(waiter.told.length)
      for (const txn of waiter.told) sink.str(txn)
    }
    sink.uint(this.#ready.length)
    for (const ticket of this.#ready) sink.uint(ticket)
  }

  static load(reader: ByteReader): LockTable {
    const table = new LockTable()
    table.#nextTicket = reader.uint()
    table.loadHeld(reader)
    for (let left = reader.count(8); left > 0; left--) {
      const ticket = reader.uint()
      const hasTxn = reader.bool()
      const txn = reader.str() as TxnId
      const wanted = loadLocks(reader)
      const met = new Map<string, Met>()
      for (let count = reader.count(5); count > 0; count--) {
        const key = reader.str()
        const holder = readTxnId(reader)
        const anchor = readAnchor(reader)
        const push = reader.uint()
        met.set(key, { key, txn: holder, anchor, pushTs: push === 0 ? null : push - 1 })
      }
      const since = reader.uint()
      const isReady = reader.bool()
      const told: TxnId[] = []
      for (let count = reader.count(1); count > 0; count--) told.push(reader.str())
      table.#waiters.set(ticket, { ticket, txn: hasTxn ? txn : null, wanted, met, since, isReady, told })
      for (const want of wanted) if (isPoint(want)) insert(entryOf(table.#pointWaiters, want.start), ticket)
      if (wanted.some((want) => !isPoint(want))) table.#spanWaiters.push(ticket)
      if (hasTxn) entryOf(table.#byTxn, txn).push(ticket)
    }
    for (let left = reader.count(); left > 0; left--) table.#ready.push(reader.uint())
    return table
  }
}

function saveLocks(locks: readonly Lock[], sink: Sink): void {
  sink.uint(locks.length)
  for (const { start, end, strength } of locks) {
    sink.str(start)
    sink.str(end)
    sink.bool(strength === "exclusive")
  }
}

function loadLocks(reader: ByteReader): readonly Lock[] {
  const locks: Lock[] = []
  for (let left = reader.count(3); left > 0; left--)
    locks.push({
      start: reader.str(),
      end: reader.str(),
      strength: reader.bool() ? "exclusive" : "shared",
    })
  return locks
}

export function pointLock(key: string, strength: LockStrength): Lock {
  return { start: key, end: key + "\0", strength }
}

function isPoint({ start, end }: KeySpan): boolean {
  return end.length === start.length + 1 && end === start + "\0"
}

function isSame(a: readonly Lock[], b: readonly Lock[]): boolean {
  return (
    a.length === b.length &&
    a.every(
      ({ start, end, strength }, i) =>
        start === b[i]!.start && end === b[i]!.end && strength === b[i]!.strength,
    )
  )
}

function excludes(a: LockStrength, b: LockStrength): boolean {
  return a === "exclusive" || b === "exclusive"
}

function overlap(a: KeySpan, b: KeySpan): boolean {
  return (a.end === "" || b.start < a.end) && (b.end === "" || a.start < b.end)
}

function covers(span: KeySpan, key: string): boolean {
  return key >= span.start && (span.end === "" || key < span.end)
}

function within(inner: KeySpan, outer: KeySpan): boolean {
  return inner.start >= outer.start && (outer.end === "" || (inner.end !== "" && inner.end <= outer.end))
}

function later(a: string, b: string): string {
  return a > b ? a : b
}

function entryOf<Item>(map: Map<string, Item[]>, key: string): Item[] {
  let entry = map.get(key)
  if (entry === undefined) {
    entry = []
    map.set(key, entry)
  }
  return entry
}

/** Into an ascending list, once. */
function insert(tickets: number[], ticket: number): void {
  let at = tickets.length
  while (at > 0 && tickets[at - 1]! > ticket) at--
  if (at === 0 || tickets[at - 1] !== ticket) tickets.splice(at, 0, ticket)
}

function remove(map: Map<string, number[]>, key: string, ticket: number): void {
  const left = (map.get(key) ?? NO_TICKETS).filter((other) => other !== ticket)
  if (left.length > 0) map.set(key, left)
  else map.delete(key)
}

const NO_TICKETS: readonly number[] = []
