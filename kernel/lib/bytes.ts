import { crc32c } from "./crc32c.ts"
import type { Digest } from "./digest.ts"
import { invariant, InvariantError } from "./invariant.ts"
import { latin1FromBytes } from "./latin1.ts"

/**
 * Where one description of a record goes: to bytes (`ByteWriter`) or to a length and digest (`Digest`).
 * A record is described once, by a function over a sink, so its bytes and its hash can never disagree.
 *
 * Integers are safe integers. Strings are latin1, one char a byte. Lengths travel before contents.
 */
export interface Sink {
  /** An integer in [0, 255], one byte. */
  u8(value: number): void
  /** An integer in [0, 2^32), four bytes, little endian. */
  u32(value: number): void
  /** A safe integer >= 0, one to eight bytes (LEB128). */
  uint(value: number): void
  /** A safe integer of either sign, as its zigzag-like pair (sign bit in the lowest place of a u8, then `uint`). */
  int(value: number): void
  bool(value: boolean): void
  /** A latin1 string: its length as `uint`, then one byte a char. */
  str(value: string): void
  /** Bytes: their length as `uint`, then they themselves. */
  bytes(value: Uint8Array): void
}

/** One more than the first four bytes of a `uint` hold. */
const LOW_HALF = 0x1000_0000

/** Apart: a message made where a number is written would have every number kept for it on the heap. */
function notUint(value: number): never {
  throw new InvariantError(`Cannot write ${value}: not a safe integer >= 0`)
}

const NO_BYTES = new Uint8Array(0)
const COPY_BY_HAND_MAX = 256

/** Bytes of a non-negative safe integer as `uint` writes it. */
export function uintLength(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x20_0000) return 3
  if (value < 0x1000_0000) return 4
  let length = 4
  for (let rest = Math.floor(value / 0x1000_0000); rest > 0; rest = Math.floor(rest / 128)) length++
  return length
}

/** A growing buffer. `finish` gives a copy of exactly what was written; `reset` makes it ready again. */
export class ByteWriter implements Sink {
  #buffer: Uint8Array
  #length = 0

  constructor(capacity = 256) {
    this.#buffer = new Uint8Array(capacity)
  }

  get length(): number {
    return this.#length
  }

  reset(): void {
    this.#length = 0
  }

  u8(value: number): void {
    this.#grow(1)
    this.#buffer[this.#length++] = value
  }

