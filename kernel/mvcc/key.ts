import type { TenantId, Timestamp } from "../ids.ts"
import { invariant } from "../lib/invariant.ts"
import { TABLE_MAX, TENANT_MAX } from "../limits.ts"

/**
 * Keys of the engine, whose byte order is the order we want:
 *
 *     tenant (8, big endian) · table or index (4, big endian) · user key (0x00 → 0x00 0xff; ends 0x00 0x00)
 *       · inverted timestamp (8, big endian; newest first)
 *
 * The end mark sorts below every continuation, so a key lies before all longer keys it begins; and no
 * key's encoding begins another's. Everything before the timestamp is called the *prefix* here; the other
 * spaces of a range use it too, followed by something else, so one span of bytes is the range in all of
 * them.
 */

/** Rows of the key-value interface. */
export const KV_TABLE = 0

const PREFIX_HEAD_BYTES = 12
/** Tenant, table and the end mark: the prefix of the empty user key. */
export const PREFIX_BYTES_MIN = 14
const TIMESTAMP_BYTES = 8
const WORD = 0x1_0000_0000

export type Span = { readonly start: string; readonly end: string }

export type VersionKey = {
  readonly tenant: TenantId
  readonly table: number
  readonly userKey: string
  readonly ts: Timestamp
}

/** A safe integer >= 0 as eight bytes, big endian. */
export function encodeUint64(value: number): string {
  const high = (value / WORD) >>> 0
  return String.fromCharCode(
    high >>> 24,
    (high >>> 16) & 0xff,
    (high >>> 8) & 0xff,
    high & 0xff,
    (value >>> 24) & 0xff,
    (value >>> 16) & 0xff,
    (value >>> 8) & 0xff,
    value & 0xff,
  )
}

/** Null when the eight bytes are no safe integer. */
export function decodeUint64(text: string, at: number): number | null {
  const value = wordAt(text, at) * WORD + wordAt(text, at + 4)
  return value <= Number.MAX_SAFE_INTEGER ? value : null
}

function wordAt(text: string, at: number): number {
  return (
    ((text.charCodeAt(at) << 24) |
      (text.charCodeAt(at + 1) << 16) |
      (text.charCodeAt(at + 2) << 8) |
      text.charCodeAt(at + 3)) >>>
    0
  )
}

/** Tenant and table: what every key of the table begins with. */
export function tablePrefix(tenant: TenantId, table: number): string {
  invariant(tenant >= 0 && tenant <= TENANT_MAX, "Cannot make a key: no such tenant")
  // One more than the greatest is the end of its span.
  invariant(table >= 0 && table <= TABLE_MAX + 1, "Cannot make a key: no such table")
  return (
    encodeUint64(tenant) +
    String.fromCharCode(table >>> 24, (table >>> 16) & 0xff, (table >>> 8) & 0xff, table & 0xff)
  )
}

/** A user key as it stands in a prefix, end mark included. */
export function escapeUserKey(userKey: string): string {
  return escapeZeros(userKey) + "\0\0"
}

/** A user key as it stands in a prefix, without the end mark. */
export function escapeZeros(userKey: string): string {
  return userKey.includes("\0") ? userKey.replaceAll("\0", "\0\xff") : userKey
}

export function userKeyPrefix(tenant: TenantId, table: number, userKey: string): string {
  return tablePrefix(tenant, table) + escapeUserKey(userKey)
}

/** In the place of the end mark: above everything the mark begins, and no encoding itself. */
export const PREFIX_END = "\0\x01"

/** The end of everything that begins with this prefix, and of nothing else. */
export function prefixEnd(prefix: string): string {
  return prefix.slice(0, -2) + PREFIX_END
}

export function versionKey(prefix: string, ts: Timestamp): string {
  return prefix + encodeInverted(ts)
}

/** What follows the (escaped) user key in the key of a version: end mark and timestamp. */
export function versionTail(ts: Timestamp): string {
  return "\0\0" + encodeInverted(ts)
}

function encodeInverted(ts: Timestamp): string {
  const high = ~((ts / WORD) >>> 0)
  const low = ~ts
  return String.fromCharCode(
    high >>> 24,
    (high >>> 16) & 0xff,
    (high >>> 8) & 0xff,
    high & 0xff,
    low >>> 24,
    (low >>> 16) & 0xff,
    (low >>> 8) & 0xff,
    low & 0xff,
  )
}

/** Everything of `[start, end)` in any space of a range, an empty `end` being the end of the table. */
export function tableSpan(tenant: TenantId, table: number, start: string, end: string): Span {
  const head = tablePrefix(tenant, table)
  return {
    start: start === "" ? head : head + escapeUserKey(start),
    end: end === "" ? tablePrefix(tenant, table + 1) : head + escapeUserKey(end),
  }
}

/** Length of the prefix of a version key. Negative when it is too short to be one. */
export function prefixLength(key: string): number {
  return key.length - TIMESTAMP_BYTES
}

/** Whether `key` is a version (or a key with a tail as long) under this prefix. */
export function isVersionOf(key: string, prefix: string): boolean {
  return key.length === prefix.length + TIMESTAMP_BYTES && key.startsWith(prefix)
}

/** The timestamp at the end of a version key. Null when there is none. */
export function decodeTimestamp(key: string): Timestamp | null {
  const at = key.length - TIMESTAMP_BYTES
  if (at < 0) return null
  const value = (~wordAt(key, at) >>> 0) * WORD + (~wordAt(key, at + 4) >>> 0)
  return value <= Number.MAX_SAFE_INTEGER ? value : null
}

/** The user key of a prefix. Null when it is none. */
export function decodeUserKey(prefix: string): string | null {
  const end = prefix.length - 2
  if (end < PREFIX_HEAD_BYTES || prefix.charCodeAt(end) !== 0 || prefix.charCodeAt(end + 1) !== 0) return null
  const zero = prefix.indexOf("\0", PREFIX_HEAD_BYTES)
  if (zero === end) return prefix.slice(PREFIX_HEAD_BYTES, end)
  let userKey = ""
  let from = PREFIX_HEAD_BYTES
  for (let at = zero; at < end; at = prefix.indexOf("\0", at + 2)) {
    if (prefix.charCodeAt(at + 1) !== 0xff) return null
    userKey += prefix.slice(from, at + 1)
    from = at + 2
  }
  return userKey + prefix.slice(from, end)
}

/** Null when the bytes are no version key. */
export function decodeVersionKey(key: string): VersionKey | null {
  if (prefixLength(key) < PREFIX_BYTES_MIN) return null
  const tenant = decodeUint64(key, 0)
  const table = wordAt(key, 8)
  const userKey = decodeUserKey(key.slice(0, -TIMESTAMP_BYTES))
  const ts = decodeTimestamp(key)
  if (tenant === null || table > TABLE_MAX || userKey === null || ts === null) return null
  return { tenant, table, userKey, ts }
}
