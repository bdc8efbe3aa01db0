import fc from "fast-check"
import type { Space, Write } from "#kernel/engine/engine.ts"
import type { KernelError } from "#kernel/errors.ts"
import { ByteWriter, type Sink } from "#kernel/lib/bytes.ts"
import type { Frame } from "#kernel/node/input.ts"
import type { StoreHeartbeat } from "#kernel/liveness/message.ts"
import type { PeerMessage } from "#kernel/node/peer-message.ts"
import { makeEntry, type Batch, type Configuration, type Entry, type Payload } from "#kernel/raft/types.ts"
import type { Member, RangeDescriptor } from "#kernel/range/descriptor.ts"
import type { SnapshotHead, SnapshotId } from "#kernel/snapshot/head.ts"
import type { KvOp, KvReply, KvRequest, KvResult, Token } from "#kernel/range/request.ts"

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

export const message: fc.Arbitrary<PeerMessage> = fc.oneof(
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
  fc.record({ type: fc.constant("timeoutNow" as const), ...envelope, highWater: uint }),
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

const token: fc.Arbitrary<Token> = fc.record({ client: uint, birth: uint, seq: uint, ackedSeq: uint })

export const request: fc.Arbitrary<KvRequest> = fc.record({
  id: uint,
  tenant: uint,
  rangeId: uint,
  generation: uint,
  token: fc.option(token),
  deadlineUs: uint,
  read: fc.constantFrom("strong", "timeline", "eventual"),
  readTs: uint,
  txn: fc.constant(null),
  principal: text,
  configEpoch: uint,
  bundleHash: text,
  trace: text,
  ops: fc.array(op, { maxLength: 4 }),
})

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

const error: fc.Arbitrary<KernelError> = fc.oneof(
  fc.record({ code: fc.constant("notLeader" as const), hint: fc.option(uint), term: uint }),
  fc.record({ code: fc.constant("staleGeneration" as const), descriptor }),
  fc.record({ code: fc.constantFrom("keyOutOfRange" as const, "notAnInteger" as const), key: text }),
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
    ),
  }),
)

export const reply: fc.Arbitrary<KvReply> = fc.oneof(
  fc.record({
    type: fc.constant("ok" as const),
    id: uint,
    commitTs: uint,
    results: fc.array(result, { maxLength: 4 }),
  }),
  fc.record({ type: fc.constant("error" as const), id: uint, error }),
)
