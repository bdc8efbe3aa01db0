import { SPACE_IDEMPOTENCY, type ReadView, type Write } from "../engine/engine.ts"
import type { TenantId, Timestamp } from "../ids.ts"
import { invariant } from "../lib/invariant.ts"
import { encodeUint64, KV_TABLE, tableSpan, userKeyPrefix } from "../mvcc/key.ts"
import type { Token } from "../range/request.ts"
import type { KeptBody } from "./kept-bodies.ts"
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

/** The write that remembers an outcome. There is none of this token yet: who calls has looked. */
export function recordWrite(tenant: TenantId, anchor: string, token: Token, outcome: Outcome): Write {
  invariant(
    outcome.birth === token.birth,
    "Cannot record an outcome: it carries another birth than its token",
  )
  return {
    space: SPACE_IDEMPOTENCY,
    type: "insert",
    key: recordKey(tenant, anchor, token.client, token.seq),
    value: encodeOutcome(outcome),
  }
}

/** The writes that drop these bodies. The records stay until the horizon passes their birth. */
export function dropWrites(view: ReadView, tenant: TenantId, bodies: readonly KeptBody[]): readonly Write[] {
  const writes: Write[] = []
  for (const { anchor, client, seq } of bodies) {
    const key = recordKey(tenant, anchor, client, seq)
    const value = view.get(SPACE_IDEMPOTENCY, key)
    const record = value === null ? null : decodeOutcome(value)
    // A damaged one stays for the repair to find.
    if (record === null || record === "damaged" || record.body === null) continue
    const { birth, commitTs } = record
    const bare = encodeOutcome({ birth, commitTs, body: null })
    writes.push({ space: SPACE_IDEMPOTENCY, type: "put", key, value: bare })
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
