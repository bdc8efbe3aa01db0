import fc from "fast-check"
import { assert, test } from "vitest"
import { SPACE_IDEMPOTENCY } from "#kernel/engine/engine.ts"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { TOKEN_BODIES_DROPPED_MAX, TOKEN_BODIES_KNOWN_MAX } from "#kernel/limits.ts"
import { tableSpan } from "#kernel/mvcc/key.ts"
import type { KvResult, Token } from "#kernel/range/request.ts"
import { KeptBodies } from "#kernel/txn/kept-bodies.ts"
import { decodeOutcome, encodeOutcome, type Outcome, type OutcomeRecord } from "#kernel/txn/outcome.ts"
import { dropWrites, expireWrites, lookup, recordKey, recordWrite } from "#kernel/txn/tokens.ts"

const TENANT = 1
const bytes = fc.uint8Array({ maxLength: 12 }).map((codes) => String.fromCharCode(...codes))
const result: fc.Arbitrary<KvResult> = fc.oneof(
  fc.constant<KvResult>({ type: "done" }),
  fc.record({ type: fc.constant("value" as const), value: fc.option(bytes) }),
  fc.record({ type: fc.constant("swapped" as const), swapped: fc.boolean() }),
  fc.record({
    type: fc.constant("count" as const),
    value: fc.maxSafeInteger().map((n) => (n === 0 ? 0 : n)),
  }),
  fc.record({
    type: fc.constant("rows" as const),
    rows: fc.array(fc.tuple(bytes, bytes)),
    more: fc.boolean(),
  }),
)
const record: fc.Arbitrary<OutcomeRecord> = fc.record({
  birth: fc.maxSafeNat(),
  commitTs: fc.maxSafeNat(),
  body: fc.oneof(
    fc.constant(null),
    fc.constant({ type: "prevented" as const }),
    fc.record({ type: fc.constant("results" as const), results: fc.array(result, { maxLength: 4 }) }),
    fc.record({
      type: fc.constant("error" as const),
      error: fc.oneof(
        fc.record({ code: fc.constant("notAnInteger" as const), key: bytes }),
        fc.record({
          code: fc.constant("tooLarge" as const),
          limit: fc.maxSafeNat(),
          actual: fc.maxSafeNat(),
        }),
      ),
    }),
  ),
})

function outcomeOf(birth: number, commitTs: number): Outcome {
  return { birth, commitTs, body: { type: "results", results: [{ type: "count", value: commitTs }] } }
}

function tokenOf(seq: number, ackedSeq = 0, client = 7, birth = 100): Token {
  return { client, birth, seq, ackedSeq }
}

function emptyEngine(): OverlayEngine {
  return new OverlayEngine(MemoryBase.empty())
}

test("an outcome has these bytes", () => {
  const hex = Buffer.from(encodeOutcome(outcomeOf(300, 5)), "latin1").toString("hex")
  assert.equal(hex.slice(8), "01" + "ac02" + "05" + "01" + "01" + "030005")
})

test("what was encoded comes back", () => {
  fc.assert(fc.property(record, (record) => assert.deepEqual(decodeOutcome(encodeOutcome(record)), record)))
})

test("a changed byte, a missing tail and random bytes are damage and never throw", () => {
  fc.assert(
    fc.property(record, fc.nat(), fc.integer({ min: 1, max: 255 }), bytes, (record, at, flip, noise) => {
      const value = encodeOutcome(record)
      const where = at % value.length
      const changed =
        value.slice(0, where) + String.fromCharCode(value.charCodeAt(where) ^ flip) + value.slice(where + 1)
      assert.equal(decodeOutcome(changed), "damaged")
      assert.equal(decodeOutcome(value.slice(0, where)), "damaged")
      assert.equal(decodeOutcome(noise), "damaged")
    }),
    { numRuns: 500 },
  )
})

test("an outcome is found by its token and anchor and by no other, inside the span of its range", () => {
  const engine = emptyEngine()
  const token = tokenOf(3)
  engine.apply([recordWrite(TENANT, "k\0ey", token, outcomeOf(100, 200))])
  assert.deepEqual(lookup(engine, TENANT, "k\0ey", token), { type: "outcome", outcome: outcomeOf(100, 200) })
  assert.equal(lookup(engine, TENANT, "k\0ey", tokenOf(2)).type, "none")
  assert.equal(lookup(engine, TENANT, "k\0ey", tokenOf(3, 0, 8)).type, "none")
  assert.equal(lookup(engine, TENANT, "k", token).type, "none")
  assert.equal(lookup(engine, TENANT + 1, "k\0ey", token).type, "none")
  const span = tableSpan(TENANT, 0, "k\0ey", "k\0ez")
  assert.isTrue(engine.cursor(SPACE_IDEMPOTENCY, span.start, span.end, false).valid)
  assert.isFalse(engine.cursor(SPACE_IDEMPOTENCY, span.end, "", false).valid)
})

