import { unreachable } from "../lib/invariant.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { KernelError } from "../errors.ts"
import { readResult, writeResult } from "../txn/outcome.ts"
import {
  readAnswer,
  readCommand,
  readMeta,
  readBy,
  readReason,
  readToken,
  writeAnswer,
  writeCommand,
  writeMeta,
  writeBy,
  writeReason,
  writeToken,
} from "../txn/protocol-codec.ts"
import { readDescriptor, writeDescriptor } from "./descriptor.ts"
import type { AdminReply, AdminRequest, KvOp, KvReply, KvRequest, KvResult } from "./request.ts"

/** Requests and replies over a sink: for hashes, saved kernels and recordings. */

const READS = ["strong", "timeline", "eventual"] as const
/** What a request carries beside its ops. */
const TOKEN = 1
const TXN = 2
const COMMAND = 4
/** Of a reply. */
const ERROR = 0
const OK = 1
const OK_WITH_ANSWER = 2

export function writeRequest(request: KvRequest, sink: Sink): void {
  sink.uint(request.id)
  sink.uint(request.tenant)
  sink.uint(request.rangeId)
  sink.uint(request.generation)
  sink.u8(
    (request.token === null ? 0 : TOKEN) |
      (request.txn === null ? 0 : TXN) |
      (request.command === null ? 0 : COMMAND),
  )
  if (request.token !== null) writeToken(request.token, sink)
  if (request.txn !== null) writeMeta(request.txn, sink)
  if (request.command !== null) writeCommand(request.command, sink)
  sink.uint(request.deadlineUs)
  sink.u8(READS.indexOf(request.read))
  sink.uint(request.readTs)
  sink.str(request.principal)
  sink.uint(request.configEpoch)
  sink.str(request.bundleHash)
  sink.str(request.trace)
  writeOps(request.ops, sink)
}

export function readRequest(reader: ByteReader): KvRequest {
  const [id, tenant, rangeId, generation] = [reader.uint(), reader.uint(), reader.uint(), reader.uint()]
  const parts = reader.u8()
  if (parts > (TOKEN | TXN | COMMAND)) reader.fail()
  return {
    id,
    tenant,
    rangeId,
    generation,
    token: (parts & TOKEN) === 0 ? null : readToken(reader),
    txn: (parts & TXN) === 0 ? null : readMeta(reader),
    command: (parts & COMMAND) === 0 ? null : readCommand(reader),
    deadlineUs: reader.uint(),
    read: readLevel(reader),
    readTs: reader.uint(),
    principal: reader.str(),
    configEpoch: reader.uint(),
    bundleHash: reader.str(),
    trace: reader.str(),
    ops: readOps(reader),
  }
}

function readLevel(reader: ByteReader): KvRequest["read"] {
  const level = READS[reader.u8()]
  if (level === undefined) reader.fail()
  return level ?? "strong"
}

const OPS = ["get", "put", "delete", "cas", "increment", "append", "scan"] as const

function writeOp(op: KvOp, sink: Sink): void {
  sink.u8(OPS.indexOf(op.type))
  if (op.type === "scan") {
    sink.str(op.start)
    sink.str(op.end)
    sink.uint(op.limit)
    sink.bool(op.reverse)
    return
  }
  sink.str(op.key)
  switch (op.type) {
    case "get":
    case "delete":
      break
    case "put":
    case "append":
      sink.str(op.value)
      break
    case "cas":
      sink.bool(op.expected !== null)
      sink.str(op.expected ?? "")
      sink.str(op.value)
      break
    case "increment":
      sink.int(op.by)
      break
    default:
      unreachable(op)
  }
}

function readOp(reader: ByteReader): KvOp {
  const type = OPS[reader.u8()]
  if (type === "scan") {
    return { type, start: reader.str(), end: reader.str(), limit: reader.uint(), reverse: reader.bool() }
  }
  const key = reader.str()
  switch (type) {
    case "get":
    case "delete":
      return { type, key }
    case "put":
    case "append":
      return { type, key, value: reader.str() }
    case "cas": {
      const present = reader.bool()
      const expected = reader.str()
      if (!present && expected !== "") reader.fail()
      return { type, key, expected: present ? expected : null, value: reader.str() }
    }
    case "increment":
      return { type, key, by: reader.int() }
    default:
      reader.fail()
      return { type: "get", key }
  }
}

export function writeOps(ops: readonly KvOp[], sink: Sink): void {
  sink.uint(ops.length)
  for (const op of ops) writeOp(op, sink)
}

export function readOps(reader: ByteReader): readonly KvOp[] {
  return readList(reader, 2, readOp)
}

function readList<Item>(
  reader: ByteReader,
  bytesMin: number,
  read: (reader: ByteReader) => Item,
): readonly Item[] {
  const items: Item[] = []
  for (let left = reader.count(bytesMin); left > 0; left--) items.push(read(reader))
  return items
}

