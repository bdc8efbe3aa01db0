import { INSTANT_NEVER, type KvOp, type Operation } from "./history.ts"
import { integerIn } from "./models.ts"

/**
 * Exactly once: a request with a token takes effect at most once however often it is sent, once if it was
 * acknowledged, and never if it failed. Judged by what the keys hold when all is over.
 *
 * - A counter (a key that is only incremented) holds the sum of the acknowledged increments, and between
 *   nothing and all of those of unknown outcome. A sum that lies between but that no choice of them
 *   gives is not noticed, nor is one increment applied twice while an unknown one was lost.
 * - A list (a key that is only appended to, each element once) holds every acknowledged element, no element
 *   twice, none that failed, none from nowhere, and those of one client in its order.
 *
 * Not verified: requests without a token (a key that one of them writes is passed over), keys that are
 * also put, deleted or swapped, lists whose elements cannot be told apart, and what reads saw on the way:
 * that is for the linearizability check. `checkCommitOrder` looks at timestamps alone, not at values.
 */
export type Violation = {
  readonly key: string
  /** The operations at fault; empty when none can be named. */
  readonly operations: readonly number[]
  readonly message: string
}

type Write<Op extends KvOp> = { readonly operation: Operation; readonly op: Op }
type Increment = Write<Extract<KvOp, { readonly type: "increment" }>>
type Append = Write<Extract<KvOp, { readonly type: "append" }>>

type KeyWrites = { readonly increments: Increment[]; readonly appends: Append[]; isJudged: boolean }

/** What the final state says against the tokens; in order of keys, then of position or id. */
export function checkExactlyOnce(
  history: readonly Operation[],
  finalState: ReadonlyMap<string, string>,
): readonly Violation[] {
  const writes = new Map<string, KeyWrites>()
  for (const operation of history) {
    for (const op of operation.request) {
      if (op.type === "get" || op.type === "scan") continue
      let ofKey = writes.get(op.key)
      if (ofKey === undefined) {
        ofKey = { increments: [], appends: [], isJudged: true }
        writes.set(op.key, ofKey)
      }
      if (operation.token === null && operation.outcome !== "fail") ofKey.isJudged = false
      if (op.type === "increment") ofKey.increments.push({ operation, op })
      else if (op.type === "append") ofKey.appends.push({ operation, op })
      else ofKey.isJudged = false
    }
  }
  const violations: Violation[] = []
  for (const [key, { increments, appends, isJudged }] of [...writes].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
    if (!isJudged || (increments.length > 0 && appends.length > 0)) continue
    const value = finalState.get(key) ?? null
    if (increments.length > 0) judgeCounter(key, value, increments, violations)
    else judgeList(key, value ?? "", appends, violations)
  }
  return violations
}

function judgeCounter(
  key: string,
  value: string | null,
  increments: readonly Increment[],
  violations: Violation[],
): void {
  const total = integerIn(value)
  if (total === null) {
    const message = `Counter ${quoted(key)} holds ${quoted(value ?? "")}, which is no integer.`
    violations.push({ key, operations: [], message })
    return
  }
  let acked = 0
  let least = 0
  let most = 0
  for (const { operation, op } of increments) {
    if (operation.outcome === "ok") acked += op.by
    else if (operation.outcome === "info" && op.by < 0) least += op.by
    else if (operation.outcome === "info") most += op.by
  }
  if (total >= acked + least && total <= acked + most) return
  const what = total < acked + least ? "an acknowledged increment is lost" : "an increment took effect twice"
  const bounds = least === 0 && most === 0 ? `${acked}` : `${acked + least} to ${acked + most}`
  const message = `Counter ${quoted(key)} holds ${total} where its increments allow ${bounds}: ${what}.`
  violations.push({ key, operations: [], message })
}

