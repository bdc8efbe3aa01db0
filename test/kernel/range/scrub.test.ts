import fc from "fast-check"
import { assert, test } from "vitest"
import { SPACE_IDEMPOTENCY, SPACE_VERSIONS, type Space, type Write } from "#kernel/engine/engine.ts"
import { MemoryBase } from "#kernel/engine/memory-base.ts"
import { OverlayEngine } from "#kernel/engine/overlay.ts"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { KV_TABLE, tableSpan } from "#kernel/mvcc/key.ts"
import { writeVersion } from "#kernel/mvcc/store.ts"
import { Comparison, type StateSum } from "#kernel/range/comparison.ts"
import { Scrub } from "#kernel/range/scrub.ts"
import { StateHash } from "#kernel/range/state-hash.ts"
import { configurationOf } from "../../support/raft-group.ts"

const SPACES: readonly Space[] = [SPACE_VERSIONS, SPACE_IDEMPOTENCY]
const SPAN = tableSpan(0, KV_TABLE, "", "")

/** An engine and the hash kept along the way, as the state machine does it. */
class Rig {
  readonly engine = new OverlayEngine(MemoryBase.empty())
  readonly kept = new StateHash()
  scrub = new Scrub()

  write(write: Write): void {
    this.kept.write(write, this.engine.get(write.space, write.key), this.scrub.partOf(write.space, write.key))
    this.engine.apply([write])
  }

  step(limit: number): string {
    return this.scrub.step(this.engine, SPACES, SPAN, limit, this.kept).outcome
  }

  /** One whole pass from where it stands. */
  pass(): string {
    for (let i = 0; i < 1_000; i++) {
      const outcome = this.step(3)
      if (outcome !== "going") return outcome
    }
    return "endless"
  }

  reload(): void {
    const writer = new ByteWriter()
    this.scrub.save(writer)
    const again = new Scrub()
    const reader = new ByteReader(writer.finish())
    again.load(reader)
    assert.isTrue(!reader.failed && reader.remaining === 0)
    this.scrub = again
  }
}

const row = fc.record({
  space: fc.constantFrom(SPACE_VERSIONS, SPACE_IDEMPOTENCY),
  type: fc.constantFrom("put" as const, "put" as const, "delete" as const),
  key: fc.nat(30).map((n) => writeVersion(0, `k${n}`, 7, null).key),
  value: fc.constantFrom("a", "b", "longer"),
})

test("a pass agrees whatever is written before and behind its cursor, and however it is saved", () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(row, fc.nat(4), fc.constant("reload" as const)), { maxLength: 80 }),
      (acts) => {
        const rig = new Rig()
        for (const act of acts) {
          if (act === "reload") rig.reload()
          else if (typeof act === "number") assert.notEqual(rig.step(act), "differs")
          else rig.write(act)
        }
        assert.equal(rig.pass(), "agrees")
        assert.equal(rig.pass(), "agrees")
        let rows = 0
        let bytes = 0
        for (const space of SPACES) {
          for (const at = rig.engine.cursor(space, "", "", false); at.valid; at.next()) {
            rows++
            bytes += at.key.length + at.value.length
          }
        }
        assert.deepEqual([rig.kept.rows, rig.kept.bytes], [rows, bytes])
      },
    ),
  )
})

test("a row that changed, came or went by itself is found by the next pass, wherever the cursor stood", () => {
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), row, fc.nat(20), (rows, wrong, before) => {
      const rig = new Rig()
      for (const each of rows) rig.write(each)
      rig.step(before)
      const was = rig.engine.get(wrong.space, wrong.key)
      const is = wrong.type === "put" ? wrong.value : null
      // Behind the back of whoever keeps the hash.
      rig.engine.apply([wrong])
      rig.pass()
      assert.equal(rig.pass(), was === is ? "agrees" : "differs")
    }),
  )
})

test("tombstones are counted apart", () => {
  const rig = new Rig()
  rig.write(writeVersion(0, "a", 5, "x"))
  rig.write(writeVersion(0, "a", 6, null))
  rig.write(writeVersion(0, "b", 6, null))
  rig.write({ ...writeVersion(0, "b", 6, null), type: "delete", value: "" })
  assert.equal(rig.pass(), "agrees")
  assert.deepEqual([rig.kept.rows, rig.kept.tombstones], [2, 1])
})

const at = (index: number, low = 1): StateSum => ({ index, high: 0, low })

test("what a majority has is right, whoever leads", () => {
  const config = configurationOf([1, 2, 3])
  const leads = new Comparison()
  leads.begin(1, at(40), true, 100)
  assert.deepEqual(leads.verdict(config), { type: "unknown", differs: false })
  assert.isFalse(leads.answer(2, at(40)))
  assert.deepEqual(leads.verdict(config), { type: "agree" })
  assert.isTrue(leads.answer(3, at(40, 2)))
  assert.deepEqual(leads.verdict(config), { type: "wrong", replicas: [3] })
  leads.answer(2, at(40, 2))
  assert.deepEqual(leads.verdict(config), { type: "wrong", replicas: [1] })
})

test("where no majority has one state nobody is right, and nobody is called wrong before all have spoken", () => {
  const config = configurationOf([1, 2, 3])
  const leads = new Comparison()
  leads.begin(1, at(40), true, 100)
  leads.answer(2, at(40, 2))
  assert.deepEqual(leads.verdict(config), { type: "unknown", differs: true })
  assert.isFalse(leads.isComplete(config))
  leads.answer(3, at(40, 3))
  assert.isTrue(leads.isComplete(config))
  assert.deepEqual(leads.verdict(config), { type: "diverged" })
})

test("an answer to another round is none, and a learner is judged but has no voice", () => {
  const leads = new Comparison()
  leads.begin(1, at(40), true, 100)
  leads.answer(2, at(39, 2))
  const voters = configurationOf([1])
  const learners = configurationOf([2]).voters
  const config = { ...voters, learners }
  assert.deepEqual(leads.verdict(config), { type: "agree" })
  leads.answer(2, at(40, 2))
  assert.deepEqual(leads.verdict(config), { type: "wrong", replicas: [2] })
})

test("a member answers at the index that was stated, when it has applied it or still knows it", () => {
  const member = new Comparison()
  for (let index = 1; index <= 100; index++) member.applied(at(index, index))
  member.stated(at(96), 1, 5)
  assert.equal(member.takeAnswer(at(100, 100))?.own.low, 96)
  assert.isTrue(member.answeredAt(96))
  member.stated(at(97), 1, 5)
  assert.isNull(member.takeAnswer(at(100, 100)))
  member.stated(at(103), 1, 5)
  assert.isNull(member.takeAnswer(at(100, 100)))
  assert.isFalse(member.applied(at(102, 102)))
  assert.isTrue(member.applied(at(103, 103)))
  assert.equal(member.takeAnswer(at(103, 103))?.own.low, 103)
})

test("a busy leader states an index that its followers still know", () => {
  const leads = new Comparison()
  for (let index = 1; index <= 100; index++) leads.applied(at(index, index))
  assert.equal(leads.begin(1, at(100, 100), false, 9).index, 96)
  assert.equal(leads.begin(1, at(100, 100), true, 9).index, 100)
})
