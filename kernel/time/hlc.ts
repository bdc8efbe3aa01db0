import type { Timestamp, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"

/** Logical steps in a millisecond: 11 bits below the milliseconds keep a timestamp a safe integer until 2109. */
export const LOGICAL_PER_MS = 2048

/** The first timestamp of the wall clock's millisecond. */
export function fromWall(wall: Wall): Timestamp {
  const ts = Math.floor(wall / 1000) * LOGICAL_PER_MS
  invariant(Number.isSafeInteger(ts) && ts >= 0, "Cannot make a timestamp: the wall clock is out of range")
  return ts
}

/** Milliseconds since 1970. */
export function wallMs(ts: Timestamp): number {
  return Math.floor(ts / LOGICAL_PER_MS)
}

/** In [0, 2048): the order of events within a millisecond. */
export function logical(ts: Timestamp): number {
  return ts % LOGICAL_PER_MS
}

/**
 * Microseconds by which `ts` lies ahead of this wall clock, 0 if it does not: what the skew bound is
 * compared with. A logical part that overflowed into the milliseconds counts like a clock that is ahead.
 */
export function aheadUs(ts: Timestamp, wall: Wall): number {
  return Math.max(0, wallMs(ts) * 1000 - wall)
}

/**
 * A hybrid logical clock: close to the wall clock, never behind anything it gave or saw. Kulkarni,
 * Demirbas and others, "Logical Physical Clocks" (2014), with both parts packed in one integer, so a
 * full logical part carries into the milliseconds by mere addition.
 */
export class Hlc {
  #last: Timestamp

  constructor(last: Timestamp = 0) {
    this.#last = last
  }

  /** The greatest timestamp given or observed. */
  get last(): Timestamp {
    return this.#last
  }

  /** Above every timestamp given or observed before, and not below the wall clock's millisecond. */
  now(wall: Wall): Timestamp {
    const ts = Math.max(this.#last + 1, fromWall(wall))
    invariant(Number.isSafeInteger(ts), "Cannot give a timestamp: the clock has run out of integers")
    this.#last = ts
    return ts
  }

  /** A timestamp from elsewhere; whoever calls has held it against the skew bound. */
  observe(ts: Timestamp): void {
    invariant(Number.isSafeInteger(ts) && ts >= 0, "Cannot observe a timestamp: not a safe integer >= 0")
    if (ts > this.#last) this.#last = ts
  }

  save(sink: Sink): void {
    sink.uint(this.#last)
  }

  static load(reader: ByteReader): Hlc {
    return new Hlc(reader.uint())
  }
}