test("a body that is dropped leaves its record, and costs one write; what is gone or damaged costs none", () => {
  const engine = emptyEngine()
  const write = (token: Token): void =>
    engine.apply([recordWrite(TENANT, "a", token, outcomeOf(token.birth, token.seq))])
  for (const seq of [1, 2, 3]) write(tokenOf(seq))
  write(tokenOf(2, 0, 8))
  const [first, second] = [1, 2].map((seq) => ({ anchor: "a", client: 7, seq }))
  engine.apply(dropWrites(engine, TENANT, [first!, second!]))
  assert.deepEqual(
    [1, 2, 3, 4].map((seq) => lookup(engine, TENANT, "a", tokenOf(seq)).type),
    ["bodyDropped", "bodyDropped", "outcome", "none"],
  )
  assert.equal(lookup(engine, TENANT, "a", tokenOf(2, 0, 8)).type, "outcome")
  assert.deepEqual(dropWrites(engine, TENANT, [first!, { anchor: "b", client: 7, seq: 1 }]), [])
})

test("of the bodies of a client those it has acknowledged are taken, the oldest first, a bounded number at once", () => {
  const kept = new KeptBodies()
  for (let seq = 1; seq <= 50; seq++) kept.note({ anchor: "a", client: 1 + (seq % 2), seq })
  const seqs = (client: number, acked: number): readonly number[] =>
    kept.takeAcknowledged(client, acked).map(({ seq }) => seq)
  assert.deepEqual(seqs(1, 5), [2, 4])
  assert.deepEqual(seqs(1, 5), [])
  assert.deepEqual(seqs(2, 3), [1, 3])
  const writer = new ByteWriter(64)
  kept.save(writer)
  const again = KeptBodies.load(new ByteReader(writer.finish()))
  assert.equal(again.takeAcknowledged(1, 50).length, TOKEN_BODIES_DROPPED_MAX)
  assert.equal(seqs(1, 50).length, TOKEN_BODIES_DROPPED_MAX)
  assert.deepEqual(seqs(1, 50), [38, 40, 42, 44, 46, 48, 50])
})

test("of too many bodies the oldest are forgotten", () => {
  const kept = new KeptBodies()
  for (let seq = 1; seq <= TOKEN_BODIES_KNOWN_MAX + 3; seq++) kept.note({ anchor: "a", client: 1, seq })
  assert.equal(kept.takeAcknowledged(1, 10)[0]?.seq, 4)
})

test("records born before the horizon go, in calls of any size, and no other record does", () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ anchor: fc.constantFrom("a", "b", "c"), seq: fc.nat(9), birth: fc.nat(20) })),
      fc.nat(20),
      fc.integer({ min: 1, max: 5 }),
      (tokens, horizon, limit) => {
        const engine = emptyEngine()
        const births = new Map<string, number>()
        for (const { anchor, seq, birth } of tokens) {
          engine.apply([recordWrite(TENANT, anchor, tokenOf(seq, 0, 7, birth), outcomeOf(birth, 1))])
          births.set(recordKey(TENANT, anchor, 7, seq), birth)
        }
        let resume = ""
        do {
          const expired = expireWrites(engine, TENANT, horizon, limit, "", "c", resume)
          assert.isAtMost(expired.writes.length, limit)
          engine.apply(expired.writes)
          resume = expired.resume
        } while (resume !== "")
        const outside = recordKey(TENANT, "c", 0, 0)
        for (const [key, birth] of births) {
          assert.equal(engine.get(SPACE_IDEMPOTENCY, key) !== null, birth >= horizon || key >= outside)
        }
      },
    ),
  )
})

test("a damaged record is neither absent nor an answer", () => {
  const engine = emptyEngine()
  engine.apply([{ space: SPACE_IDEMPOTENCY, type: "put", key: recordKey(TENANT, "a", 7, 1), value: "?" }])
  assert.equal(lookup(engine, TENANT, "a", tokenOf(1)).type, "damaged")
  assert.equal(dropWrites(engine, TENANT, [{ anchor: "a", client: 7, seq: 1 }]).length, 0)
  assert.equal(expireWrites(engine, TENANT, 1000, 10).writes.length, 0)
})
