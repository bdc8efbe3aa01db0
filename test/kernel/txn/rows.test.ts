import fc from "fast-check"
import { assert, test } from "vitest"
import { decodeIntent, encodeIntent, visibleWrite, withWrites, type Intent } from "#kernel/txn/intent.ts"
import { decodeTxnRecord, encodeTxnRecord, type TxnRecord } from "#kernel/txn/record.ts"
import { beginOf, makeTxnId } from "#kernel/txn/txn-id.ts"

const bytes = fc.uint8Array({ maxLength: 12 }).map((codes) => String.fromCharCode(...codes))
const uint = fc.oneof(fc.nat(300), fc.maxSafeNat())
const id = fc.tuple(uint, fc.nat(9), fc.nat(0xffff_ffff)).map((parts) => makeTxnId(...parts))
const history = fc
  .uniqueArray(fc.record({ seq: uint, value: fc.option(bytes) }), {
    minLength: 1,
    maxLength: 5,
    selector: ({ seq }) => seq,
  })
  .map((writes) => writes.sort((a, b) => a.seq - b.seq))
const intent: fc.Arbitrary<Intent> = fc.record({
  txn: id,
  anchor: fc.record({ tenant: uint, rangeId: uint, key: bytes }),
  writeTs: uint,
  history,
})
const spans = fc.array(fc.record({ from: uint, to: uint }), { maxLength: 3 })
const record: fc.Arbitrary<TxnRecord> = fc.record({
  status: fc.constantFrom("pending", "staging", "committed", "aborted"),
  ts: uint,
  heartbeat: uint,
  promised: fc.array(fc.record({ rangeId: uint, key: bytes, seq: uint }), { maxLength: 3 }),
  rolledBack: spans,
  isForgotten: fc.boolean(),
})

/** Every way of damage to what `encode` made is found, and what is not damaged has one spelling. */
function holds<Row>(
  row: fc.Arbitrary<Row>,
  encode: (row: Row) => string,
  decode: (value: string) => Row | "damaged",
): void {
  fc.assert(
    fc.property(row, fc.nat(400), fc.integer({ min: 1, max: 255 }), bytes, (original, at, flip, noise) => {
      const value = encode(original)
      assert.deepEqual(decode(value), original)
      const where = at % value.length
      const flipped = String.fromCharCode(value.charCodeAt(where) ^ flip)
      assert.equal(decode(value.slice(0, where) + flipped + value.slice(where + 1)), "damaged")
      assert.equal(decode(value.slice(0, where)), "damaged")
      assert.equal(decode(value + "\0"), "damaged")
      assert.equal(decode(noise), "damaged")
    }),
    { numRuns: 400 },
  )
}

test("an intent is read back as it was written, and damage to it is found", () => {
  holds(intent, encodeIntent, decodeIntent)
})

test("a record is read back as it was written, and damage to it is found", () => {
  holds(record, encodeTxnRecord, decodeTxnRecord)
})

test("an intent and a record have these bytes", () => {
  const txn = makeTxnId(0x1122334455, 7, 0x99aabbcc)
  assert.equal(Buffer.from(txn, "latin1").toString("hex"), "00000011223344550000000799aabbcc")
  const anchor = { tenant: 1, rangeId: 2, key: "k" }
  const stored = encodeIntent({
    txn,
    anchor,
    writeTs: 300,
    history: [
      { seq: 1, value: null },
      { seq: 4, value: "v" },
    ],
  })
  const hex = Buffer.from(stored, "latin1").toString("hex")
  assert.equal(hex.slice(8), `0110${Buffer.from(txn, "latin1").toString("hex")}0102016bac020201000004010176`)
  const row = encodeTxnRecord({
    status: "staging",
    ts: 9,
    heartbeat: 300,
    promised: [{ rangeId: 2, key: "k", seq: 4 }],
    rolledBack: [{ from: 1, to: 2 }],
    isForgotten: false,
  })
  assert.equal(Buffer.from(row, "latin1").toString("hex").slice(8), "010109ac020102016b0401010200")
})

test("ids are ordered by age and know when they began", () => {
  fc.assert(
    fc.property(uint, uint, fc.nat(0xffff_ffff), fc.nat(0xffff_ffff), (a, b, low, other) => {
      const [first, second] = [makeTxnId(a, 1, low), makeTxnId(b, 2, other)]
      assert.equal(beginOf(first), a)
      if (a !== b) assert.equal(first < second, a < b)
    }),
  )
  assert.isNull(beginOf("short"))
})

test("of a history the newest write is seen that lies before the reader and was not rolled back", () => {
  fc.assert(
    fc.property(intent, uint, spans, (written, before, rolledBack) => {
      const seen = written.history.filter(
        ({ seq }) => seq < before && !rolledBack.some(({ from, to }) => from <= seq && seq <= to),
      )
      assert.deepEqual(visibleWrite(written, before, rolledBack), seen.at(-1))
    }),
  )
})

test("writes are added in the order of their seqs, and one that comes again changes nothing", () => {
  fc.assert(
    fc.property(history, history, (old, added) => {
      const all = withWrites(old, added)
      assert.deepEqual(
        all.map(({ seq }) => seq),
        [...new Set([...old, ...added].map(({ seq }) => seq))].sort((a, b) => a - b),
      )
      for (const write of old) assert.include(all, write)
      assert.deepEqual(withWrites(all, added), all)
    }),
  )
})
