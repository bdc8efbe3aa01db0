import type { ReadView, Write } from "../engine/engine.ts"
import type { KernelError } from "../errors.ts"
import type { TenantId, Timestamp, Wall } from "../ids.ts"
import { unreachable } from "../lib/invariant.ts"
import { TXN_ABANDONED_US } from "../limits.ts"
import type { Token } from "../range/request.ts"
import { fromWall } from "../time/hlc.ts"
import type { TxnAnswer, TxnCommand, TxnId, TxnState } from "./protocol.ts"
import { dropTxnRecord, putTxnRecord, readTxnRecord, type TxnRecord } from "./record.ts"
import { lookup, recordWrite } from "./tokens.ts"
import { beginOf } from "./txn-id.ts"

/** What is asked of a record. */
export type RecordCommand = Extract<
  TxnCommand,
  { readonly type: "heartbeat" | "stage" | "commit" | "abort" | "push" | "forget" }
>

/** Where and when a record is asked. */
export type RecordContext = {
  readonly view: ReadView
  readonly tenant: TenantId
  readonly wall: Wall
  /** No record of a transaction that began at or below it is made anew. */
  readonly floor: Timestamp
  /** Tokens born at or below it are forgotten. */
  readonly horizon: Timestamp
}

/** `writes` are to be replicated before `answer` is given. Damaged: the row cannot be read. */
export type Decided =
  | { readonly type: "answer"; readonly answer: TxnAnswer; readonly writes: readonly Write[] }
  | { readonly type: "error"; readonly error: KernelError }
  | { readonly type: "damaged" }

/**
 * One step of a transaction's record, under its latch, from applied state. What is committed or aborted
 * stays so. A record that never was is as good as a pending one, until its transaction is old enough to be
 * given up, or too old for one to be made.
 */
export function decide(command: RecordCommand, token: Token | null, context: RecordContext): Decided {
  const { view, tenant } = context
  const read = readTxnRecord(view, tenant, command.anchor.key, command.txn)
  if (read === "damaged") return { type: "damaged" }
  const old: Known = read ?? neverMade(command.txn, context)
  switch (command.type) {
    case "heartbeat":
      if (isDecided(old)) return answer(old, context)
      if (read === null && old.isTooOld) return tooOld(command, context)
      return write(
        command,
        { ...recordOf(old), heartbeat: Math.max(old.heartbeat, fromWall(context.wall)) },
        context,
      )
    case "stage":
      return stage(command, token, read, old, context)
    case "commit":
      if (old.status !== "staging" || old.ts !== command.commitTs) return answer(old, context)
      return write(command, { ...recordOf(old), status: "committed", promised: [] }, context)
    case "abort":
      return abort(command, read, old, context)
    case "push":
      return push(command, read, old, context)
    case "forget": {
      if (read === null || !isDecided(old)) return { type: "answer", answer: DONE, writes: [] }
      const begin = beginOf(command.txn)
      const mayGo = begin === null || begin <= context.floor
      if (!mayGo && old.isForgotten) return { type: "answer", answer: DONE, writes: [] }
      const change = mayGo
        ? dropTxnRecord(tenant, command.anchor.key, command.txn)
        : putTxnRecord(tenant, command.anchor.key, command.txn, { ...recordOf(old), isForgotten: true })
      return { type: "answer", answer: DONE, writes: [change] }
    }
    default:
      return unreachable(command)
  }
}

type Known = TxnRecord & { readonly isTooOld?: boolean }

const DONE: TxnAnswer = { type: "done" }

/** What a transaction is of which there is no record. Its coordinator was last heard of when it began. */
function neverMade(txn: TxnId, { floor }: RecordContext): Known {
  const begin = beginOf(txn) ?? 0
  return {
    status: "pending",
    ts: 0,
    heartbeat: begin,
    promised: [],
    rolledBack: [],
    isForgotten: false,
    isTooOld: begin <= floor,
  }
}

function recordOf({ status, ts, heartbeat, promised, rolledBack, isForgotten }: Known): TxnRecord {
  return { status, ts, heartbeat, promised, rolledBack, isForgotten }
}

function isDecided({ status }: TxnRecord): boolean {
  return status === "committed" || status === "aborted"
}

function isAbandoned(record: TxnRecord, { wall }: RecordContext): boolean {
  return !isDecided(record) && record.heartbeat + fromWall(TXN_ABANDONED_US) <= fromWall(wall)
}

function stateOf(record: TxnRecord, context: RecordContext): TxnState {
  const { status, ts, promised, rolledBack } = record
  return { status, ts, promised, rolledBack, isAbandoned: isAbandoned(record, context) }
}

function answer(record: TxnRecord, context: RecordContext): Decided {
  return { type: "answer", answer: { type: "state", state: stateOf(record, context) }, writes: [] }
}

