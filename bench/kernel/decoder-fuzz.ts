import { ByteReader, ByteWriter, type Sink } from "#kernel/lib/bytes.ts"
import { crc32c } from "#kernel/lib/crc32c.ts"
import { Sfc32, type Rng } from "#kernel/lib/rng.ts"
import type { TxnAction } from "#kernel/gateway/client.ts"
import { decodeFrame, encodeFrame } from "#kernel/node/frame-codec.ts"
import type { Frame, Input } from "#kernel/node/input.ts"
import { readPeerMessage, writePeerMessage, type PeerMessage } from "#kernel/node/peer-message.ts"
import { readInput, writeInput } from "#kernel/node/record.ts"
import { makeEntry, type Configuration } from "#kernel/raft/types.ts"
import { readReply, readRequest, writeReply, writeRequest } from "#kernel/range/request-codec.ts"
import type { KvReply, KvRequest } from "#kernel/range/request.ts"
import type { TxnAnswer, TxnCommand, TxnMeta } from "#kernel/txn/protocol.ts"
import { BEFORE_FIRST, makeChunk, readRows, type Row } from "#kernel/snapshot/chunk.ts"
import type { SnapshotHead } from "#kernel/snapshot/head.ts"

/**
 * Bytes nobody vouches for, for the decoders between stores: good ones with one to four changes, half of
 * them sealed again, so that the checksum before them keeps nothing from being read.
 */

// ── One of everything ──────────────────────────────────────────────────────────────────────────────

const WIDE = 0x12_3456_7890
const member = { replica: 2, store: 300, incarnation: WIDE }
const configuration: Configuration = {
  voters: [member, { ...member, replica: 3 }],
  outgoing: [member],
  learners: [{ ...member, replica: 4 }],
  promoting: [4],
  nextReplica: 5,
}
const descriptor = { rangeId: 7, groupId: 1, tenant: 0, start: "a", end: "z", generation: 3 }
const envelope = { group: 1, from: 2, to: 3, term: 9 }
const put = { space: 1, type: "put", key: "key", value: "value" } as const
const batch = {
  generation: 3,
  leaseSequence: 1,
  closedTs: WIDE,
  minVersion: 1,
  writes: [put, { ...put, space: 4, type: "delete", value: "" } as const],
}
const entries = [
  makeEntry(4, 8, { type: "batch", batch }),
  makeEntry(5, 9, { type: "configuration", configuration }),
  makeEntry(6, 9, { type: "bootstrap", bootstrap: { descriptor, configuration } }),
]

const head: SnapshotHead = {
  id: { index: 3, term: 8, hashHigh: 0x8765_4321, hashLow: 7, chunkBytes: 4_096 },
  lowWater: WIDE,
  horizon: 5,
  leaseSequence: 1,
  descriptor,
  configuration,
  configurationIndex: 1,
}

