import { ByteReader, ByteWriter } from "../lib/bytes.ts"
import { crc32c } from "../lib/crc32c.ts"
import { readDamage, writeDamage, type Damage, type DamageList } from "./damage.ts"
import type { Cursor, Space } from "./engine.ts"
import { SPACE_MAX } from "./layers.ts"

/**
 * A base as one file (docs/formats/checkpoint.md): a header, blocks of rows, an index of the blocks and a
 * footer that finds the index. Every block has a checksum of its own, kept in the index together with the
 * first and the last key in it: a block that cannot be read is a span of keys that is lost, and no more.
 * Without header or index nothing says what was here, and the file as a whole is lost.
 */

const MAGIC = "ORRYCKPT"
const FORMAT_VERSION = 2
const FOOTER_BYTES = 8
/** A block is closed once its payload has reached this; one value of 1 MiB makes one block. */
const BLOCK_BYTES = 4 << 10

/** What a file holds. `put` is called for every row that could be read, ascending by (space, key). */
export type CheckpointFile = { readonly checkpoint: number; readonly damage: DamageList }

type Block = {
  readonly space: Space
  readonly rows: number
  readonly first: string
  readonly last: string
  readonly payload: Uint8Array
}

/** The same rows, damage and checkpoint give the same bytes. `cursorOf` walks one space. */
export function encodeCheckpoint(
  checkpoint: number,
  damage: DamageList,
  cursorOf: (space: Space) => Cursor,
): Uint8Array {
  const blocks: Block[] = []
  for (let space = 1; space <= SPACE_MAX; space++) cutBlocks(space as Space, cursorOf(space as Space), blocks)
  let size = 64
  for (const { payload, first, last } of blocks) size += payload.length + first.length + last.length + 24
  const file = new ByteWriter(size)
  for (let i = 0; i < MAGIC.length; i++) file.u8(MAGIC.charCodeAt(i))
  file.u32(FORMAT_VERSION)
  file.uint(checkpoint)
  const seed = crc32c(file.view(), 0, file.length)
  file.u32(seed)
  const index = new ByteWriter(256)
  index.uint(blocks.length)
  for (const { space, rows, first, last, payload } of blocks) {
    index.u8(space)
    index.uint(rows)
    index.str(first)
    index.str(last)
    index.uint(payload.length)
    index.u32(blockChecksum(payload, 0, payload.length, file.length, seed))
    file.raw(payload)
  }
  writeDamage(damage, index)
  const indexBytes = index.finish()
  file.raw(indexBytes)
  file.u32(indexBytes.length)
  file.u32(indexChecksum(indexBytes, 0, indexBytes.length, seed))
  return file.finish()
}

/** Rows are never split, and no block holds rows of two spaces. */
function cutBlocks(space: Space, cursor: Cursor, blocks: Block[]): void {
  const block = new ByteWriter(BLOCK_BYTES + 1024)
  let rows = 0
  let first = ""
  let last = ""
  const close = (): void => {
    blocks.push({ space, rows, first, last, payload: block.finish() })
    block.reset()
    rows = 0
  }
  for (; cursor.valid; cursor.next()) {
    last = cursor.key
    if (rows === 0) first = last
    rows++
    block.str(last)
    block.str(cursor.value)
    if (block.length >= BLOCK_BYTES) close()
  }
  if (rows > 0) close()
}

/** Null when header, index or footer are not as they were written: then nothing of the file is known. */
export function decodeCheckpoint(
  bytes: Uint8Array,
  put: (space: Space, key: string, value: string) => void,
): CheckpointFile | null {
  const header = new ByteReader(bytes)
  for (let i = 0; i < MAGIC.length; i++) if (header.u8() !== MAGIC.charCodeAt(i)) return null
  if (header.u32() !== FORMAT_VERSION) return null
  const checkpoint = header.uint()
  const seed = crc32c(bytes, 0, header.offset)
  if (header.u32() !== seed || header.failed || header.remaining < FOOTER_BYTES) return null
  const footer = new ByteReader(bytes, bytes.length - FOOTER_BYTES)
  const indexLength = footer.u32()
  const indexStart = bytes.length - FOOTER_BYTES - indexLength
  if (indexStart < header.offset) return null
  const indexEnd = indexStart + indexLength
  if (footer.u32() !== indexChecksum(bytes, indexStart, indexEnd, seed)) return null

  const index = new ByteReader(bytes, indexStart, indexEnd)
  const damage: Damage[] = []
  const rows: [key: string, value: string][] = []
  let offset = header.offset
  let lastSpace = 0
  let lastKey = ""
  for (let left = index.count(9); left > 0; left--) {
    const space = index.u8() as Space
    const count = index.uint()
    const first = index.str()
    const last = index.str()
    const length = index.uint()
    const checksum = index.u32()
    const isAfter = space > lastSpace || (space === lastSpace && first > lastKey)
    if (index.failed || !isAfter || space > SPACE_MAX || last < first || length > indexStart - offset)
      return null
    const end = offset + length
    rows.length = 0
    const isWhole = blockChecksum(bytes, offset, end, offset, seed) === checksum
    if (isWhole && readRows(new ByteReader(bytes, offset, end), count, first, last, rows)) {
      for (const [key, value] of rows) put(space, key, value)
    } else damage.push({ space, from: first, to: last + "\0" })
    offset = end
    lastSpace = space
    lastKey = last
  }
  damage.push(...readDamage(index, SPACE_MAX))
  if (index.failed || index.remaining > 0 || offset !== indexStart) return null
  return { checkpoint, damage }
}

/** False when they are not the rows the index speaks of. */
function readRows(
  reader: ByteReader,
  count: number,
  first: string,
  last: string,
  rows: [key: string, value: string][],
): boolean {
  while (reader.remaining > 0) {
    const key = reader.str()
    const value = reader.str()
    const before = rows.at(-1)
    if (reader.failed || (before !== undefined && key <= before[0])) return false
    rows.push([key, value])
  }
  return rows.length === count && rows[0]?.[0] === first && rows.at(-1)?.[0] === last
}

/** Says where the block lies and how long it is, so that one in another place never validates. */
function blockChecksum(bytes: Uint8Array, start: number, end: number, offset: number, seed: number): number {
  return crc32c(bytes, start, end, (seed ^ (end - start) ^ Math.imul(offset, 0x9e37_79b1)) >>> 0)
}

function indexChecksum(bytes: Uint8Array, start: number, end: number, seed: number): number {
  return crc32c(bytes, start, end, (~seed ^ (end - start)) >>> 0)
}