function write(command: RecordCommand, record: TxnRecord, context: RecordContext): Decided {
  const change = putTxnRecord(context.tenant, command.anchor.key, command.txn, record)
  return { type: "answer", answer: { type: "state", state: stateOf(record, context) }, writes: [change] }
}

/** It may have been decided and collected: a new record would be a second decision. */
function tooOld({ anchor }: RecordCommand, { floor }: RecordContext): Decided {
  const error = { code: "txnRestart", reason: "recordFloor", key: anchor.key, at: floor, by: null } as const
  return { type: "error", error }
}

function stage(
  command: Extract<RecordCommand, { readonly type: "stage" }>,
  token: Token | null,
  read: TxnRecord | null,
  old: Known,
  context: RecordContext,
): Decided {
  const { commitTs, promised, rolledBack, results, anchor } = command
  if (token !== null) {
    const known = outcomeOf(anchor.key, token, context)
    if (known === "damaged") return { type: "damaged" }
    if (known.status !== "none") return { type: "answer", answer: known, writes: [] }
  }
  // An older word of the coordinator than the one that was heard, or somebody read above it meanwhile.
  if (isDecided(old) || commitTs < old.ts) return answer(old, context)
  if (read === null && old.isTooOld) return tooOld(command, context)
  const isCommitted = promised.length === 0
  if (old.status === "staging" && old.ts === commitTs && !isCommitted) return answer(old, context)
  const heartbeat = Math.max(old.heartbeat, fromWall(context.wall))
  const status = isCommitted ? "committed" : "staging"
  const record: TxnRecord = { status, ts: commitTs, heartbeat, promised, rolledBack, isForgotten: false }
  const decided = write(command, record, context)
  if (token === null || decided.type !== "answer" || !isCommitted) return decided
  const outcome = { birth: token.birth, commitTs, body: { type: "results", results } } as const
  return { ...decided, writes: [...decided.writes, recordWrite(context.tenant, anchor.key, token, outcome)] }
}

function abort(
  command: Extract<RecordCommand, { readonly type: "abort" }>,
  read: TxnRecord | null,
  old: Known,
  context: RecordContext,
): Decided {
  const { ifStagedAt } = command
  if (isDecided(old)) return answer(old, context)
  if (ifStagedAt !== null && (old.status !== "staging" || old.ts !== ifStagedAt)) return answer(old, context)
  // None can be made any more: nothing has to keep it from being made.
  if (read === null && old.isTooOld) return answer(ABORTED, context)
  return write(command, ABORTED, context)
}

const ABORTED: TxnRecord = {
  status: "aborted",
  ts: 0,
  heartbeat: 0,
  promised: [],
  rolledBack: [],
  isForgotten: false,
}

function push(
  command: Extract<RecordCommand, { readonly type: "push" }>,
  read: TxnRecord | null,
  old: Known,
  context: RecordContext,
): Decided {
  if (old.status !== "pending") return answer(old, context)
  if (read === null && old.isTooOld) return answer(ABORTED, context)
  if (isAbandoned(old, context)) return write(command, ABORTED, context)
  if (command.minCommitTs <= old.ts) return answer(old, context)
  return write(command, { ...recordOf(old), ts: command.minCommitTs }, context)
}

/** What came of a token, as far as its records tell. */
export function outcomeOf(
  key: string,
  token: Token,
  { view, tenant, horizon }: RecordContext,
): Extract<TxnAnswer, { readonly type: "outcome" }> | "damaged" {
  const known = lookup(view, tenant, key, token)
  switch (known.type) {
    case "damaged":
      return "damaged"
    case "bodyDropped":
      return { type: "outcome", status: "committed", commitTs: 0, results: null }
    case "outcome": {
      const { body, commitTs } = known.outcome
      // What failed had no effect, and will have none.
      return body.type === "results"
        ? { type: "outcome", status: "committed", commitTs, results: body.results }
        : { type: "outcome", status: "prevented", commitTs: 0, results: null }
    }
    case "none": {
      const status = token.birth <= horizon ? "expired" : "none"
      return { type: "outcome", status, commitTs: 0, results: null }
    }
    default:
      return unreachable(known)
  }
}

/** Says what came of a token, and sees to it that nothing comes of it any more, if that is wanted. */
export function queryOutcome(
  { key, token, prevent }: Extract<TxnCommand, { readonly type: "queryOutcome" }>,
  context: RecordContext,
): Decided {
  const known = outcomeOf(key, token, context)
  if (known === "damaged") return { type: "damaged" }
  if (known.status !== "none" || !prevent) return { type: "answer", answer: known, writes: [] }
  const outcome = { birth: token.birth, commitTs: 0, body: { type: "prevented" } } as const
  const change = recordWrite(context.tenant, key, token, outcome)
  return { type: "answer", answer: { ...known, status: "prevented" }, writes: [change] }
}
