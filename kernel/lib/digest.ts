import { uintLength, type Sink } from "./bytes.ts"

/**
 * A 64-bit rolling hash over the fields of records, and the length their bytes would have.
 *
 * Two 32-bit lanes of multiply and xor-shift: fast, stable over engines, not cryptographic. It takes a
 * record through the same `Sink` as its encoder, so a message passed as an object and one passed as
 * bytes give the same hash. Integers are mixed whole, not byte by byte.
 */
export class Digest implements Sink {
  #high = 0x9e3779b9 | 0
  #low = 0x7f4a7c15 | 0
  #length = 0

  /** Encoded bytes of what was written since the last `reset`. */
  get length(): number {
    return this.#length
  }

  get high(): number {
    return this.#high >>> 0
  }

  get low(): number {
    return this.#low >>> 0
  }

  /** 16 hexadecimal digits. */
  hex(): string {
    return (this.#high >>> 0).toString(16).padStart(8, "0") + (this.#low >>> 0).toString(16).padStart(8, "0")
  }

  reset(): void {
    this.#high = 0x9e3779b9 | 0
    this.#low = 0x7f4a7c15 | 0
    this.#length = 0
  }

  /** Goes on from a state kept before: the two lanes of `high` and `low`. */
  resume(high: number, low: number): void {
    this.#high = high | 0
    this.#low = low | 0
    this.#length = 0
  }

  u8(value: number): void {
    this.#length += 1
    this.mix(value)
  }

  u32(value: number): void {
    this.#length += 4
    this.mix(value)
  }

  uint(value: number): void {
    this.#length += uintLength(value)
    this.mix(value)
    if (value > 0xffff_ffff) this.mix(Math.floor(value / 0x1_0000_0000))
  }

  int(value: number): void {
    this.bool(value < 0)
    this.uint(Math.abs(value))
  }

  bool(value: boolean): void {
    this.#length += 1
    this.mix(value ? 1 : 0)
  }

  str(value: string): void {
    this.uint(value.length)
    this.#length += value.length
    for (let i = 0; i < value.length; i++) this.mix(value.charCodeAt(i))
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length)
    this.#length += value.length
    const whole = value.length & ~3
    for (let i = 0; i < whole; i += 4) {
      this.mix(value[i]! | (value[i + 1]! << 8) | (value[i + 2]! << 16) | (value[i + 3]! << 24))
    }
    for (let i = whole; i < value.length; i++) this.mix(value[i]!)
  }

  /** One 32-bit word into both lanes; adds no length. */
  mix(word: number): void {
    let high = Math.imul(this.#high ^ word, 0x85eb_ca6b)
    high ^= high >>> 15
    let low = Math.imul(this.#low ^ word, 0xc2b2_ae35)
    low ^= low >>> 13
    this.#low = (low + high) | 0
    this.#high = (high + (low << 5)) | 0
  }
}
