import fc from "fast-check"
import type { Space, Write } from "#kernel/engine/engine.ts"
import type { KernelError } from "#kernel/errors.ts"
import { ByteWriter, type Sink } from "#kernel/lib/bytes.ts"
import type { TxnAction, TxnReply, TxnRequest } from "#kernel/gateway/client.ts"
import type { GatewayMessage, Wait } from "#kernel/gateway/message.ts"
import type { Frame } from "#kernel/node/input.ts"
import type { StoreHeartbeat } from "#kernel/liveness/message.ts"
import type { PeerMessage } from "#kernel/node/peer-message.ts"
import { makeEntry, type Batch, type Configuration, type Entry, type Payload } from "#kernel/raft/types.ts"
import type { Member, RangeDescriptor } from "#kernel/range/descriptor.ts"
import type { SnapshotHead, SnapshotId } from "#kernel/snapshot/head.ts"
import type { KvOp, KvReply, KvRequest, KvResult, Token } from "#kernel/range/request.ts"
import type {
  Anchor,
  Control,
  Isolation,
  LockStrength,
  RestartReason,
  TxnAnswer,
  TxnCommand,
  TxnMeta,
  TxnStatus,
  WaitPolicy,
} from "#kernel/txn/protocol.ts"

/** Canonical bytes of whatever saves itself. */
export function bytesOf(machine: { save(sink: Sink): void }): Uint8Array {
  const writer = new ByteWriter()
  machine.save(writer)
  return writer.finish()
}

// Small numbers meet each other; large ones test the codec.
const small = fc.integer({ min: 1, max: 6 })
const uint: fc.Arbitrary<number> = fc.oneof(fc.nat(300), fc.maxSafeNat())
const text: fc.Arbitrary<string> = fc
  .uint8Array({ maxLength: 6 })
  .map((bytes) => String.fromCharCode(...bytes))

export const member: fc.Arbitrary<Member> = fc.record({
  replica: small,
  store: small,
  incarnation: uint,
})

export const configuration: fc.Arbitrary<Configuration> = fc.record({
  voters: fc.array(member, { maxLength: 4 }),
  outgoing: fc.array(member, { maxLength: 3 }),
  learners: fc.array(member, { maxLength: 2 }),
  promoting: fc.array(small, { maxLength: 2 }),
  nextReplica: small,
})

export const descriptor: fc.Arbitrary<RangeDescriptor> = fc.record({
  rangeId: uint,
  groupId: uint,
  tenant: uint,
  start: text,
  end: text,
  generation: uint,
})

const write: fc.Arbitrary<Write> = fc.record({
  space: fc.constantFrom<Space>(1, 2, 3, 4, 5, 6),
  type: fc.constantFrom("put", "insert", "delete", "clear"),
  key: text,
  value: text,
})

const batch: fc.Arbitrary<Batch> = fc.record({
  generation: uint,
  leaseSequence: uint,
  closedTs: uint,
  minVersion: uint,
  writes: fc.array(write, { maxLength: 3 }),
})

const payload: fc.Arbitrary<Payload> = fc.oneof(
  fc.record({ type: fc.constant("batch" as const), batch }),
  fc.record({ type: fc.constant("configuration" as const), configuration }),
  fc.record({
    type: fc.constant("bootstrap" as const),
    bootstrap: fc.record({ descriptor, configuration }),
  }),
)

export const entry: fc.Arbitrary<Entry> = fc
  .record({ index: uint, term: uint, payload })
  .map((parts) => makeEntry(parts.index, parts.term, parts.payload))

const u32 = fc.nat(0xffff_ffff)
export const snapshotId: fc.Arbitrary<SnapshotId> = fc.record({
  index: uint,
  term: uint,
  hashHigh: u32,
  hashLow: u32,
  chunkBytes: uint,
})

export const snapshotHead: fc.Arbitrary<SnapshotHead> = fc.record({
  id: snapshotId,
  lowWater: uint,
  horizon: uint,
  leaseSequence: uint,
  descriptor,
  configuration,
  configurationIndex: uint,
})

