import { crc32cLatin1 } from "../lib/crc32c.ts"
import type { Timestamp } from "../ids.ts"
import { invariant } from "../lib/invariant.ts"
import type { TxnId } from "../txn/protocol.ts"

/**
 * Whose intent a version was. `writeTs` is what its range's leader gave the intent: the version's own timestamp may come
 * from elsewhere, by a clock that was ahead, and says nothing of what was there first.
 */
export type VersionTxn = { readonly id: TxnId; readonly writeTs: Timestamp }

/**
 * One version as it is stored, a byte string:
 *
 *     flags u8 · checksum u32 (little endian) · transaction id, 16 bytes · write timestamp uint (both with their flag) · schema version uint · payload
 *
 * The checksum is CRC-32C over the flags and everything after the checksum.
 */
export type Version = {
  /** The key is deleted from here on; the payload is empty. */
  readonly tombstone: boolean
  /** What it was an intent of; null when the leader of the range gave it its timestamp at once. */
  readonly txn: VersionTxn | null
  readonly schemaVersion: number
  readonly payload: string
}

const FLAG_TOMBSTONE = 1
const FLAG_TXN = 2
const FLAGS_KNOWN = FLAG_TOMBSTONE | FLAG_TXN
const CHECKSUM_AT = 1
const BODY_AT = 5
const TXN_ID_BYTES = 16

/** `payload` null is a tombstone. */
export function encodeVersion(payload: string | null, schemaVersion: number, txn: VersionTxn | null): string {
  invariant(txn === null || txn.id.length === TXN_ID_BYTES, "Cannot encode a version: no such transaction id")
  const flags = (payload === null ? FLAG_TOMBSTONE : 0) | (txn === null ? 0 : FLAG_TXN)
  const numbers = (txn === null ? "" : txn.id + encodeUint(txn.writeTs)) + encodeUint(schemaVersion)
  // Piece by piece: put together first, the pieces would have to be copied into one flat string.
  let checksum = crc32cLatin1(String.fromCharCode(flags), 0, 1)
  checksum = crc32cLatin1(numbers, 0, numbers.length, checksum)
  if (payload !== null) checksum = crc32cLatin1(payload, 0, payload.length, checksum)
  const head = String.fromCharCode(
    flags,
    checksum & 0xff,
    (checksum >>> 8) & 0xff,
    (checksum >>> 16) & 0xff,
    checksum >>> 24,
  )
  return payload === null ? head + numbers : head + numbers + payload
}

/** Damaged: cut short, a bad checksum, or flags of a format we do not know. */
export function decodeVersion(value: string): Version | "damaged" {
  if (value.length <= BODY_AT) return "damaged"
  const flags = value.charCodeAt(0)
  const checksum = crc32cLatin1(value, BODY_AT, value.length, crc32cLatin1(value, 0, CHECKSUM_AT))
  if (checksum !== storedChecksum(value) || (flags & ~FLAGS_KNOWN) !== 0) return "damaged"
  let at = BODY_AT
  let txn: VersionTxn | null = null
  if ((flags & FLAG_TXN) !== 0) {
    const id = value.slice(at, at + TXN_ID_BYTES) as TxnId
    at += TXN_ID_BYTES
    if (at >= value.length) return "damaged"
    const length = uintEnd(value, at) - at
    const writeTs = decodeUint(value, at, length)
    if (writeTs === -1) return "damaged"
    at += length
    txn = { id, writeTs }
  }
  const end = uintEnd(value, at)
  const schemaVersion = decodeUint(value, at, end - at)
  const tombstone = (flags & FLAG_TOMBSTONE) !== 0
  if (schemaVersion === -1 || (tombstone && end !== value.length)) return "damaged"
  return { tombstone, txn, schemaVersion, payload: value.slice(end) }
}

/** Of a stored version, without a look at its checksum. */
export function isTombstone(value: string): boolean {
  return (value.charCodeAt(0) & FLAG_TOMBSTONE) !== 0
}

function storedChecksum(value: string): number {
  return (
    (value.charCodeAt(1) |
      (value.charCodeAt(2) << 8) |
      (value.charCodeAt(3) << 16) |
      (value.charCodeAt(4) << 24)) >>>
    0
  )
}

/** As `ByteWriter.uint`, into a string. */
function encodeUint(value: number): string {
  invariant(Number.isSafeInteger(value) && value >= 0, "Cannot encode a version: not a safe integer >= 0")
  if (value < 0x80) return String.fromCharCode(value)
  let text = ""
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) text += String.fromCharCode((rest % 0x80) | 0x80)
  return text + String.fromCharCode(rest)
}

/** Where the uint that begins at `at` ends; at most the end of the text. */
function uintEnd(text: string, at: number): number {
  let end = at
  while (end < text.length && text.charCodeAt(end) >= 0x80) end++
  return Math.min(end + 1, text.length)
}

/** -1 when it is none, or not spelled in the one way. */
function decodeUint(text: string, at: number, length: number): number {
  if (length < 1 || length > 8 || text.charCodeAt(at + length - 1) >= 0x80) return -1
  if (length > 1 && text.charCodeAt(at + length - 1) === 0) return -1
  let value = 0
  for (let i = at + length - 1; i >= at; i--) value = value * 0x80 + (text.charCodeAt(i) & 0x7f)
  return value <= Number.MAX_SAFE_INTEGER ? value : -1
}