const GROUP_MESSAGES: readonly PeerMessage[] = [
  {
    type: "appendEntries",
    ...envelope,
    prevIndex: 3,
    prevTerm: 8,
    leaderCommit: 3,
    entries,
    descriptor,
    incarnation: WIDE,
  },
  {
    type: "appendEntries",
    ...envelope,
    prevIndex: 3,
    prevTerm: 8,
    leaderCommit: 3,
    entries: [],
    descriptor: null,
    incarnation: 0,
  },
  {
    type: "appendReply",
    ...envelope,
    success: true,
    matchIndex: 3,
    rejectedIndex: 0,
    hintIndex: 0,
    hintTerm: 0,
    wantsSnapshot: false,
  },
  {
    type: "heartbeat",
    ...envelope,
    leaderCommit: 3,
    round: 2,
    sentMono: WIDE,
    statedWall: WIDE,
    statedCommit: 3,
    life: 2,
    rests: true,
  },
  {
    type: "heartbeatReply",
    ...envelope,
    round: 2,
    sentMono: WIDE,
    lastIndex: 3,
    commitIndex: 2,
    home: WIDE,
    boot: 4,
    epoch: 1,
  },
  { type: "voteRequest", ...envelope, preVote: true, transfer: false, lastIndex: 3, lastTerm: 8 },
  { type: "voteReply", ...envelope, preVote: true, granted: false },
  { type: "absent", ...envelope, sentMono: WIDE },
  { type: "stored", ...envelope, matchIndex: 3, lastIndex: 4, sentMono: WIDE },
  { type: "repairAsk", ...envelope, nonce: WIDE },
  { type: "outdated", incarnation: WIDE, boot: 7, nonce: WIDE },
  { type: "repairAnswer", ...envelope, nonce: WIDE, index: 4 },
  { type: "timeoutNow", ...envelope, highWater: WIDE, memory: "locks" },
  { type: "snapshotOffer", ...envelope, head },
  {
    type: "snapshotChunk",
    ...envelope,
    id: head.id,
    chunk: makeChunk(head.id, 3, true, new Uint8Array([1, 2, 3, 4])),
  },
  { type: "snapshotAnswer", ...envelope, id: head.id, verdict: "gap", nextChunk: 3, retryAfterUs: 100_000 },
  { type: "snapshotReply", ...envelope, lastIndex: 3, success: true },
  { type: "scrubState", ...envelope, index: 3, high: 7, low: 9 },
  { type: "scrubReply", ...envelope, index: 3, high: 7, low: 9 },
  { type: "scrubVerdict", ...envelope, index: 3, high: 7, low: 9, verdict: "wrong" },
  { type: "removed", ...envelope },
  { type: "deFortify", ...envelope },
  {
    type: "storeHeartbeat",
    life: 2,
    asks: true,
    sentMono: WIDE,
    sentWall: 1_700_000_000_000_000,
    epoch: 3,
    ofIncarnation: WIDE,
    ofBoot: 4,
    ofLife: 1,
    askedMono: 5_000_000,
    askedWall: 1_700_000_000_000_000,
    heldUs: 900_000,
    full: [1, 300],
  },
]

const header = {
  version: 2,
  cluster: "orbit",
  fromStore: 2,
  toStore: 3,
  fromIncarnation: WIDE,
  volumes: [{ volume: 2, incarnation: WIDE }],
  fromBoot: 4,
  fromNonce: WIDE,
  configEpoch: 0,
  wall: 1_700_000_000_000_000,
}

const request: KvRequest = {
  id: 9,
  tenant: 0,
  rangeId: 7,
  generation: 3,
  token: { client: 1, birth: WIDE, seq: 5, ackedSeq: 4 },
  deadlineUs: 1_000,
  read: "strong",
  readTs: 0,
  txn: null,
  command: null,
  principal: "p",
  configEpoch: 0,
  bundleHash: "",
  trace: "t",
  ops: [
    { type: "get", key: "a" },
    { type: "put", key: "a", value: "v" },
    { type: "delete", key: "a" },
    { type: "cas", key: "a", expected: null, value: "v" },
    { type: "cas", key: "a", expected: "w", value: "v" },
    { type: "increment", key: "a", by: -5 },
    { type: "append", key: "a", value: "v" },
    { type: "scan", start: "a", end: "z", limit: 9, reverse: true },
  ],
}
const txn = "0123456789abcdef"
const anchor = { tenant: 0, rangeId: 7, key: "a" }
const promised = [{ rangeId: 7, key: "b", seq: 3 }]
const rolledBack = [{ from: 4, to: 5 }]
const span = { start: "a", end: "c" }
const meta: TxnMeta = {
  id: txn,
  anchor,
  level: "serializable",
  control: "locking",
  readTs: WIDE,
  writeTs: WIDE,
  limitTs: WIDE,
  seq: 3,
  rolledBack,
  wait: "wait",
  lock: "exclusive",
  pipelined: true,
  onePhase: [{ ...span, fromTs: 9 }],
}
const COMMANDS: readonly TxnCommand[] = [
  { type: "refresh", txn, spans: [{ ...span, fromTs: 9 }], toTs: WIDE },
  { type: "heartbeat", txn, anchor },
  { type: "stage", txn, anchor, commitTs: WIDE, promised, rolledBack, results: [{ type: "done" }] },
  { type: "commit", txn, anchor, commitTs: WIDE },
  { type: "abort", txn, anchor, ifStagedAt: WIDE },
  { type: "push", txn, anchor, minCommitTs: WIDE },
  { type: "queryIntent", txn, writes: [{ key: "a", seq: 3 }], ts: WIDE, prevent: true },
  { type: "resolve", txn, commitTs: WIDE, rolledBack, keys: ["a"], spans: [span] },
  { type: "queryWait", txn, ticket: 5 },
  { type: "cancelWait", txn },
  { type: "protect", id: 7, ts: WIDE },
  { type: "queryOutcome", key: "a", token: request.token!, prevent: true },
]
const ANSWERS: readonly TxnAnswer[] = [
  { type: "refreshed" },
  { type: "changed", key: "a", at: WIDE, by: txn },
  { type: "state", state: { status: "staging", ts: WIDE, promised, rolledBack, isAbandoned: true } },
  { type: "intent", isThere: true },
  { type: "waits", for: [txn] },
  { type: "outcome", status: "committed", commitTs: WIDE, results: [{ type: "count", value: -5 }] },
]
const REQUESTS: readonly KvRequest[] = [
  request,
  { ...request, token: null, read: "eventual", ops: [] },
  { ...request, txn: meta },
  ...COMMANDS.map((command) => ({ ...request, command, ops: [] })),
]
const REPLIES: readonly KvReply[] = [
  {
    type: "ok",
    id: 9,
    commitTs: WIDE,
    results: [
      { type: "value", value: "v" },
      { type: "value", value: null },
      { type: "done" },
      { type: "swapped", swapped: true },
      { type: "count", value: -5 },
      { type: "rows", rows: [["a", "b"]], more: true },
    ],
    answer: null,
  },
  ...ANSWERS.map((answer) => ({ type: "ok", id: 9, commitTs: WIDE, results: [], answer }) as const),
  { type: "error", id: 9, error: { code: "notLeader", hint: 3, term: 9 } },
  { type: "error", id: 9, error: { code: "notLeader", hint: null, term: 9 } },
  { type: "error", id: 9, error: { code: "staleGeneration", descriptor } },
  { type: "error", id: 9, error: { code: "tooLarge", limit: 3, actual: 4 } },
  { type: "error", id: 9, error: { code: "notAnInteger", key: "a" } },
  { type: "error", id: 9, error: { code: "badRequest", reason: "no" } },
  { type: "error", id: 9, error: { code: "overloaded" } },
  {
    type: "error",
    id: 9,
    error: { code: "txnRestart", reason: "uncertainty", key: "a", at: WIDE, by: null },
  },
  { type: "error", id: 9, error: { code: "lockNotAvailable", key: "a", by: txn } },
]

