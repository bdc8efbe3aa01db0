import { SPACE_VERSIONS, type ReadView, type Write } from "../engine/engine.ts"
import type { TenantId, Timestamp } from "../ids.ts"
import { invariant } from "../lib/invariant.ts"
import { decodeTimestamp, isVersionOf, KV_TABLE, prefixLength, tableSpan } from "./key.ts"
import { decodeVersion } from "./version.ts"

/** `resume` is where the next call begins, a key of the engine; empty when the span is done. */
export type Collected = { readonly writes: readonly Write[]; readonly resume: string }

/**
 * Deletes of versions no read at or above `threshold` can see: of each key everything below its newest
 * version at or below the threshold, and that one too if it is a tombstone. Visits at most `limit`
 * versions, at least two, of `[start, end)`, from `resume` on (empty: from the start). Damaged versions
 * stay, for the repair to find.
 *
 * The writes are one batch, applied before the next call. A tombstone goes only together with the last of
 * what it hides, so a call that stops within a key leaves the tombstone to the one that reaches its end.
 */
export function collectVersions(
  view: ReadView,
  tenant: TenantId,
  start: string,
  end: string,
  threshold: Timestamp,
  resume: string,
  limit: number,
): Collected {
  invariant(limit >= 2, "Cannot collect versions: one a call makes no progress")
  const span = tableSpan(tenant, KV_TABLE, start, end)
  const writes: Write[] = []
  const cursor = view.cursor(SPACE_VERSIONS, resume === "" ? span.start : resume, span.end, false)
  let prefix: string | null = null
  /** The version of this key that reads at the threshold see, once it was met. */
  let covering: string | null = null
  let isTombstone = false
  for (let visited = 0; cursor.valid; cursor.next(), visited++) {
    const key = cursor.key
    if (prefix === null || !isVersionOf(key, prefix)) {
      if (covering !== null && isTombstone) writes.push(drop(covering))
      prefix = key.slice(0, Math.max(0, prefixLength(key)))
      covering = null
      isTombstone = false
    }
    // A key left half done begins again at the version that must stay, or the next one would be taken for it.
    if (visited >= limit) return { writes, resume: covering ?? key }
    const ts = decodeTimestamp(key)
    if (ts === null || ts > threshold) continue
    if (covering !== null) {
      writes.push(drop(key))
      continue
    }
    covering = key
    const version = decodeVersion(cursor.value)
    isTombstone = version !== "damaged" && version.tombstone
  }
  if (covering !== null && isTombstone) writes.push(drop(covering))
  return { writes, resume: "" }
}

function drop(key: string): Write {
  return { space: SPACE_VERSIONS, type: "delete", key, value: "" }
}
