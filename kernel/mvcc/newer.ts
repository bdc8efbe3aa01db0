import { SPACE_VERSIONS, type ReadView } from "../engine/engine.ts"
import type { TenantId, Timestamp } from "../ids.ts"
import {
  decodeTimestamp,
  decodeUserKey,
  KV_TABLE,
  prefixLength,
  prefixEnd,
  tableSpan,
  versionKey,
} from "./key.ts"
import { decodeVersion } from "./version.ts"

/** A version in the way of somebody who read, or wants to write, as if there were none. */
export type Newer = { readonly key: string; readonly ts: Timestamp }

/**
 * The first version of `[start, end)`, by key, that lies in `(after, upTo]`, the newest there of its key; an empty
 * `end` is unbounded. Those that were first written here above `localLimit` do not count. Null when there is none.
 */
export function findNewer(
  view: ReadView,
  tenant: TenantId,
  start: string,
  end: string,
  after: Timestamp,
  upTo: Timestamp,
  localLimit: Timestamp = upTo,
): Newer | "damaged" | null {
  const span = tableSpan(tenant, KV_TABLE, start, end)
  let cursor = view.cursor(SPACE_VERSIONS, span.start, span.end, false)
  while (cursor.valid) {
    const key = cursor.key
    const prefix = key.slice(0, Math.max(0, prefixLength(key)))
    const ts = decodeTimestamp(key)
    if (ts === null) return "damaged"
    if (ts > upTo) cursor = view.cursor(SPACE_VERSIONS, versionKey(prefix, upTo), span.end, false)
    else if (ts <= after) cursor = view.cursor(SPACE_VERSIONS, prefixEnd(prefix), span.end, false)
    else {
      const version = decodeVersion(cursor.value)
      const userKey = decodeUserKey(prefix)
      if (version === "damaged" || userKey === null) return "damaged"
      if (Math.min(ts, version.txn?.writeTs ?? ts) <= localLimit) return { key: userKey, ts }
      cursor.next()
    }
  }
  return null
}
