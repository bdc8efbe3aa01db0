import {
  ByteReader,
  ByteWriter,
  crc32c,
  crc32cLatin1,
  crc32cWord,
  readDamage,
  SPACE_MAX,
  writeDamage,
  type DamageList,
  type Space,
} from "#kernel"

// How rows lie in LMDB (docs/formats/data-dir.md): the key is the space and the kernel's key, the value is a checksum
// of both and the kernel's value. Values are checked wherever they are read.

/** Pages of 8 KiB take keys of up to 4,026 bytes, above the 2,079 that the kernel's longest has; it comes with its space. */
export const PAGE_BYTES = 8192
export const KEY_BYTES_MAX = 4026
export const CHECKSUM_BYTES = 4

/** Below every space: what the base says of itself. */
export const META_KEY = "\0"
const META_FORMAT = 1

export type Meta = { readonly checkpoint: number; readonly damage: DamageList }

/** One byte string, so that LMDB's order is the order of (space, key). */
export function rowKey(space: Space, key: string): string {
  return String.fromCharCode(space) + key
}

/** Of a value of `length` bytes under `key`, the space included; both as they stand in memory. */
export function checksumOf(
  bytes: Uint8Array,
  keyStart: number,
  keyEnd: number,
  start: number,
  end: number,
): number {
  return crc32c(bytes, start, end, crc32cWord(keyEnd - keyStart, crc32c(bytes, keyStart, keyEnd)))
}

/** The value of a row as LMDB gave it, latin1; null when it is not what was written under this key. */
export function openRow(key: string, row: string): string | null {
  if (row.length < CHECKSUM_BYTES) return null
  const seed = crc32cWord(key.length, crc32cLatin1(key, 0, key.length))
  const checksum = crc32cLatin1(row, CHECKSUM_BYTES, row.length, seed)
  const found =
    (row.charCodeAt(0) | (row.charCodeAt(1) << 8) | (row.charCodeAt(2) << 16) | (row.charCodeAt(3) << 24)) >>>
    0
  return found === checksum ? row.slice(CHECKSUM_BYTES) : null
}

export function putChecksum(bytes: Uint8Array, at: number, checksum: number): void {
  bytes[at] = checksum
  bytes[at + 1] = checksum >>> 8
  bytes[at + 2] = checksum >>> 16
  bytes[at + 3] = checksum >>> 24
}

/** Without its checksum. */
export function encodeMeta(meta: Meta): Uint8Array {
  const writer = new ByteWriter(64)
  writer.u8(META_FORMAT)
  writer.uint(meta.checkpoint)
  writeDamage(meta.damage, writer)
  return writer.finish()
}

/** Null when it is not what `encodeMeta` wrote. */
export function decodeMeta(bytes: Uint8Array): Meta | null {
  const reader = new ByteReader(bytes)
  if (reader.u8() !== META_FORMAT) return null
  const checkpoint = reader.uint()
  const damage = readDamage(reader, SPACE_MAX)
  return reader.failed || reader.remaining > 0 ? null : { checkpoint, damage }
}

/** Everything: what a base says that cannot be opened. */
export function allDamaged(): DamageList {
  return Array.from({ length: SPACE_MAX }, (_, i) => ({ space: (i + 1) as Space, from: "", to: "" }))
}
