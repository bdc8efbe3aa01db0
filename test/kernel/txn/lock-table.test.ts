import fc from "fast-check"
import { assert, describe, test } from "vitest"
import { ByteReader, ByteWriter } from "#kernel/lib/bytes.ts"
import { LockTable, pointLock, type Lock, type Met } from "#kernel/txn/lock-table.ts"
import type { TxnId } from "#kernel/txn/protocol.ts"
import { makeTxnId } from "#kernel/txn/txn-id.ts"

const KEYS = ["a", "b", "c", "d"]
const ANCHOR = { tenant: 0, rangeId: 1, key: "a" }
const txns: readonly TxnId[] = [1, 2, 3, 4].map((begin) => makeTxnId(begin, 1, 0))

type Claim = {
  readonly ticket: number
  readonly txn: TxnId | null
  readonly wanted: readonly Lock[]
  readonly writes: boolean
  /** Keys whose intents it has to know more of; it wants no lock. */
  readonly reads: readonly string[]
}

function meet(a: Lock, b: Lock): boolean {
  const overlap = (a.end === "" || b.start < a.end) && (b.end === "" || a.start < b.end)
  return overlap && (a.strength === "exclusive" || b.strength === "exclusive")
}

/** Says everything of lists, from scratch, each time it is asked; drives the table as a range's leader does. */
class Model {
  table = new LockTable()
  readonly held: { readonly txn: TxnId; readonly lock: Lock }[] = []
  readonly intents = new Map<string, TxnId>()
  claims: Claim[] = []
  /** Granted, in order. */
  readonly granted: number[] = []

  intentsIn({ txn, wanted, reads }: Pick<Claim, "txn" | "wanted" | "reads">): readonly Met[] {
    return KEYS.flatMap((key) => {
      const owner = this.intents.get(key)
      const isMet = owner !== undefined && owner !== txn
      const isWanted = wanted.some((want) => meet(want, pointLock(key, "exclusive")))
      if (!isMet || (!isWanted && !reads.includes(key))) return []
      return [{ key, txn: owner, anchor: ANCHOR, pushTs: isWanted ? null : 1 }]
    })
  }

  /** Whether this one waits for something of `txn`: then it does not stand before it. */
  waitsFor(claim: Claim, txn: TxnId): boolean {
    return (
      this.held.some((each) => each.txn === txn && claim.wanted.some((want) => meet(want, each.lock))) ||
      [...this.intents].some(
        ([key, owner]) =>
          owner === txn && claim.wanted.some((want) => meet(want, pointLock(key, "exclusive"))),
      )
    )
  }

  /** A request without a transaction is itself. */
  blockers(claim: Claim): ReadonlySet<TxnId | Claim> {
    const found = new Set<TxnId | Claim>()
    for (const { txn, lock } of this.held)
      if (txn !== claim.txn && claim.wanted.some((want) => meet(want, lock))) found.add(txn)
    for (const { txn } of this.intentsIn(claim)) found.add(txn)
    for (const other of this.claims) {
      if (other.ticket >= claim.ticket || (claim.txn !== null && other.txn === claim.txn)) continue
      if (claim.txn !== null && this.waitsFor(other, claim.txn)) continue
      if (other.wanted.some((theirs) => claim.wanted.some((want) => meet(theirs, want))))
        found.add(other.txn ?? other)
    }
    return found
  }

  /** For each transaction that waits, for whom it does, through others that wait as well. */
  reach(
    blockersOf: (claim: Claim) => Iterable<TxnId | Claim>,
  ): readonly (readonly [TxnId, readonly TxnId[]])[] {
    return txns.map((from) => {
      const found = new Set<TxnId>()
      const waiting = this.claims.filter(({ reads }) => reads.length === 0)
      const claims = new Set(waiting.filter((claim) => claim.txn === from))
      for (const claim of claims) {
        for (const blocker of blockersOf(claim)) {
          if (typeof blocker !== "string") claims.add(blocker)
          else {
            if (blocker !== from) found.add(blocker)
            for (const other of waiting) if (other.txn === blocker) claims.add(other)
          }
        }
      }
      return [from, [...found].sort()] as const
    })
  }

  own(txn: TxnId | null): ReadonlySet<string> {
    return new Set([...this.intents].flatMap(([key, owner]) => (owner === txn ? [key] : [])))
  }

