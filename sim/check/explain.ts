import { invariant } from "#kernel"
import { INSTANT_NEVER, type KvOp, type KvResult, mayWrite, type Operation } from "./history.ts"
import { MapKeys, runRequest } from "./models.ts"
import { PartitionSearch } from "./search.ts"
import { observed, produced, type Sighting } from "./sightings.ts"

/**
 * Why a partition is not linearizable, small enough to read.
 *
 * First the history is cut at the earliest end that makes it wrong (every beginning of a linearizable
 * history is one). Then requests are dropped as long as the rest stays wrong. A write is dropped only when
 * nobody left has seen what it wrote: without it the rest would be wrong too, but of another fault, a
 * value out of nowhere. A counter's increments therefore all stay.
 *
 * Not promised: the smallest history of all, only one from which no single request can go, and not even
 * that when `SHRINK_COST_MAX` ends it early. The sentences are for people; judge by the operations.
 */
export type Explanation = {
  readonly keys: readonly string[]
  /** A sub-history that is not linearizable, in order of invocation. An `info` among them may be optional. */
  readonly operations: readonly Operation[]
  /** Ids of the most operations that could be placed, in their order. */
  readonly placed: readonly number[]
  /** Ids of acknowledged operations that then found no place. */
  readonly stuck: readonly number[]
  readonly lines: readonly string[]
}

const LINES_MAX = 15
const OPERATION_LINES_MAX = 10
const TEXT_CHARS_MAX = 100
/** Reading an operation into a search costs about as much as so many steps. */
const OPERATION_COST = 8
/** Steps and operations read, over all trials: a few seconds. */
const SHRINK_COST_MAX = 5_000_000
const TOLD_STEPS_MAX = 200_000

export function explain(operations: readonly Operation[], keys: readonly string[]): Explanation {
  const trial = new Trial(keys)
  const orphan = orphanOf(operations)
  const minimal = orphan === null ? shrunk(cutShort(operations, trial), trial) : [orphan]
  const ordered = minimal.toSorted((a, b) => a.invokedAt - b.invokedAt || a.id - b.id)
  const search = new PartitionSearch(ordered, keys, { room: { words: 4 * TOLD_STEPS_MAX }, isTold: true })
  search.run(TOLD_STEPS_MAX)
  const placed = search.deepest.map((operation) => operation.id)
  const stuck = ordered.filter((operation) => operation.outcome === "ok" && !placed.includes(operation.id))
  const lines = told(keys, ordered, search.deepest, stuck)
  return { keys, operations: ordered, placed, stuck: stuck.map((operation) => operation.id), lines }
}

/** Asks again whether a sub-history is wrong, for as long as the cost allows. */
class Trial {
  readonly #keys: readonly string[]
  #costLeft = SHRINK_COST_MAX

  constructor(keys: readonly string[]) {
    this.#keys = keys
  }

  get isSpent(): boolean {
    return this.#costLeft <= 0
  }

