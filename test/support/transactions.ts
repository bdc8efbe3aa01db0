import assert from "node:assert/strict"
import { INSTANT_NEVER } from "#sim/check/history.ts"
import type { Transaction, TxnOp, Value } from "#sim/check/isolation/history.ts"

/**
 * Transactions in short: `txn(1, "r x [1 2]; a x 3; w y 4; r y .; s k..l k1=5 k2=[6 7]")`. A dot is nothing, `s` a
 * scan of `[k, l)`. Unless said otherwise each has a process of its own and all are concurrent.
 */
export function txn(id: number, text: string, also: Partial<Transaction> = {}): Transaction {
  const status = also.status ?? "ok"
  return {
    id,
    process: id,
    status,
    invokedAt: 0,
    completedAt: status === "info" ? INSTANT_NEVER : 100,
    level: "serializable",
    ops: text.split(";").map((op) => opOf(op.trim())),
    startTs: null,
    commitTs: null,
    ...also,
  }
}

function opOf(text: string): TxnOp {
  const [, f, key, rest] = /^([raws]) (\S+) ?(.*)$/.exec(text) ?? assert.fail(`no operation: ${text}`)
  if (f === "a") return { f: "append", key: key!, value: valueOf(rest!) }
  if (f === "w") return { f: "write", key: key!, value: rest === "." ? null : valueOf(rest!) }
  if (f === "r") return { f: "read", key: key!, value: rest === "." ? null : heldOf(rest!) }
  const [start, end] = key!.split("..") as [string, string]
  const rows = [...rest!.matchAll(/(\w+)=(\[[^\]]*\]|\S+)/g)].map(
    ([, name, held]) => [name!, heldOf(held!)] as const,
  )
  return { f: "scan", start, end, rows }
}

function heldOf(text: string): Value | readonly Value[] {
  if (!text.startsWith("[")) return valueOf(text)
  return text.slice(1, -1).split(" ").filter(Boolean).map(valueOf)
}

function valueOf(text: string): Value {
  return /^\d+$/.test(text) ? Number(text) : text
}