const envelope = { group: uint, from: uint, to: uint, term: uint }

const storeHeartbeat: fc.Arbitrary<StoreHeartbeat> = fc.record({
  type: fc.constant("storeHeartbeat" as const),
  life: uint,
  asks: fc.boolean(),
  sentMono: uint,
  sentWall: uint,
  epoch: uint,
  ofIncarnation: uint,
  ofBoot: uint,
  ofLife: uint,
  askedMono: uint,
  askedWall: uint,
  heldUs: uint,
  full: fc.array(uint, { maxLength: 4 }),
})

const op: fc.Arbitrary<KvOp> = fc.oneof(
  fc.record({ type: fc.constantFrom("get" as const, "delete" as const), key: text }),
  fc.record({ type: fc.constantFrom("put" as const, "append" as const), key: text, value: text }),
  fc.record({ type: fc.constant("cas" as const), key: text, expected: fc.option(text), value: text }),
  fc.record({ type: fc.constant("increment" as const), key: text, by: fc.maxSafeInteger() }),
  fc.record({
    type: fc.constant("scan" as const),
    start: text,
    end: text,
    limit: uint,
    reverse: fc.boolean(),
  }),
)

const result: fc.Arbitrary<KvResult> = fc.oneof(
  fc.record({ type: fc.constant("value" as const), value: fc.option(text) }),
  fc.constant({ type: "done" } as const),
  fc.record({ type: fc.constant("swapped" as const), swapped: fc.boolean() }),
  fc.record({ type: fc.constant("count" as const), value: fc.maxSafeInteger() }),
  fc.record({
    type: fc.constant("rows" as const),
    rows: fc.array(fc.tuple(text, text), { maxLength: 3 }),
    more: fc.boolean(),
  }),
)

const token: fc.Arbitrary<Token> = fc.record({ client: uint, birth: uint, seq: uint, ackedSeq: uint })

export const txnId: fc.Arbitrary<string> = fc
  .uint8Array({ minLength: 16, maxLength: 16 })
  .map((bytes) => String.fromCharCode(...bytes))
export const anchor: fc.Arbitrary<Anchor> = fc.record({ tenant: uint, rangeId: uint, key: text })
const seqSpan = fc.record({ from: uint, to: uint })
const keySpan = fc.record({ start: text, end: text })
const readSpan = fc.record({ start: text, end: text, fromTs: uint })
const promised = fc.record({ rangeId: uint, key: text, seq: uint })
const reason = fc.constantFrom<RestartReason>("writeTooOld", "uncertainty", "abandoned")

const txnMeta: fc.Arbitrary<TxnMeta> = fc.record({
  id: txnId,
  anchor,
  level: fc.constantFrom("readCommitted", "snapshot", "serializable"),
  control: fc.constantFrom("locking", "optimistic"),
  readTs: uint,
  writeTs: uint,
  limitTs: uint,
  seq: uint,
  rolledBack: fc.array(seqSpan, { maxLength: 2 }),
  wait: fc.constantFrom("wait", "noWait", "skipLocked"),
  lock: fc.constantFrom("shared", "exclusive", null),
  pipelined: fc.boolean(),
  onePhase: fc.option(fc.array(readSpan, { maxLength: 2 })),
})

