import fc from "fast-check"
import { assert, test } from "vitest"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import type { Input } from "#kernel/node/input.ts"
import { readInput, writeInput } from "#kernel/node/record.ts"
import { TRACE_CHECKPOINT_EVENTS, TraceDigest } from "#kernel/node/trace-digest.ts"
import { frame, request, txnRequest } from "../../support/kernel-arbitraries.ts"

const uint = fc.oneof(fc.nat(300), fc.maxSafeNat())
const stamp = { mono: uint, wall: uint }

const input: fc.Arbitrary<Input> = fc.oneof(
  fc.record({ type: fc.constantFrom("wake", "drain", "turnEnded"), ...stamp }),
  fc.record({ type: fc.constant("frame" as const), ...stamp, frame }),
  fc.record({ type: fc.constant("request" as const), ...stamp, session: uint, request }),
  fc.record({ type: fc.constant("txn" as const), ...stamp, session: uint, request: txnRequest }),
  fc.record({
    type: fc.constant("admin" as const),
    ...stamp,
    session: uint,
    request: fc.record({
      id: uint,
      group: uint,
      action: fc.oneof(
        fc.record({ type: fc.constantFrom("addVoter", "addLearner"), store: uint, incarnation: uint }),
        fc.record({ type: fc.constantFrom("removeReplica", "transferLeader"), store: uint }),
      ),
    }),
  }),
  fc.record({ type: fc.constantFrom("appendSynced", "appendFailed"), ...stamp, volume: uint, lsn: uint }),
  fc.record({ type: fc.constant("segmentCreated" as const), ...stamp, volume: uint, segment: uint }),
  fc.record({
    type: fc.constant("segmentRefused" as const),
    ...stamp,
    volume: uint,
    segment: uint,
    code: fc.constant("diskFull" as const),
  }),
  fc.record({
    type: fc.constantFrom("checkpointSynced", "checkpointFailed"),
    ...stamp,
    volume: uint,
    checkpoint: uint,
  }),
  fc.record({
    type: fc.constant("checkpointRefused" as const),
    ...stamp,
    volume: uint,
    checkpoint: uint,
    code: fc.constant("diskFull" as const),
  }),
)

test("every input is read as what was written whole, and both give one hash", () => {
  fc.assert(
    fc.property(input, (original) => {
      const writer = new ByteWriter()
      writeInput(original, writer, true)
      const reader = new ByteReader(writer.finish())
      const read = readInput(reader)
      assert.deepEqual([reader.failed, reader.remaining], [false, 0])
      assert.deepEqual(read, original)
      const [a, b] = [new TraceDigest(), new TraceDigest()]
      a.stepped(1, original, [])
      b.stepped(1, read, [])
      assert.equal(a.hex(), b.hex())
    }),
    { numRuns: 500 },
  )
})

test("a trace digest that goes on from another one ends where that one does", () => {
  const inputs = fc.sample(input, { seed: 3, numRuns: 2 * TRACE_CHECKPOINT_EVENTS })
  const [whole, later] = [new TraceDigest(), new TraceDigest()]
  const kept = inputs.map((each) => whole.stepped(1, each, []))
  assert.deepEqual(
    kept.flatMap((isKept, index) => (isKept ? [index + 1] : [])),
    [TRACE_CHECKPOINT_EVENTS, 2 * TRACE_CHECKPOINT_EVENTS],
  )
  const first = new TraceDigest()
  for (const each of inputs.slice(0, 700)) first.stepped(1, each, [])
  later.resume(first.events, first.high, first.low)
  for (const each of inputs.slice(700)) later.stepped(1, each, [])
  assert.deepEqual([later.events, later.hex()], [whole.events, whole.hex()])
})
