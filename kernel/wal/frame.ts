import type { Lsn } from "../ids.ts"
import { ByteReader, ByteWriter } from "../lib/bytes.ts"
import { crc32c, crc32cWord } from "../lib/crc32c.ts"
import { invariant, InvariantError } from "../lib/invariant.ts"
import { readItem, skimItem, type SkimmedItem, type WalItem } from "./item.ts"

/**
 * A frame: what one turn adds to a volume's log, written and synced at once, valid as a whole or not at all.
 * All integers little endian; docs/formats/wal.md has golden bytes.
 *
 *   0  u32 length          bytes of header and items, before padding
 *   4  u32 checksum        CRC-32C of [8, 36) and of [40, end), padding included
 *   8  u64 lsn
 *  16  u64 durableLsn      what was known to be durable when this was written
 *  24  u32 previous        checksum of the frame before
 *  28  u32 mask            items are XORed with this word, repeated; almost always 0
 *  32  u32 itemCount       at least 1
 *  36  u32 headerChecksum  CRC-32C of [0, 36)
 *  40  items, then zeros up to a multiple of 8
 *
 * Both checksums are seeded with the segment's salt, its sequence and the frame's own offset, and cover the lsn:
 * bytes of a recycled segment, or written to the wrong place, never validate. The header has a checksum of its own
 * so that a flipped bit in `length` cannot make a whole frame look like a torn one.
 *
 * What a torn frame looks like is not left to chance. A sector is old or new, and old is zero; so a frame that
 * misses a sector shows a sector of zeros, provided that no whole frame does. `mask` sees to that: it is chosen so
 * that every sector of the frame has at least two bits set, hence one flipped bit makes no zero sector either. A
 * frame without a zero sector that does not validate is therefore corrupt, never torn.
 */
export const FRAME_HEADER_BYTES = 40
export const FRAME_ALIGNMENT = 8
/** What a disk writes whole or not at all. */
export const SECTOR_BYTES = 512
/** Header and items of one frame; beyond it a length is malformed. Far above any turn: 1 GiB. */
export const FRAME_BYTES_MAX: number = 1 << 30

/** Which segment a frame lies in, as far as its checksums know. */
export type FrameContext = { readonly salt: number; readonly sequence: number }

export type FrameFields = {
  readonly lsn: Lsn
  readonly durableLsn: Lsn
  /** Checksum of the frame before, 0 before the first. */
  readonly previous: number
}

/** A header whose own checksum is right: its lsn and extent can be trusted whatever became of the items. */
export type FrameHeader = FrameFields & {
  readonly checksum: number
  /** Offset of the first byte after the padding. */
  readonly end: number
  readonly length: number
  readonly mask: number
  readonly itemCount: number
}

export type BadFrame = "zero" | "header" | "short" | "checksum" | "padding" | "items"

export type DecodedFrame =
  | { readonly type: "frame"; readonly header: FrameHeader; readonly items: readonly WalItem[] }
  /** `header` is null when not even that can be trusted. */
  | { readonly type: "bad"; readonly reason: BadFrame; readonly header: FrameHeader | null }

/** Bytes a frame with `itemBytes` bytes of items takes. */
export function frameBytes(itemBytes: number): number {
  return roundUp(FRAME_HEADER_BYTES + itemBytes)
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / FRAME_ALIGNMENT) * FRAME_ALIGNMENT
}

/**
 * The bytes of a frame whose items were encoded as `parts`, to be written at `offset` of its segment. A frame cannot
 * be moved: its checksums know where it lies.
 */
export function encodeFrame(
  context: FrameContext,
  offset: number,
  fields: FrameFields,
  itemCount: number,
  parts: readonly (ByteWriter | Uint8Array)[],
): { readonly bytes: Uint8Array; readonly checksum: number } {
  invariant(offset % FRAME_ALIGNMENT === 0, "Cannot encode a frame: its offset is not aligned")
  invariant(itemCount > 0, "Cannot encode a frame: it has no items")
  let length = FRAME_HEADER_BYTES
  for (const part of parts) length += part.length
  invariant(length <= FRAME_BYTES_MAX, "Cannot encode a frame: it is too long")
  const bytes = new Uint8Array(roundUp(length))
  let at = FRAME_HEADER_BYTES
  for (const part of parts) {
    if (part instanceof ByteWriter) part.copyTo(bytes, at)
    else bytes.set(part, at)
    at += part.length
  }
  const mask = chooseMask(bytes, offset, length)
  if (mask !== 0) applyMask(bytes, FRAME_HEADER_BYTES, length, mask)
  putU32(bytes, 0, length)
  putU64(bytes, 8, fields.lsn)
  putU64(bytes, 16, fields.durableLsn)
  putU32(bytes, 24, fields.previous)
  putU32(bytes, 28, mask)
  putU32(bytes, 32, itemCount)
  return { bytes, checksum: sealFrame(bytes, 0, bytes.length, context, offset) }
}

