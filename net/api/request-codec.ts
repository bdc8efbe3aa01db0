import { OP_BYTES, REQUEST_BYTES_MAX, type KvOp, type KvRequest, type Token } from "#kernel"
import { BYTES, FIXED64, VARINT, WireReader, type WireWriter } from "./wire.ts"

// `ClientMessage` of orrery.proto and the kernel's requests. Numbers are tags: a field and its wire type.

const READS: readonly KvRequest["read"][] = ["strong", "timeline", "eventual"]

/** Operations of one message, over all its requests: more than a request may have by the kernel's own rule. */
const OPS_MAX: number = REQUEST_BYTES_MAX / OP_BYTES

const tag = (field: number, type: number): number => field * 8 + type

const REQUEST = tag(1, BYTES)
const ID = tag(1, VARINT)
const RANGE_ID = tag(2, VARINT)
const GENERATION = tag(3, VARINT)
const TOKEN = tag(4, BYTES)
const DEADLINE_US = tag(5, VARINT)
const READ = tag(6, VARINT)
const READ_TS = tag(7, VARINT)
const CONFIG_EPOCH = tag(8, VARINT)
const BUNDLE_HASH = tag(9, BYTES)
const TRACE = tag(10, BYTES)
const OPS = tag(11, BYTES)
const FIRST_UINT = tag(1, VARINT)
const SECOND_UINT = tag(2, VARINT)
const THIRD_UINT = tag(3, VARINT)
const FOURTH_UINT = tag(4, VARINT)
const FIRST_BYTES = tag(1, BYTES)
const SECOND_BYTES = tag(2, BYTES)
const THIRD_BYTES = tag(3, BYTES)
const SECOND_FIXED = tag(2, FIXED64)

const OP_TAGS: Readonly<Record<KvOp["type"], number>> = {
  get: tag(1, BYTES),
  put: tag(2, BYTES),
  delete: tag(3, BYTES),
  cas: tag(4, BYTES),
  increment: tag(5, BYTES),
  append: tag(6, BYTES),
  scan: tag(7, BYTES),
}

/** About how long a request is on the wire. */
export function requestBytes(request: KvRequest): number {
  let bytes = 64
  for (const op of request.ops) {
    bytes += OP_BYTES
    if (op.type === "scan") bytes += op.start.length + op.end.length
    else bytes += op.key.length
    if ("value" in op) bytes += op.value.length
    if (op.type === "cas" && op.expected !== null) bytes += op.expected.length
  }
  return bytes
}

/**
 * One `ClientMessage`. A request's tenant and principal are not in it: they are the session's. The ids are those of
 * `ids`, one a request: a session's own.
 */
export function encodeRequests(
  requests: readonly KvRequest[],
  ids: readonly number[],
  writer: WireWriter,
): Buffer {
  for (let i = requests.length - 1; i >= 0; i--) writeRequest(requests[i]!, ids[i]!, writer)
  return writer.finish()
}

function writeRequest(request: KvRequest, id: number, writer: WireWriter): void {
  const before = writer.length
  const { ops, token } = request
  for (let i = ops.length - 1; i >= 0; i--) writeOp(ops[i]!, writer)
  writer.latin1(TRACE, request.trace)
  writer.latin1(BUNDLE_HASH, request.bundleHash)
  writer.uint(CONFIG_EPOCH, request.configEpoch)
  writer.uint(READ_TS, request.readTs)
  writer.uint(READ, READS.indexOf(request.read))
  writer.uint(DEADLINE_US, request.deadlineUs)
  if (token !== null) {
    const inner = writer.length
    writer.uint(FOURTH_UINT, token.ackedSeq)
    writer.uint(THIRD_UINT, token.seq)
    writer.uint(SECOND_UINT, token.birth)
    writer.uint(FIRST_UINT, token.client)
    writer.nest(TOKEN, inner)
  }
  writer.uint(GENERATION, request.generation)
  writer.uint(RANGE_ID, request.rangeId)
  writer.uint(ID, id)
  writer.nest(REQUEST, before)
}

function writeOp(op: KvOp, writer: WireWriter): void {
  const outer = writer.length
  switch (op.type) {
    case "get":
    case "delete":
      writer.latin1(FIRST_BYTES, op.key)
      break
    case "put":
    case "append":
      writer.latin1(SECOND_BYTES, op.value)
      writer.latin1(FIRST_BYTES, op.key)
      break
    case "cas":
      writer.latin1(THIRD_BYTES, op.value)
      if (op.expected !== null) writer.latin1Always(SECOND_BYTES, op.expected)
      writer.latin1(FIRST_BYTES, op.key)
      break
    case "increment":
      if (op.by !== 0) writer.sfixed64(SECOND_FIXED, op.by)
      writer.latin1(FIRST_BYTES, op.key)
      break
    case "scan":
      writer.bool(FOURTH_UINT, op.reverse)
      writer.uint(THIRD_UINT, op.limit)
      writer.latin1(SECOND_BYTES, op.end)
      writer.latin1(FIRST_BYTES, op.start)
      break
  }
  writer.nest(OP_TAGS[op.type], outer)
  writer.nest(OPS, outer)
}

/** Whoever is given the requests of a message, in its order. */
export interface RequestSink {
  request(request: KvRequest): void
  /** A request that cannot be read; `id` is 0 when not even that can. */
  unreadable(id: number, reason: string): void
}

