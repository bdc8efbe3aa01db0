import type { Timestamp } from "../ids.ts"
import { InvariantError } from "../lib/invariant.ts"
import type { Span } from "../mvcc/key.ts"
import type { TxnCommand, TxnMeta } from "../txn/protocol.ts"
import type { KvOp, KvRequest } from "./request.ts"
import { touched } from "./validate.ts"

/** What a request asks for, as far as its service must know before it evaluates it. */

function writesKey(op: KvOp): op is Exclude<KvOp, { readonly type: "get" | "scan" }> {
  return op.type !== "get" && op.type !== "scan"
}

/** The first key a writing request names: where its token's record lies. */
export function anchorOf(request: KvRequest): string {
  for (const op of request.ops) if (writesKey(op)) return op.key
  throw new InvariantError("Only a request that writes has an anchor")
}

/** Nothing of it needs an entry of the log. */
export function isReadOnly({ ops, command }: KvRequest): boolean {
  if (command !== null) return isRead(command)
  for (const op of ops) if (writesKey(op)) return false
  return true
}

function isRead(command: TxnCommand): boolean {
  return (
    command.type === "refresh" ||
    command.type === "queryIntent" ||
    (command.type === "queryOutcome" && !command.prevent)
  )
}

/** It can only make the range smaller, or lets others go on: what a full disk still has room for. */
export function onlyDeletes({ ops, command }: KvRequest): boolean {
  if (command !== null) return LETS_GO[command.type]
  for (const op of ops) if (writesKey(op) && op.type !== "delete") return false
  return true
}

const LETS_GO: Readonly<Record<TxnCommand["type"], boolean>> = {
  refresh: true,
  heartbeat: false,
  stage: false,
  commit: true,
  abort: true,
  push: false,
  queryIntent: true,
  resolve: true,
  forget: true,
  queryWait: true,
  cancelWait: true,
  protect: false,
  queryOutcome: false,
}

/** What a request latches: the spans it reads, or else the keys it is to have alone; null: the whole range. */
export type Footprint =
  | {
      readonly isWrite: false
      readonly reads: readonly Span[]
      /** It takes locks: nobody may write there while it is looked at. */
      readonly locks: boolean
    }
  | { readonly isWrite: true; readonly keys: readonly string[] | null }

export function footprintOf(request: KvRequest): Footprint {
  const { command, txn } = request
  if (command !== null) return footprintOfCommand(command, request)
  const { reads, writes } = touched(request.ops)
  if (writes.length === 0) return { isWrite: false, reads, locks: txn !== null && isLocking(txn) }
  const onePhase = txn?.onePhase ?? null
  const all = onePhase === null || onePhase.length === 0 ? reads : [...reads, ...onePhase]
  return { isWrite: true, keys: latchedKeys(all, writes) }
}

/** Its reads take locks, by its level or since it says so. */
export function isLocking({ lock, level, control }: TxnMeta): boolean {
  return lock !== null || (level === "serializable" && control === "locking")
}

/**
 * What nobody may write at once this stands in the queue of latches, though it waits there for others: a write that comes later
 * may be evaluated before it, and applied after it. 0: "now".
 */
export function readAt({ readTs, txn, command }: KvRequest): Timestamp {
  if (command?.type === "refresh") return command.toTs
  if (command?.type === "queryIntent") return command.prevent ? command.ts : 0
  return txn === null ? readTs : txn.readTs
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

/** Records are latched apart from keys: a commit does not wait for the writes that are sent with it. */
const RECORD_LATCH = "\xff\xff\xff\xff"

function footprintOfCommand(command: TxnCommand, { token }: KvRequest): Footprint {
  switch (command.type) {
    case "refresh":
      return { isWrite: false, reads: command.spans, locks: false }
    case "queryIntent":
      return {
        isWrite: false,
        reads: command.writes.map(({ key }) => ({ start: key, end: key + "\0" })),
        locks: false,
      }
    case "queryOutcome":
      return command.prevent
        ? { isWrite: true, keys: [command.key] }
        : { isWrite: false, reads: [{ start: command.key, end: command.key + "\0" }], locks: false }
    case "resolve":
      return { isWrite: true, keys: [...new Set(command.keys)] }
    case "queryWait":
    case "cancelWait":
    case "protect":
      return { isWrite: true, keys: [] }
    default: {
      const record = RECORD_LATCH + command.txn
      return { isWrite: true, keys: token === null ? [record] : [record, command.anchor.key] }
    }
  }
}