/**
 * Writes both checksums of the frame in `bytes[start, end)`, which lies at `offset` of its segment; the frame's own
 * checksum is returned. Of use by itself only to those who forge frames: fuzzers and tests.
 */
export function sealFrame(
  bytes: Uint8Array,
  start: number,
  end: number,
  context: FrameContext,
  offset: number,
): number {
  const seed = seedOf(context, offset)
  const checksum = bodyChecksum(bytes, start, end, seed)
  putU32(bytes, start + 4, checksum)
  putU32(bytes, start + 36, crc32c(bytes, start, start + 36, seed))
  return checksum
}

/**
 * Reads the header at `offset` of a segment, or null. Most of what is no header is refused without a checksum, so
 * trying every position of a damaged segment stays cheap.
 */
export function decodeHeader(bytes: Uint8Array, offset: number, context: FrameContext): FrameHeader | null {
  if (offset + FRAME_HEADER_BYTES > bytes.length) return null
  const length = getU32(bytes, offset)
  const itemCount = getU32(bytes, offset + 32)
  if (length <= FRAME_HEADER_BYTES || length > FRAME_BYTES_MAX || itemCount === 0) return null
  // Two bytes an item is what the shortest one takes.
  if (itemCount * 2 > length - FRAME_HEADER_BYTES) return null
  const lsnHigh = getU32(bytes, offset + 12)
  const durableHigh = getU32(bytes, offset + 20)
  if (lsnHigh >= 1 << 21 || durableHigh >= 1 << 21) return null
  const lsn = lsnHigh * 0x1_0000_0000 + getU32(bytes, offset + 8)
  const durableLsn = durableHigh * 0x1_0000_0000 + getU32(bytes, offset + 16)
  if (lsn === 0 || durableLsn >= lsn) return null
  if (crc32c(bytes, offset, offset + 36, seedOf(context, offset)) !== getU32(bytes, offset + 36)) return null
  return {
    lsn,
    durableLsn,
    previous: getU32(bytes, offset + 24),
    checksum: getU32(bytes, offset + 4),
    end: offset + roundUp(length),
    length,
    mask: getU32(bytes, offset + 28),
    itemCount,
  }
}

/** Reads the frame at `offset` of a segment's bytes. Nothing throws, and memory stays in proportion to the bytes. */
export function decodeFrame(bytes: Uint8Array, offset: number, context: FrameContext): DecodedFrame {
  invariant(offset % FRAME_ALIGNMENT === 0, "Cannot decode a frame: its offset is not aligned")
  const header = decodeHeader(bytes, offset, context)
  if (header === null) {
    const zero = allZero(bytes, offset, Math.min(offset + FRAME_HEADER_BYTES, bytes.length))
    return { type: "bad", reason: zero ? "zero" : "header", header: null }
  }
  if (header.end > bytes.length) return { type: "bad", reason: "short", header }
  if (bodyChecksum(bytes, offset, header.end, seedOf(context, offset)) !== header.checksum) {
    return { type: "bad", reason: "checksum", header }
  }
  const bodyEnd = offset + header.length
  if (!allZero(bytes, bodyEnd, header.end)) return { type: "bad", reason: "padding", header }
  const items = readItems(bytes, offset + FRAME_HEADER_BYTES, bodyEnd, header.mask, header.itemCount)
  return items === null ? { type: "bad", reason: "items", header } : { type: "frame", header, items }
}

function readItems(
  bytes: Uint8Array,
  start: number,
  end: number,
  mask: number,
  itemCount: number,
): readonly WalItem[] | null {
  const reader = itemsReader(bytes, start, end, mask)
  const items: WalItem[] = []
  for (let left = itemCount; left > 0 && !reader.failed; left--) items.push(readItem(reader))
  return reader.failed || reader.remaining > 0 ? null : items
}

function itemsReader(bytes: Uint8Array, start: number, end: number, mask: number): ByteReader {
  if (mask === 0) return new ByteReader(bytes, start, end)
  // Unmasked in a copy: the caller's bytes are an image of a disk, and stay what they are.
  const body = bytes.slice(start, end)
  applyMask(body, 0, body.length, mask)
  return new ByteReader(body)
}