const wait = { txn, tenant: 0, rangeId: 7, ticket: 5 }
const MESSAGES: readonly PeerMessage[] = [
  ...GROUP_MESSAGES,
  ...REQUESTS.map((each) => ({ type: "ask", request: each }) as const),
  ...REPLIES.map((reply) => ({ type: "answer", nonce: WIDE, reply }) as const),
  { type: "waits", wait, for: [txn] },
  { type: "probe", path: [wait, wait], to: txn },
]
const FRAMES: readonly Frame[] = [
  { header, messages: [] },
  { header, messages: MESSAGES },
  ...MESSAGES.map((message) => ({ header, messages: [message, MESSAGES[3]!] })),
]

const stamp = { mono: 1_000, wall: 1_700_000_000_000_000 }
const statement = { ops: request.ops, wait: "noWait", lock: "shared" } as const
const begin = { level: "serializable", control: "optimistic", token: request.token } as const
const ACTIONS: readonly TxnAction[] = [
  { type: "begin", ...begin, readOnly: true, readTs: WIDE },
  { type: "execute", ...statement, commit: true },
  { type: "savepoint", name: "s" },
  { type: "commit" },
  { type: "leave" },
  { type: "run", ...begin, ...statement },
  { type: "outcome", token: request.token!, key: "a" },
]
const INPUTS: readonly Input[] = [
  { type: "wake", ...stamp },
  { type: "drain", ...stamp },
  { type: "turnEnded", ...stamp },
  ...FRAMES.map((frame) => ({ type: "frame", ...stamp, frame }) as const),
  ...REQUESTS.map((each) => ({ type: "request", ...stamp, session: 7, request: each }) as const),
  ...ACTIONS.map(
    (action) =>
      ({
        type: "txn",
        ...stamp,
        session: 7,
        request: { id: 3, tenant: 0, txn: 1, deadlineUs: WIDE, action },
      }) as const,
  ),
  ...(["addVoter", "addLearner"] as const).map(
    (type) =>
      ({
        type: "admin",
        ...stamp,
        session: 7,
        request: { id: 3, group: 1, action: { type, store: 2, incarnation: WIDE } },
      }) as const,
  ),
  ...(["removeReplica", "transferLeader"] as const).map(
    (type) =>
      ({
        type: "admin",
        ...stamp,
        session: 7,
        request: { id: 3, group: 1, action: { type, store: 2 } },
      }) as const,
  ),
  { type: "appendSynced", ...stamp, volume: 1, lsn: 300 },
  { type: "appendFailed", ...stamp, volume: 1, lsn: 300 },
  { type: "segmentCreated", ...stamp, volume: 1, segment: 2 },
  { type: "segmentRefused", ...stamp, volume: 1, segment: 2, code: "diskFull" },
  { type: "checkpointSynced", ...stamp, volume: 1, checkpoint: 4 },
  { type: "checkpointRefused", ...stamp, volume: 1, checkpoint: 4, code: "diskFull" },
  { type: "checkpointFailed", ...stamp, volume: 1, checkpoint: 4 },
]

