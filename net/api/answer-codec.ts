import {
  RECOURSE,
  type ErrorCode,
  type KernelError,
  type KvReply,
  type KvResult,
  type RangeDescriptor,
  type Recourse,
} from "#kernel"
import { BYTES, FIXED64, VARINT, WireReader, type WireWriter } from "./wire.ts"

// `ServerMessage` of orrery.proto and the kernel's replies.

const tag = (field: number, type: number): number => field * 8 + type

const ANSWER = tag(1, BYTES)
const FAULT = tag(2, BYTES)

const ID = tag(1, VARINT)
const COMMIT_TS = tag(2, VARINT)
const RESULTS = tag(3, BYTES)
const ERROR = tag(4, BYTES)

const ABSENT = tag(1, BYTES)
const VALUE = tag(2, BYTES)
const DONE = tag(3, BYTES)
const SWAPPED = tag(4, VARINT)
const COUNT = tag(5, FIXED64)
const ROWS = tag(6, BYTES)

const CODE = tag(1, BYTES)
const RECOURSE_TAG = tag(2, VARINT)
const REASON = tag(3, BYTES)
const FAULT_REASON = tag(2, BYTES)
const HINT = tag(4, VARINT)
const TERM = tag(5, VARINT)
const DESCRIPTOR = tag(6, BYTES)
const KEY = tag(7, BYTES)
const LIMIT = tag(8, VARINT)
const ACTUAL = tag(9, VARINT)

const RECOURSES: readonly (Recourse | null)[] = [null, "retryable", "final", "unknown"]

/** What a server says of bytes it cannot give to anyone. */
export type Fault = { readonly code: "badRequest"; readonly reason: string }

/** About how long a reply is on the wire. */
export function replyBytes(reply: KvReply): number {
  if (reply.type === "error") return 256
  let bytes = 32
  for (const result of reply.results) {
    bytes += 16
    if (result.type === "value" && result.value !== null) bytes += result.value.length
    else if (result.type === "rows")
      for (const [key, value] of result.rows) bytes += 16 + key.length + value.length
  }
  return bytes
}

/** One `ServerMessage` of `replies[from, to)` and faults. */
export function encodeAnswers(
  replies: readonly KvReply[],
  from: number,
  to: number,
  faults: readonly Fault[],
  writer: WireWriter,
): Buffer {
  for (let i = faults.length - 1; i >= 0; i--) {
    const before = writer.length
    writer.text(FAULT_REASON, faults[i]!.reason)
    writer.text(CODE, faults[i]!.code)
    writer.nest(FAULT, before)
  }
  for (let i = to - 1; i >= from; i--) writeAnswer(replies[i]!, writer)
  return writer.finish()
}

function writeAnswer(reply: KvReply, writer: WireWriter): void {
  const before = writer.length
  if (reply.type === "ok") {
    const { results } = reply
    for (let i = results.length - 1; i >= 0; i--) writeResult(results[i]!, writer)
    writer.uint(COMMIT_TS, reply.commitTs)
  } else {
    writeError(ERROR, reply.error, writer)
  }
  writer.uint(ID, reply.id)
  writer.nest(ANSWER, before)
}

function writeResult(result: KvResult, writer: WireWriter): void {
  const before = writer.length
  switch (result.type) {
    case "value":
      if (result.value === null) writer.latin1Always(ABSENT, "")
      else writer.latin1Always(VALUE, result.value)
      break
    case "done":
      writer.latin1Always(DONE, "")
      break
    case "swapped":
      writer.uintAlways(SWAPPED, result.swapped ? 1 : 0)
      break
    case "count":
      writer.sfixed64(COUNT, result.value)
      break
    case "rows": {
      const { rows } = result
      writer.bool(tag(2, VARINT), result.more)
      for (let i = rows.length - 1; i >= 0; i--) {
        const inner = writer.length
        const [key, value] = rows[i]!
        writer.latin1(tag(2, BYTES), value)
        writer.latin1(tag(1, BYTES), key)
        writer.nest(tag(1, BYTES), inner)
      }
      writer.nest(ROWS, before)
      break
    }
  }
  writer.nest(RESULTS, before)
}

export function writeError(field: number, error: KernelError, writer: WireWriter): void {
  const before = writer.length
  if (error.code === "tooLarge") {
    writer.uint(ACTUAL, error.actual)
    writer.uint(LIMIT, error.limit)
  }
  if ("key" in error) writer.latin1(KEY, error.key)
  if (error.code === "staleGeneration") writeDescriptor(DESCRIPTOR, error.descriptor, writer)
  if (error.code === "notLeader") {
    writer.uint(TERM, error.term)
    writer.uint(HINT, error.hint ?? 0)
  }
  if (error.code === "badRequest") writer.text(REASON, error.reason)
  writer.uint(RECOURSE_TAG, RECOURSES.indexOf(RECOURSE[error.code]))
  writer.text(CODE, error.code)
  writer.nest(field, before)
}

export function writeDescriptor(field: number, range: RangeDescriptor, writer: WireWriter): void {
  const before = writer.length
  writer.uint(tag(6, VARINT), range.generation)
  writer.latin1(tag(5, BYTES), range.end)
  writer.latin1(tag(4, BYTES), range.start)
  writer.uint(tag(3, VARINT), range.tenant)
  writer.uint(tag(2, VARINT), range.groupId)
  writer.uint(tag(1, VARINT), range.rangeId)
  writer.nest(field, before)
}

/** Whoever is given the answers of a message, in its order. */
export interface AnswerSink {
  answer(reply: KvReply): void
  fault(fault: Fault): void
}