/**
 * The items of one frame's bytes, as an `append` effect carries them, taken on trust: for observers that
 * stand beside the kernel and know neither segment nor salt. Of an entry they learn what names it, not
 * what it does. Null when they are no frame.
 */
export function frameItems(bytes: Uint8Array): readonly SkimmedItem[] | null {
  if (bytes.length < FRAME_HEADER_BYTES) return null
  const length = getU32(bytes, 0)
  if (length < FRAME_HEADER_BYTES || length > bytes.length) return null
  const reader = itemsReader(bytes, FRAME_HEADER_BYTES, length, getU32(bytes, 28))
  const items: SkimmedItem[] = []
  for (let left = getU32(bytes, 32); left > 0 && !reader.failed; left--) items.push(skimItem(reader))
  return reader.failed || reader.remaining > 0 ? null : items
}

/** True when some sector's share of `[start, end)` is all zero: bytes that were never written look so. */
export function hasZeroSector(bytes: Uint8Array, start: number, end: number): boolean {
  for (let at = start; at < end;) {
    const next = Math.min(nextSector(at), end)
    if (allZero(bytes, at, next)) return true
    at = next
  }
  return false
}

/** Offset of the sector after the one `offset` lies in. */
export function nextSector(offset: number): number {
  return (Math.floor(offset / SECTOR_BYTES) + 1) * SECTOR_BYTES
}

export function allZero(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start
  const aligned = bytes.byteOffset + start
  if (end - start >= 64 && aligned % 4 === 0) {
    const words = new Uint32Array(bytes.buffer, aligned, (end - start) >>> 2)
    for (let i = 0; i < words.length; i++) if (words[i] !== 0) return false
    at = start + words.length * 4
  }
  for (; at < end; at++) if (bytes[at] !== 0) return false
  return true
}

/** The first word that leaves every sector two bits. Each sector forbids few words, so few are tried. */
function chooseMask(bytes: Uint8Array, offset: number, length: number): number {
  for (let attempt = 0; attempt < 1 << 24; attempt++) {
    const mask = Math.imul(attempt, 0x9e37_79b1) >>> 0
    if (everySectorShows(bytes, offset, length, mask)) return mask
  }
  throw new InvariantError("Cannot encode a frame: no mask leaves every sector something to show")
}

function everySectorShows(bytes: Uint8Array, offset: number, length: number, mask: number): boolean {
  // The sector with the header shows its length and checksum, the rest of a header its item count and checksum.
  let at = nextSector(offset + FRAME_HEADER_BYTES - 1) - offset
  for (; at < length; at += SECTOR_BYTES) {
    if (!showsTwoBits(bytes, at, Math.min(at + SECTOR_BYTES, length), mask)) return false
  }
  return true
}

function showsTwoBits(bytes: Uint8Array, start: number, end: number, mask: number): boolean {
  let seen = 0
  for (let at = start; at < end; at++) {
    const byte = bytes[at]! ^ ((mask >>> (((at - FRAME_HEADER_BYTES) & 3) * 8)) & 0xff)
    if (byte === 0) continue
    seen += (byte & (byte - 1)) === 0 ? 1 : 2
    if (seen >= 2) return true
  }
  return false
}

function applyMask(bytes: Uint8Array, start: number, end: number, mask: number): void {
  for (let at = start; at < end; at++) bytes[at]! ^= (mask >>> (((at - start) & 3) * 8)) & 0xff
}

function bodyChecksum(bytes: Uint8Array, start: number, end: number, seed: number): number {
  return crc32c(bytes, start + FRAME_HEADER_BYTES, end, crc32c(bytes, start + 8, start + 36, seed))
}

function seedOf(context: FrameContext, offset: number): number {
  // Salt u32, sequence u64, offset u64: words, since an array for them costs more than the sum.
  let crc = crc32cWord(context.salt, 0)
  crc = crc32cWord(context.sequence % 0x1_0000_0000, crc)
  crc = crc32cWord(Math.floor(context.sequence / 0x1_0000_0000), crc)
  crc = crc32cWord(offset % 0x1_0000_0000, crc)
  return crc32cWord(Math.floor(offset / 0x1_0000_0000), crc)
}

export function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value
  bytes[at + 1] = value >>> 8
  bytes[at + 2] = value >>> 16
  bytes[at + 3] = value >>> 24
}

export function putU64(bytes: Uint8Array, at: number, value: number): void {
  putU32(bytes, at, value % 0x1_0000_0000)
  putU32(bytes, at + 4, Math.floor(value / 0x1_0000_0000))
}

export function getU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
}
