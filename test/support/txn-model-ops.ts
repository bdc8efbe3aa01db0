import type { KernelError } from "#kernel/errors.ts"
import type { KvOp, KvResult } from "#kernel/range/request.ts"
import type { KeySpan, SeqSpan } from "#kernel/txn/protocol.ts"

/** What ops do and where, for the model of a range and for whoever checks what came of it. */

export function isBack(spans: readonly SeqSpan[], seq: number): boolean {
  return spans.some(({ from, to }) => from <= seq && seq <= to)
}

export function spanOf(op: KvOp): KeySpan {
  return op.type === "scan" ? op : { start: op.key, end: op.key + "\0" }
}

export function covers({ start, end }: KeySpan, key: string): boolean {
  return key >= start && (end === "" || key < end)
}

export function overlap(a: KeySpan, b: KeySpan): boolean {
  return (a.end === "" || b.start < a.end) && (b.end === "" || a.start < b.end)
}

type Ran = { readonly result: KvResult; readonly write?: string | null } | { readonly error: KernelError }

/** One op over what `read` says; `keys` are those a scan may meet, ascending. */
export function runOp(op: KvOp, read: (key: string) => string | null, keys: () => readonly string[]): Ran {
  switch (op.type) {
    case "get":
      return { result: { type: "value", value: read(op.key) } }
    case "put":
      return { result: { type: "done" }, write: op.value }
    case "delete":
      return { result: { type: "done" }, write: null }
    case "cas": {
      if (read(op.key) !== op.expected) return { result: { type: "swapped", swapped: false } }
      return { result: { type: "swapped", swapped: true }, write: op.value }
    }
    case "increment": {
      const sum = Number(read(op.key) ?? "0") + op.by
      if (!Number.isSafeInteger(sum)) return { error: { code: "notAnInteger", key: op.key } }
      return { result: { type: "count", value: sum }, write: String(sum) }
    }
    case "append":
      return { result: { type: "done" }, write: (read(op.key) ?? "") + op.value }
    case "scan": {
      const rows: (readonly [string, string])[] = []
      for (const key of op.reverse ? [...keys()].reverse() : keys()) {
        const value = read(key)
        if (value === null) continue
        if (rows.length === op.limit) return { result: { type: "rows", rows, more: true } }
        rows.push([key, value])
      }
      return { result: { type: "rows", rows, more: false } }
    }
    default:
      throw new Error(`no such op: ${JSON.stringify(op)}`)
  }
}
