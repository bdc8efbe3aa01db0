import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import type { Span } from "../mvcc/key.ts"

/** One holder or waiter. `keys` null takes the whole range. */
type Ticket = {
  readonly id: number
  readonly keys: readonly string[] | null
  blockers: number
  readonly dependents: number[]
}

/**
 * Who may evaluate: writers of one key go one after the other, in the order they came, from evaluation
 * until their entry is applied. Readers wait for the writers that were there before them and hold
 * nothing. Deadlock cannot be: everyone waits only for those who came earlier.
 */
export class Latches {
  #nextId = 1
  #tickets = new Map<number, Ticket>()
  /** The last writer of each key still here. */
  #tails = new Map<string, number>()
  /** The last one that took the whole range, while it is here. */
  #wholeTail = 0

  get size(): number {
    return this.#tickets.size
  }

  /** A ticket for these keys; `isReady` tells whether it holds them already. */
  acquire(keys: readonly string[] | null): number {
    const id = this.#nextId++
    const ticket: Ticket = { id, keys, blockers: 0, dependents: [] }
    if (keys === null) {
      for (const other of this.#tickets.values()) this.#wait(ticket, other.id)
      this.#wholeTail = id
    } else {
      this.#waitForKeys(ticket, keys)
      for (const key of keys) this.#tails.set(key, id)
    }
    this.#tickets.set(id, ticket)
    return id
  }

  /** A ticket that waits for the writers in these spans, and is to be released once read. */
  acquireRead(spans: readonly Span[]): number {
    const id = this.#nextId++
    const ticket: Ticket = { id, keys: [], blockers: 0, dependents: [] }
    const waited: number[] = []
    if (this.#wholeTail !== 0) waited.push(this.#wholeTail)
    for (const { start, end } of spans) {
      if (end === start + "\0") {
        const tail = this.#tails.get(start)
        if (tail !== undefined && !waited.includes(tail)) waited.push(tail)
        continue
      }
      for (const [key, tail] of this.#tails) {
        if (key >= start && (end === "" || key < end) && !waited.includes(tail)) waited.push(tail)
      }
    }
    for (const tail of waited) this.#wait(ticket, tail)
    this.#tickets.set(id, ticket)
    return id
  }

  #waitForKeys(ticket: Ticket, keys: readonly string[]): void {
    const waited: number[] = []
    if (this.#wholeTail !== 0) waited.push(this.#wholeTail)
    for (const key of keys) {
      const tail = this.#tails.get(key)
      if (tail !== undefined && !waited.includes(tail)) waited.push(tail)
    }
    for (const tail of waited) this.#wait(ticket, tail)
  }

  #wait(ticket: Ticket, forId: number): void {
    this.#tickets.get(forId)!.dependents.push(ticket.id)
    ticket.blockers++
  }

  isReady(id: number): boolean {
    return this.#tickets.get(id)?.blockers === 0
  }

  /** Gives up a ticket; returns those that became ready by it, in the order they came. */
  release(id: number): readonly number[] {
    const ticket = this.#tickets.get(id)
    invariant(ticket !== undefined, "Cannot release a latch that is not held")
    this.#tickets.delete(id)
    if (ticket.keys === null) {
      if (this.#wholeTail === id) this.#wholeTail = 0
    } else {
      for (const key of ticket.keys) if (this.#tails.get(key) === id) this.#tails.delete(key)
    }
    const ready: number[] = []
    for (const dependent of ticket.dependents) {
      const waiting = this.#tickets.get(dependent)
      if (waiting === undefined) continue
      waiting.blockers--
      if (waiting.blockers === 0) ready.push(dependent)
    }
    return ready
  }

  clear(): void {
    this.#tickets.clear()
    this.#tails.clear()
    this.#wholeTail = 0
  }

  save(sink: Sink): void {
    sink.uint(this.#nextId)
    sink.uint(this.#wholeTail)
    sink.uint(this.#tickets.size)
    for (const ticket of this.#tickets.values()) {
      sink.uint(ticket.id)
      sink.bool(ticket.keys === null)
      sink.uint(ticket.keys?.length ?? 0)
      for (const key of ticket.keys ?? []) sink.str(key)
      sink.uint(ticket.blockers)
      sink.uint(ticket.dependents.length)
      for (const dependent of ticket.dependents) sink.uint(dependent)
    }
  }

  static load(reader: ByteReader): Latches {
    const latches = new Latches()
    latches.#nextId = reader.uint()
    latches.#wholeTail = reader.uint()
    for (let left = reader.count(5); left > 0; left--) {
      const id = reader.uint()
      const whole = reader.bool()
      const keys: string[] = []
      for (let count = reader.count(); count > 0; count--) keys.push(reader.str())
      const blockers = reader.uint()
      const dependents: number[] = []
      for (let count = reader.count(); count > 0; count--) dependents.push(reader.uint())
      latches.#tickets.set(id, { id, keys: whole ? null : keys, blockers, dependents })
      // Tickets are saved in the order they came, so the last one to name a key is its tail again.
      if (!whole) for (const key of keys) latches.#tails.set(key, id)
    }
    return latches
  }
}
