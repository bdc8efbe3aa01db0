/** Protobuf's wire types. Groups (3 and 4) are older than proto3 and refused. */
export const VARINT = 0
export const FIXED64 = 1
export const BYTES = 2
const FIXED32 = 5

const TWO_32 = 0x1_0000_0000
/** Below this a loop over the chars is faster than the call into the runtime. */
const SHORT = 24

/**
 * Writes protobuf from its end to its beginning, so that the length of a nested message is known when it is due:
 * fields of a message are written last to first. Byte fields come from strings of one char a byte.
 */
export class WireWriter {
  #bytes: Buffer
  #at: number

  constructor(size: number = 1 << 12) {
    this.#bytes = Buffer.allocUnsafe(size)
    this.#at = size
  }

  /** Bytes written so far; the difference of two is the length of what lies between. */
  get length(): number {
    return this.#bytes.length - this.#at
  }

  /** What was written, as bytes of their own; the writer starts anew. */
  finish(): Buffer {
    const message = Buffer.from(this.#bytes.subarray(this.#at))
    this.#at = this.#bytes.length
    return message
  }

  /** A varint field; 0 is what an absent one means. */
  uint(tag: number, value: number): void {
    if (value === 0) return
    this.#varint(value)
    this.#varint(tag)
  }

  bool(tag: number, value: boolean): void {
    if (value) this.uint(tag, 1)
  }

  /** Even when it is what an absent field means: within a oneof it says which. */
  uintAlways(tag: number, value: number): void {
    this.#varint(value)
    this.#varint(tag)
  }

  sfixed64(tag: number, value: number): void {
    this.#reserve(8)
    this.#at -= 8
    this.#bytes.writeUInt32LE(value >>> 0, this.#at)
    this.#bytes.writeInt32LE(Math.floor(value / TWO_32), this.#at + 4)
    this.#varint(tag)
  }

  latin1(tag: number, text: string): void {
    if (text !== "") this.latin1Always(tag, text)
  }

  latin1Always(tag: number, text: string): void {
    const { length } = text
    this.#reserve(length)
    const at = this.#at - length
    this.#at = at
    const bytes = this.#bytes
    if (length < SHORT) {
      for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i)
    } else {
      bytes.write(text, at, length, "latin1")
    }
    this.#varint(length)
    this.#varint(tag)
  }

  /** Text as UTF-8, for people. */
  text(tag: number, text: string): void {
    if (text === "") return
    const length = Buffer.byteLength(text)
    this.#reserve(length)
    this.#at -= length
    this.#bytes.write(text, this.#at, length, "utf8")
    this.#varint(length)
    this.#varint(tag)
  }

  /** Heads what was written since `length` was `before` as a nested message. */
  nest(tag: number, before: number): void {
    this.#varint(this.length - before)
    this.#varint(tag)
  }

  #varint(value: number): void {
    if (value < 0x80) {
      if (this.#at === 0) this.#reserve(1)
      this.#bytes[--this.#at] = value
      return
    }
    let size = 2
    for (let rest = Math.floor(value / 0x4000); rest > 0; rest = Math.floor(rest / 0x80)) size++
    this.#reserve(size)
    let at = this.#at - size
    this.#at = at
    const bytes = this.#bytes
    let rest = value
    for (; rest > 0x7fff_ffff; rest = Math.floor(rest / 0x80)) bytes[at++] = (rest % 0x80) | 0x80
    for (; rest > 0x7f; rest >>>= 7) bytes[at++] = (rest & 0x7f) | 0x80
    bytes[at] = rest
  }

  #reserve(size: number): void {
    if (this.#at >= size) return
    const { length } = this
    const larger = Buffer.allocUnsafe(Math.max(this.#bytes.length * 2, length + size))
    this.#bytes.copy(larger, larger.length - length, this.#at)
    this.#bytes = larger
    this.#at = larger.length - length
  }
}

/**
 * Reads protobuf that nobody vouches for. Nothing throws: once something cannot be read `failed` is set, every further
 * read gives nothing, and whoever reads looks at the end.
 */
export class WireReader {
  failed = false
  readonly #bytes: Buffer
  #at = 0
  #end: number

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#end = bytes.length
  }

  /** The next field's tag, or 0 when the message ends here. */
  tag(): number {
    if (this.#at >= this.#end || this.failed) return 0
    const tag = this.uint()
    // Field 0 does not exist, and fields end at 2^29 - 1.
    if (tag < 8 || tag > 0xffff_ffff) this.failed = true
    return this.failed ? 0 : tag
  }

  /** For packed fields: whether the message goes on. */
  get hasMore(): boolean {
    return this.#at < this.#end && !this.failed
  }

  /** At most 2^53 - 1. */
  uint(): number {
    const bytes = this.#bytes
    const end = this.#end
    let at = this.#at
    let value = 0
    let scale = 1
    while (at < end) {
      const byte = bytes[at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) {
        this.#at = at
        if (value > Number.MAX_SAFE_INTEGER) this.failed = true
        return this.failed ? 0 : value
      }
      scale *= 0x80
      // Ten bytes are the longest; more than 2^53 - 1 stays more, however it is rounded.
      if (scale > 2 ** 63) break
    }
    this.failed = true
    return 0
  }

  bool(): boolean {
    return this.uint() !== 0
  }

  /** A safe integer of either sign. */
  sfixed64(): number {
    const at = this.#at
    if (this.#end - at < 8) {
      this.failed = true
      return 0
    }
    this.#at = at + 8
    const value = this.#bytes.readInt32LE(at + 4) * TWO_32 + this.#bytes.readUInt32LE(at)
    if (!Number.isSafeInteger(value)) this.failed = true
    return this.failed ? 0 : value
  }

  /** A byte field as a string of one char a byte. */
  latin1(): string {
    const length = this.#length()
    const at = this.#at
    this.#at = at + length
    return length === 0 ? "" : this.#bytes.toString("latin1", at, at + length)
  }

  text(): string {
    const length = this.#length()
    const at = this.#at
    this.#at = at + length
    return length === 0 ? "" : this.#bytes.toString("utf8", at, at + length)
  }

  /** Enters a nested message, and gives what `leave` needs afterwards. */
  enter(): number {
    const length = this.#length()
    const outer = this.#end
    this.#end = this.#at + length
    return outer
  }

  /** Goes on behind the nested message, wherever in it one stopped. */
  leave(outer: number): void {
    this.#at = this.#end
    this.#end = outer
  }

  /** Passes over a field nobody here knows. */
  skip(tag: number): void {
    switch (tag & 7) {
      case VARINT:
        this.#skipVarint()
        break
      case FIXED64:
        this.#pass(8)
        break
      case BYTES:
        this.#pass(this.#length())
        break
      case FIXED32:
        this.#pass(4)
        break
      default:
        this.failed = true
    }
  }

  /** An unknown varint may be any 64 bits. */
  #skipVarint(): void {
    for (let i = 0; i < 10 && this.#at < this.#end; i++) if (this.#bytes[this.#at++]! < 0x80) return
    this.failed = true
  }

  #pass(size: number): void {
    if (this.#end - this.#at < size) this.failed = true
    else this.#at += size
  }

  #length(): number {
    const length = this.uint()
    if (length <= this.#end - this.#at) return length
    this.failed = true
    return 0
  }
}