function judgeList(key: string, value: string, appends: readonly Append[], violations: Violation[]): void {
  const byElement = new Map<string, Append>()
  for (const append of appends) {
    if (append.op.value === "" || byElement.has(append.op.value)) return
    byElement.set(append.op.value, append)
  }
  const elements = elementsOf(value, byElement)
  if (elements === "ambiguous") return
  const say = (operations: readonly number[], message: string): void => {
    violations.push({ key, operations, message: `List ${quoted(key)} ${message}.` })
  }
  if (typeof elements === "number") {
    say([], `holds ${quoted(value.slice(elements))} at offset ${elements}, which nobody appended`)
    return
  }

  const seen = new Set<Append>()
  const lastOf = new Map<number, Append>()
  for (const append of elements) {
    const { operation, op } = append
    if (seen.has(append)) {
      say([operation.id], `holds ${quoted(op.value)} of operation ${operation.id} more than once`)
      continue
    }
    seen.add(append)
    if (operation.outcome === "fail") {
      say([operation.id], `holds ${quoted(op.value)}, though operation ${operation.id} failed`)
    }
    const { client, seq } = operation.token ?? { client: 0, seq: 0 }
    const last = lastOf.get(client)
    // One request may append twice to a key: equal numbers are of one request, in its own order.
    if (last !== undefined && isBefore(operation, last.operation)) {
      const order = `${quoted(last.op.value)} before ${quoted(op.value)}`
      say([last.operation.id, operation.id], `holds ${order}, against the order of client ${client} (${seq})`)
    }
    lastOf.set(client, append)
  }
  for (const append of appends) {
    if (append.operation.outcome !== "ok" || seen.has(append)) continue
    const { id } = append.operation
    say([id], `lacks ${quoted(append.op.value)}, though operation ${id} was acknowledged`)
  }
}

/**
 * Whether one client's `a` certainly came before its `b`: `a` was over when `b` began. A request that is
 * still on its way may take effect after later ones of its client, numbered though they are.
 */
function isBefore(a: Operation, b: Operation): boolean {
  return a.token!.seq < b.token!.seq && a.outcome === "ok" && a.endedAt <= b.invokedAt
}

/**
 * The appends whose elements make up the value, left to right; the offset where none fits; or ambiguous,
 * when one element begins another, for then the value could be read in two ways.
 */
function elementsOf(
  value: string,
  byElement: ReadonlyMap<string, Append>,
): readonly Append[] | number | "ambiguous" {
  const sorted = [...byElement.keys()].sort((a, b) => (a < b ? -1 : 1))
  // Whatever lies between a prefix and its longer one in this order begins with that prefix too.
  for (let i = 1; i < sorted.length; i++) if (sorted[i]!.startsWith(sorted[i - 1]!)) return "ambiguous"
  const lengths = [...new Set(sorted.map((element) => element.length))].sort((a, b) => a - b)
  const found: Append[] = []
  let offset = 0
  while (offset < value.length) {
    let append: Append | undefined
    for (const length of lengths) {
      append = byElement.get(value.slice(offset, offset + length))
      if (append !== undefined) break
    }
    if (append === undefined) return offset
    found.push(append)
    offset += append.op.value.length
  }
  return found
}

/**
 * Timestamps against real time: of two acknowledged writes of one key, the one that was over before the
 * other began has the smaller commit timestamp. One violation for each write that comes too late, against
 * the largest timestamp over by then. A write whose timestamp is 0 (unknown) is passed over.
 */
export function checkCommitOrder(history: readonly Operation[]): readonly Violation[] {
  const writes = new Map<string, Operation[]>()
  for (const operation of history) {
    if (operation.outcome !== "ok" || operation.commitTs === 0 || operation.endedAt === INSTANT_NEVER)
      continue
    for (const key of changedKeys(operation)) {
      const list = writes.get(key)
      if (list === undefined) writes.set(key, [operation])
      else list.push(operation)
    }
  }
  const violations: Violation[] = []
  for (const [key, list] of [...writes].sort((a, b) => (a[0] < b[0] ? -1 : 1))) {
    const ended = list.toSorted((a, b) => a.endedAt - b.endedAt || a.id - b.id)
    list.sort((a, b) => a.invokedAt - b.invokedAt || a.id - b.id)
    let latest: Operation | null = null
    let over = 0
    for (const operation of list) {
      while (over < ended.length && ended[over]!.endedAt < operation.invokedAt) {
        const candidate = ended[over++]!
        if (latest === null || candidate.commitTs > latest.commitTs) latest = candidate
      }
      if (latest === null || latest.commitTs < operation.commitTs) continue
      const message =
        `Key ${quoted(key)}: operation ${latest.id} ended at ${latest.endedAt} with timestamp ${latest.commitTs}, ` +
        `yet operation ${operation.id}, begun at ${operation.invokedAt}, has ${operation.commitTs}.`
      violations.push({ key, operations: [latest.id, operation.id], message })
    }
  }
  return violations
}

/** The keys that an acknowledged operation wrote: a refused swap writes nothing. */
function changedKeys(operation: Operation): ReadonlySet<string> {
  const keys = new Set<string>()
  operation.request.forEach((op, i) => {
    if (op.type === "get" || op.type === "scan") return
    const result = operation.results?.[i]
    if (result?.type !== "swapped" || result.swapped) keys.add(op.key)
  })
  return keys
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? text.slice(0, 40) + "…" : text)
}
