import type { TenantId, Timestamp } from "../ids.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import type { KvOp, KvReply, KvResult } from "../range/request.ts"
import type { KernelError } from "../errors.ts"
import type { KeySpan, ReadSpan, TxnId } from "../txn/protocol.ts"
import { command, keySpan, REROUTE_US, type Asking, type Course, type Steps } from "./course.ts"

/** Requests over keys of many ranges, as one request a range. */

/** An op, or that part of a scan which lies in one range; `index` is its place in the statement. */
export type Item = { readonly index: number; readonly op: KvOp }
export type Part = { readonly range: RangeDescriptor; readonly items: readonly Item[] }

export function spanOf(op: KvOp): KeySpan {
  return op.type === "scan" ? { start: op.start, end: op.end } : keySpan(op.key)
}

/** The part of a span that lies in a range; null when none does. */
export function clip<Span extends KeySpan>(span: Span, range: RangeDescriptor): Span | null {
  const start = span.start < range.start ? range.start : span.start
  const end = range.end !== "" && (span.end === "" || span.end > range.end) ? range.end : span.end
  return end !== "" && start >= end ? null : { ...span, start, end }
}

/** Items by range, in the order of the ranges, each in the order of the statement. */
export function splitItems(items: readonly Item[], ranges: readonly RangeDescriptor[]): readonly Part[] {
  const parts: Part[] = []
  for (const range of ranges) {
    const inside = items.flatMap(({ index, op }): readonly Item[] => {
      const span = clip(spanOf(op), range)
      if (span === null) return []
      return [{ index, op: op.type === "scan" ? { ...op, ...span } : op }]
    })
    if (inside.length > 0) parts.push({ range, items: inside })
  }
  return parts
}

/** What a scan came to, from what it came to in each range, in the order of the ranges. */
export function joinRows(
  pieces: readonly Extract<KvResult, { readonly type: "rows" }>[],
  limit: number,
  reverse: boolean,
): Extract<KvResult, { readonly type: "rows" }> {
  const rows: (readonly [string, string])[] = []
  for (const piece of reverse ? [...pieces].reverse() : pieces) {
    for (const row of piece.rows) {
      if (rows.length === limit) return { type: "rows", rows, more: true }
      rows.push(row)
    }
    if (piece.more) return { type: "rows", rows, more: true }
  }
  return { type: "rows", rows, more: false }
}

/**
 * Asks each of these things, which belong to keys or spans, of the range that holds it, as often as ranges move meanwhile.
 * `make` says what to ask of a range about all that lies there. Gives the first error, or all answers.
 */
export function* scatter<Thing extends KeySpan>(
  course: Course,
  tenant: TenantId,
  things: readonly Thing[],
  make: (things: readonly Thing[], range: RangeDescriptor) => readonly Asking[],
): Steps<{ readonly error: KernelError } | { readonly replies: readonly OkReply[] }> {
  const replies: OkReply[] = []
  let left = things
  for (;;) {
    if (left.length === 0) return { replies }
    const ranges = yield* course.route(tenant, left)
    if (ranges === null) return { error: course.stopped ?? NOWHERE }
    const groups = ranges.flatMap((range) => {
      const inside = left.flatMap((thing) => clip(thing, range) ?? [])
      return chunks(inside).flatMap((chunk) => make(chunk, range).map((asking) => ({ range, chunk, asking })))
    })
    const answers = yield* course.ask(groups.map(({ range, asking }) => [range, asking]))
    const moved = new Set<readonly Thing[]>()
    for (let i = 0; i < groups.length; i++) {
      const reply = answers[i]!
      if (reply.type === "ok") replies.push(reply)
      else if (reply.error.code === "staleGeneration") moved.add(groups[i]!.chunk)
      else return { error: reply.error }
    }
    left = [...moved].flat()
    if (left.length > 0) yield* course.sleep(REROUTE_US)
  }
}

export type OkReply = Extract<KvReply, { readonly type: "ok" }>

const NOWHERE: KernelError = { code: "notLeader", hint: null, term: 0 }
/** So many keys or spans in one command. */
const THINGS_MAX = 1_000

function chunks<Thing>(things: readonly Thing[]): readonly (readonly Thing[])[] {
  if (things.length === 0) return []
  if (things.length <= THINGS_MAX) return [things]
  const out: (readonly Thing[])[] = []
  for (let at = 0; at < things.length; at += THINGS_MAX) out.push(things.slice(at, at + THINGS_MAX))
  return out
}

/** An intent in the way may be of somebody who has ended, or is about to: it is looked at so often. */
const REFRESH_TRIES = 4
const REFRESH_PAUSE_US = 4_000

/** Null when nobody wrote these spans up to `toTs`, and nobody will; else why it cannot be said. */
export function* refresh(
  course: Course,
  tenant: TenantId,
  txn: TxnId,
  reads: readonly ReadSpan[],
  toTs: Timestamp,
): Steps<KernelError | null> {
  const older = reads.filter((span) => span.fromTs < toTs)
  for (let tries = 1; ; tries++) {
    const done = yield* scatter(course, tenant, older, (spans) => [
      command({ type: "refresh", txn, spans, toTs }),
    ])
    if ("error" in done) return done.error
    const changed = done.replies.flatMap(({ answer }) => (answer?.type === "changed" ? [answer] : []))
    if (changed.length === 0) return null
    const [{ key, at, by }] = changed as [(typeof changed)[number]]
    const isForGood = changed.some((each) => each.by === null)
    if (isForGood || tries === REFRESH_TRIES)
      return { code: "txnRestart", reason: "readSpanChanged", key, at, by }
    yield* course.sleep(REFRESH_PAUSE_US * tries)
  }
}