const txnCommand: fc.Arbitrary<TxnCommand> = fc.oneof(
  fc.record({
    type: fc.constant("refresh" as const),
    txn: txnId,
    spans: fc.array(readSpan, { maxLength: 2 }),
    toTs: uint,
  }),
  fc.record({ type: fc.constantFrom("heartbeat" as const, "forget" as const), txn: txnId, anchor }),
  fc.record({
    type: fc.constant("stage" as const),
    txn: txnId,
    anchor,
    commitTs: uint,
    promised: fc.array(promised, { maxLength: 2 }),
    rolledBack: fc.array(seqSpan, { maxLength: 2 }),
    results: fc.array(result, { maxLength: 2 }),
  }),
  fc.record({ type: fc.constant("commit" as const), txn: txnId, anchor, commitTs: uint }),
  fc.record({ type: fc.constant("abort" as const), txn: txnId, anchor, ifStagedAt: fc.option(uint) }),
  fc.record({ type: fc.constant("push" as const), txn: txnId, anchor, minCommitTs: uint }),
  fc.record({
    type: fc.constant("queryIntent" as const),
    txn: txnId,
    writes: fc.array(fc.record({ key: text, seq: uint }), { maxLength: 2 }),
    ts: uint,
    prevent: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("resolve" as const),
    txn: txnId,
    commitTs: fc.option(uint),
    rolledBack: fc.array(seqSpan, { maxLength: 2 }),
    keys: fc.array(text, { maxLength: 2 }),
    spans: fc.array(keySpan, { maxLength: 2 }),
  }),
  fc.record({ type: fc.constant("queryWait" as const), txn: txnId, ticket: uint }),
  fc.record({ type: fc.constant("cancelWait" as const), txn: txnId }),
  fc.record({ type: fc.constant("protect" as const), id: uint, ts: uint }),
  fc.record({ type: fc.constant("queryOutcome" as const), key: text, token, prevent: fc.boolean() }),
)

const txnAnswer: fc.Arbitrary<TxnAnswer> = fc.oneof(
  fc.record({ type: fc.constantFrom("refreshed" as const, "done" as const) }),
  fc.record({ type: fc.constant("changed" as const), key: text, at: uint, by: fc.option(txnId) }),
  fc.record({
    type: fc.constant("state" as const),
    state: fc.record({
      status: fc.constantFrom<TxnStatus>("pending", "staging", "committed", "aborted"),
      ts: uint,
      promised: fc.array(promised, { maxLength: 2 }),
      rolledBack: fc.array(seqSpan, { maxLength: 2 }),
      isAbandoned: fc.boolean(),
    }),
  }),
  fc.record({ type: fc.constant("intent" as const), isThere: fc.boolean() }),
  fc.record({ type: fc.constant("waits" as const), for: fc.array(txnId, { maxLength: 2 }) }),
  fc.record({
    type: fc.constant("outcome" as const),
    status: fc.constantFrom("none", "committed", "prevented", "expired"),
    commitTs: uint,
    results: fc.option(fc.array(result, { maxLength: 2 })),
  }),
)

export const request: fc.Arbitrary<KvRequest> = fc.record({
  id: uint,
  tenant: uint,
  rangeId: uint,
  generation: uint,
  token: fc.option(token),
  deadlineUs: uint,
  read: fc.constantFrom("strong", "timeline", "eventual"),
  readTs: uint,
  txn: fc.option(txnMeta),
  command: fc.option(txnCommand),
  principal: text,
  configEpoch: uint,
  bundleHash: text,
  trace: text,
  ops: fc.array(op, { maxLength: 4 }),
})

const error: fc.Arbitrary<KernelError> = fc.oneof(
  fc.record({ code: fc.constant("notLeader" as const), hint: fc.option(uint), term: uint }),
  fc.record({ code: fc.constant("staleGeneration" as const), descriptor }),
  fc.record({
    code: fc.constantFrom("keyOutOfRange" as const, "notAnInteger" as const),
    key: text,
  }),
  fc.record({ code: fc.constant("tooManyTransactions" as const), limit: uint }),
  fc.record({ code: fc.constant("lockNotAvailable" as const), key: text, by: fc.option(txnId) }),
  fc.record({ code: fc.constant("txnRestart" as const), reason, key: text, at: uint, by: fc.option(txnId) }),
  fc.record({ code: fc.constant("tooLarge" as const), limit: uint, actual: uint }),
  fc.record({ code: fc.constant("badRequest" as const), reason: text }),
  fc.record({
    code: fc.constantFrom(
      "deadlineExceeded" as const,
      "overloaded" as const,
      "tokenExpired" as const,
      "outcomeUnknown" as const,
      "recovering" as const,
      "corruptSingleReplica" as const,
      "replicasDiverged" as const,
      "membershipBusy" as const,
      "diskFull" as const,
      "clockOutOfBound" as const,
      "txnAborted" as const,
      "deadlock" as const,
      "snapshotTooOld" as const,
      "cancelled" as const,
      "noTransaction" as const,
      "readOnlyTransaction" as const,
    ),
  }),
)