  ask(txn: TxnId | null, wanted: readonly Lock[], writes: boolean, reads: readonly string[] = []): void {
    const claim = { ticket: this.table.ticket(), txn, wanted, writes, reads }
    const met = this.intentsIn(claim)
    const isFree = this.table.conflicts(txn, wanted, claim.ticket, false).length === 0 && met.length === 0
    assert.equal(isFree, this.blockers(claim).size === 0, "free is what has no blocker")
    if (isFree) this.grant(claim)
    else {
      this.claims.push(claim)
      this.table.wait(claim.ticket, txn, wanted, met, 0)
    }
    this.settle()
  }

  grant({ ticket, txn, wanted, writes }: Claim): void {
    this.granted.push(ticket)
    if (txn === null) return
    if (writes) {
      const keys = wanted.map(({ start }) => start)
      for (const key of keys) this.intents.set(key, txn)
      this.table.wrote(txn, ANCHOR, keys)
    } else {
      this.table.hold(txn, ANCHOR, wanted)
      for (const lock of wanted) this.held.push({ txn, lock })
    }
  }

  settle(): void {
    for (let ready = this.table.takeReady(); ready.length > 0; ready = this.table.takeReady()) {
      for (const ticket of ready) {
        const claim = this.claims.find((each) => each.ticket === ticket)
        if (claim === undefined) continue
        const met = this.intentsIn(claim)
        const inWay = this.table.conflicts(claim.txn, claim.wanted, ticket, false)
        assert.equal(met.length + inWay.length === 0, this.blockers(claim).size === 0)
        if (met.length + inWay.length > 0) this.table.waitAgain(ticket, claim.wanted, met)
        else {
          this.claims = this.claims.filter((each) => each !== claim)
          this.grant(claim)
          this.table.leave(ticket)
        }
      }
    }
    for (const claim of this.claims) {
      const blockers = this.blockers(claim)
      assert.isAbove(blockers.size, 0, "nobody waits for nobody")
    }
    // Whom somebody waits for through others who wait is not said again.
    assert.deepEqual(
      this.reach((claim) => this.blockers(claim)),
      this.reach(({ txn, ticket }) => (txn === null ? [] : this.table.blockers(txn, ticket))),
    )
    for (const { txn, lock } of this.held)
      for (const other of this.held) assert.isTrue(txn === other.txn || !meet(lock, other.lock))
  }

  finish(txn: TxnId): void {
    for (const claim of this.claims.filter((each) => each.txn === txn)) this.cancel(claim)
    this.held.splice(0, this.held.length, ...this.held.filter((each) => each.txn !== txn))
    const gone = [...this.own(txn)]
    for (const key of gone) this.intents.delete(key)
    this.table.release(txn, null)
    for (const key of gone) this.table.intentGone(key)
    this.settle()
  }

  /** What was learnt was not enough: whoever asked asks again. */
  learn(txn: TxnId): void {
    this.table.learned(txn)
    this.settle()
  }

  cancel(claim: Claim): void {
    this.claims = this.claims.filter((each) => each !== claim)
    this.table.leave(claim.ticket)
    this.settle()
  }

  reload(): void {
    const writer = new ByteWriter()
    this.table.save(writer)
    const bytes = writer.finish()
    const reader = new ByteReader(bytes)
    this.table = LockTable.load(reader)
    const again = new ByteWriter()
    this.table.save(again)
    assert.deepEqual([again.finish(), reader.failed, reader.remaining], [bytes, false, 0])
  }
}

const strength = fc.constantFrom("shared" as const, "exclusive" as const)
const point = fc.tuple(fc.constantFrom(...KEYS), strength).map(([key, how]) => pointLock(key, how))
const span = fc
  .tuple(fc.constantFrom("", "a", "b"), fc.constantFrom("", "c", "d"), strength)
  .map(([start, end, how]): Lock => ({ start, end, strength: how }))
const txn = fc.constantFrom(...txns)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant("lock" as const),
      txn,
      wanted: fc.array(fc.oneof(point, span), { minLength: 1, maxLength: 2 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant("write" as const),
      txn: fc.option(txn),
      wanted: fc.uniqueArray(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 2 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant("read" as const),
      txn: fc.option(txn),
      reads: fc.uniqueArray(fc.constantFrom(...KEYS), { minLength: 1, maxLength: 2 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("learn" as const), txn }) },
  { weight: 3, arbitrary: fc.record({ type: fc.constant("finish" as const), txn }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("cancel" as const), which: fc.nat(5) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant("reload" as const) }) },
)