  u32(value: number): void {
    this.#grow(4)
    this.patchU32(this.#length, value)
    this.#length += 4
  }

  uint(value: number): void {
    this.#grow(8)
    if (value >= 0 && value < 0x80 && Number.isInteger(value)) {
      this.#buffer[this.#length++] = value
      return
    }
    if (!Number.isSafeInteger(value) || value < 0) notUint(value)
    const buffer = this.#buffer
    let at = this.#length
    let rest = value
    // A timestamp: in two halves of whole numbers of 32 bits, for a remainder of a double costs as much as all of it.
    if (value > 0x7fff_ffff) {
      rest = Math.floor(value / LOW_HALF)
      const low = value - rest * LOW_HALF
      buffer[at++] = (low & 0x7f) | 0x80
      buffer[at++] = ((low >>> 7) & 0x7f) | 0x80
      buffer[at++] = ((low >>> 14) & 0x7f) | 0x80
      buffer[at++] = (low >>> 21) | 0x80
    }
    for (; rest >= 0x80; rest >>>= 7) buffer[at++] = (rest & 0x7f) | 0x80
    buffer[at++] = rest
    this.#length = at
  }

  int(value: number): void {
    this.u8(value < 0 ? 1 : 0)
    this.uint(Math.abs(value))
  }

  bool(value: boolean): void {
    this.u8(value ? 1 : 0)
  }

  str(value: string): void {
    this.uint(value.length)
    this.#grow(value.length)
    const buffer = this.#buffer
    let at = this.#length
    for (let i = 0; i < value.length; i++) buffer[at++] = value.charCodeAt(i)
    this.#length = at
  }

  bytes(value: Uint8Array): void {
    this.uint(value.length)
    this.raw(value)
  }

  /** Bytes without a length before them. */
  raw(value: Uint8Array): void {
    this.#grow(value.length)
    this.#buffer.set(value, this.#length)
    this.#length += value.length
  }

  zeros(count: number): void {
    this.#grow(count)
    this.#buffer.fill(0, this.#length, this.#length + count)
    this.#length += count
  }

  /** Overwrites four bytes written before, little endian. */
  patchU32(offset: number, value: number): void {
    this.#buffer[offset] = value & 0xff
    this.#buffer[offset + 1] = (value >>> 8) & 0xff
    this.#buffer[offset + 2] = (value >>> 16) & 0xff
    this.#buffer[offset + 3] = value >>> 24
  }

  /** A view of what was written so far; it is valid until the next write. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length)
  }

  /** What was written so far as a string of one char a byte. */
  latin1(): string {
    return latin1FromBytes(this.#buffer, 0, this.#length)
  }

  /** CRC-32C of what was written from `start` on. */
  crc32c(start: number): number {
    return crc32c(this.#buffer, start, this.#length)
  }

  /** Copies what was written so far to `target[at…]`. */
  copyTo(target: Uint8Array, at: number): void {
    const length = this.#length
    // A view costs more than the bytes of a short record.
    if (length > COPY_BY_HAND_MAX) target.set(this.#buffer.subarray(0, length), at)
    else for (let i = 0; i < length; i++) target[at + i] = this.#buffer[i]!
  }

  /** What was written, without a copy: the writer gives its buffer away and begins anew. */
  take(): Uint8Array {
    const taken = this.#buffer.subarray(0, this.#length)
    this.#buffer = NO_BYTES
    this.#length = 0
    return taken
  }

  finish(): Uint8Array {
    return this.#buffer.slice(0, this.#length)
  }

  #grow(more: number): void {
    const needed = this.#length + more
    if (needed <= this.#buffer.length) return
    const grown = new Uint8Array(Math.max(needed, this.#buffer.length * 2, 64))
    grown.set(this.#buffer.subarray(0, this.#length))
    this.#buffer = grown
  }
}

/**
 * Reads what a `ByteWriter` wrote, from bytes nobody vouches for. Nothing throws: past the end, or at a
 * malformed number, the reader turns `failed` and gives zeros and empties from then on. A decoder reads
 * to its end and asks `failed` once.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  #offset: number
  readonly #end: number
  #failed = false

  constructor(bytes: Uint8Array, start = 0, end: number = bytes.length) {
    invariant(start >= 0 && start <= end && end <= bytes.length, "Cannot read: bounds lie outside the bytes")
    this.#bytes = bytes
    this.#offset = start
    this.#end = end
  }

  get failed(): boolean {
    return this.#failed
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.#end - this.#offset
  }

  /** Marks what was read as malformed: for a decoder that finds an impossible value. */
  fail(): void {
    this.#failed = true
    this.#offset = this.#end
  }

  /** The next byte, which stays; -1 at the end. */
  peek(): number {
    return this.#offset < this.#end ? this.#bytes[this.#offset]! : -1
  }

  u8(): number {
    if (this.#offset >= this.#end) {
      this.fail()
      return 0
    }
    return this.#bytes[this.#offset++]!
  }

  u32(): number {
    if (this.#offset + 4 > this.#end) {
      this.fail()
      return 0
    }
    const bytes = this.#bytes
    const at = this.#offset
    this.#offset = at + 4
    return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  }

  uint(): number {
    const first = this.#offset < this.#end ? this.#bytes[this.#offset]! : 0x80
    if (first < 0x80) {
      this.#offset++
      return first
    }
    const bytes = this.#bytes
    const end = this.#end
    let at = this.#offset
    let byte = 0x80
    let low = 0
    for (let shift = 0; shift < 28 && byte >= 0x80 && at < end; shift += 7) {
      byte = bytes[at++]!
      low |= (byte & 0x7f) << shift
    }
    let high = 0
    for (let shift = 0; shift < 28 && byte >= 0x80 && at < end; shift += 7) {
      byte = bytes[at++]!
      high |= (byte & 0x7f) << shift
    }
    const value = high * LOW_HALF + low
    // One value has one spelling, so that bytes which decode also re-encode to themselves.
    if (byte >= 0x80 || byte === 0 || value > Number.MAX_SAFE_INTEGER) {
      this.fail()
      return 0
    }
    this.#offset = at
    return value
  }

  int(): number {
    const negative = this.bool()
    const magnitude = this.uint()
    if (negative && magnitude === 0) this.fail()
    return negative && magnitude !== 0 ? -magnitude : magnitude
  }

  bool(): boolean {
    const value = this.u8()
    if (value > 1) this.fail()
    return value === 1
  }

  /** A count of items still to come, each of at least `bytesMin` bytes: a lie about it fails at once. */
  count(bytesMin = 1): number {
    const value = this.uint()
    if (value * bytesMin <= this.remaining) return value
    this.fail()
    return 0
  }

  str(): string {
    const length = this.count()
    const at = this.#offset
    this.#offset = at + length
    return latin1FromBytes(this.#bytes, at, at + length)
  }

  /** As `str`, and into `digest` as `Digest.str` takes it: from the bytes, while they are at hand. */
  strDigested(digest: Digest): string {
    const length = this.count()
    const at = this.#offset
    this.#offset = at + length
    digest.range(this.#bytes, at, at + length)
    return latin1FromBytes(this.#bytes, at, at + length)
  }

  /** `strDigested` for those who do not want the string. */
  strSkipped(digest: Digest): void {
    const length = this.count()
    const at = this.#offset
    this.#offset = at + length
    digest.range(this.#bytes, at, at + length)
  }

  bytes(): Uint8Array {
    return this.raw(this.count())
  }

  /** A copy of the next `length` bytes. */
  raw(length: number): Uint8Array {
    if (length > this.remaining) {
      this.fail()
      return new Uint8Array(0)
    }
    const at = this.#offset
    this.#offset = at + length
    return this.#bytes.slice(at, at + length)
  }
}
