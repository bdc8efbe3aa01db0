import { ByteReader, ByteWriter, invariant, readInput, writeInput, type Input } from "#kernel"
import { floats } from "./columns.ts"

const BLOCK_BYTES = 1 << 18
/** A place in the log is its block times this, and the offset in it. */
const PLACES = 0x1_0000_0000

/** Every input of a run, whole, as a recording has it: some tens of bytes each, and no object kept alive. */
export class InputLog {
  readonly #places = floats()
  readonly #blocks: Uint8Array[] = []
  readonly #scratch = new ByteWriter(1024)
  #used = BLOCK_BYTES

  get length(): number {
    return this.#places.length
  }

  get bytes(): number {
    return this.#blocks.reduce((sum, { length }) => sum + length, 0)
  }

  push(input: Input): void {
    this.#scratch.reset()
    writeInput(input, this.#scratch, true)
    const { length } = this.#scratch
    if (this.#used + length > (this.#blocks.at(-1)?.length ?? 0)) {
      this.#blocks.push(new Uint8Array(Math.max(BLOCK_BYTES, length)))
      this.#used = 0
    }
    this.#scratch.copyTo(this.#blocks.at(-1)!, this.#used)
    this.#places.push((this.#blocks.length - 1) * PLACES + this.#used)
    this.#used += length
  }

  /** The input of this index, from 0. */
  read(index: number): Input {
    const place = this.#places.at(index)
    const reader = new ByteReader(this.#blocks[Math.floor(place / PLACES)]!, place % PLACES)
    const input = readInput(reader)
    invariant(!reader.failed, "A kept input cannot be read")
    return input
  }
}
