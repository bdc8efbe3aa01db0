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
    if (value < 0x80) {
      this.#length += 1
      this.mix(value)
      return
    }
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

  /** As `bytes` of the same bytes: four chars a word, those left over one a word. */
  str(value: string): void {
    const length = value.length
    this.uint(length)
    this.#length += length
    let high = this.#high
    let low = this.#low
    let at = 0
    // Spelled out twice, since a loop over private fields writes them back at every step.
    for (const whole = length - 3; at < whole; at += 4) {
      const word =
        value.charCodeAt(at) |
        (value.charCodeAt(at + 1) << 8) |
        (value.charCodeAt(at + 2) << 16) |
        (value.charCodeAt(at + 3) << 24)
      high = Math.imul(high ^ word, 0x85eb_ca6b)
      high ^= high >>> 15
      low = Math.imul(low ^ word, 0xc2b2_ae35)
      low ^= low >>> 13
      low = (low + high) | 0
      high = (high + (low << 5)) | 0
    }
    this.#high = high
    this.#low = low
    for (; at < length; at++) this.mix(value.charCodeAt(at))
  }

  bytes(value: Uint8Array): void {
    this.range(value, 0, value.length)
  }

  /** `bytes` of a part, without a view of it. */
  range(value: Uint8Array, start: number, end: number): void {
    const length = end - start
    this.uint(length)
    this.#length += length
    let high = this.#high
    let low = this.#low
    let at = start
    for (const whole = end - 3; at < whole; at += 4) {
      const word = value[at]! | (value[at + 1]! << 8) | (value[at + 2]! << 16) | (value[at + 3]! << 24)
      high = Math.imul(high ^ word, 0x85eb_ca6b)
      high ^= high >>> 15
      low = Math.imul(low ^ word, 0xc2b2_ae35)
      low ^= low >>> 13
      low = (low + high) | 0
      high = (high + (low << 5)) | 0
    }
    this.#high = high
    this.#low = low
    for (; at < end; at++) this.mix(value[at]!)
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
