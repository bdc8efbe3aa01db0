import type { Mono } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { readPairs, writePairs } from "../lib/pairs.ts"

/**
 * When each group wants to be woken, without touching groups that want nothing now. One valid time a
 * group; older heap entries are passed over. A deadline that moves later costs nothing until its old
 * time comes.
 */
export class Timers {
  #times: Mono[] = []
  #keys: number[] = []
  #scheduled = new Map<number, Mono>()

  /** The earliest time anybody is waiting for; null when nobody is. */
  get earliest(): Mono | null {
    this.#dropStale()
    return this.#times[0] ?? null
  }

  scheduledAt(key: number): Mono | undefined {
    return this.#scheduled.get(key)
  }

  /** Makes sure `key` is woken at `time` or before. */
  atLatest(key: number, time: Mono): void {
    const scheduled = this.#scheduled.get(key)
    if (scheduled !== undefined && scheduled <= time) return
    this.#scheduled.set(key, time)
    this.#push(time, key)
  }

  forget(key: number): void {
    this.#scheduled.delete(key)
  }

  /** Takes out the next key due at `now`; null when none is. */
  popDue(now: Mono): number | null {
    this.#dropStale()
    const time = this.#times[0]
    if (time === undefined || time > now) return null
    const key = this.#pop()
    this.#scheduled.delete(key)
    return key
  }

  /** Every key and its time, by key. */
  entries(): readonly (readonly [number, Mono])[] {
    return [...this.#scheduled].sort((a, b) => a[0] - b[0])
  }

  save(sink: Sink): void {
    writePairs(this.#scheduled, sink)
  }

  static load(reader: ByteReader): Timers {
    const timers = new Timers()
    for (const [key, time] of readPairs(reader)) timers.atLatest(key, time)
    return timers
  }

  #dropStale(): void {
    while (this.#times.length > 0 && this.#scheduled.get(this.#keys[0]!) !== this.#times[0]) this.#pop()
  }

  #before(a: number, b: number): boolean {
    const timeA = this.#times[a]!
    const timeB = this.#times[b]!
    return timeA < timeB || (timeA === timeB && this.#keys[a]! < this.#keys[b]!)
  }

  #swap(a: number, b: number): void {
    const time = this.#times[a]!
    const key = this.#keys[a]!
    this.#times[a] = this.#times[b]!
    this.#keys[a] = this.#keys[b]!
    this.#times[b] = time
    this.#keys[b] = key
  }

  #push(time: Mono, key: number): void {
    let at = this.#times.length
    this.#times.push(time)
    this.#keys.push(key)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!this.#before(at, parent)) break
      this.#swap(at, parent)
      at = parent
    }
  }

  #pop(): number {
    const key = this.#keys[0]!
    const last = this.#times.length - 1
    this.#swap(0, last)
    this.#times.length = last
    this.#keys.length = last
    let at = 0
    for (;;) {
      let least = at
      const left = 2 * at + 1
      if (left < last && this.#before(left, least)) least = left
      if (left + 1 < last && this.#before(left + 1, least)) least = left + 1
      if (least === at) break
      this.#swap(at, least)
      at = least
    }
    return key
  }
}
