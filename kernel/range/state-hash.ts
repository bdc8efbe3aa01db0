import { SPACE_VERSIONS, type Space, type Write } from "../engine/engine.ts"
import { Digest } from "../lib/digest.ts"
import { isTombstone } from "../mvcc/version.ts"

/**
 * The hash of a range's state as a sum over (space, key, value): it does not depend on the order in
 * which the state came about, and one write changes it without a look at the rest. How much there is
 * of it is counted along the way.
 */
export class StateHash {
  readonly #digest = new Digest()
  high: number
  low: number
  rows = 0
  /** Of keys and values. */
  bytes = 0
  /** Versions that say that their key is deleted. */
  tombstones = 0

  constructor(high = 0, low = 0) {
    this.high = high
    this.low = low
  }

  /**
   * Takes a write into account whose key had `before`. `clear` must be spelled out as deletes. `part`, if
   * there is one, is the sum of some of the rows, this one among them.
   */
  write(write: Write, before: string | null, part: StateHash | null): void {
    if (before !== null) this.#add(write.space, write.key, before, -1, part)
    if (write.type !== "delete") this.#add(write.space, write.key, write.value, 1, part)
  }

  add(space: Space, key: string, value: string): void {
    this.#add(space, key, value, 1, null)
  }

  /** Nothing was added yet. */
  reset(): void {
    this.high = 0
    this.low = 0
    this.rows = 0
    this.bytes = 0
    this.tombstones = 0
  }

  #add(space: Space, key: string, value: string, sign: number, part: StateHash | null): void {
    const digest = this.#digest
    digest.reset()
    digest.u8(space)
    digest.str(key)
    digest.str(value)
    const { high, low } = digest
    const bytes = key.length + value.length
    const isDeletion = space === SPACE_VERSIONS && isTombstone(value)
    this.#count(high, low, sign, bytes, isDeletion)
    if (part !== null) part.#count(high, low, sign, bytes, isDeletion)
  }

  #count(high: number, low: number, sign: number, bytes: number, isDeletion: boolean): void {
    this.high = (this.high + sign * high) >>> 0
    this.low = (this.low + sign * low) >>> 0
    this.rows += sign
    this.bytes += sign * bytes
    if (isDeletion) this.tombstones += sign
  }
}
