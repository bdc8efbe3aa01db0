import { SPACE_VERSIONS, type Cursor, type ReadView, type Write } from "../engine/engine.ts"
import type { TenantId, Timestamp } from "../ids.ts"
import { SCAN_BYTES_MAX } from "../limits.ts"
import {
  decodeTimestamp,
  decodeUserKey,
  escapeZeros,
  isVersionOf,
  KV_TABLE,
  PREFIX_BYTES_MIN,
  PREFIX_END,
  prefixEnd,
  prefixLength,
  tablePrefix,
  tableSpan,
  versionKey,
  versionTail,
} from "./key.ts"
import { decodeVersion, encodeVersion } from "./version.ts"

/** What is read at a timestamp. `value` null: deleted, or (with `ts` 0) never written. */
export type ReadResult = { readonly ts: Timestamp; readonly value: string | null }

/** `more`: there is at least one further row. */
export type Rows = { readonly rows: readonly (readonly [string, string])[]; readonly more: boolean }

/** A write that is not in the store yet; null is a deletion. */
export type OwnRow = readonly [key: string, value: string | null]

/** Versions stepped over before a walk seeks instead: a step in a leaf costs a tenth of a seek. */
const STEPS_MAX = 8

const NEVER_WRITTEN: ReadResult = { ts: 0, value: null }
const NO_OWN_ROWS: readonly OwnRow[] = []

/** The newest version at or below `readTs`. */
export function readVersion(
  view: ReadView,
  tenant: TenantId,
  userKey: string,
  readTs: Timestamp,
): ReadResult | "damaged" {
  const head = tablePrefix(tenant, KV_TABLE) + escapeZeros(userKey)
  const cursor = view.cursor(SPACE_VERSIONS, head + versionTail(readTs), head + PREFIX_END, false)
  if (!cursor.valid) return NEVER_WRITTEN
  const ts = decodeTimestamp(cursor.key)
  const version = decodeVersion(cursor.value)
  if (ts === null || version === "damaged") return "damaged"
  return { ts, value: version.tombstone ? null : version.payload }
}

/** The write of one version; `value` null is a tombstone. */
export function writeVersion(tenant: TenantId, userKey: string, ts: Timestamp, value: string | null): Write {
  return putVersion(tablePrefix(tenant, KV_TABLE), userKey, versionTail(ts), value)
}

/** The writes of versions at one timestamp: `values[i]` of `userKeys[i]`, null being a tombstone. */
export function writeVersions(
  tenant: TenantId,
  userKeys: readonly string[],
  ts: Timestamp,
  values: readonly (string | null)[],
): readonly Write[] {
  const head = tablePrefix(tenant, KV_TABLE)
  const tail = versionTail(ts)
  const writes: Write[] = []
  for (let i = 0; i < userKeys.length; i++) writes.push(putVersion(head, userKeys[i]!, tail, values[i]!))
  return writes
}

function putVersion(head: string, userKey: string, tail: string, value: string | null): Write {
  const key = head + escapeZeros(userKey) + tail
  return { space: SPACE_VERSIONS, type: "insert", key, value: encodeVersion(value, 0, null) }
}

/**
 * At most `limit` rows of `[start, end)` as they are at `readTs`, an empty `end` is unbounded; from the
 * last when `reverse`. It ends early, with `more`, once the rows pass `SCAN_BYTES_MAX`. `own` lies over
 * the store: its keys are within the bounds, in the order of the walk, each once.
 */
