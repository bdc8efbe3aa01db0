import type { ByteReader, Sink } from "./bytes.ts"
import { invariant } from "./invariant.ts"

/** Chance, injected. The kernel draws nothing from anywhere else. */
export interface Rng {
  /** An integer in [0, 2^32). */
  u32(): number
  /** An integer in [0, bound), for a bound in [1, 2^32]; its bias is below bound / 2^32. */
  below(bound: number): number
}

/**
 * sfc32 ("small fast counting", Chris Doty-Humphrey, PractRand): 128 bits of state, of which one word
 * counts, so the period is at least 2^32. Fast and well mixed, not cryptographic.
 */
export class Sfc32 implements Rng {
  #a: number
  #b: number
  #c = 1
  #counter = 1

  /** Seeded by two 32-bit words; twelve draws are thrown away so that near seeds part. */
  constructor(seedHigh: number, seedLow: number) {
    this.#a = seedHigh | 0
    this.#b = seedLow | 0
    for (let i = 0; i < 12; i++) this.u32()
  }

  u32(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum
    this.#c |= 0
    return sum >>> 0
  }

  below(bound: number): number {
    invariant(bound >= 1 && bound <= 0x1_0000_0000, "Cannot draw: the bound lies outside [1, 2^32]")
    return Math.floor((this.u32() / 0x1_0000_0000) * bound)
  }

  save(sink: Sink): void {
    sink.u32(this.#a >>> 0)
    sink.u32(this.#b >>> 0)
    sink.u32(this.#c >>> 0)
    sink.u32(this.#counter >>> 0)
  }

  static load(reader: ByteReader): Sfc32 {
    const rng = new Sfc32(0, 0)
    rng.#a = reader.u32() | 0
    rng.#b = reader.u32() | 0
    rng.#c = reader.u32() | 0
    rng.#counter = reader.u32() | 0
    return rng
  }
}

/** An integer in [0, bound), for bounds far below 2^32 as good as even. */
export function below(rng: Rng, bound: number): number {
  return Math.floor((rng.u32() / 0x1_0000_0000) * bound)
}