test("the table grants, makes wait and wakes as the lists of a naive one say, and nobody is forgotten", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const model = new Model()
      for (const each of steps) {
        if (each.type === "read") model.ask(each.txn, [], false, each.reads)
        else if (each.type === "learn") model.learn(each.txn)
        else if (each.type === "lock") model.ask(each.txn, each.wanted, false)
        else if (each.type === "write") {
          const wanted = each.wanted.map((key) => pointLock(key, "exclusive"))
          model.ask(each.txn, wanted, true)
        } else if (each.type === "finish") model.finish(each.txn)
        else if (each.type === "reload") model.reload()
        else {
          const claim = model.claims[each.which]
          if (claim !== undefined) model.cancel(claim)
        }
      }
      for (const each of txns) model.finish(each)
      // Whoever got something as others ended may hold it still.
      for (const each of txns) model.finish(each)
      assert.deepEqual([model.claims, model.table.isEmpty], [[], true])
    }),
    { numRuns: 3000 },
  )
})

describe("one key", () => {
  test("is given to those who wait in the order in which they came", () => {
    const model = new Model()
    const lock = [pointLock("a", "exclusive")]
    model.ask(txns[0]!, lock, false)
    for (const each of [txns[3]!, txns[1]!, txns[2]!]) model.ask(each, lock, false)
    for (const each of [txns[0]!, txns[3]!, txns[1]!, txns[2]!]) model.finish(each)
    assert.deepEqual(model.granted, [1, 2, 3, 4])
  })

  test("shared locks are held together, and one who wants it alone is not overtaken by more of them", () => {
    const model = new Model()
    const shared = [pointLock("a", "shared")]
    model.ask(txns[0]!, shared, false)
    model.ask(txns[1]!, shared, false)
    model.ask(txns[2]!, [pointLock("a", "exclusive")], false)
    model.ask(txns[3]!, shared, false)
    assert.deepEqual(model.granted, [1, 2])
    model.finish(txns[0]!)
    model.finish(txns[1]!)
    assert.deepEqual(model.granted, [1, 2, 3])
    model.finish(txns[2]!)
    assert.deepEqual(model.granted, [1, 2, 3, 4])
  })

  test("an upgrade goes before all that wait, once the others have given it up", () => {
    const model = new Model()
    model.ask(txns[0]!, [pointLock("a", "shared")], false)
    model.ask(txns[1]!, [pointLock("a", "shared")], false)
    model.ask(txns[2]!, [pointLock("a", "exclusive")], false)
    model.ask(txns[0]!, [pointLock("a", "exclusive")], true)
    assert.deepEqual(model.table.blockers(txns[0]!, 4), [txns[1]!])
    model.finish(txns[1]!)
    assert.deepEqual(model.granted, [1, 2, 4])
  })

  test("for whom a transaction waits is said once, and again when it is another", () => {
    const model = new Model()
    const lock = [pointLock("a", "exclusive")]
    for (const each of txns.slice(0, 3)) model.ask(each, lock, false)
    assert.deepEqual(model.table.takeWaits(-1), [])
    assert.deepEqual(model.table.takeWaits(0), [
      { txn: txns[1]!, for: [txns[0]!], ticket: 2 },
      { txn: txns[2]!, for: [txns[0]!, txns[1]!], ticket: 3 },
    ])
    assert.deepEqual(model.table.takeWaits(0), [])
    model.finish(txns[0]!)
    assert.deepEqual(model.table.takeWaits(0), [{ txn: txns[2]!, for: [txns[1]!], ticket: 3 }])
  })

  test("what is handed over is held there as it was here", () => {
    const model = new Model()
    model.ask(txns[0]!, [pointLock("a", "shared"), { start: "b", end: "", strength: "exclusive" }], false)
    model.ask(txns[1]!, [pointLock("a", "shared")], false)
    model.ask(txns[2]!, [pointLock("a", "exclusive")], false)
    const writer = new ByteWriter()
    model.table.saveHeld(writer)
    const heir = new LockTable()
    heir.loadHeld(new ByteReader(writer.finish()))
    assert.deepEqual([heir.held, heir.waiting], [3, 0])
    for (const each of txns) assert.deepEqual(heir.holds(each), model.table.holds(each))
  })
})