export function scanVersions(
  view: ReadView,
  tenant: TenantId,
  start: string,
  end: string,
  readTs: Timestamp,
  limit: number,
  reverse: boolean,
  own: readonly OwnRow[] = NO_OWN_ROWS,
): Rows | "damaged" {
  const rows: (readonly [string, string])[] = []
  let bytes = 0
  let ownAt = 0
  const walk = new VersionWalk(view, tenant, start, end, readTs, reverse)
  walk.next()
  for (;;) {
    if (walk.damaged) return "damaged"
    const ownRow = ownAt < own.length ? own[ownAt]! : null
    let key: string
    let value: string | null
    if (ownRow !== null && (!walk.valid || ownRow[0] === walk.key || ownRow[0] < walk.key !== reverse)) {
      key = ownRow[0]
      value = ownRow[1]
      ownAt++
      if (walk.valid && key === walk.key) walk.next()
    } else if (walk.valid) {
      key = walk.key
      value = walk.value
      // Only if it is wanted: what lies behind the last row is the matter of `more`.
      if (rows.length < limit && bytes < SCAN_BYTES_MAX) walk.next()
    } else {
      return { rows, more: false }
    }
    if (value === null) continue
    if (rows.length >= limit || bytes >= SCAN_BYTES_MAX) return { rows, more: true }
    rows.push([key, value])
    bytes += key.length + value.length
  }
}

/** The visible rows of a span, one after the other. `key` and `value` count while `valid`. */
class VersionWalk {
  readonly #view: ReadView
  readonly #readTs: Timestamp
  readonly #reverse: boolean
  readonly #start: string
  readonly #end: string
  #cursor: Cursor
  valid = false
  damaged = false
  key = ""
  value = ""

  constructor(
    view: ReadView,
    tenant: TenantId,
    start: string,
    end: string,
    readTs: Timestamp,
    reverse: boolean,
  ) {
    const span = tableSpan(tenant, KV_TABLE, start, end)
    this.#view = view
    this.#readTs = readTs
    this.#reverse = reverse
    this.#start = span.start
    this.#end = span.end
    this.#cursor = view.cursor(SPACE_VERSIONS, span.start, span.end, reverse)
  }

  /** Goes to the next key that has a value at `readTs`. */
  next(): void {
    this.valid = false
    while (this.#cursor.valid && !this.damaged) {
      const first = this.#cursor.key
      if (prefixLength(first) < PREFIX_BYTES_MIN) {
        this.damaged = true
        return
      }
      const prefix = first.slice(0, prefixLength(first))
      const stored = this.#reverse ? this.#newestBackwards(prefix) : this.#newestForwards(prefix)
      if (stored === null) continue
      const version = decodeVersion(stored)
      const userKey = decodeUserKey(prefix)
      if (version === "damaged" || userKey === null) {
        this.damaged = true
        return
      }
      if (version.tombstone) continue
      this.key = userKey
      this.value = version.payload
      this.valid = true
      return
    }
  }

  /** What is stored of this key at `readTs`; leaves the cursor at the first version of the next key. */
  #newestForwards(prefix: string): string | null {
    let found: string | null = null
    for (let steps = 0; this.#cursor.valid && isVersionOf(this.#cursor.key, prefix); steps++) {
      if (found === null) {
        const ts = decodeTimestamp(this.#cursor.key)
        if (ts === null) this.damaged = true
        else if (ts <= this.#readTs) {
          found = this.#cursor.value
          steps = 0
        }
      }
      if (steps < STEPS_MAX) this.#cursor.next()
      else this.#seek(found === null ? versionKey(prefix, this.#readTs) : prefixEnd(prefix), this.#end)
    }
    return found
  }

  /** The same from the oldest version upwards; leaves the cursor at the last version of the key before. */
  #newestBackwards(prefix: string): string | null {
    let found: string | null = null
    for (let steps = 0; this.#cursor.valid && isVersionOf(this.#cursor.key, prefix); steps++) {
      const ts = decodeTimestamp(this.#cursor.key)
      if (ts === null) this.damaged = true
      else if (ts <= this.#readTs) found = this.#cursor.value
      if (steps < STEPS_MAX) {
        this.#cursor.next()
        continue
      }
      const newest = this.#view.cursor(
        SPACE_VERSIONS,
        versionKey(prefix, this.#readTs),
        prefixEnd(prefix),
        false,
      )
      if (newest.valid) found = newest.value
      this.#seek(this.#start, prefix)
    }
    return found
  }

  #seek(start: string, end: string): void {
    this.#cursor = this.#view.cursor(SPACE_VERSIONS, start, end, this.#reverse)
  }
}