export function writeResults(results: readonly KvResult[], sink: Sink): void {
  sink.uint(results.length)
  for (const result of results) writeResult(result, sink)
}

export function readResults(reader: ByteReader): readonly KvResult[] {
  return readList(reader, 1, readResult)
}

export function writeReply(reply: KvReply, sink: Sink): void {
  sink.uint(reply.id)
  if (reply.type === "error") {
    sink.u8(ERROR)
    writeError(reply.error, sink)
    return
  }
  sink.u8(reply.answer === null ? OK : OK_WITH_ANSWER)
  sink.uint(reply.commitTs)
  writeResults(reply.results, sink)
  if (reply.answer !== null) writeAnswer(reply.answer, sink)
}

export function readReply(reader: ByteReader): KvReply {
  const id = reader.uint()
  const kind = reader.u8()
  if (kind === ERROR) return { type: "error", id, error: readError(reader) }
  if (kind > OK_WITH_ANSWER) reader.fail()
  const [commitTs, results] = [reader.uint(), readResults(reader)]
  return { type: "ok", id, commitTs, results, answer: kind === OK ? null : readAnswer(reader) }
}

export function writeAdminRequest(request: AdminRequest, sink: Sink): void {
  sink.uint(request.id)
  sink.uint(request.group)
  sink.str(request.action.type)
  sink.uint(request.action.store)
  sink.uint("incarnation" in request.action ? request.action.incarnation : 0)
}

export function readAdminRequest(reader: ByteReader): AdminRequest {
  const id = reader.uint()
  const group = reader.uint()
  const type = reader.str() as AdminRequest["action"]["type"]
  const store = reader.uint()
  const incarnation = reader.uint()
  switch (type) {
    case "addVoter":
    case "addLearner":
      return { id, group, action: { type, store, incarnation } }
    case "removeReplica":
    case "transferLeader":
      if (incarnation !== 0) reader.fail()
      return { id, group, action: { type, store } }
    default:
      reader.fail()
      return { id, group, action: { type: "transferLeader", store } }
  }
}

export function writeAdminReply(reply: AdminReply, sink: Sink): void {
  sink.uint(reply.id)
  sink.bool(reply.type === "accepted")
  if (reply.type === "error") writeError(reply.error, sink)
}

/** The wire name of a code is the code itself: old readers meet new codes as text. */
export function writeError(error: KernelError, sink: Sink): void {
  sink.str(error.code)
  switch (error.code) {
    case "notLeader":
      sink.bool(error.hint !== null)
      sink.uint(error.hint ?? 0)
      sink.uint(error.term)
      break
    case "staleGeneration":
      writeDescriptor(error.descriptor, sink)
      break
    case "keyOutOfRange":
    case "notAnInteger":
      sink.str(error.key)
      break
    case "lockNotAvailable":
      sink.str(error.key)
      writeBy(error.by, sink)
      break
    case "txnRestart":
      writeReason(error.reason, sink)
      sink.str(error.key)
      sink.uint(error.at)
      writeBy(error.by, sink)
      break
    case "tooLarge":
      sink.uint(error.limit)
      sink.uint(error.actual)
      break
    case "tooManyTransactions":
      sink.uint(error.limit)
      break
    case "badRequest":
      sink.str(error.reason)
      break
    default:
      break
  }
}

export function readError(reader: ByteReader): KernelError {
  const code = reader.str() as KernelError["code"]
  switch (code) {
    case "notLeader": {
      const known = reader.bool()
      const hint = reader.uint()
      if (!known && hint !== 0) reader.fail()
      return { code, hint: known ? hint : null, term: reader.uint() }
    }
    case "staleGeneration":
      return { code, descriptor: readDescriptor(reader) }
    case "keyOutOfRange":
    case "notAnInteger":
      return { code, key: reader.str() }
    case "lockNotAvailable":
      return { code, key: reader.str(), by: readBy(reader) }
    case "txnRestart":
      return { code, reason: readReason(reader), key: reader.str(), at: reader.uint(), by: readBy(reader) }
    case "tooLarge":
      return { code, limit: reader.uint(), actual: reader.uint() }
    case "tooManyTransactions":
      return { code, limit: reader.uint() }
    case "badRequest":
      return { code, reason: reader.str() }
    case "deadlineExceeded":
    case "overloaded":
    case "tokenExpired":
    case "outcomeUnknown":
    case "recovering":
    case "corruptSingleReplica":
    case "replicasDiverged":
    case "membershipBusy":
    case "diskFull":
    case "clockOutOfBound":
    case "txnAborted":
    case "snapshotTooOld":
    case "deadlock":
    case "cancelled":
    case "noTransaction":
    case "readOnlyTransaction":
      return { code }
    default:
      reader.fail()
      return { code: "outcomeUnknown" }
  }
}
