import type { KernelError } from "../errors.ts"
import type { Mono } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { SAVEPOINT_NAME_BYTES_MAX } from "../limits.ts"
import { plainRequest, type KvOp, type Token } from "../range/request.ts"
import { validate } from "../range/validate.ts"
import { readItems, writeItems } from "../txn/protocol-codec.ts"
import { readTxnRequest, writeTxnRequest } from "./client-codec.ts"
import type { TxnRequest } from "./client.ts"
import { writesKey } from "./execute.ts"
import { Transaction } from "./transaction.ts"

/** A transaction that a session has open here. */
export type Open = {
  readonly txn: Transaction
  /** Its key among timers. */
  readonly serial: number
  readonly session: number
  /** What its session calls it; null of a `run`, which it cannot speak to. */
  readonly handle: number | null
  readonly beganMono: Mono
  /** The whole of it is over by then. */
  readonly deadlineMono: Mono
  /** Asked for, and not begun. */
  queue: TxnRequest[]
  /** Under way, by this flow. */
  current: TxnRequest | null
  flow: number
  /** Of its heartbeat under way; 0: none. */
  beatFlow: number
  /** When it says next that it lives; the end of time before it holds anything. */
  beatMono: Mono
  /** Its record may have been made. */
  hasBeaten: boolean
  usedMono: Mono
  /** Its session has gone: it ends when what is under way has. */
  isLeaving: boolean
  /** Why it is to end when what is under way has; null: it is not. */
  ending: KernelError | null
}

export function saveOpen(open: Open, sink: Sink): void {
  open.txn.save(sink)
  sink.uint(open.serial)
  sink.uint(open.session)
  sink.bool(open.handle !== null)
  sink.uint(open.handle ?? 0)
  sink.uint(open.beganMono)
  sink.uint(open.deadlineMono)
  writeItems(open.queue, sink, writeTxnRequest)
  sink.bool(open.current !== null)
  if (open.current !== null) writeTxnRequest(open.current, sink)
  sink.uint(open.flow)
  sink.uint(open.beatFlow)
  sink.uint(open.beatMono)
  sink.bool(open.hasBeaten)
  sink.uint(open.usedMono)
  sink.bool(open.isLeaving)
  sink.u8(open.ending === null ? 0 : 1 + ENDINGS.findIndex(({ code }) => code === open.ending!.code))
}

export function loadOpen(reader: ByteReader): Open {
  const [txn, serial, session] = [Transaction.load(reader), reader.uint(), reader.uint()]
  const [isNamed, handle] = [reader.bool(), reader.uint()]
  return {
    txn,
    serial,
    session,
    handle: isNamed ? handle : null,
    beganMono: reader.uint(),
    deadlineMono: reader.uint(),
    queue: [...readItems(reader, 5, readTxnRequest)],
    current: reader.bool() ? readTxnRequest(reader) : null,
    flow: reader.uint(),
    beatFlow: reader.uint(),
    beatMono: reader.uint(),
    hasBeaten: reader.bool(),
    usedMono: reader.uint(),
    isLeaving: reader.bool(),
    ending: ENDINGS[reader.u8() - 1] ?? null,
  }
}

/** Why a transaction may be ended from outside. */
export const DEADLOCK: KernelError = { code: "deadlock" }
export const ABORTED: KernelError = { code: "txnAborted" }
export const TOO_LATE: KernelError = { code: "deadlineExceeded" }
const ENDINGS: readonly KernelError[] = [DEADLOCK, ABORTED, TOO_LATE]

/** What is wrong with a request, whatever it is about; null for nothing. */
export function fault({ id, tenant, txn, deadlineUs, action }: TxnRequest): KernelError | null {
  if (![id, tenant, txn, deadlineUs].every(isUint)) return bad("a number is not a safe integer >= 0")
  switch (action.type) {
    case "begin":
      if (!isUint(action.readTs)) return bad("readTs is not a safe integer >= 0")
      if (action.readTs > 0 && !action.readOnly) return bad("writes cannot be made in the past")
      return faultOfOps([], action.token)
    case "execute":
      return faultOfOps(action.ops, null)
    case "run":
      return faultOfOps(action.ops, action.token)
    case "outcome":
      return faultOfOps(action.key === "" ? [] : [{ type: "get", key: action.key }], action.token)
    case "savepoint":
    case "release":
    case "rollbackTo":
      if (action.name.length > SAVEPOINT_NAME_BYTES_MAX)
        return { code: "tooLarge", limit: SAVEPOINT_NAME_BYTES_MAX, actual: action.name.length }
      return isLatin1(action.name) ? null : bad("the name of a savepoint is no byte string")
    default:
      return null
  }
}

function faultOfOps(ops: readonly KvOp[], token: Token | null): KernelError | null {
  return validate(plainRequest(ANY_RANGE, ops, { token }))
}

const ANY_RANGE = { tenant: 0, rangeId: 1, generation: 0 }

/** Whether what is asked would write, or lock, which in a transaction that only reads is no more allowed. */
export function changes(ops: readonly KvOp[], lock: unknown): boolean {
  return lock !== null || ops.some(writesKey)
}

function isUint(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function isLatin1(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (text.charCodeAt(i) > 0xff) return false
  return true
}

function bad(reason: string): KernelError {
  return { code: "badRequest", reason }
}
