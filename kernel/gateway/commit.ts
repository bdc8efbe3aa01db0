import type { KernelError } from "../errors.ts"
import type { Timestamp } from "../ids.ts"
import { TXN_PROMISED_MAX } from "../limits.ts"
import type { KvOp, KvResult } from "../range/request.ts"
import { aheadUs } from "../time/hlc.ts"
import type { KeySpan, Promised, ReadSpan, TxnAnswer, TxnCommand } from "../txn/protocol.ts"
import { command, keySpan, type Course, type Steps } from "./course.ts"
import { endsTransaction, executeAtRanges, isNewer, writesKey, type Statement } from "./execute.ts"
import { refresh, scatter, spanOf } from "./scatter.ts"
import { askRecord, type Settlement } from "./settle.ts"
import type { Draft } from "./transaction.ts"

/** What a commit came to. A settlement is what has to be cleared up behind it. */
export type Decided =
  | {
      readonly type: "committed"
      readonly commitTs: Timestamp
      /** Of what was done in the commit itself. */
      readonly results: readonly KvResult[]
      readonly settlement: Settlement | null
    }
  /** `isOpen`: nothing happened, and the transaction goes on. */
  | {
      readonly type: "failed"
      readonly error: KernelError
      readonly isOpen: boolean
      readonly settlement: Settlement | null
    }
  /** The last statement has to be carried out first. */
  | { readonly type: "notAtOnce" }

/** How often a commit moves on to a later timestamp before it gives up. */
const STAGINGS_MAX = 8
/** Ops and bytes of them that are made intents in one statement. */
const PREPARE_OPS = 1_000
const PREPARE_BYTES = 1 << 20

/**
 * Commits a transaction; with `last`, a statement that has not been carried out, only if that can be done with it at
 * once. `results` is what its token will be answered with.
 */
export function* commit(
  course: Course,
  draft: Draft,
  last: Statement | null,
  results: readonly KvResult[],
): Steps<Decided> {
  const { txn } = draft
  const writes = txn.liveWrites()
  const buffered = txn.mode === "optimistic" ? writes.map(([key, { value }]) => bufferedOp(key, value)) : []
  const finals = last?.ops ?? buffered
  if (finals.some(writesKey) && (last === null || txn.writes.size === 0)) {
    const done = yield* atOnce(course, draft, finals, last, results)
    if (done !== null) return done
  }
  if (last !== null) return { type: "notAtOnce" }
  for (const ops of batches(buffered)) {
    const prepared = yield* executeAtRanges(course, draft, { ops, wait: "wait", lock: null })
    if (prepared.type === "failed") return failed(draft, prepared.error, "abort")
  }
  const intents = txn.mode === "optimistic" ? lastOf(draft) : writes.map(([key, { seq }]) => ({ key, seq }))
  const decided = yield* decide(course, draft, intents, results)
  if (decided.type !== "committed") return decided
  for (let ahead = 1; ahead > 0;) {
    // No acknowledgement shows a timestamp before the clock has reached it.
    ahead = aheadUs(decided.commitTs, course.wall)
    if (ahead > 0) yield* course.wait(ahead)
  }
  return decided
}

function bufferedOp(key: string, value: string | null): KvOp {
  return value === null ? { type: "delete", key } : { type: "put", key, value }
}

function batches(ops: readonly KvOp[]): readonly (readonly KvOp[])[] {
  const out: KvOp[][] = []
  let bytes = 0
  for (const op of ops) {
    const size = op.type === "put" ? op.value.length + op.key.length : 16
    const last = out.at(-1)
    if (last === undefined || last.length === PREPARE_OPS || bytes + size > PREPARE_BYTES) {
      out.push([op])
      bytes = size
    } else {
      last.push(op)
      bytes += size
    }
  }
  return out
}

type Intent = { readonly key: string; readonly seq: number }

/** Of those that were made intents by the commit itself. */
function lastOf(draft: Draft): readonly Intent[] {
  const intents = new Map<string, number>()
  for (const [key, { seq }] of draft.writes) if (!isBack(draft, seq)) intents.set(key, seq)
  return [...intents].map(([key, seq]) => ({ key, seq })).sort((a, b) => (a.key < b.key ? -1 : 1))
}

function isBack(draft: Draft, seq: number): boolean {
  return draft.rolledBack.some(({ from, to }) => from <= seq && seq <= to)
}

