import type { KernelError } from "../errors.ts"
import { unreachable } from "../lib/invariant.ts"
import { SCAN_ROWS_MAX, VALUE_BYTES_MAX } from "../limits.ts"
import { parseInteger } from "../range/evaluate.ts"
import type { KvOp, KvResult } from "../range/request.ts"
import type { Draft, Transaction, Written } from "./transaction.ts"

/**
 * Statements of an optimistic transaction: its writes wait at the gateway, so what it reads is what ranges say with its own
 * writes laid over it.
 */

type Scan = Extract<KvOp, { readonly type: "scan" }>

/** What has to be read first: each key once whose value matters and is not written here, and every scan. */
export function fetchesOf(txn: Transaction, ops: readonly KvOp[]): readonly KvOp[] {
  const fetches: KvOp[] = []
  const known = new Set<string>()
  for (const op of ops) {
    if (op.type === "scan") {
      fetches.push({ ...op, limit: Math.min(op.limit + hidden(txn, ops, op), SCAN_ROWS_MAX) })
      continue
    }
    const isNeeded = op.type !== "put" && op.type !== "delete"
    if (isNeeded && !known.has(op.key) && txn.live(op.key) === null)
      fetches.push({ type: "get", key: op.key })
    known.add(op.key)
  }
  return fetches
}

/** How many rows of a scan own writes may take away, at the most. */
function hidden(txn: Transaction, ops: readonly KvOp[], scan: Scan): number {
  let count = 0
  for (const key of txn.writes.keys()) if (isIn(scan, key)) count++
  for (const op of ops) if (op.type === "delete" && isIn(scan, op.key)) count++
  return count
}

function isIn({ start, end }: Scan, key: string): boolean {
  return key >= start && (end === "" || key < end)
}

type Evaluated =
  | { readonly results: readonly KvResult[]; readonly writes: readonly (readonly [string, Written])[] }
  | { readonly error: KernelError }

/** `fetched` answers `fetches`. As ranges evaluate: in order, each op seeing what those before it did. */
export function evaluateBuffered(
  draft: Draft,
  ops: readonly KvOp[],
  fetches: readonly KvOp[],
  fetched: readonly KvResult[],
): Evaluated {
  const base = new Map<string, string | null>()
  const scans: KvResult[] = []
  fetches.forEach((op, i) => {
    const result = fetched[i]!
    if (op.type === "get" && result.type === "value") base.set(op.key, result.value)
    else scans.push(result)
  })
  const own = new Map<string, string | null>()
  const writes: (readonly [string, Written])[] = []
  const read = (key: string): string | null => {
    const mine = own.get(key)
    if (mine !== undefined) return mine
    const live = draft.txn.live(key)
    return live === null ? (base.get(key) ?? null) : live.value
  }
  const write = (key: string, value: string | null): void => {
    own.set(key, value)
    writes.push([key, { seq: draft.takeSeqs(1), value }])
  }
  const results: KvResult[] = []
  let scan = 0
  for (const op of ops) {
    switch (op.type) {
      case "get":
        results.push({ type: "value", value: read(op.key) })
        break
      case "put":
      case "delete":
        write(op.key, op.type === "put" ? op.value : null)
        results.push({ type: "done" })
        break
      case "cas": {
        const swapped = read(op.key) === op.expected
        if (swapped) write(op.key, op.value)
        results.push({ type: "swapped", swapped })
        break
      }
      case "increment": {
        const value = read(op.key)
        const sum = (value === null ? 0 : parseInteger(value)) + op.by
        if (!Number.isSafeInteger(sum)) return { error: { code: "notAnInteger", key: op.key } }
        write(op.key, String(sum))
        results.push({ type: "count", value: sum })
        break
      }
      case "append": {
        const value = (read(op.key) ?? "") + op.value
        if (value.length > VALUE_BYTES_MAX)
          return { error: { code: "tooLarge", limit: VALUE_BYTES_MAX, actual: value.length } }
        write(op.key, value)
        results.push({ type: "done" })
        break
      }
      case "scan":
        results.push(overlaid(op, scans[scan++]!, draft.txn, own))
        break
      default:
        unreachable(op)
    }
  }
  return { results, writes }
}

/** Rows of ranges with own ones over them; no further than the ranges have looked. */
function overlaid(
  op: Scan,
  base: KvResult,
  txn: Transaction,
  own: ReadonlyMap<string, string | null>,
): KvResult {
  if (base.type !== "rows") return base
  const rows = new Map(base.rows)
  const last = base.rows.at(-1)?.[0]
  const isSeen = (key: string): boolean =>
    isIn(op, key) && (!base.more || (last !== undefined && (op.reverse ? key >= last : key <= last)))
  const lay = (key: string, value: string | null): void => {
    if (!isSeen(key)) return
    if (value === null) rows.delete(key)
    else rows.set(key, value)
  }
  for (const key of txn.writes.keys()) {
    const live = txn.live(key)
    if (live !== null) lay(key, live.value)
  }
  for (const [key, value] of own) lay(key, value)
  const sorted = [...rows].sort((a, b) => (a[0] < b[0] !== op.reverse ? -1 : 1))
  const isCut = sorted.length > op.limit
  return { type: "rows", rows: isCut ? sorted.slice(0, op.limit) : sorted, more: isCut || base.more }
}