/** False when the message cannot be read to its end: what was read before it was given to the sink. */
export function decodeAnswers(message: Buffer, sink: AnswerSink): boolean {
  const reader = new WireReader(message)
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === ANSWER) {
      const reply = readAnswer(reader)
      if (reply === null) return false
      sink.answer(reply)
    } else if (field === FAULT) {
      const reason = readFault(reader)
      if (reader.failed) return false
      sink.fault({ code: "badRequest", reason })
    } else {
      reader.skip(field)
    }
  }
  return !reader.failed
}

function readAnswer(reader: WireReader): KvReply | null {
  const outer = reader.enter()
  let id = 0
  let commitTs = 0
  let error: KernelError | null = null
  const results: KvResult[] = []
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    switch (field) {
      case ID:
        id = reader.uint()
        break
      case COMMIT_TS:
        commitTs = reader.uint()
        break
      case RESULTS: {
        const result = readResult(reader)
        if (result === null) return null
        results.push(result)
        break
      }
      case ERROR:
        error = readError(reader)
        break
      default:
        reader.skip(field)
    }
  }
  reader.leave(outer)
  if (reader.failed) return null
  return error === null ? { type: "ok", id, commitTs, results, answer: null } : { type: "error", id, error }
}

function readResult(reader: WireReader): KvResult | null {
  const outer = reader.enter()
  let result: KvResult | null = null
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    switch (field) {
      case ABSENT:
        reader.skip(field)
        result = { type: "value", value: null }
        break
      case VALUE:
        result = { type: "value", value: reader.latin1() }
        break
      case DONE:
        reader.skip(field)
        result = { type: "done" }
        break
      case SWAPPED:
        result = { type: "swapped", swapped: reader.bool() }
        break
      case COUNT:
        result = { type: "count", value: reader.sfixed64() }
        break
      case ROWS:
        result = readRows(reader)
        break
      default:
        reader.skip(field)
    }
  }
  reader.leave(outer)
  return result
}

function readRows(reader: WireReader): KvResult {
  const outer = reader.enter()
  const rows: (readonly [string, string])[] = []
  let more = false
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === tag(1, BYTES)) rows.push(readRow(reader))
    else if (field === tag(2, VARINT)) more = reader.bool()
    else reader.skip(field)
  }
  reader.leave(outer)
  return { type: "rows", rows, more }
}

function readRow(reader: WireReader): readonly [string, string] {
  const outer = reader.enter()
  let key = ""
  let value = ""
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === tag(1, BYTES)) key = reader.latin1()
    else if (field === tag(2, BYTES)) value = reader.latin1()
    else reader.skip(field)
  }
  reader.leave(outer)
  return [key, value]
}

function readFault(reader: WireReader): string {
  const outer = reader.enter()
  let reason = ""
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === FAULT_REASON) reason = reader.text()
    else reader.skip(field)
  }
  reader.leave(outer)
  return reason
}

export function readError(reader: WireReader): KernelError {
  const outer = reader.enter()
  let code = ""
  let recourse = 0
  let reason = ""
  let hint = 0
  let term = 0
  let descriptor: RangeDescriptor | null = null
  let key = ""
  let limit = 0
  let actual = 0
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === CODE) code = reader.text()
    else if (field === RECOURSE_TAG) recourse = reader.uint()
    else if (field === REASON) reason = reader.text()
    else if (field === HINT) hint = reader.uint()
    else if (field === TERM) term = reader.uint()
    else if (field === DESCRIPTOR) descriptor = readDescriptor(reader)
    else if (field === KEY) key = reader.latin1()
    else if (field === LIMIT) limit = reader.uint()
    else if (field === ACTUAL) actual = reader.uint()
    else reader.skip(field)
  }
  reader.leave(outer)
  if (!isErrorCode(code)) return ofNewerServer(code, RECOURSES[recourse] ?? "unknown", reason)
  switch (code) {
    case "notLeader":
      return { code, hint: hint === 0 ? null : hint, term }
    case "staleGeneration":
      if (descriptor === null) reader.failed = true
      return descriptor === null ? { code: "overloaded" } : { code, descriptor }
    case "keyOutOfRange":
    case "notAnInteger":
      return { code, key }
    case "tooLarge":
      return { code, limit, actual }
    case "badRequest":
      return { code, reason }
    case "txnRestart":
    case "lockNotAvailable":
    case "tooManyTransactions":
      // No request of a client of this version is part of a transaction.
      return ofNewerServer(code, RECOURSE[code], reason)
    default:
      return { code }
  }
}

function isErrorCode(code: string): code is ErrorCode {
  return Object.hasOwn(RECOURSE, code)
}

/** A code this version does not know still says what may be done about it. */
function ofNewerServer(code: string, recourse: Recourse, reason: string): KernelError {
  if (recourse === "retryable") return { code: "overloaded" }
  if (recourse === "unknown") return { code: "outcomeUnknown" }
  return { code: "badRequest", reason: `refused with ${code}: ${reason}` }
}

export function readDescriptor(reader: WireReader): RangeDescriptor {
  const outer = reader.enter()
  const range = { rangeId: 0, groupId: 0, tenant: 0, start: "", end: "", generation: 0 }
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === tag(1, VARINT)) range.rangeId = reader.uint()
    else if (field === tag(2, VARINT)) range.groupId = reader.uint()
    else if (field === tag(3, VARINT)) range.tenant = reader.uint()
    else if (field === tag(4, BYTES)) range.start = reader.latin1()
    else if (field === tag(5, BYTES)) range.end = reader.latin1()
    else if (field === tag(6, VARINT)) range.generation = reader.uint()
    else reader.skip(field)
  }
  reader.leave(outer)
  return range
}
