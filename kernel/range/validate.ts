import type { KernelError } from "../errors.ts"
import {
  KEY_BYTES_MAX,
  OP_BYTES,
  REQUEST_BYTES_MAX,
  SCAN_ROWS_MAX,
  TENANT_MAX,
  VALUE_BYTES_MAX,
} from "../limits.ts"
import type { Span } from "../mvcc/key.ts"
import { contains, type RangeDescriptor } from "./descriptor.ts"
import type { KvOp, KvRequest } from "./request.ts"

/** What the kernel refuses before it looks at any state; null when the request may be evaluated. */
export function validate(request: KvRequest): KernelError | null {
  if (!isUint(request.id)) return bad("id is not a safe integer >= 0")
  if (!isUint(request.tenant) || request.tenant > TENANT_MAX) return bad("tenant is not a safe integer >= 0")
  if (!isUint(request.rangeId) || request.rangeId === 0) return bad("rangeId is not a safe integer >= 1")
  if (!isUint(request.generation)) return bad("generation is not a safe integer >= 0")
  if (!isUint(request.deadlineUs)) return bad("deadlineUs is not a safe integer >= 0")
  if (!isUint(request.readTs)) return bad("readTs is not a safe integer >= 0")
  if (!isUint(request.configEpoch)) return bad("configEpoch is not a safe integer >= 0")
  const token = request.token
  if (token !== null) {
    if (!isUint(token.client)) return bad("client of the token is not a safe integer >= 0")
    if (!isUint(token.birth)) return bad("birth of the token is not a safe integer >= 0")
    if (!isUint(token.seq)) return bad("seq of the token is not a safe integer >= 0")
    if (!isUint(token.ackedSeq)) return bad("ackedSeq of the token is not a safe integer >= 0")
    // It would drop its own outcome.
    if (token.ackedSeq > 0 && token.ackedSeq >= token.seq)
      return bad("ackedSeq of the token is not below its seq")
  }
  let bytes = request.principal.length + request.bundleHash.length + request.trace.length
  let isWriting = false
  for (let i = 0; i < request.ops.length; i++) {
    const op = request.ops[i]!
    const error = validateOp(op)
    if (error !== null) return error
    isWriting ||= op.type !== "get" && op.type !== "scan"
    bytes += opBytes(op)
  }
  if (bytes > REQUEST_BYTES_MAX) return { code: "tooLarge", limit: REQUEST_BYTES_MAX, actual: bytes }
  if (isWriting && request.readTs !== 0) return bad("writes cannot be evaluated at a past readTs")
  if (isWriting && request.read !== "strong") return bad("writes need a strong read")
  return null
}

/** One char a byte: a wider one would be cut when it is written, and differ from what was kept. */
function isByteString(text: string): boolean {
  let seen = 0
  for (let i = 0; i < text.length; i++) seen |= text.charCodeAt(i)
  return seen <= 0xff
}

function validateOp(op: KvOp): KernelError | null {
  if (op.type === "scan") {
    if (!isByteString(op.start) || !isByteString(op.end)) return bad("a bound of a scan is no byte string")
    if (op.start.length > KEY_BYTES_MAX) return tooLarge(KEY_BYTES_MAX, op.start.length)
    if (op.end.length > KEY_BYTES_MAX) return tooLarge(KEY_BYTES_MAX, op.end.length)
    if (op.end !== "" && op.end < op.start) return bad("end of a scan lies before its start")
    if (!isUint(op.limit)) return bad("limit of a scan is not a safe integer >= 0")
    return op.limit > SCAN_ROWS_MAX ? tooLarge(SCAN_ROWS_MAX, op.limit) : null
  }
  if (op.key === "") return bad("key is empty")
  if (!isByteString(op.key)) return bad("key is no byte string")
  if (op.key.length > KEY_BYTES_MAX) return tooLarge(KEY_BYTES_MAX, op.key.length)
  switch (op.type) {
    case "put":
    case "cas":
    case "append":
      if (op.value.length > VALUE_BYTES_MAX) return tooLarge(VALUE_BYTES_MAX, op.value.length)
      if (op.type === "cas" && op.expected !== null && !isByteString(op.expected))
        return bad("expected is no byte string")
      return isByteString(op.value) ? null : bad("value is no byte string")
    case "increment":
      return Number.isSafeInteger(op.by) ? null : bad("step of an increment is not a safe integer")
    default:
      return null
  }
}

/** What an op counts against `REQUEST_BYTES_MAX`. */
function opBytes(op: KvOp): number {
  switch (op.type) {
    case "put":
    case "append":
      return OP_BYTES + op.key.length + op.value.length
    case "cas":
      return OP_BYTES + op.key.length + op.value.length + (op.expected === null ? 0 : op.expected.length)
    case "scan":
      return OP_BYTES + op.start.length + op.end.length
    default:
      return OP_BYTES + op.key.length
  }
}

/** `keyOutOfRange` for the first op that leaves the range; null when all lie inside. */
export function outside(ops: readonly KvOp[], range: RangeDescriptor): KernelError | null {
  for (let i = 0; i < ops.length; i++) {
    const op = ops[i]!
    if (op.type === "scan") {
      // An empty end is the end of the range. An end may equal it, being no part of the span.
      if (!contains(range, op.start)) return { code: "keyOutOfRange", key: op.start }
      if (op.end !== "" && range.end !== "" && op.end > range.end)
        return { code: "keyOutOfRange", key: op.end }
    } else if (!contains(range, op.key)) return { code: "keyOutOfRange", key: op.key }
  }
  return null
}

/**
 * What the ops touch, for latches: spans they only read, an empty `end` unbounded; and keys they may
 * write (each once), which they may read as well. The first key written is the anchor of the token.
 */
export function touched(ops: readonly KvOp[]): {
  readonly reads: readonly Span[]
  readonly writes: readonly string[]
} {
  const reads: Span[] = []
  const writes: string[] = []
  for (let i = 0; i < ops.length; i++) {
    const op = ops[i]!
    if (op.type === "get") reads.push({ start: op.key, end: op.key + "\0" })
    else if (op.type === "scan") reads.push({ start: op.start, end: op.end })
    else writes.push(op.key)
  }
  return { reads, writes: writes.length > 1 ? [...new Set(writes)] : writes }
}

function isUint(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function bad(reason: string): KernelError {
  return { code: "badRequest", reason }
}

function tooLarge(limit: number, actual: number): KernelError {
  return { code: "tooLarge", limit, actual }
}
