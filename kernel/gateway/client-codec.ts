import type { ByteReader, Sink } from "../lib/bytes.ts"
import { unreachable } from "../lib/invariant.ts"
import {
  readError,
  readOps,
  readResults,
  writeError,
  writeOps,
  writeResults,
} from "../range/request-codec.ts"
import {
  readControl,
  readIsolation,
  readLock,
  readToken,
  readWaitPolicy,
  readWord,
  writeControl,
  writeIsolation,
  writeLock,
  writeToken,
  writeWaitPolicy,
  writeWord,
} from "../txn/protocol-codec.ts"
import type { Token } from "../range/request.ts"
import type { TxnAction, TxnReply, TxnRequest } from "./client.ts"

/** Words of sessions over a sink: for hashes, saved kernels and recordings. */

const ACTIONS: readonly TxnAction["type"][] = [
  "begin",
  "execute",
  "savepoint",
  "release",
  "rollbackTo",
  "commit",
  "rollback",
  "cancel",
  "run",
  "outcome",
  "leave",
]
const STATUSES = ["committed", "prevented", "expired"] as const
const REPLIES: readonly TxnReply["type"][] = ["ok", "outcome", "error"]

export function writeTxnRequest(request: TxnRequest, sink: Sink): void {
  sink.uint(request.id)
  sink.uint(request.tenant)
  sink.uint(request.txn)
  sink.uint(request.deadlineUs)
  writeAction(request.action, sink)
}

/** Turns the reader `failed` when the bytes are no request. */
export function readTxnRequest(reader: ByteReader): TxnRequest {
  return {
    id: reader.uint(),
    tenant: reader.uint(),
    txn: reader.uint(),
    deadlineUs: reader.uint(),
    action: readAction(reader),
  }
}

function writeAction(action: TxnAction, sink: Sink): void {
  writeWord(ACTIONS, action.type, sink)
  switch (action.type) {
    case "begin":
      writeIsolation(action.level, sink)
      writeControl(action.control, sink)
      sink.bool(action.readOnly)
      sink.uint(action.readTs)
      writeTokenOrNull(action.token, sink)
      break
    case "execute":
      writeOps(action.ops, sink)
      writeWaitPolicy(action.wait, sink)
      writeLock(action.lock, sink)
      sink.bool(action.commit)
      break
    case "savepoint":
    case "release":
    case "rollbackTo":
      sink.str(action.name)
      break
    case "commit":
    case "rollback":
    case "cancel":
    case "leave":
      break
    case "run":
      writeIsolation(action.level, sink)
      writeControl(action.control, sink)
      writeOps(action.ops, sink)
      writeWaitPolicy(action.wait, sink)
      writeLock(action.lock, sink)
      writeTokenOrNull(action.token, sink)
      break
    case "outcome":
      writeToken(action.token, sink)
      sink.str(action.key)
      break
    default:
      unreachable(action)
  }
}

function readAction(reader: ByteReader): TxnAction {
  const type = readWord(ACTIONS, reader)
  switch (type) {
    case "begin": {
      const [level, control, readOnly] = [readIsolation(reader), readControl(reader), reader.bool()]
      return { type, level, control, readOnly, readTs: reader.uint(), token: readTokenOrNull(reader) }
    }
    case "execute": {
      const [ops, wait, lock] = [readOps(reader), readWaitPolicy(reader), readLock(reader)]
      return { type, ops, wait, lock, commit: reader.bool() }
    }
    case "savepoint":
    case "release":
    case "rollbackTo":
      return { type, name: reader.str() }
    case "commit":
    case "rollback":
    case "cancel":
    case "leave":
      return { type }
    case "run": {
      const [level, control, ops] = [readIsolation(reader), readControl(reader), readOps(reader)]
      const [wait, lock] = [readWaitPolicy(reader), readLock(reader)]
      return { type, level, control, ops, wait, lock, token: readTokenOrNull(reader) }
    }
    case "outcome":
      return { type, token: readToken(reader), key: reader.str() }
    default:
      return unreachable(type)
  }
}

export function writeTokenOrNull(token: Token | null, sink: Sink): void {
  sink.bool(token !== null)
  if (token !== null) writeToken(token, sink)
}

export function readTokenOrNull(reader: ByteReader): Token | null {
  return reader.bool() ? readToken(reader) : null
}

export function writeTxnReply(reply: TxnReply, sink: Sink): void {
  writeWord(REPLIES, reply.type, sink)
  sink.uint(reply.id)
  switch (reply.type) {
    case "ok":
      sink.uint(reply.readTs)
      sink.uint(reply.commitTs)
      writeResults(reply.results, sink)
      break
    case "outcome":
      writeWord(STATUSES, reply.status, sink)
      sink.uint(reply.commitTs)
      sink.bool(reply.results !== null)
      if (reply.results !== null) writeResults(reply.results, sink)
      break
    case "error":
      writeError(reply.error, sink)
      sink.bool(reply.isOpen)
      break
    default:
      unreachable(reply)
  }
}

/** Turns the reader `failed` when the bytes are no reply. */
export function readTxnReply(reader: ByteReader): TxnReply {
  const [type, id] = [readWord(REPLIES, reader), reader.uint()]
  switch (type) {
    case "ok":
      return { type, id, readTs: reader.uint(), commitTs: reader.uint(), results: readResults(reader) }
    case "outcome": {
      const [status, commitTs] = [readWord(STATUSES, reader), reader.uint()]
      return { type, id, status, commitTs, results: reader.bool() ? readResults(reader) : null }
    }
    case "error":
      return { type, id, error: readError(reader), isOpen: reader.bool() }
    default:
      return unreachable(type)
  }
}
