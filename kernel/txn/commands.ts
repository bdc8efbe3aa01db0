import { SPACE_VERSIONS, type Write } from "../engine/engine.ts"
import type { TenantId, Timestamp, Wall } from "../ids.ts"
import { unreachable } from "../lib/invariant.ts"
import { KV_TABLE, userKeyPrefix, versionKey } from "../mvcc/key.ts"
import { encodeVersion } from "../mvcc/version.ts"
import { decide, queryOutcome, type Decided, type RecordCommand, type RecordContext } from "./decide.ts"
import { dropIntent, visibleWrite, type Intent } from "./intent.ts"
import type { Judge } from "./judge.ts"
import type { Met } from "./lock-table.ts"
import type { KeySpan, TxnAnswer, TxnCommand } from "./protocol.ts"
import { readFloor } from "./record.ts"
import type { Case, Verdict } from "./verdict.ts"
import { protectWrite } from "./version-gc.ts"

/** What gateways and other ranges ask of this one beside reads and writes. */

type Of<Type extends TxnCommand["type"]> = Extract<TxnCommand, { readonly type: Type }>

const DAMAGED: Verdict = { type: "damaged" }
const DONE: TxnAnswer = { type: "done" }
const TOO_OLD: Verdict = { type: "refused", error: { code: "snapshotTooOld" } }

export function judgeCommand(judge: Judge, each: Case, command: TxnCommand, wall: Wall): Verdict {
  switch (command.type) {
    case "refresh":
      return refresh(judge, each, command)
    case "queryIntent":
      return queryIntent(judge, command)
    case "resolve":
      return resolve(judge, command)
    case "queryWait": {
      const blockers = judge.locks.blockers(command.txn, command.ticket)
      return answered({ type: "waits", for: blockers })
    }
    case "cancelWait":
      return answered(DONE)
    case "protect": {
      const { tenant, start } = judge.machine.descriptor
      if (command.ts !== 0 && judge.isTooOld(command.ts)) return TOO_OLD
      judge.gc.protect(command.id, command.ts)
      const writes = [protectWrite(tenant, start, command.id, command.ts)]
      return { type: "proposed", ts: 0, results: [], answer: DONE, writes, aftermath: null }
    }
    case "queryOutcome":
      return outcome(judge, command, wall)
    case "stage":
      if (judge.clock.isBeyond(command.commitTs, wall)) return OUT_OF_BOUND
      return ofRecord(judge, each, command, wall)
    case "push":
      if (judge.clock.isBeyond(command.minCommitTs, wall)) return OUT_OF_BOUND
      return ofRecord(judge, each, command, wall)
    case "heartbeat":
    case "commit":
    case "abort":
    case "forget":
      return ofRecord(judge, each, command, wall)
    default:
      return unreachable(command)
  }
}

const OUT_OF_BOUND: Verdict = { type: "refused", error: { code: "clockOutOfBound" } }

/** With what records are asked; damaged: the floor cannot be read. */
function contextOf({ machine }: Judge, wall: Wall): RecordContext | "damaged" {
  const { view, descriptor, horizon } = machine
  const { tenant, start } = descriptor
  const floor = readFloor(view, tenant, start)
  return floor === "damaged" ? floor : { view, tenant, wall, floor, horizon }
}

function ofRecord(judge: Judge, each: Case, command: RecordCommand, wall: Wall): Verdict {
  const context = contextOf(judge, wall)
  const token = command.type === "stage" ? each.request.token : null
  return context === "damaged" ? DAMAGED : verdictOf(decide(command, token, context))
}

function outcome(judge: Judge, command: Of<"queryOutcome">, wall: Wall): Verdict {
  const context = contextOf(judge, wall)
  return context === "damaged" ? DAMAGED : verdictOf(queryOutcome(command, context))
}

function verdictOf(decided: Decided): Verdict {
  switch (decided.type) {
    case "damaged":
      return DAMAGED
    case "error":
      return { type: "refused", error: decided.error }
    case "answer": {
      const { answer, writes } = decided
      if (writes.length === 0) return answered(answer)
      return { type: "proposed", ts: 0, results: [], answer, writes, aftermath: null }
    }
  }
}

function answered(answer: TxnAnswer): Verdict {
  return { type: "answered", ts: 0, results: [], answer }
}

/**
 * Nobody wrote these spans in `(fromTs, toTs]`, and with the high-water nobody will. Somebody younger who is about to is
 * pushed above; of two who are about to write what the other read the older one goes on.
 */
