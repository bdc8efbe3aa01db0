import type { Space, Write } from "../engine/engine.ts"
import { Digest } from "../lib/digest.ts"

/**
 * The hash of a range's state as a sum over (space, key, value): it does not depend on the order in
 * which the state came about, and one write changes it without a look at the rest.
 */
export class StateHash {
  readonly #digest = new Digest()
  high: number
  low: number

  constructor(high = 0, low = 0) {
    this.high = high
    this.low = low
  }

  /** Takes a write into account whose key had `before`. `clear` must be spelled out as deletes. */
  write(write: Write, before: string | null): void {
    if (before !== null) this.#add(write.space, write.key, before, -1)
    if (write.type === "put") this.#add(write.space, write.key, write.value, 1)
  }

  add(space: Space, key: string, value: string): void {
    this.#add(space, key, value, 1)
  }

  #add(space: Space, key: string, value: string, sign: number): void {
    const digest = this.#digest
    digest.reset()
    digest.u8(space)
    digest.str(key)
    digest.str(value)
    this.high = (this.high + sign * digest.high) >>> 0
    this.low = (this.low + sign * digest.low) >>> 0
  }
}
