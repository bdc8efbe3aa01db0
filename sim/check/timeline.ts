/** Reads that may be a little old: how old is too old. */
import { mayWrite, type KvOp, type KvResult, type Operation } from "./history.ts"

/** How old a timeline read may be, in microseconds of true time. */
export type Staleness = {
  /** Before its start. */
  readonly beforeStartUs: number
  /** Before the time its reply names as that of the state it saw; null where clocks say nothing. */
  readonly beforeStateUs: number | null
  /** True time of a commit timestamp. */
  readonly trueTimeOf: (commitTs: number) => number
}

type Write = { readonly operation: Operation; readonly value: string }

/**
 * A timeline read sees a value that was written, and none that a write had replaced for longer than the
 * bound: one that began after the value's own write had been acknowledged, and was itself acknowledged that
 * long before the read began. Values are unique, so a value names its write.
 *
 * Not verified: values whose write was never acknowledged, since it may have taken effect late; that two
 * timeline reads of one client go forward (they may go to two replicas, and need not).
 */
export function firstStale(
  history: readonly Operation[],
  timeline: readonly Operation[],
  staleness: Staleness,
): string | null {
  const writes = new Map<string, Write[]>()
  for (const operation of history) {
    for (let i = 0; i < operation.request.length; i++) {
      const op = operation.request[i]!
      if (!mayWrite(op) || (op.type !== "put" && op.type !== "cas")) continue
      if (!mayHaveWritten(operation, operation.results?.[i])) continue
      const known = writes.get(op.key)
      if (known === undefined) writes.set(op.key, [{ operation, value: op.value }])
      else known.push({ operation, value: op.value })
    }
  }
  for (const read of timeline) {
    if (read.outcome !== "ok" || read.results === null) continue
    for (let i = 0; i < read.request.length; i++) {
      const seen = seenBy(read.request[i]!, read.results[i])
      if (seen === null) continue
      const problem = judge(read, seen.key, seen.value, writes.get(seen.key) ?? [], staleness)
      if (problem !== null) return problem
    }
  }
  return null
}

function mayHaveWritten(operation: Operation, result: KvResult | undefined): boolean {
  if (operation.outcome === "fail") return false
  return result === undefined || result.type !== "swapped" || result.swapped
}

function seenBy(op: KvOp, result: KvResult | undefined): { key: string; value: string | null } | null {
  return op.type === "get" && result?.type === "value" ? { key: op.key, value: result.value } : null
}

function judge(
  read: Operation,
  key: string,
  value: string | null,
  writes: readonly Write[],
  { beforeStartUs, beforeStateUs, trueTimeOf }: Staleness,
): string | null {
  const own = value === null ? null : writes.find((write) => write.value === value)
  if (own === undefined) return `Operation ${read.id} reads ${key} as "${value}", which nobody wrote there.`
  if (own !== null && own.operation.outcome !== "ok") return null
  const byStart = read.invokedAt - beforeStartUs
  const byState = beforeStateUs === null ? byStart : trueTimeOf(read.commitTs) - beforeStateUs
  const limit = Math.max(byStart, byState)
  for (const { operation } of writes) {
    if (operation.outcome !== "ok" || operation.endedAt >= limit) continue
    if (own !== null && operation.invokedAt <= own.operation.endedAt) continue
    const what = value === null ? "as absent" : `as "${value}"`
    return (
      `Operation ${read.id}, begun at ${read.invokedAt} and answered with timestamp ${read.commitTs}, reads ${key} ${what}, ` +
      `though operation ${operation.id} had replaced that by ${operation.endedAt}.`
    )
  }
  return null
}
