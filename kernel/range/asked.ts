import { InvariantError } from "../lib/invariant.ts"
import type { Span } from "../mvcc/key.ts"
import type { KvOp, KvRequest } from "./request.ts"

/** What a request asks for, as far as its service must know before it evaluates it. */

function writesKey(op: KvOp): op is Exclude<KvOp, { readonly type: "get" | "scan" }> {
  return op.type !== "get" && op.type !== "scan"
}

/** The first key a writing request names: where its token's record lies. */
export function anchorOf(request: KvRequest): string {
  for (const op of request.ops) if (writesKey(op)) return op.key
  throw new InvariantError("Only a request that writes has an anchor")
}

export function isReadOnly(request: KvRequest): boolean {
  for (const op of request.ops) if (writesKey(op)) return false
  return true
}

/** It can only make the range smaller: what a full disk still has room for. */
export function onlyDeletes(request: KvRequest): boolean {
  for (const op of request.ops) if (writesKey(op) && op.type !== "delete") return false
  return true
}

/** What a writing request latches: the keys it names, or the whole range when it also scans. */
export function latchedKeys(reads: readonly Span[], writes: readonly string[]): readonly string[] | null {
  if (reads.length === 0) return writes
  const keys = [...writes]
  for (const span of reads) {
    if (span.end !== span.start + "\0") return null
    if (!keys.includes(span.start)) keys.push(span.start)
  }
  return keys
}
