import type { KernelError } from "../errors.ts"
import type { Timestamp } from "../ids.ts"
import { REPLY_BYTES_MAX, TXN_BYTES_MAX, TXN_ROWS_MAX } from "../limits.ts"
import type { KvOp, KvResult } from "../range/request.ts"
import type { LockStrength, WaitPolicy } from "../txn/protocol.ts"
import { weighResults, type Asking, type Course, type Steps } from "./course.ts"
import { evaluateBuffered, fetchesOf } from "./buffered.ts"
import { joinRows, refresh, spanOf, splitItems, type Item, type OkReply, type Part } from "./scatter.ts"
import type { Draft, Transaction } from "./transaction.ts"

/** One statement: ops over any keys, all or none. */
export type Statement = {
  readonly ops: readonly KvOp[]
  readonly wait: WaitPolicy
  readonly lock: LockStrength | null
}

/** `isOver`: not only the statement has failed, the transaction has. */
export type Executed =
  | { readonly type: "done"; readonly results: readonly KvResult[] }
  | { readonly type: "failed"; readonly error: KernelError; readonly isOver: boolean }

export function writesKey(op: KvOp): op is Exclude<KvOp, { readonly type: "get" | "scan" }> {
  return op.type !== "get" && op.type !== "scan"
}

/**
 * Carries a statement out. The draft holds what it did, also when it failed: what it wrote is rolled back then, and its
 * keys are remembered, for something may be on its way to them still.
 */
export function* execute(course: Course, draft: Draft, statement: Statement): Steps<Executed> {
  const { txn } = draft
  const tooMuch = exceeds(draft, statement.ops)
  if (tooMuch !== null) return { type: "failed", error: tooMuch, isOver: false }
  if (txn.mode !== "optimistic" || statement.lock !== null)
    return yield* executeAtRanges(course, draft, statement)
  const fetches = fetchesOf(draft.txn, statement.ops)
  const fetched =
    fetches.length === 0
      ? NOTHING_FETCHED
      : yield* executeAtRanges(course, draft, { ...statement, ops: fetches })
  if (fetched.type === "failed") return fetched
  const evaluated = evaluateBuffered(draft, statement.ops, fetches, fetched.results)
  if ("error" in evaluated) return { type: "failed", error: evaluated.error, isOver: false }
  draft.writes.push(...evaluated.writes)
  return sized(evaluated.results)
}

const NOTHING_FETCHED: Executed = { type: "done", results: [] }

function sized(results: readonly KvResult[]): Executed {
  const actual = weighResults(results)
  if (actual <= REPLY_BYTES_MAX + 16 * results.length) return { type: "done", results }
  return { type: "failed", error: { code: "tooLarge", limit: REPLY_BYTES_MAX, actual }, isOver: false }
}

function exceeds({ txn }: Draft, ops: readonly KvOp[]): KernelError | null {
  let [rows, bytes] = [txn.writes.size, txn.writtenBytes]
  for (const op of ops) {
    if (!writesKey(op)) continue
    rows++
    bytes += op.key.length + ("value" in op ? op.value.length : 0)
  }
  if (rows > TXN_ROWS_MAX) return { code: "tooLarge", limit: TXN_ROWS_MAX, actual: rows }
  if (bytes > TXN_BYTES_MAX) return { code: "tooLarge", limit: TXN_BYTES_MAX, actual: bytes }
  return null
}

/** A part of a statement, with the first of its sequence numbers. */
type Sent = Part & { readonly seq: number }

/** As `execute`, but nothing waits here: what is written becomes intents. */
export function* executeAtRanges(course: Course, draft: Draft, statement: Statement): Steps<Executed> {
  const { ops } = statement
  const firstSeq = draft.nextSeq
  const run = new Run(draft, statement)
  let items: readonly Item[] = ops.map((op, index) => ({ index, op }))
  let again: readonly Sent[] = []
  const { tenant } = draft.txn.begun
  while (items.length > 0 || again.length > 0) {
    let parts = again
    if (items.length > 0) {
      const spans = items.map(({ op }) => spanOf(op))
      const ranges = yield* course.route(tenant, spans)
      if (ranges === null) return run.failed(course.stopped ?? NOWHERE, firstSeq)
      parts = [...again, ...splitItems(items, ranges).map((part) => run.numbered(part))]
    }
    for (const part of parts) run.touch(part)
    const replies = yield* course.ask(parts.map((part) => [part.range, run.askingOf(part)]))
    let error: KernelError | null = null
    let moveTo = 0
    const moved: Item[] = []
    const newer: Sent[] = []
    for (let i = 0; i < parts.length; i++) {
      const [part, reply] = [parts[i]!, replies[i]!]
      if (reply.type === "ok") run.took(part, reply)
      else if (reply.error.code === "staleGeneration") {
        draft.rollBack(part.seq, part.seq + part.items.length - 1)
        moved.push(...part.items)
      } else if (reply.error.code === "cancelled" && course.stopped === null) {
        // That was meant for a statement before this one.
        newer.push(part)
      } else {
        const at = newerAt(draft, reply.error)
        if (at > 0) newer.push(part)
        else error ??= reply.error
        moveTo = Math.max(moveTo, at)
      }
    }
    if (error === null && moveTo > 0) error = yield* moveReads(course, draft, moveTo)
    if (error !== null) return run.failed(error, firstSeq)
    items = moved
    again = newer
  }
  return sized(run.results())
}

