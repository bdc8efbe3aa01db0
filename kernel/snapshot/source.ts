import type { Cursor, ReadView, Space } from "../engine/engine.ts"
import { SPACE_MAX } from "../engine/layers.ts"
import { Tree } from "../engine/tree.ts"
import { ByteWriter, type ByteReader, type Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import { makeChunk, type Chunk } from "./chunk.ts"
import { readSnapshotHead, ROW_SPACES, spanOf, writeSnapshotHead, type SnapshotHead } from "./head.ts"

type Rows = Pick<ReadView, "cursor">

/** Where a chunk begins: a place in `ROW_SPACES`, a key in that space, and the bytes of the chunks before it. */
type Border = { readonly at: number; readonly key: string; readonly bytes: number }

/**
 * A range as it stood at one applied index, given out in chunks. The view does not move, so writers go on
 * beside it; chunks are made when they are asked for, and made again the same.
 */
export class SnapshotSource {
  readonly head: SnapshotHead
  readonly #rows: Rows
  /** Where chunks begin, as far as that was found out. */
  readonly #borders: Border[]
  /** How many chunks there are, and their bytes; null until the last was seen. */
  #count: number | null = null
  #bytes = 0

  constructor(head: SnapshotHead, rows: Rows) {
    this.head = head
    this.#rows = rows
    this.#borders = [{ at: 0, key: spanOf(head.descriptor).start, bytes: 0 }]
  }

  /** Whether there are so many chunks. */
  has(number: number): boolean {
    while (this.#borders.length <= number && this.#count === null) this.#make(this.#borders.length - 1)
    return number < this.#borders.length
  }

  /** Null beyond the last one. */
  chunk(number: number): Chunk | null {
    return this.has(number) ? this.#make(number) : null
  }

  /** Bytes of the first so many chunks. */
  bytesOf(chunks: number): number {
    return this.has(chunks) ? this.#borders[chunks]!.bytes : this.#bytes
  }

  #make(number: number): Chunk {
    const { id, descriptor } = this.head
    const span = spanOf(descriptor)
    const writer = new ByteWriter(Math.min(id.chunkBytes + 256, 1 << 20))
    const { bytes } = this.#borders[number]!
    let { at, key } = this.#borders[number]!
    for (; at < ROW_SPACES.length; at++) {
      const space = ROW_SPACES[at]!
      for (const cursor = this.#rows.cursor(space, key, span.end, false); cursor.valid; cursor.next()) {
        if (writer.length >= id.chunkBytes) {
          if (number + 1 === this.#borders.length)
            this.#borders.push({ at, key: cursor.key, bytes: bytes + writer.length })
          return makeChunk(id, number, false, writer.take())
        }
        writer.u8(space)
        writer.str(cursor.key)
        writer.str(cursor.value)
      }
      key = span.start
    }
    this.#count = number + 1
    this.#bytes = bytes + writer.length
    return makeChunk(id, number, true, writer.take())
  }

  /** With all its rows: what is read back makes the same chunks. */
  save(sink: Sink): void {
    writeSnapshotHead(this.head, sink)
    const span = spanOf(this.head.descriptor)
    for (const space of ROW_SPACES) {
      for (
        const cursor = this.#rows.cursor(space, span.start, span.end, false);
        cursor.valid;
        cursor.next()
      ) {
        sink.u8(space)
        sink.str(cursor.key)
        sink.str(cursor.value)
      }
    }
    sink.u8(0)
  }

  static load(reader: ByteReader): SnapshotSource {
    const head = readSnapshotHead(reader)
    const rows = new HeldRows()
    for (let space = reader.u8(); space !== 0 && !reader.failed; space = reader.u8()) {
      invariant(space <= SPACE_MAX, "A saved snapshot has a space that does not exist")
      const key = reader.str()
      rows.put(space as Space, key, reader.str())
    }
    return new SnapshotSource(head, rows)
  }
}

/** Rows that no engine holds any more. */
class HeldRows implements Rows {
  readonly #trees = Array.from({ length: SPACE_MAX }, () => new Tree<string>())

  put(space: Space, key: string, value: string): void {
    this.#trees[space - 1]!.put(key, value)
  }

  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    return this.#trees[space - 1]!.cursor(start, end, reverse)
  }
}