const CHUNKS: readonly (readonly Row[])[] = [
  [],
  [
    { space: 1, key: "a", value: "1" },
    { space: 1, key: "b", value: "22" },
    { space: 3, key: "c", value: "" },
    { space: 4, key: "d", value: "4444" },
  ],
]

function writeRows(rows: readonly Row[], sink: Sink): void {
  for (const row of rows) {
    sink.u8(row.space)
    sink.str(row.key)
    sink.str(row.value)
  }
}

// ── Decoders ───────────────────────────────────────────────────────────────────────────────────────

function bytesBy<Type>(write: (value: Type, sink: Sink) => void): (value: Type) => Uint8Array {
  return (value) => {
    const writer = new ByteWriter()
    write(value, writer)
    return writer.finish()
  }
}

/** Reads to the end of the bytes, or not at all. */
function whole<Type>(read: (reader: ByteReader) => Type): (bytes: Uint8Array) => Type | null {
  return (bytes) => {
    const reader = new ByteReader(bytes)
    const value = read(reader)
    return reader.failed || reader.remaining > 0 ? null : value
  }
}

const messageBytes = bytesBy<PeerMessage>((message, sink) => writePeerMessage(message, sink, true))
const inputBytes = bytesBy<Input>((input, sink) => writeInput(input, sink, true))
const requestBytes = bytesBy(writeRequest)
const replyBytes = bytesBy(writeReply)
const rowsBytes = bytesBy(writeRows)

function again<Type>(
  decode: (bytes: Uint8Array) => Type | null,
  encode: (value: Type) => Uint8Array,
): Decoder {
  return (bytes) => {
    const value = decode(bytes)
    return value === null ? null : encode(value)
  }
}

function rowsAgain(bytes: Uint8Array): Uint8Array | null {
  const rows = readRows(bytes, BEFORE_FIRST, { start: "", end: "z" })
  return rows === null ? null : rowsBytes(rows)
}

/** Gives what it read, encoded again; null when it refuses. */
type Decoder = (bytes: Uint8Array) => Uint8Array | null

/** Length and CRC-32C of a frame, made right. */
function sealFrame(bytes: Uint8Array): void {
  if (bytes.length < 10) return
  const view = new DataView(bytes.buffer)
  view.setUint32(6, bytes.length - 10, true)
  view.setUint32(2, crc32c(bytes, 6, bytes.length), true)
}

type Target = {
  readonly name: string
  readonly share: number
  readonly corpus: readonly Uint8Array[]
  readonly decode: Decoder
  readonly seal: ((bytes: Uint8Array) => void) | null
  /** Bytes at the start that are left alone, for they are made right afterwards. */
  readonly spared: number
}

const frames = FRAMES.map((frame) => encodeFrame(frame))
const chunks = CHUNKS.map((rows) => rowsBytes(rows))
const frameAgain = again(decodeFrame, encodeFrame)

const TARGETS: readonly Target[] = [
  { name: "frame", share: 2, corpus: frames, decode: frameAgain, seal: null, spared: 0 },
  { name: "frame, sealed again", share: 8, corpus: frames, decode: frameAgain, seal: sealFrame, spared: 10 },
  {
    name: "message",
    share: 2,
    corpus: MESSAGES.map((message) => messageBytes(message)),
    decode: again(whole(readPeerMessage), messageBytes),
    seal: null,
    spared: 0,
  },
  {
    name: "recorded input",
    share: 4,
    corpus: INPUTS.map(inputBytes),
    decode: again(whole(readInput), inputBytes),
    seal: null,
    spared: 0,
  },
  { name: "rows of a chunk", share: 3, corpus: chunks, decode: rowsAgain, seal: null, spared: 0 },
  {
    name: "saved request",
    share: 3,
    corpus: REQUESTS.map((each) => requestBytes(each)),
    decode: again(whole(readRequest), requestBytes),
    seal: null,
    spared: 0,
  },
  {
    name: "saved reply",
    share: 2,
    corpus: REPLIES.map((each) => replyBytes(each)),
    decode: again(whole(readReply), replyBytes),
    seal: null,
    spared: 0,
  },
]