export const reply: fc.Arbitrary<KvReply> = fc.oneof(
  fc.record({
    type: fc.constant("ok" as const),
    id: uint,
    commitTs: uint,
    results: fc.array(result, { maxLength: 4 }),
    answer: fc.option(txnAnswer),
  }),
  fc.record({ type: fc.constant("error" as const), id: uint, error }),
)

const wait: fc.Arbitrary<Wait> = fc.record({ txn: txnId, tenant: uint, rangeId: uint, ticket: uint })

const gatewayMessage: fc.Arbitrary<GatewayMessage> = fc.oneof(
  fc.record({ type: fc.constant("ask" as const), request }),
  fc.record({ type: fc.constant("answer" as const), nonce: uint, reply }),
  fc.record({ type: fc.constant("waits" as const), wait, for: fc.array(txnId, { maxLength: 2 }) }),
  fc.record({ type: fc.constant("probe" as const), path: fc.array(wait, { maxLength: 3 }), to: txnId }),
)

const level = fc.constantFrom<Isolation>("readCommitted", "snapshot", "serializable")
const control = fc.constantFrom<Control>("locking", "optimistic")
const ops = fc.array(op, { maxLength: 3 })
const waitPolicy = fc.constantFrom<WaitPolicy>("wait", "noWait", "skipLocked")
const lock = fc.constantFrom<LockStrength | null>("shared", "exclusive", null)

const txnAction: fc.Arbitrary<TxnAction> = fc.oneof(
  fc.record({
    type: fc.constant("begin" as const),
    level,
    control,
    readOnly: fc.boolean(),
    readTs: uint,
    token: fc.option(token),
  }),
  fc.record({ type: fc.constant("execute" as const), ops, wait: waitPolicy, lock, commit: fc.boolean() }),
  fc.record({
    type: fc.constantFrom("savepoint" as const, "release" as const, "rollbackTo" as const),
    name: text,
  }),
  fc.record({
    type: fc.constantFrom("commit" as const, "rollback" as const, "cancel" as const, "leave" as const),
  }),
  fc.record({
    type: fc.constant("run" as const),
    level,
    control,
    ops,
    wait: waitPolicy,
    lock,
    token: fc.option(token),
  }),
  fc.record({ type: fc.constant("outcome" as const), token, key: text }),
)

export const txnRequest: fc.Arbitrary<TxnRequest> = fc.record({
  id: uint,
  tenant: uint,
  txn: uint,
  deadlineUs: uint,
  action: txnAction,
})

export const txnReply: fc.Arbitrary<TxnReply> = fc.oneof(
  fc.record({
    type: fc.constant("ok" as const),
    id: uint,
    readTs: uint,
    commitTs: uint,
    results: fc.array(result, { maxLength: 3 }),
  }),
  fc.record({
    type: fc.constant("outcome" as const),
    id: uint,
    status: fc.constantFrom("committed" as const, "prevented" as const, "expired" as const),
    commitTs: uint,
    results: fc.option(fc.array(result, { maxLength: 3 })),
  }),
  fc.record({ type: fc.constant("error" as const), id: uint, error, isOpen: fc.boolean() }),
)

