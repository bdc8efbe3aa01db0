import { ByteReader, ByteWriter } from "../lib/bytes.ts"
import { crc32c } from "../lib/crc32c.ts"
import { invariant } from "../lib/invariant.ts"
import type { Base } from "./base.ts"
import type { Cursor, Space } from "./engine.ts"
import { SPACE_MAX } from "./layers.ts"
import type { FrozenOverlay } from "./overlay.ts"
import { Tree } from "./tree.ts"

/** "ORRYCKPT" */
const MAGIC = "ORRYCKPT"
const FORMAT_VERSION = 1
/** A block is closed once its payload has reached this; one value of 1 MiB makes one block. */
const BLOCK_BYTES = 64 << 10

/**
 * A base in memory whose durable form is one file. It never changes: a checkpoint gives a new one that
 * shares what did not change.
 *
 * The file: a header, then blocks. Header: magic (8 bytes), format version u32, checkpoint uint, block
 * count uint, rows of each space uint, then u32 CRC-32C of all that. Block: payload length u32, CRC-32C
 * u32, payload = rows of (space u8, key str, value str), ascending by (space, key). The checksum of a
 * block starts from the one before it, so blocks of another file, or in another place, never validate.
 */
export class MemoryBase implements Base {
  readonly checkpoint: number
  readonly #trees: readonly Tree<string>[]

  private constructor(checkpoint: number, trees: readonly Tree<string>[]) {
    this.checkpoint = checkpoint
    this.#trees = trees
  }

  /** Checkpoint 0: nothing in it. */
  static empty(): MemoryBase {
    return new MemoryBase(0, emptyTrees())
  }

  get(space: Space, key: string): string | null {
    return this.#trees[space - 1]!.get(key) ?? null
  }

  cursor(space: Space, start: string, end: string, reverse: boolean): Cursor {
    return this.#trees[space - 1]!.cursor(start, end, reverse)
  }

  /** It never changes. */
  snapshot(): MemoryBase {
    return this
  }

  /** The base that also contains these changes; this one stays as it is. */
  apply(changes: FrozenOverlay): MemoryBase {
    invariant(
      changes.checkpoint > this.checkpoint,
      "Cannot apply changes: the base is already past their checkpoint",
    )
    const trees = this.#trees.map((tree) => tree.snapshot())
    for (const write of changes.writes()) {
      const tree = trees[write.space - 1]!
      if (write.type === "put") tree.put(write.key, write.value)
      else tree.delete(write.key)
    }
    return new MemoryBase(changes.checkpoint, trees)
  }

  /** The same content and checkpoint give the same bytes. */
  encode(): Uint8Array {
    const blocks: Uint8Array[] = []
    const block = new ByteWriter(BLOCK_BYTES + 4096)
    for (let space = 1; space <= SPACE_MAX; space++) {
      const cursor = this.#trees[space - 1]!.cursor("", "", false)
      for (; cursor.valid; cursor.next()) {
        block.u8(space)
        block.str(cursor.key)
        block.str(cursor.value)
        if (block.length < BLOCK_BYTES) continue
        blocks.push(block.finish())
        block.reset()
      }
    }
    if (block.length > 0) blocks.push(block.finish())

    let size = 64
    for (const payload of blocks) size += 8 + payload.length
    const file = new ByteWriter(size)
    for (let i = 0; i < MAGIC.length; i++) file.u8(MAGIC.charCodeAt(i))
    file.u32(FORMAT_VERSION)
    file.uint(this.checkpoint)
    file.uint(blocks.length)
    for (const tree of this.#trees) file.uint(tree.size)
    let checksum = crc32c(file.view(), 0, file.length)
    file.u32(checksum)
    for (const payload of blocks) {
      checksum = blockChecksum(payload, 0, payload.length, checksum)
      file.u32(payload.length)
      file.u32(checksum)
      file.raw(payload)
    }
    return file.finish()
  }

  /** Null when anything at all is not as `encode` wrote it. */
  static decode(bytes: Uint8Array): MemoryBase | null {
    const header = new ByteReader(bytes)
    for (let i = 0; i < MAGIC.length; i++) if (header.u8() !== MAGIC.charCodeAt(i)) return null
    if (header.u32() !== FORMAT_VERSION) return null
    const checkpoint = header.uint()
    const blockCount = header.uint()
    const rowCounts = Array.from({ length: SPACE_MAX }, () => header.uint())
    let checksum = crc32c(bytes, 0, header.offset)
    if (header.u32() !== checksum || header.failed) return null

    const trees = emptyTrees()
    let offset = header.offset
    let lastSpace = 0
    let lastKey = ""
    for (let left = blockCount; left > 0; left--) {
      const frame = new ByteReader(bytes, offset)
      const length = frame.u32()
      const expected = frame.u32()
      if (frame.failed || length === 0 || length > frame.remaining) return null
      const start = frame.offset
      offset = start + length
      checksum = blockChecksum(bytes, start, offset, checksum)
      if (checksum !== expected) return null
      const rows = new ByteReader(bytes, start, offset)
      while (rows.remaining > 0) {
        const space = rows.u8()
        const key = rows.str()
        const value = rows.str()
        if (rows.failed || space < 1 || space > SPACE_MAX) return null
        if (space < lastSpace || (space === lastSpace && key <= lastKey)) return null
        trees[space - 1]!.put(key, value)
        lastSpace = space
        lastKey = key
      }
    }
    if (offset !== bytes.length) return null
    for (let i = 0; i < SPACE_MAX; i++) if (trees[i]!.size !== rowCounts[i]) return null
    return new MemoryBase(checkpoint, trees)
  }
}

/** Covers the length as well: it is the seed's last word. */
function blockChecksum(bytes: Uint8Array, start: number, end: number, previous: number): number {
  return crc32c(bytes, start, end, (previous ^ (end - start)) >>> 0)
}

function emptyTrees(): readonly Tree<string>[] {
  return Array.from({ length: SPACE_MAX }, () => new Tree<string>())
}
