import { invariant } from "#kernel"
import { type KvOp, type KvResult, type PointOp, type ScanOp } from "./history.ts"

/**
 * The sequential specification: what a key-value store does that serves one request at a time.
 *
 * One truth in two forms. `runRequest` says what a request answers; `agrees` asks, without building the
 * answer, whether a recorded one is it. The checker needs the second form, for it asks a million times.
 *
 * Not specified: timestamps, tokens, sizes, ranges, and why a request was refused.
 */

/** The keys a model works on. `span` lists the present keys of `[start, end)` in ascending order. */
export interface Keys {
  get(key: string): string | null
  set(key: string, value: string | null): void
  span(start: string, end: string): readonly (readonly [string, string])[]
}

/** The integer a value spells, an absent key being 0; null if it spells none. It has one spelling. */
export function integerIn(value: string | null): number | null {
  if (value === null) return 0
  const integer = Number(value)
  return Number.isSafeInteger(integer) && String(integer) === value ? integer : null
}

/**
 * The value of the key after `op`, given the one before; `undefined` if the request is refused, which
 * happens to an increment of what is no integer, or beyond the safe ones.
 */
export function valueAfter(op: PointOp, current: string | null): string | null | undefined {
  switch (op.type) {
    case "get":
      return current
    case "put":
      return op.value
    case "delete":
      return null
    case "cas":
      return current === op.expected ? op.value : current
    case "increment": {
      const before = integerIn(current)
      if (before === null || !Number.isSafeInteger(before + op.by)) return undefined
      return String(before + op.by)
    }
    case "append":
      return current === null ? op.value : current + op.value
  }
}

/** What `op` answers on a key that holds `current`, unless it is refused. */
export function answerOf(op: PointOp, current: string | null): KvResult {
  switch (op.type) {
    case "get":
      return { type: "value", value: current }
    case "put":
    case "delete":
    case "append":
      return { type: "done" }
    case "cas":
      return { type: "swapped", swapped: current === op.expected }
    case "increment":
      return { type: "count", value: (integerIn(current) ?? 0) + op.by }
  }
}

/** Whether `recorded` is what `op` answers on a key that holds `current`. */
export function agrees(op: PointOp, current: string | null, recorded: KvResult): boolean {
  switch (op.type) {
    case "get":
      return recorded.type === "value" && recorded.value === current
    case "put":
    case "delete":
    case "append":
      return recorded.type === "done"
    case "cas":
      return recorded.type === "swapped" && recorded.swapped === (current === op.expected)
    case "increment":
      return recorded.type === "count" && recorded.value === (integerIn(current) ?? 0) + op.by
  }
}

/** What a scan answers, given the present keys of its span in ascending order. */
export function scanned(op: ScanOp, present: readonly (readonly [string, string])[]): KvResult {
  const rows = op.reverse ? present.toReversed() : present
  return { type: "rows", rows: rows.slice(0, op.limit), more: rows.length > op.limit }
}

/** Whether `recorded` is what the scan answers. */
export function scanAgrees(
  op: ScanOp,
  present: readonly (readonly [string, string])[],
  recorded: KvResult,
): boolean {
  if (recorded.type !== "rows") return false
  const count = Math.min(present.length, op.limit)
  if (recorded.rows.length !== count || recorded.more !== present.length > op.limit) return false
  for (let i = 0; i < count; i++) {
    const row = present[op.reverse ? present.length - 1 - i : i]!
    const other = recorded.rows[i]!
    if (row[0] !== other[0] || row[1] !== other[1]) return false
  }
  return true
}

/**
 * Serves a request: its answers, or null if it is refused. A refused request changes nothing, so `keys`
 * may only be kept when there are answers.
 */
export function runRequest(request: readonly KvOp[], keys: Keys): readonly KvResult[] | null {
  const results: KvResult[] = []
  for (const op of request) {
    if (op.type === "scan") {
      results.push(scanned(op, keys.span(op.start, op.end)))
      continue
    }
    const current = keys.get(op.key)
    const next = valueAfter(op, current)
    if (next === undefined) return null
    results.push(answerOf(op, current))
    if (next !== current) keys.set(op.key, next)
  }
  return results
}

/** Serves a request and tells whether the answers are those recorded; `null` stands for any answers. */
export function requestAgrees(
  request: readonly KvOp[],
  results: readonly KvResult[] | null,
  keys: Keys,
): boolean {
  invariant(results === null || results.length === request.length, "Cannot judge: an operation has no answer")
  for (let i = 0; i < request.length; i++) {
    const op = request[i]!
    const recorded = results === null ? null : results[i]!
    if (op.type === "scan") {
      if (recorded !== null && !scanAgrees(op, keys.span(op.start, op.end), recorded)) return false
      continue
    }
    const current = keys.get(op.key)
    const next = valueAfter(op, current)
    if (next === undefined || (recorded !== null && !agrees(op, current, recorded))) return false
    if (next !== current) keys.set(op.key, next)
  }
  return true
}

/** Keys in a `Map`: for whoever wants the specification itself, at no great speed. */
export class MapKeys implements Keys {
  readonly #values: Map<string, string>

  constructor(values: ReadonlyMap<string, string> = new Map()) {
    this.#values = new Map(values)
  }

  get(key: string): string | null {
    return this.#values.get(key) ?? null
  }

  set(key: string, value: string | null): void {
    if (value === null) this.#values.delete(key)
    else this.#values.set(key, value)
  }

  span(start: string, end: string): readonly (readonly [string, string])[] {
    const rows = [...this.#values].filter(([key]) => key >= start && key < end)
    return rows.sort((a, b) => (a[0] < b[0] ? -1 : 1))
  }

  copy(): MapKeys {
    return new MapKeys(this.#values)
  }

  toMap(): ReadonlyMap<string, string> {
    return new Map(this.#values)
  }
}