/** Says it of what is wrong before the requests after it; one that is not readable ends nothing else. */
export function decodeRequests(
  message: Buffer,
  session: { readonly tenant: number; readonly principal: string },
  requestsMax: number,
  sink: RequestSink,
): void {
  const reader = new WireReader(message)
  const budget = { ops: OPS_MAX }
  let requests = 0
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field !== REQUEST) {
      reader.skip(field)
      continue
    }
    if (++requests > requestsMax) {
      sink.unreadable(0, `more than ${requestsMax} requests in one message`)
      return
    }
    const outer = reader.enter()
    if (reader.failed) break
    readRequest(reader, session, budget, sink)
    // The lengths of messages are what holds them apart: one that is nonsense inside hides no other.
    reader.failed = false
    reader.leave(outer)
  }
  if (reader.failed) sink.unreadable(0, "the message is not a ClientMessage of orrery.v1")
}

function readRequest(
  reader: WireReader,
  { tenant, principal }: { readonly tenant: number; readonly principal: string },
  budget: { ops: number },
  sink: RequestSink,
): void {
  let id = 0
  let rangeId = 0
  let generation = 0
  let token: Token | null = null
  let deadlineUs = 0
  let read: KvRequest["read"] | undefined = "strong"
  let readTs = 0
  let configEpoch = 0
  let bundleHash = ""
  let trace = ""
  const ops: KvOp[] = []
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    switch (field) {
      case ID:
        id = reader.uint()
        break
      case RANGE_ID:
        rangeId = reader.uint()
        break
      case GENERATION:
        generation = reader.uint()
        break
      case TOKEN:
        token = readToken(reader)
        break
      case DEADLINE_US:
        deadlineUs = reader.uint()
        break
      case READ:
        read = READS[reader.uint()]
        if (read === undefined) {
          sink.unreadable(id, "read is none of STRONG, TIMELINE and EVENTUAL")
          return
        }
        break
      case READ_TS:
        readTs = reader.uint()
        break
      case CONFIG_EPOCH:
        configEpoch = reader.uint()
        break
      case BUNDLE_HASH:
        bundleHash = reader.latin1()
        break
      case TRACE:
        trace = reader.latin1()
        break
      case OPS: {
        if (--budget.ops < 0) {
          sink.unreadable(id, `more than ${OPS_MAX} operations in one message`)
          return
        }
        const op = readOp(reader)
        if (op === null) {
          sink.unreadable(id, "an operation is none that this version knows")
          return
        }
        ops.push(op)
        break
      }
      default:
        reader.skip(field)
    }
  }
  if (reader.failed) {
    sink.unreadable(id, "the request is not a Request of orrery.v1")
    return
  }
  sink.request({
    id,
    tenant,
    rangeId,
    generation,
    token,
    deadlineUs,
    read,
    readTs,
    txn: null,
    command: null,
    principal,
    configEpoch,
    bundleHash,
    trace,
    ops,
  })
}

function readToken(reader: WireReader): Token {
  const outer = reader.enter()
  let client = 0
  let birth = 0
  let seq = 0
  let ackedSeq = 0
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === FIRST_UINT) client = reader.uint()
    else if (field === SECOND_UINT) birth = reader.uint()
    else if (field === THIRD_UINT) seq = reader.uint()
    else if (field === FOURTH_UINT) ackedSeq = reader.uint()
    else reader.skip(field)
  }
  reader.leave(outer)
  return { client, birth, seq, ackedSeq }
}

/** The last member of the oneof counts, as protobuf has it; null when there is none. */
function readOp(reader: WireReader): KvOp | null {
  const outer = reader.enter()
  let op: KvOp | null = null
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    switch (field) {
      case OP_TAGS.get:
        op = { type: "get", key: readKeyed(reader).key }
        break
      case OP_TAGS.delete:
        op = { type: "delete", key: readKeyed(reader).key }
        break
      case OP_TAGS.put: {
        const { key, second } = readKeyed(reader)
        op = { type: "put", key, value: second ?? "" }
        break
      }
      case OP_TAGS.append: {
        const { key, second } = readKeyed(reader)
        op = { type: "append", key, value: second ?? "" }
        break
      }
      case OP_TAGS.cas: {
        const { key, second, third } = readKeyed(reader)
        op = { type: "cas", key, expected: second, value: third }
        break
      }
      case OP_TAGS.increment: {
        const { key, by } = readKeyed(reader)
        op = { type: "increment", key, by }
        break
      }
      case OP_TAGS.scan:
        op = readScan(reader)
        break
      default:
        reader.skip(field)
    }
  }
  reader.leave(outer)
  return op
}

type Keyed = { key: string; second: string | null; third: string; by: number }

/** What all operations but a scan have in common: a key and up to two values behind it. */
function readKeyed(reader: WireReader): Keyed {
  const keyed: Keyed = { key: "", second: null, third: "", by: 0 }
  const outer = reader.enter()
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === FIRST_BYTES) keyed.key = reader.latin1()
    else if (field === SECOND_BYTES) keyed.second = reader.latin1()
    else if (field === THIRD_BYTES) keyed.third = reader.latin1()
    else if (field === SECOND_FIXED) keyed.by = reader.sfixed64()
    else reader.skip(field)
  }
  reader.leave(outer)
  return keyed
}

function readScan(reader: WireReader): KvOp {
  const outer = reader.enter()
  let start = ""
  let end = ""
  let limit = 0
  let reverse = false
  for (let field = reader.tag(); field !== 0; field = reader.tag()) {
    if (field === FIRST_BYTES) start = reader.latin1()
    else if (field === SECOND_BYTES) end = reader.latin1()
    else if (field === THIRD_UINT) limit = reader.uint()
    else if (field === FOURTH_UINT) reverse = reader.bool()
    else reader.skip(field)
  }
  reader.leave(outer)
  return { type: "scan", start, end, limit, reverse }
}
