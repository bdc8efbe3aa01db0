/** Encoded frames that wait, first in, first out, within a bound of bytes and frames. */
export class LaneQueue {
  readonly #framesMax: number
  readonly #bytesMax: number
  readonly #dropsOldest: boolean
  readonly #onDrop: (bytes: number) => void
  #items: (Buffer | undefined)[] = []
  #head = 0
  bytes = 0

  constructor(
    bound: { readonly frames: number; readonly bytes: number; readonly drops: "oldest" | "newest" },
    onDrop: (bytes: number) => void,
  ) {
    this.#framesMax = bound.frames
    this.#bytesMax = bound.bytes
    this.#dropsOldest = bound.drops === "oldest"
    this.#onDrop = onDrop
  }

  get length(): number {
    return this.#items.length - this.#head
  }

  /** An empty queue takes any frame, however large. */
  push(frame: Buffer): void {
    while (this.length > 0 && !this.#hasRoom(frame.length)) {
      if (!this.#dropsOldest) {
        this.#onDrop(frame.length)
        return
      }
      this.#onDrop(this.shift()!.length)
    }
    this.#items.push(frame)
    this.bytes += frame.length
  }

  peek(): Buffer | undefined {
    return this.#items[this.#head]
  }

  shift(): Buffer | undefined {
    const frame = this.#items[this.#head]
    if (frame === undefined) return undefined
    this.#items[this.#head++] = undefined
    this.bytes -= frame.length
    if (this.#head === this.#items.length) {
      this.#items = []
      this.#head = 0
    } else if (this.#head >= 1_024 && 2 * this.#head >= this.#items.length) {
      this.#items = this.#items.slice(this.#head)
      this.#head = 0
    }
    return frame
  }

  /** Drops all of it. */
  clear(): void {
    for (let frame = this.shift(); frame !== undefined; frame = this.shift()) this.#onDrop(frame.length)
  }

  #hasRoom(bytes: number): boolean {
    return this.length < this.#framesMax && this.bytes + bytes <= this.#bytesMax
  }
}
