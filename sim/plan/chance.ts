import seedrandom from "seedrandom"
import type { Draw } from "./scenario.ts"

/**
 * The chance a plan is drawn with: one stream for each purpose, so that a new draw for one purpose shifts
 * no other. It never reaches a running world, whose draws are keyed hashes.
 */
export class Chance {
  readonly #name: string
  readonly #words: { int32(): number }

  constructor(name: string) {
    this.#name = name
    // Alea: whole words of 32 bits from additions and products of doubles, the same in every engine.
    this.#words = seedrandom.alea(name)
  }

  /** A stream of its own. */
  of(purpose: string): Chance {
    return new Chance(`${this.#name}/${purpose}`)
  }

  /** A whole number of [0, bound). */
  below(bound: number): number {
    const high = this.#words.int32() >>> 0
    // 2^53 / bound is never small here, so the bias of a remainder is below one in a million.
    return (high * 0x200000 + ((this.#words.int32() >>> 0) % 0x200000)) % bound
  }

  /** A whole number of [min, max]. */
  between(min: number, max: number): number {
    return min + this.below(max - min + 1)
  }

  draw(draw: Draw): number {
    return typeof draw === "number" ? draw : this.between(draw[0], draw[1])
  }

  /** True this many times in a hundred. */
  percent(ratio: number): boolean {
    return this.below(100) < ratio
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }

  /** `count` of them, in their own order. */
  sample<T>(values: readonly T[], count: number): readonly T[] {
    const left = values.map((_, index) => index)
    const taken: number[] = []
    while (taken.length < count && left.length > 0) taken.push(...left.splice(this.below(left.length), 1))
    return taken.sort((a, b) => a - b).map((index) => values[index]!)
  }

  /** A whole number of [min, max], small ones as likely as large ones by powers of two. */
  spread(min: number, max: number): number {
    let octaves = 0
    for (let start = min * 2; start <= max; start *= 2) octaves++
    let low = min
    for (let left = this.between(0, octaves); left > 0; left--) low *= 2
    return this.between(low, Math.min(max, low * 2 - 1))
  }
}

/** An index of `weights`, as likely as its weight says. */
export function weighted(chance: Chance, weights: readonly number[]): number {
  let total = 0
  for (const weight of weights) total += weight
  let left = chance.below(total)
  for (let index = 0; index < weights.length; index++) {
    left -= weights[index]!
    if (left < 0) return index
  }
  return weights.length - 1
}