export const message: fc.Arbitrary<PeerMessage> = fc.oneof(
  gatewayMessage,
  storeHeartbeat,
  fc
    .record({
      type: fc.constant("appendEntries" as const),
      ...envelope,
      prevIndex: uint,
      prevTerm: uint,
      leaderCommit: uint,
      entries: fc.array(entry, { maxLength: 3 }),
      descriptor: fc.option(descriptor),
      incarnation: uint,
    })
    // Only a description says in which life it is true.
    .map((append) => (append.descriptor === null ? { ...append, incarnation: 0 } : append)),
  fc.record({
    type: fc.constant("appendReply" as const),
    ...envelope,
    success: fc.boolean(),
    matchIndex: uint,
    rejectedIndex: uint,
    hintIndex: uint,
    hintTerm: uint,
    wantsSnapshot: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("heartbeat" as const),
    ...envelope,
    leaderCommit: uint,
    round: uint,
    sentMono: uint,
    statedWall: uint,
    statedCommit: uint,
    life: uint,
    rests: fc.boolean(),
  }),
  fc.record({
    type: fc.constant("heartbeatReply" as const),
    ...envelope,
    round: uint,
    sentMono: uint,
    lastIndex: uint,
    commitIndex: uint,
    home: uint,
    boot: uint,
    epoch: uint,
  }),
  fc.record({
    type: fc.constant("voteRequest" as const),
    ...envelope,
    preVote: fc.boolean(),
    transfer: fc.boolean(),
    lastIndex: uint,
    lastTerm: uint,
  }),
  fc.record({
    type: fc.constant("voteReply" as const),
    ...envelope,
    preVote: fc.boolean(),
    granted: fc.boolean(),
  }),
  fc.record({ type: fc.constant("timeoutNow" as const), ...envelope, highWater: uint, memory: text }),
  fc.record({ type: fc.constant("removed" as const), ...envelope }),
  fc.record({ type: fc.constant("absent" as const), ...envelope, sentMono: uint }),
  fc.record({ type: fc.constant("deFortify" as const), ...envelope }),
  fc.record({
    type: fc.constant("stored" as const),
    ...envelope,
    matchIndex: uint,
    lastIndex: uint,
    sentMono: uint,
  }),
  fc.record({ type: fc.constant("outdated" as const), incarnation: uint, boot: uint, nonce: uint }),
  fc.record({ type: fc.constant("repairAsk" as const), ...envelope, nonce: uint }),
  fc.record({ type: fc.constant("repairAnswer" as const), ...envelope, nonce: uint, index: uint }),
  fc.record({ type: fc.constant("snapshotOffer" as const), ...envelope, head: snapshotHead }),
  fc.record({
    type: fc.constant("snapshotChunk" as const),
    ...envelope,
    id: snapshotId,
    chunk: fc.record({
      number: uint,
      last: fc.boolean(),
      checksum: u32,
      data: fc.uint8Array({ maxLength: 12 }),
    }),
  }),
  fc.record({
    type: fc.constant("snapshotAnswer" as const),
    ...envelope,
    id: snapshotId,
    verdict: fc.constantFrom("declined", "position", "taken", "gap", "installing"),
    nextChunk: uint,
    retryAfterUs: uint,
  }),
  fc.record({
    type: fc.constant("snapshotReply" as const),
    ...envelope,
    lastIndex: uint,
    success: fc.boolean(),
  }),
  fc.record({
    type: fc.constantFrom("scrubState" as const, "scrubReply" as const),
    ...envelope,
    index: uint,
    high: fc.nat(),
    low: fc.nat(),
  }),
  fc.record({
    type: fc.constant("scrubVerdict" as const),
    ...envelope,
    index: uint,
    high: fc.nat(),
    low: fc.nat(),
    verdict: fc.constantFrom("agree" as const, "wrong" as const, "diverged" as const),
  }),
)

export const frame: fc.Arbitrary<Frame> = fc.record({
  header: fc.record({
    version: fc.constant(2),
    cluster: text,
    fromStore: uint,
    toStore: uint,
    fromIncarnation: uint,
    fromBoot: uint,
    fromNonce: uint,
    volumes: fc.array(fc.record({ volume: uint, incarnation: uint }), { maxLength: 2 }),
    configEpoch: uint,
    wall: uint,
  }),
  messages: fc.array(message, { maxLength: 4 }),
})
