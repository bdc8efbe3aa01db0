import type { TenantId, Timestamp } from "../ids.ts"
import type { Token } from "../range/request.ts"
import type { Anchor, TxnAnswer, TxnCommand, TxnId, TxnState } from "../txn/protocol.ts"
import { command, keySpan, type Course, type Steps } from "./course.ts"
import { scatter } from "./scatter.ts"
import { askRecord, type Settlement } from "./settle.ts"
import type { Wait } from "./message.ts"

/** What is asked about somebody else's transaction. */
export type Push = { readonly txn: TxnId; readonly anchor: Anchor; readonly minCommitTs: Timestamp }

/** Null: nobody could say. A settlement when it was decided here. */
export type Pushed = { readonly state: TxnState | null; readonly settlement: Settlement | null }

/** A record that goes on staging, at one timestamp after another, is left to itself after so many. */
const DECISIONS_MAX = 4

/**
 * Finds out what has become of a transaction that is in somebody's way, and helps to decide it: a staged one that
 * has all its writes is committed; an abandoned one is told so, or is kept from ever having them, and aborted.
 */
export function* push(course: Course, { txn, anchor, minCommitTs }: Push): Steps<Pushed> {
  const { tenant } = anchor
  let state = yield* askRecord(course, tenant, { type: "push", txn, anchor, minCommitTs })
  for (let decisions = 0; state?.status === "staging" && decisions < DECISIONS_MAX; decisions++) {
    const staged: TxnState = state
    const isThere = yield* arePresent(course, tenant, txn, staged)
    if (isThere === null) return { state: null, settlement: null }
    // A coordinator that lives may still be waiting for the one that is missing.
    if (!isThere && !staged.isAbandoned) return { state: staged, settlement: null }
    state = yield* askRecord(
      course,
      tenant,
      isThere
        ? { type: "commit", txn, anchor, commitTs: staged.ts }
        : { type: "abort", txn, anchor, ifStagedAt: staged.ts },
    )
    if (state?.status === "committed" || state?.status === "aborted") {
      return { state, settlement: settlementOf(txn, anchor, staged, state) }
    }
  }
  return { state, settlement: null }
}

/** Whether each promised write is there; with an abandoned one, those that are not never will be. */
function* arePresent(course: Course, tenant: TenantId, txn: TxnId, state: TxnState): Steps<boolean | null> {
  const { promised, ts, isAbandoned } = state
  const things = promised.map(({ key, seq }) => ({ ...keySpan(key), seq }))
  const done = yield* scatter(course, tenant, things, (some) => {
    const writes = some.map(({ start, seq }) => ({ key: start, seq }))
    return [command({ type: "queryIntent", txn, writes, ts, prevent: isAbandoned })]
  })
  if ("error" in done) return null
  return done.replies.every(({ answer }) => answer?.type === "intent" && answer.isThere)
}

/** Those that were promised: of others nobody knows but the coordinator, so the record stays. */
function settlementOf(txn: TxnId, anchor: Anchor, staged: TxnState, state: TxnState): Settlement {
  return {
    txn,
    tenant: anchor.tenant,
    anchor,
    commitTs: state.status === "committed" ? state.ts : null,
    record: "nothing",
    isWhole: false,
    rolledBack: staged.rolledBack,
    keys: staged.promised.map(({ key }) => key),
    spans: [],
  }
}

/**
 * Whether each of these waits for the next, the last for the first, under the very ticket that was told. Who waits
 * releases nothing, so if all still stand they stood together.
 */
export function* confirmCycle(course: Course, path: readonly Wait[]): Steps<boolean> {
  const askings = []
  for (const { rangeId, txn, ticket } of path) {
    const range = yield* course.locate(rangeId)
    if (range === null) return false
    askings.push([range, command({ type: "queryWait", txn, ticket })] as const)
  }
  const replies = yield* course.ask(askings)
  return replies.every((reply, i) => {
    if (reply.type !== "ok" || reply.answer?.type !== "waits") return false
    return reply.answer.for.includes(path[(i + 1) % path.length]!.txn)
  })
}

type Outcome = Extract<TxnAnswer, { readonly type: "outcome" }>

/** What came of a token. Whatever has not come of it by now never will. */
export function* findOutcome(
  course: Course,
  tenant: TenantId,
  token: Token,
  key: string,
): Steps<Outcome | null> {
  const query: TxnCommand = { type: "queryOutcome", key, token, prevent: true }
  const reply = yield* course.askKey(tenant, key, command(query))
  return reply.type === "ok" && reply.answer?.type === "outcome" ? reply.answer : null
}