/** What is to be left of it: every place where something may be. */
export function settlementOf(
  draft: Draft,
  commitTs: Timestamp | null,
  record: Settlement["record"],
): Settlement | null {
  const { txn } = draft
  const keys = new Set(txn.mode === "optimistic" ? [] : txn.writes.keys())
  for (const [key] of draft.writes) keys.add(key)
  const spans: readonly KeySpan[] = [...txn.locks, ...draft.locks]
  if (keys.size === 0 && spans.length === 0 && record === "nothing") return null
  if (!draft.txn.isAnchored) return null
  return {
    txn: txn.begun.id,
    tenant: txn.begun.tenant,
    anchor: draft.txn.anchor,
    commitTs,
    record,
    isWhole: true,
    rolledBack: draft.rolledBack,
    keys: [...keys].sort(),
    spans,
  }
}

function failed(draft: Draft, error: KernelError, record: Settlement["record"]): Decided {
  return { type: "failed", error, isOpen: false, settlement: settlementOf(draft, null, record) }
}

const UNKNOWN: KernelError = { code: "outcomeUnknown" }

/** In one phase, when all of it lies in one range and nothing of it is anywhere yet. Null: it cannot be. */
function* atOnce(
  course: Course,
  draft: Draft,
  ops: readonly KvOp[],
  last: Statement | null,
  results: readonly KvResult[],
): Steps<Decided | null> {
  const { txn } = draft
  const { token, tenant } = txn.begun
  const isSerializable = txn.mode === "locking" || txn.mode === "optimistic"
  // A range answers its token again with what these ops came to, and so they must be what the client asked.
  if (token !== null && last === null && results.length > 0) return null
  const reads = isSerializable ? draft.allReads() : NO_SPANS
  const home = token === null ? [] : [keySpan(draft.txn.anchor.key)]
  const ranges = yield* course.route(tenant, [...ops.map(spanOf), ...reads, ...txn.locks, ...home])
  if (ranges === null) return null
  if (ranges.length !== 1) return last === null ? null : yield* knownBefore(course, draft)
  const [range] = ranges as [(typeof ranges)[number]]
  const isFirst = txn.reads.length === 0 && txn.nextSeq === 1
  const seq = draft.takeSeqs(ops.length)
  const { wait, lock } = last ?? { wait: "wait" as const, lock: null }
  const meta = draft.meta({ seq, wait, lock, pipelined: false, onePhase: reads })
  const asked = isFirst && last !== null ? { ...meta, readTs: 0, limitTs: 0 } : meta
  const asking = { ops, txn: asked, command: null, token, isRepeatable: token !== null }
  const [reply] = yield* course.ask([[range, asking]])
  if (reply!.type === "ok") {
    // What was read then was what was newest.
    if (asked.readTs === 0) draft.readTs = reply!.commitTs
    return {
      type: "committed",
      commitTs: reply!.commitTs,
      results: last === null ? results : reply!.results,
      settlement: null,
    }
  }
  const { error } = reply!
  switch (error.code) {
    case "staleGeneration":
      return null
    case "deadlineExceeded":
    case "outcomeUnknown":
      return { type: "failed", error: UNKNOWN, isOpen: false, settlement: null }
    case "txnRestart":
      // With a snapshot that moves up it may do still.
      if (last !== null && isNewer(error) && txn.mode === "snapshot" && !isFirst) return null
      return failed(draft, error, "nothing")
    default:
      return { type: "failed", error, isOpen: last !== null && !endsTransaction(error), settlement: null }
  }
}

/** A request that is asked again over many ranges: what it came to the first time; null when it never came to anything. */
function* knownBefore(course: Course, draft: Draft): Steps<Decided | null> {
  const { token, tenant } = draft.txn.begun
  const { key } = draft.txn.anchor
  if (token === null || key === "") return null
  const query: TxnCommand = { type: "queryOutcome", key, token, prevent: false }
  const reply = yield* course.askKey(tenant, key, command(query))
  if (reply.type === "error") return { type: "failed", error: reply.error, isOpen: false, settlement: null }
  const { answer } = reply
  return answer?.type === "outcome" && answer.status !== "none" ? knownOf(draft, answer) : null
}

const NO_SPANS: readonly ReadSpan[] = []

/** One of what a commit asks ranges about: a read to refresh, a write that must be there, the record. */
type Matter = KeySpan & { readonly fromTs: Timestamp | null; readonly seq: number }

