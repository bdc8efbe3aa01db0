import { SPACE_IDEMPOTENCY, type ReadView, type Write } from "../engine/engine.ts"
import type { TenantId, Timestamp } from "../ids.ts"
import { invariant } from "../lib/invariant.ts"
import { TOKEN_BODIES_DROPPED_MAX } from "../limits.ts"
import { encodeUint64, KV_TABLE, tableSpan, userKeyPrefix } from "../mvcc/key.ts"
import type { Token } from "../range/request.ts"
import { decodeOutcome, encodeOutcome, type Outcome } from "./outcome.ts"

/**
 * Idempotency records: a request with a token leaves its outcome at its *anchor*, the first key it
 * writes, in the same batch as its writes, and moves and splits with that key. DESIGN §6.
 */

export type Lookup =
  /** Never evaluated here, if its birth is not below the horizon. */
  | { readonly type: "none" }
  | { readonly type: "outcome"; readonly outcome: Outcome }
  /** Evaluated; the client said it had the answer. */
  | { readonly type: "bodyDropped" }
  /** There is a record and it cannot be read: neither evaluate nor answer. */
  | { readonly type: "damaged" }

const NONE: Lookup = { type: "none" }
const BODY_DROPPED: Lookup = { type: "bodyDropped" }
const DAMAGED: Lookup = { type: "damaged" }

/** Prefix of the anchor · client (8, big endian) · sequence (8, big endian). */
export function recordKey(tenant: TenantId, anchor: string, client: number, seq: number): string {
  return userKeyPrefix(tenant, KV_TABLE, anchor) + encodeUint64(client) + encodeUint64(seq)
}

export function lookup(view: ReadView, tenant: TenantId, anchor: string, token: Token): Lookup {
  const value = view.get(SPACE_IDEMPOTENCY, recordKey(tenant, anchor, token.client, token.seq))
  if (value === null) return NONE
  const record = decodeOutcome(value)
  if (record === "damaged") return DAMAGED
  if (record.body === null) return BODY_DROPPED
  return { type: "outcome", outcome: { birth: record.birth, commitTs: record.commitTs, body: record.body } }
}

/**
 * The writes that remember this outcome, and that drop the bodies of what the client has acknowledged at
 * the same anchor; the records themselves stay until the horizon passes their birth.
 *
 * From the last acknowledged sequence downwards until a body that is gone already: each call leaves
 * nothing but dropped bodies below that one, so the walk is as long as what was acknowledged since.
 */
export function recordWrites(
  view: ReadView,
  tenant: TenantId,
  anchor: string,
  token: Token,
  outcome: Outcome,
): readonly Write[] {
  invariant(
    outcome.birth === token.birth,
    "Cannot record an outcome: it carries another birth than its token",
  )
  const head = userKeyPrefix(tenant, KV_TABLE, anchor) + encodeUint64(token.client)
  const own: Write = {
    space: SPACE_IDEMPOTENCY,
    type: "put",
    key: head + encodeUint64(token.seq),
    value: encodeOutcome(outcome),
  }
  if (token.ackedSeq === 0) return [own]
  const writes: Write[] = [own]
  const end = head + encodeUint64(Math.min(token.ackedSeq + 1, token.seq))
  const cursor = view.cursor(SPACE_IDEMPOTENCY, head, end, true)
  for (let left = TOKEN_BODIES_DROPPED_MAX; cursor.valid && left > 0; cursor.next(), left--) {
    const record = decodeOutcome(cursor.value)
    // A damaged one stays for the repair to find.
    if (record === "damaged") continue
    if (record.body === null) break
    const value = encodeOutcome({ birth: record.birth, commitTs: record.commitTs, body: null })
    writes.push({ space: SPACE_IDEMPOTENCY, type: "put", key: cursor.key, value })
  }
  return writes
}

/** `resume` is where the next call begins, a key of the engine; empty when the span is done. */
export type Expired = { readonly writes: readonly Write[]; readonly resume: string }

/**
 * Deletes of records born before `horizon`. Visits at most `limit` records whose anchor lies in
 * `[start, end)`, an empty `end` unbounded, from `resume` on (empty: from the start). The horizon is
 * logged before any of these is applied, or a late retry would find nothing and run again.
 */
export function expireWrites(
  view: ReadView,
  tenant: TenantId,
  horizon: Timestamp,
  limit: number,
  start = "",
  end = "",
  resume = "",
): Expired {
  invariant(limit >= 1, "Cannot expire records: none a call makes no progress")
  const span = tableSpan(tenant, KV_TABLE, start, end)
  const writes: Write[] = []
  const cursor = view.cursor(SPACE_IDEMPOTENCY, resume === "" ? span.start : resume, span.end, false)
  for (let left = limit; cursor.valid; cursor.next(), left--) {
    if (left === 0) return { writes, resume: cursor.key }
    const record = decodeOutcome(cursor.value)
    if (record === "damaged" || record.birth >= horizon) continue
    writes.push({ space: SPACE_IDEMPOTENCY, type: "delete", key: cursor.key, value: "" })
  }
  return { writes, resume: "" }
}