// ── Mutations ──────────────────────────────────────────────────────────────────────────────────────

const INTERESTING = [0, 1, 2, 0x7f, 0x80, 0xff]

function mutate(rng: Rng, original: Uint8Array, from: number): Uint8Array {
  let bytes: Uint8Array = original.slice()
  for (let changes = 1 + rng.below(4); changes > 0; changes--) {
    const at = from + rng.below(Math.max(1, bytes.length - from))
    if (at >= bytes.length) continue
    const kind = rng.below(12)
    if (kind < 5) bytes[at]! ^= 1 << rng.below(8)
    else if (kind < 8) bytes[at] = INTERESTING[rng.below(INTERESTING.length)]!
    else if (kind < 9) bytes.copyWithin(at, from + rng.below(bytes.length - from), bytes.length)
    else if (kind < 10) bytes = bytes.slice(0, at)
    else if (kind < 11) bytes = spliced(bytes, at, bytes.subarray(at, at + rng.below(9)))
    // A count of very many, where one byte was.
    else bytes = spliced(bytes, at, new Uint8Array([0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]))
  }
  return bytes
}

function spliced(bytes: Uint8Array, at: number, more: Uint8Array): Uint8Array {
  const longer = new Uint8Array(bytes.length + more.length)
  longer.set(bytes.subarray(0, at))
  longer.set(more, at)
  longer.set(bytes.subarray(at), at + more.length)
  return longer
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i])
}

export type FuzzCount = {
  inputs: number
  rejected: number
  accepted: number
  roundTripped: number
  threw: number
  /** What passed and does not encode to itself, or passed a checksum that is not its own. */
  wrong: number
}

export type FuzzReport = {
  readonly counts: Readonly<Record<string, FuzzCount>>
  /** The first few inputs that went wrong, as hexadecimal digits after the name of the decoder. */
  readonly wrong: readonly string[]
}

const NONE: FuzzCount = { inputs: 0, rejected: 0, accepted: 0, roundTripped: 0, threw: 0, wrong: 0 }

/** Runs this many inputs through the decoders. `onProgress` hears after every ten thousand. */
export function fuzzDecoders(
  inputs: number,
  seed: number,
  onProgress: (done: number) => void = () => {},
): FuzzReport {
  const rng = new Sfc32(seed, 0)
  const counts: Record<string, FuzzCount> = {}
  for (const { name } of TARGETS) counts[name] = { ...NONE }
  const turns = TARGETS.flatMap((target) => Array.from({ length: target.share }, () => target))
  const wrong: string[] = []
  for (let i = 0; i < inputs; i++) {
    const target = turns[i % turns.length]!
    const isRight = run(target, rng, counts[target.name]!)
    if (isRight !== null && wrong.length < 10) wrong.push(`${target.name}: ${isRight}`)
    if ((i + 1) % 10_000 === 0) onProgress(i + 1)
  }
  return { counts, wrong }
}

/** Null when all is well, else what happened. */
function run(target: Target, rng: Rng, count: FuzzCount): string | null {
  const original = target.corpus[rng.below(target.corpus.length)]!
  const bytes = mutate(rng, original, target.spared)
  target.seal?.(bytes)
  count.inputs++
  const hex = (): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  let encoded: Uint8Array | null
  try {
    encoded = target.decode(bytes)
  } catch (error) {
    count.threw++
    return `threw ${String(error)} on ${hex()}`
  }
  if (encoded === null) {
    count.rejected++
    return null
  }
  count.accepted++
  // A checksum that was not made right again lets only the original pass.
  const isUnsealed = target.name === "frame"
  if (isSame(encoded, bytes) && (!isUnsealed || isSame(bytes, original))) {
    count.roundTripped++
    return null
  }
  count.wrong++
  return `accepted ${hex()}`
}