  /** False as well when nobody knows. */
  isInvalid(operations: readonly Operation[]): boolean {
    if (this.isSpent) return false
    const search = new PartitionSearch(operations, this.#keys, {
      room: { words: 4 * 1024 * 1024 },
      isTold: false,
    })
    const verdict = search.run(Math.max(this.#costLeft >> 3, 1))
    this.#costLeft -= search.steps + OPERATION_COST * operations.length
    return verdict === "invalid"
  }
}

/** An operation that saw a value nobody could have written, if there is one: it is the whole story. */
function orphanOf(operations: readonly Operation[]): Operation | null {
  const grown = new Set<string>()
  const values = new Map<string, Set<string | null>>()
  for (const operation of operations) {
    for (const op of operation.request) if (op.type === "increment" || op.type === "append") grown.add(op.key)
    for (const { key, value } of produced(operation)) {
      const written = values.get(key)
      if (written === undefined) values.set(key, new Set([value]))
      else written.add(value)
    }
  }
  const isOrphan = ({ key, value }: Sighting): boolean =>
    value !== null && !grown.has(key) && values.get(key)?.has(value) !== true
  return operations.find((operation) => observed(operation).some(isOrphan)) ?? null
}

/** The history up to the first end that makes it wrong; what had not ended by then is of unknown outcome. */
function cutShort(operations: readonly Operation[], trial: Trial): readonly Operation[] {
  const ends = operations.filter((operation) => operation.outcome === "ok").map(({ endedAt }) => endedAt)
  ends.sort((a, b) => a - b)
  let low = 0
  let high = ends.length - 1
  while (low < high) {
    const middle = (low + high) >>> 1
    if (trial.isInvalid(until(operations, ends[middle]!))) high = middle
    else low = middle + 1
  }
  return until(operations, ends[high]!)
}

function until(operations: readonly Operation[], end: number): readonly Operation[] {
  const begun = operations.filter((operation) => operation.invokedAt <= end)
  return begun.map((operation) =>
    operation.outcome === "ok" && operation.endedAt > end
      ? { ...operation, outcome: "info", results: null, endedAt: INSTANT_NEVER }
      : operation,
  )
}

/** Drops ever smaller stretches of operations, until no single one can go. */
function shrunk(operations: readonly Operation[], trial: Trial): readonly Operation[] {
  const counted = countersOf(operations)
  let kept = operations
  let stretch = Math.max(kept.length >> 1, 1)
  for (;;) {
    let hasDropped = false
    // From the end, so that readers go before those whose writes they saw.
    for (let end = kept.length; end > 0 && !trial.isSpent; end -= stretch) {
      const start = Math.max(end - stretch, 0)
      // Most of a counter's history is bound for good: no use in asking who has seen it.
      if (kept.slice(start, end).every((operation) => countsOn(operation, counted))) continue
      const bound = boundIn(kept, start, end, counted)
      const rest = kept.filter((operation, i) => i < start || i >= end || bound.has(operation))
      if (rest.length === kept.length || !trial.isInvalid(rest)) continue
      kept = rest
      hasDropped = true
    }
    if (trial.isSpent || (stretch === 1 && !hasDropped)) return kept
    if (!hasDropped || stretch > kept.length) stretch = Math.max(Math.min(stretch, kept.length) >> 1, 1)
  }
}

/** Of the operations in `[start, end)`, the writes that someone outside has seen or may have seen. */
function boundIn(
  operations: readonly Operation[],
  start: number,
  end: number,
  counted: ReadonlySet<string>,
): ReadonlySet<Operation> {
  const seen = new Map<string, { readonly sighting: Sighting; readonly by: Operation }[]>()
  const note = (operation: Operation): void => {
    for (const sighting of observed(operation)) {
      const list = seen.get(sighting.key)
      if (list === undefined) seen.set(sighting.key, [{ sighting, by: operation }])
      else list.push({ sighting, by: operation })
    }
  }
  for (let i = 0; i < operations.length; i++) if (i < start || i >= end) note(operations[i]!)

  const bound = new Set<Operation>()
  // What stays may itself have seen others of the stretch; they come before it in most histories.
  for (let i = end - 1; i >= start; i--) {
    const operation = operations[i]!
    if (!operation.request.some(mayWrite) || !isSeen(operation, counted, seen)) continue
    bound.add(operation)
    note(operation)
  }
  return bound
}

function countersOf(operations: readonly Operation[]): ReadonlySet<string> {
  const counted = new Set<string>()
  for (const { request } of operations) {
    for (const op of request) if (op.type === "increment") counted.add(op.key)
  }
  return counted
}

/** Whether the operation writes a key that is counted on: any later count rests on it. */
function countsOn({ request }: Operation, counted: ReadonlySet<string>): boolean {
  return request.some((op) => op.type !== "scan" && op.type !== "get" && counted.has(op.key))
}

function isSeen(
  operation: Operation,
  counted: ReadonlySet<string>,
  seen: ReadonlyMap<string, readonly { readonly sighting: Sighting; readonly by: Operation }[]>,
): boolean {
  if (countsOn(operation, counted)) return true
  const made = produced(operation)
  for (const op of operation.request) {
    if (op.type === "get" || op.type === "scan") continue
    for (const { sighting, by } of seen.get(op.key) ?? []) {
      if (operation.invokedAt > by.endedAt) continue
      if (made.some(({ key, value }) => key === sighting.key && value === sighting.value)) return true
      if (op.type === "append" && sighting.value !== null && sighting.value.includes(op.value)) return true
    }
  }
  return false
}

function told(
  keys: readonly string[],
  operations: readonly Operation[],
  placed: readonly Operation[],
  stuck: readonly Operation[],
): readonly string[] {
  const lines = [
    `No order of these ${operations.length} requests, each between its start and its end, gives the answers heard.`,
  ]
  // Those that found no place are told first, then as many of the others as there is room for.
  const shown = new Set([...stuck, ...operations.toReversed()].slice(0, OPERATION_LINES_MAX))
  for (const operation of operations) if (shown.has(operation)) lines.push("  " + sentenceOf(operation))
  const hidden = operations.length - shown.size
  if (operations.length === 1) lines.push("  It does not fit even alone.")
  if (hidden > 0) lines.push(`  and ${hidden} more, whose writes these answers rest on.`)

  const held = new MapKeys()
  for (const operation of placed) {
    const results = runRequest(operation.request, held)
    invariant(results !== null, "Cannot explain: a placed operation is refused")
  }
  const names = placed.map(({ id }) => `#${id}`)
  const order =
    names.length === 0 ? "Nothing can come first" : `At best one can place ${clipped(names.join(", "))}`
  lines.push(`${order}; then ${clipped(holdings(keys, held))}.`)
  const left = stuck.map(({ id }) => `#${id}`)
  lines.push(`No place is left for ${clipped(left.join(", "))}.`)
  invariant(lines.length <= LINES_MAX, "An explanation is too long to read")
  return lines
}

function holdings(keys: readonly string[], held: MapKeys): string {
  const parts = keys.slice(0, 4).map((key) => {
    const value = held.get(key)
    return value === null ? `${quoted(key)} is absent` : `${quoted(key)} holds ${quoted(value)}`
  })
  return parts.join(", ") + (keys.length > 4 ? ", …" : "")
}

function sentenceOf(operation: Operation): string {
  const { id, process, invokedAt, endedAt, outcome, request, results } = operation
  const end = endedAt === INSTANT_NEVER ? "…" : String(endedAt)
  const parts = request.map((op, i) => {
    const result = results?.[i]
    return result === undefined ? asked(op) : `${asked(op)} heard ${heard(result)}`
  })
  const what = clipped(parts.join("; "))
  return `#${id} client ${process} [${invokedAt}, ${end}] ${what}${outcome === "info" ? " (outcome unknown)" : ""}`
}

function asked(op: KvOp): string {
  switch (op.type) {
    case "get":
    case "delete":
      return `${op.type} ${quoted(op.key)}`
    case "put":
    case "append":
      return `${op.type} ${quoted(op.key)} ${quoted(op.value)}`
    case "cas":
      return `cas ${quoted(op.key)} from ${op.expected === null ? "absent" : quoted(op.expected)} to ${quoted(op.value)}`
    case "increment":
      return `increment ${quoted(op.key)} by ${op.by}`
    case "scan":
      return `scan [${quoted(op.start)}, ${quoted(op.end)})`
  }
}

function heard(result: KvResult): string {
  switch (result.type) {
    case "done":
      return "done"
    case "value":
      return result.value === null ? "absent" : quoted(result.value)
    case "swapped":
      return result.swapped ? "swapped" : "not swapped"
    case "count":
      return String(result.value)
    case "rows":
      return `{${result.rows.map(([key, value]) => `${quoted(key)}: ${quoted(value)}`).join(", ")}}`
  }
}

/** The end of a long value says more than its beginning: lists grow there. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 30 ? "…" + text.slice(-29) : text)
}

function clipped(text: string): string {
  return text.length > TEXT_CHARS_MAX ? text.slice(0, TEXT_CHARS_MAX) + "…" : text
}