function refresh(judge: Judge, each: Case, { txn, spans, toTs }: Of<"refresh">): Verdict {
  const { machine, clock, intents, known } = judge
  // A deletion may be gone together with what it deleted.
  if (spans.some(({ fromTs }) => judge.isTooOld(fromTs))) return TOO_OLD
  clock.noteRead(toTs)
  const rows = intents.in(spans)
  if (rows === "damaged") return DAMAGED
  const met: Met[] = []
  for (const row of rows) {
    const { key, intent } = row
    if (intent.txn === txn || !judge.keepsReader(row, each, toTs, 0)) continue
    const about = known.get(intent.txn)
    const isFresh = about !== undefined && about.stamp > each.stamp
    const status = about?.state.status
    const isOlder = intent.txn < txn
    if (isOlder && isFresh && (status === "pending" || status === "staging")) {
      const at = status === "staging" ? about.state.ts : intent.writeTs
      return answered({ type: "changed", key, at, by: intent.txn })
    }
    met.push({ key, txn: intent.txn, anchor: intent.anchor, pushTs: isOlder ? 0 : toTs + 1 })
  }
  if (met.length > 0) return judge.queues.blocked([], met)
  for (const { start, end, fromTs } of spans) {
    const newer = judge.newer(start, end, fromTs, toTs)
    if (newer === "damaged") return DAMAGED
    if (newer !== null) return answered({ type: "changed", key: newer.key, at: newer.ts, by: null })
  }
  return machine.checkDamage() ? DAMAGED : answered({ type: "refreshed" })
}

/**
 * Are these writes here? What is not, and is to be prevented, will get a timestamp above: this leader gives none at or
 * below what it noted as read, the one to whom it hands over gets that with the office, and any other begins two bounds
 * above its own clock, which was refused here as a timestamp.
 */
function queryIntent(judge: Judge, { txn, writes, ts, prevent }: Of<"queryIntent">): Verdict {
  const rows = judge.intents.in(writes.map(({ key }) => pointOf(key)))
  if (rows === "damaged") return DAMAGED
  const here = new Map<string, Intent>()
  for (const { key, intent } of rows) if (intent.txn === txn) here.set(key, intent)
  const isThere = writes.every(({ key, seq }) => {
    const intent = here.get(key)
    return intent !== undefined && intent.writeTs <= ts && intent.history.some((had) => had.seq === seq)
  })
  if (prevent && !isThere) judge.clock.noteRead(ts)
  return answered({ type: "intent", isThere })
}

/** The intents of a decided transaction become versions or go, its locks go. */
function resolve(judge: Judge, { txn, commitTs, rolledBack, keys, spans }: Of<"resolve">): Verdict {
  const { machine, clock, intents } = judge
  const rows = intents.in(keys.map(pointOf))
  if (rows === "damaged") return DAMAGED
  if (commitTs !== null) clock.observe(commitTs)
  const { tenant } = machine.descriptor
  const writes: Write[] = []
  const gone: string[] = []
  for (const { key, intent } of rows) {
    if (intent.txn !== txn) continue
    gone.push(key)
    // One above the commit timestamp was not part of what was committed: it came late, and twice.
    if (commitTs !== null && intent.writeTs <= commitTs) {
      const write = visibleWrite(intent, Number.MAX_SAFE_INTEGER, rolledBack)
      if (write !== undefined) writes.push(committed(tenant, key, commitTs, intent, write.value))
    }
    writes.push(dropIntent(tenant, key))
  }
  const freed = [...spans, ...keys.map(pointOf)]
  if (keys.length === 0) {
    // Locks are this leader's own: nobody else has to be asked.
    judge.locks.release(txn, freed)
    return answered(DONE)
  }
  // Also when there is none: only an entry shows that this leader still knows what is here.
  const aftermath = { announced: [], gone: gone.length > 0 ? gone : keys, release: { txn, spans: freed } }
  return { type: "proposed", ts: commitTs ?? 0, results: [], answer: DONE, writes, aftermath }
}

function committed(
  tenant: TenantId,
  key: string,
  ts: Timestamp,
  { txn: id, writeTs }: Intent,
  value: string | null,
): Write {
  const prefix = userKeyPrefix(tenant, KV_TABLE, key)
  const row = encodeVersion(value, 0, { id, writeTs })
  return { space: SPACE_VERSIONS, type: "put", key: versionKey(prefix, ts), value: row }
}

function pointOf(key: string): KeySpan {
  return { start: key, end: key + "\0" }
}