const NOWHERE: KernelError = { code: "notLeader", hint: null, term: 0 }

/** Something newer than the snapshot was met, and the snapshot may move. */
export function isNewer(error: KernelError): boolean {
  return error.code === "txnRestart" && (error.reason === "uncertainty" || error.reason === "writeTooOld")
}

/** Where the snapshot has to move so that what was met is below it; 0: moving it is no help. */
function newerAt({ txn }: Draft, error: KernelError): Timestamp {
  if (error.code !== "txnRestart" || txn.mode === "statement" || txn.mode === "locking") return 0
  return isNewer(error) && txn.limitTs > 0 ? error.at : 0
}

/** The snapshot moves up, if nothing that was read has changed since. */
function* moveReads(course: Course, draft: Draft, toTs: Timestamp): Steps<KernelError | null> {
  const { id, tenant } = draft.txn.begun
  const error = yield* refresh(course, tenant, id, draft.allReads(), toTs)
  if (error !== null) return error
  draft.readTs = Math.max(draft.readTs, toTs)
  draft.refreshedTo = Math.max(draft.refreshedTo, toTs)
  return null
}

/** A statement under way at the ranges. */
class Run {
  readonly #draft: Draft
  readonly #statement: Statement
  /** By op, by the start of the range: a scan has a result from each. */
  readonly #results: Map<string, KvResult>[]
  /** First sequence numbers of what was sent. */
  readonly #touched = new Set<number>()

  constructor(draft: Draft, statement: Statement) {
    this.#draft = draft
    this.#statement = statement
    this.#results = statement.ops.map(() => new Map<string, KvResult>())
  }

  numbered(part: Part): Sent {
    return { ...part, seq: this.#draft.takeSeqs(part.items.length) }
  }

  /** From now on something of it may be there, whatever becomes of the request. */
  touch({ items, seq }: Sent): void {
    if (this.#touched.has(seq)) return
    this.#touched.add(seq)
    const draft = this.#draft
    const isLocking = this.#statement.lock !== null || draft.txn.mode === "locking"
    items.forEach(({ op }, i) => {
      if (!writesKey(op) && !isLocking) return
      if (writesKey(op)) draft.writes.push([op.key, { seq: seq + i, value: null }])
      else draft.locks.push(spanOf(op))
    })
  }

  askingOf({ items, seq }: Sent): Asking {
    const draft = this.#draft
    const { wait, lock } = this.#statement
    const ops = items.map((item) => item.op)
    const isWriting = ops.some(writesKey)
    const txn = draft.meta({ seq, wait, lock, pipelined: isWriting, onePhase: null })
    return { ops, txn, command: null, token: null, isRepeatable: true }
  }

  took({ items, seq, range }: Sent, reply: OkReply): void {
    const draft = this.#draft
    const { mode } = draft.txn
    const isWriting = items.some(({ op }) => writesKey(op))
    if (isWriting) draft.writeTs = Math.max(draft.writeTs, reply.commitTs)
    const fromTs = mode === "locking" ? reply.commitTs : draft.readTs
    items.forEach(({ index, op }, i) => {
      const result = reply.results[i]!
      this.#results[index]!.set(range.start, result)
      const isRefused = result.type === "swapped" && !result.swapped
      if (isRefused) draft.rollBack(seq + i, seq + i)
      if (mode !== "statement" && (!writesKey(op) || isRefused)) {
        const span = readSpan(op, result)
        if (span !== null) draft.reads.push({ ...span, fromTs })
      }
    })
  }

  results(): readonly KvResult[] {
    return this.#statement.ops.map((op, index) => {
      const pieces = this.#results[index]!
      if (op.type !== "scan") return [...pieces.values()][0]!
      const byStart = [...pieces].sort((a, b) => (a[0] < b[0] ? -1 : 1))
      const rows = byStart.flatMap(([, result]) => (result.type === "rows" ? [result] : []))
      return joinRows(rows, op.limit, op.reverse)
    })
  }

  failed(error: KernelError, firstSeq: number): Executed {
    this.#draft.rollBack(firstSeq, this.#draft.nextSeq - 1)
    return { type: "failed", error, isOver: endsTransaction(error) }
  }
}

/** The key at which a transaction is anchored by its first statement that writes or locks; null: this is none. */
export function anchorKeyOf({ mode }: Transaction, { ops, lock }: Statement): string | null {
  const isLocking = lock !== null || mode === "locking"
  const op = ops.find(writesKey) ?? (isLocking ? ops[0] : undefined)
  if (op === undefined || (mode === "optimistic" && lock === null)) return null
  return spanOf(op).start === "" ? "\0" : spanOf(op).start
}

/** Whether a transaction that met this can only be begun anew. */
export function endsTransaction(error: KernelError): boolean {
  return error.code === "txnRestart" || error.code === "txnAborted" || error.code === "deadlock"
}

/** What of an op's span was really looked at; null for nothing. */
function readSpan(op: KvOp, result: KvResult): { readonly start: string; readonly end: string } | null {
  const span = spanOf(op)
  if (op.type !== "scan" || result.type !== "rows" || !result.more) return span
  const last = result.rows.at(-1)
  if (last === undefined) return null
  return op.reverse ? { start: last[0], end: span.end } : { start: span.start, end: last[0] + "\0" }
}