/** The timestamp is found, and the record is made to say so. */
function* decide(
  course: Course,
  draft: Draft,
  intents: readonly Intent[],
  results: readonly KvResult[],
): Steps<Decided> {
  const { txn } = draft
  const { token } = txn.begun
  const isSerializable = txn.mode === "locking" || txn.mode === "optimistic"
  const isReading = intents.length === 0
  const isOfSnapshot = txn.mode === "snapshot" || txn.mode === "optimistic" || isReading
  let commitTs = Math.max(draft.writeTs, isOfSnapshot ? draft.readTs : 0)
  // Reads under locks saw what was newest, each at its own time.
  if (isSerializable) for (const { fromTs } of draft.allReads()) commitTs = Math.max(commitTs, fromTs)
  let isStaged = false
  for (let staging = 0; staging < STAGINGS_MAX; staging++) {
    const reads = isSerializable ? draft.allReads().filter((span) => span.fromTs < commitTs) : NO_SPANS
    const isFirstRound = reads.length > 0 || token !== null || intents.length > TXN_PROMISED_MAX
    if (isFirstRound) {
      const error = yield* confirm(course, draft, reads, intents, commitTs)
      if (error !== null) return failed(draft, error, isStaged ? "abort" : recordOf(draft))
      draft.refreshedTo = Math.max(draft.refreshedTo, commitTs)
    }
    if (isReading)
      return { type: "committed", commitTs, results, settlement: settlementOf(draft, commitTs, "nothing") }
    const promised = isFirstRound ? [] : yield* promisedOf(course, draft, intents)
    if (promised === null) return failed(draft, course.stopped ?? NOWHERE, recordOf(draft))
    const staged = yield* stage(course, draft, intents, promised, commitTs, results)
    isStaged = true
    switch (staged.type) {
      case "committed": {
        const isDone = staged.record === "nothing"
        const settlement = settlementOf(draft, staged.commitTs, isDone ? "nothing" : "commit")
        return { type: "committed", commitTs: staged.commitTs, results, settlement }
      }
      case "known":
        return knownOf(draft, staged.outcome)
      case "failed":
        return failed(draft, staged.error, staged.record)
      case "unknown":
        return { type: "failed", error: UNKNOWN, isOpen: false, settlement: null }
      case "pushed":
        commitTs = Math.max(commitTs, staged.ts)
    }
  }
  const error = {
    code: "txnRestart",
    reason: "pushed",
    key: draft.txn.anchor.key,
    at: commitTs,
    by: null,
  } as const
  return failed(draft, error, "abort")
}

const NOWHERE: KernelError = { code: "notLeader", hint: null, term: 0 }

/** Whether a record may have been made for it, by its heartbeats or by somebody who met it. */
function recordOf(draft: Draft): Settlement["record"] {
  return draft.txn.isAnchored ? "abort" : "nothing"
}

type Outcome = Extract<TxnAnswer, { readonly type: "outcome" }>

/** Its token has an outcome already: this time it is not carried out. */
function knownOf(draft: Draft, outcome: Outcome): Decided {
  const settlement = settlementOf(draft, null, recordOf(draft))
  if (outcome.status === "committed" && outcome.results !== null)
    return { type: "committed", commitTs: outcome.commitTs, results: outcome.results, settlement }
  return { type: "failed", error: { code: "tokenExpired" }, isOpen: false, settlement }
}

/** Everything read is as it was up to `commitTs`, and every write is there below it; else why not. */
function* confirm(
  course: Course,
  draft: Draft,
  reads: readonly ReadSpan[],
  intents: readonly Intent[],
  commitTs: Timestamp,
): Steps<KernelError | null> {
  const { id, tenant } = draft.txn.begun
  const matters: Matter[] = reads.map((span) => ({ ...span, seq: 0 }))
  for (const { key, seq } of intents) matters.push({ ...keySpan(key), fromTs: null, seq })
  const done = yield* scatter(course, tenant, matters, (some) => {
    const spans = some.flatMap(({ start, end, fromTs }) => (fromTs === null ? [] : [{ start, end, fromTs }]))
    const writes = some.flatMap(({ start, fromTs, seq }) => (fromTs === null ? [{ key: start, seq }] : []))
    const asked: TxnCommand[] = []
    if (spans.length > 0) asked.push({ type: "refresh", txn: id, spans, toTs: commitTs })
    if (writes.length > 0) asked.push({ type: "queryIntent", txn: id, writes, ts: commitTs, prevent: false })
    return asked.map((each) => command(each))
  })
  if ("error" in done) return done.error
  for (const { answer } of done.replies) {
    if (answer?.type === "intent" && !answer.isThere) return lost(draft, commitTs)
    if (answer?.type !== "changed") continue
    const { key, at, by } = answer
    if (by === null) return { code: "txnRestart", reason: "readSpanChanged", key, at, by }
    // Whoever it is may be about to end: it is looked at a few times more.
    return yield* refresh(course, tenant, id, reads, commitTs)
  }
  return null
}

