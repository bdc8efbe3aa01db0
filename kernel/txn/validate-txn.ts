import type { KernelError } from "../errors.ts"
import { KEY_BYTES_MAX, TXN_ITEMS_MAX } from "../limits.ts"
import { contains, type RangeDescriptor } from "../range/descriptor.ts"
import type { KvRequest } from "../range/request.ts"
import type { Anchor, KeySpan, SeqSpan, TxnCommand, TxnMeta } from "./protocol.ts"
import { beginOf } from "./txn-id.ts"

/** What is refused of transactions before any state is looked at; null when it may be evaluated. */
export function validateTxn(request: KvRequest): KernelError | null {
  const { txn, command, token, ops } = request
  if (txn === null && command === null) return null
  if (request.readTs !== 0) return bad("a transaction says itself at what timestamp it reads")
  if (request.read !== "strong") return bad("transactions need strong reads")
  if (command !== null) {
    if (txn !== null || ops.length > 0) return bad("a command comes alone")
    if (token !== null && (command.type !== "stage" || command.promised.length > 0))
      return bad("a token goes with what commits at once")
    return validateCommand(command, request)
  }
  const meta = txn!
  if (token !== null && meta.onePhase === null) return bad("a token goes with what commits at once")
  if (meta.onePhase !== null && ops.every(({ type }) => type === "get" || type === "scan"))
    return bad("nothing to commit in one phase")
  return validateMeta(meta, request)
}

function validateMeta(meta: TxnMeta, request: KvRequest): KernelError | null {
  if (beginOf(meta.id) === null)
    return bad("id of the transaction is not 16 bytes that begin with a timestamp")
  const { readTs, writeTs, limitTs, seq, rolledBack, onePhase } = meta
  if (![readTs, writeTs, limitTs, seq].every(isUint))
    return bad("a timestamp or seq is not a safe integer >= 0")
  if (!isUint(seq + request.ops.length)) return bad("seq is not a safe integer >= 0")
  return (
    validateAnchor(meta.anchor, request) ??
    validateSeqs(rolledBack) ??
    validateSpans(onePhase ?? []) ??
    ((onePhase ?? []).every(({ fromTs }) => isUint(fromTs)) ? null : bad("fromTs is not a safe integer >= 0"))
  )
}

function validateCommand(command: TxnCommand, request: KvRequest): KernelError | null {
  if (command.type === "queryOutcome") {
    const { client, birth, seq } = command.token
    if (![client, birth, seq].every(isUint)) return bad("the token asked for is not one")
    return validateKeys([command.key])
  }
  if (command.type === "protect")
    return isUint(command.id) && isUint(command.ts) ? null : bad("id or ts is not a safe integer >= 0")
  if (beginOf(command.txn) === null)
    return bad("id of the transaction is not 16 bytes that begin with a timestamp")
  switch (command.type) {
    case "refresh":
      if (!isUint(command.toTs) || !command.spans.every(({ fromTs }) => isUint(fromTs)))
        return bad("a timestamp is not a safe integer >= 0")
      return validateSpans(command.spans)
    case "queryIntent":
      if (!isUint(command.ts)) return bad("ts is not a safe integer >= 0")
      return validateKeys(command.writes.map(({ key }) => key))
    case "resolve":
      if (command.commitTs !== null && !isUint(command.commitTs))
        return bad("commitTs is not a safe integer >= 0")
      return validateKeys(command.keys) ?? validateSpans(command.spans) ?? validateSeqs(command.rolledBack)
    case "queryWait":
      return isUint(command.ticket) ? null : bad("ticket is not a safe integer >= 0")
    case "cancelWait":
      return null
    case "stage":
      if (!isUint(command.commitTs)) return bad("commitTs is not a safe integer >= 0")
      return (
        validateAnchor(command.anchor, request) ??
        validateKeys(command.promised.map(({ key }) => key)) ??
        validateSeqs(command.rolledBack)
      )
    case "push":
      if (!isUint(command.minCommitTs)) return bad("minCommitTs is not a safe integer >= 0")
      return validateAnchor(command.anchor, request)
    case "commit":
      if (!isUint(command.commitTs)) return bad("commitTs is not a safe integer >= 0")
      return validateAnchor(command.anchor, request)
    case "abort":
      if (command.ifStagedAt !== null && !isUint(command.ifStagedAt))
        return bad("ifStagedAt is not a safe integer >= 0")
      return validateAnchor(command.anchor, request)
    case "heartbeat":
    case "forget":
      return validateAnchor(command.anchor, request)
  }
}

function validateAnchor(anchor: Anchor, { tenant }: KvRequest): KernelError | null {
  if (anchor.tenant !== tenant) return bad("the anchor is another tenant's")
  if (!isUint(anchor.rangeId)) return bad("the range of the anchor is not a safe integer >= 0")
  return validateKeys([anchor.key])
}

function validateKeys(keys: readonly string[]): KernelError | null {
  if (keys.length > TXN_ITEMS_MAX) return tooMany(keys.length)
  for (const key of keys) {
    if (key === "" || !isByteString(key)) return bad("a key is empty or no byte string")
    if (key.length > KEY_BYTES_MAX) return { code: "tooLarge", limit: KEY_BYTES_MAX, actual: key.length }
  }
  return null
}

function validateSpans(spans: readonly KeySpan[]): KernelError | null {
  if (spans.length > TXN_ITEMS_MAX) return tooMany(spans.length)
  for (const { start, end } of spans) {
    if (!isByteString(start) || !isByteString(end)) return bad("a bound of a span is no byte string")
    // One more than a key: what lies just behind the longest.
    const actual = Math.max(start.length, end.length)
    if (actual > KEY_BYTES_MAX + 1) return { code: "tooLarge", limit: KEY_BYTES_MAX + 1, actual }
    if (end !== "" && end < start) return bad("end of a span lies before its start")
  }
  return null
}

function validateSeqs(spans: readonly SeqSpan[]): KernelError | null {
  if (spans.length > TXN_ITEMS_MAX) return tooMany(spans.length)
  return spans.every(({ from, to }) => isUint(from) && isUint(to))
    ? null
    : bad("a seq is not a safe integer >= 0")
}

/** `keyOutOfRange` for the first key or span of a command that leaves the range; null when all lie inside. */
export function outsideOf({ command, txn }: KvRequest, range: RangeDescriptor): KernelError | null {
  for (const { start, end } of spansOf(command, txn)) {
    if (!contains(range, start)) return { code: "keyOutOfRange", key: start }
    if (end !== "" && range.end !== "" && end > range.end) return { code: "keyOutOfRange", key: end }
  }
  return null
}

function spansOf(command: TxnCommand | null, txn: TxnMeta | null): readonly KeySpan[] {
  if (command === null) return txn?.onePhase ?? []
  switch (command.type) {
    case "refresh":
      return command.spans
    case "queryIntent":
      return command.writes.map(({ key }) => ({ start: key, end: "" }))
    case "resolve":
      return [...command.keys.map((key) => ({ start: key, end: "" })), ...command.spans]
    case "queryOutcome":
      return [{ start: command.key, end: "" }]
    case "queryWait":
    case "cancelWait":
    case "protect":
      return []
    default:
      return [{ start: command.anchor.key, end: "" }]
  }
}

function isByteString(text: string): boolean {
  let seen = 0
  for (let i = 0; i < text.length; i++) seen |= text.charCodeAt(i)
  return seen <= 0xff
}

function isUint(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

function bad(reason: string): KernelError {
  return { code: "badRequest", reason }
}

function tooMany(actual: number): KernelError {
  return { code: "tooLarge", limit: TXN_ITEMS_MAX, actual }
}
