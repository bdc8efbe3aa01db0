import type { Space } from "../engine/engine.ts"
import { ByteReader } from "../lib/bytes.ts"
import { crc32c } from "../lib/crc32c.ts"
import { Digest } from "../lib/digest.ts"
import { ROW_SPACES, writeSnapshotId, type SnapshotId } from "./head.ts"

export type Row = { readonly space: Space; readonly key: string; readonly value: string }

/** A part of a snapshot's rows, from 0. */
export type Chunk = {
  readonly number: number
  /** No row comes after it. */
  readonly last: boolean
  readonly checksum: number
  readonly data: Uint8Array
}

export function makeChunk(id: SnapshotId, number: number, last: boolean, data: Uint8Array): Chunk {
  return { number, last, checksum: checksumOf(id, number, last, data), data }
}

/** Whether the chunk is what was made, and belongs to this snapshot, at this place. */
export function isWhole(id: SnapshotId, chunk: Chunk): boolean {
  return checksumOf(id, chunk.number, chunk.last, chunk.data) === chunk.checksum
}

/** CRC-32C of the rows, seeded with all that is said of them: a chunk of another snapshot or place never passes. */
function checksumOf(id: SnapshotId, number: number, last: boolean, data: Uint8Array): number {
  const digest = new Digest()
  writeSnapshotId(id, digest)
  digest.uint(number)
  digest.bool(last)
  return crc32c(data, 0, data.length, digest.low)
}

/** Where a walk over the rows stands: at the last row it passed. `space` 0: before the first. */
export type Place = { readonly space: number; readonly key: string }

export const BEFORE_FIRST: Place = { space: 0, key: "" }

/** The rows of a chunk; null when these are none, or one is not after the last or lies outside `[start, end)`. */
export function readRows(
  data: Uint8Array,
  after: Place,
  span: { readonly start: string; readonly end: string },
): readonly Row[] | null {
  const reader = new ByteReader(data)
  const rows: Row[] = []
  let { space: lastSpace, key: lastKey } = after
  while (reader.remaining > 0) {
    const space = reader.u8() as Space
    const key = reader.str()
    const value = reader.str()
    const isInOrder = space > lastSpace || (space === lastSpace && key > lastKey)
    if (reader.failed || !isInOrder || !ROW_SPACES.includes(space)) return null
    if (key < span.start || key >= span.end) return null
    rows.push({ space, key, value })
    lastSpace = space
    lastKey = key
  }
  return reader.failed ? null : rows
}