/** A write that was answered when it was proposed, and is not there. */
function lost(draft: Draft, at: Timestamp): KernelError {
  return { code: "txnRestart", reason: "leaseLost", key: draft.txn.anchor.key, at, by: null }
}

function* promisedOf(
  course: Course,
  draft: Draft,
  intents: readonly Intent[],
): Steps<readonly Promised[] | null> {
  const spans = intents.map(({ key }) => keySpan(key))
  const ranges = yield* course.route(draft.txn.begun.tenant, spans)
  if (ranges === null) return null
  return intents.map(({ key, seq }) => {
    const range = ranges.find(({ start, end }) => start <= key && (end === "" || key < end))!
    return { rangeId: range.rangeId, key, seq }
  })
}

type Staged =
  | { readonly type: "committed"; readonly commitTs: Timestamp; readonly record: "nothing" | "commit" }
  /** Somebody has read above: not before `ts`. */
  | { readonly type: "pushed"; readonly ts: Timestamp }
  | { readonly type: "known"; readonly outcome: Outcome }
  | { readonly type: "failed"; readonly error: KernelError; readonly record: Settlement["record"] }
  | { readonly type: "unknown" }

/** The record is staged, and each promised write asked for, at once. */
function* stage(
  course: Course,
  draft: Draft,
  intents: readonly Intent[],
  promised: readonly Promised[],
  commitTs: Timestamp,
  results: readonly KvResult[],
): Steps<Staged> {
  const { id, tenant, token } = draft.txn.begun
  const { rolledBack } = draft
  const { anchor } = draft.txn
  const kept = token === null ? [] : results
  const staging: TxnCommand = {
    type: "stage",
    txn: id,
    anchor,
    commitTs,
    promised,
    rolledBack,
    results: kept,
  }
  const record: Matter = { ...keySpan(anchor.key), fromTs: 0, seq: 0 }
  const asked = promised.length === 0 ? [] : intents
  const matters = [record, ...asked.map(({ key, seq }) => ({ ...keySpan(key), fromTs: null, seq }))]
  const done = yield* scatter(course, tenant, matters, (some) => {
    const askings = some.some(({ fromTs }) => fromTs !== null) ? [command(staging, token)] : []
    const writes = some.flatMap(({ start, fromTs, seq }) => (fromTs === null ? [{ key: start, seq }] : []))
    if (writes.length > 0)
      askings.push(command({ type: "queryIntent", txn: id, writes, ts: commitTs, prevent: false }))
    return askings
  })
  if ("error" in done) {
    // Only the record speaks so. Of all else nobody knows whether it was staged, or is committed meanwhile.
    if (endsTransaction(done.error)) return { type: "failed", error: done.error, record: "nothing" }
    return yield* giveUp(course, draft, lost(draft, commitTs))
  }
  let isMissing = false
  let isStaged = false
  for (const { answer } of done.replies) {
    if (answer?.type === "outcome") return { type: "known", outcome: answer }
    if (answer?.type === "intent" && !answer.isThere) isMissing = true
    if (answer?.type !== "state") continue
    const { status, ts } = answer.state
    if (status === "committed") return { type: "committed", commitTs: ts, record: "nothing" }
    if (status === "aborted") return { type: "failed", error: { code: "txnAborted" }, record: "nothing" }
    if (status === "pending") return { type: "pushed", ts }
    isStaged = ts === commitTs
    if (!isStaged) return { type: "pushed", ts: Math.max(ts, commitTs + 1) }
  }
  if (isStaged && !isMissing) return { type: "committed", commitTs, record: "commit" }
  return yield* giveUp(course, draft, lost(draft, commitTs))
}

/** It is not to be committed: unless somebody else has done so meanwhile. */
function* giveUp(course: Course, draft: Draft, error: KernelError): Steps<Staged> {
  const { id, tenant } = draft.txn.begun
  const { anchor } = draft.txn
  const state = yield* askRecord(course, tenant, { type: "abort", txn: id, anchor, ifStagedAt: null })
  if (state?.status === "aborted") return { type: "failed", error, record: "nothing" }
  if (state?.status === "committed") return { type: "committed", commitTs: state.ts, record: "nothing" }
  return { type: "unknown" }
}
