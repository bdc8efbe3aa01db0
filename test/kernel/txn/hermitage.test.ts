import { assert, describe, test } from "vitest"
import type { Control, Isolation } from "#kernel/txn/protocol.ts"
import { TxnRig, type Txn } from "../../support/txn-rig.ts"

// The anomalies of the Hermitage list (Kleppmann, 2014), step by step as there, on one range.

type Mode = { readonly name: string; readonly level: Isolation; readonly control: Control }

const RC: Mode = { name: "READ COMMITTED", level: "readCommitted", control: "locking" }
const SNAPSHOT: Mode = { name: "SNAPSHOT", level: "snapshot", control: "locking" }
const LOCKING: Mode = { name: "SERIALIZABLE by locking", level: "serializable", control: "locking" }
const OPTIMISTIC: Mode = { name: "SERIALIZABLE by validation", level: "serializable", control: "optimistic" }
const MODES: readonly Mode[] = [RC, SNAPSHOT, LOCKING, OPTIMISTIC]

/** Keys "1" and "2" hold "10" and "20"; transactions of one mode, a millisecond between two steps. */
class Stage {
  readonly rig = new TxnRig()
  readonly #mode: Mode
  readonly #txns: Txn[] = []

  constructor(mode: Mode) {
    this.#mode = mode
    this.rig.put("1", "10")
    this.rig.put("2", "20")
    this.rig.run()
    this.rig.pass(10_000)
  }

  begin(): Txn {
    this.rig.pass(1_000)
    const txn = this.rig.begin(this.#mode.level, this.#mode.control)
    this.#txns.push(txn)
    return txn
  }

  /** Whoever waits in a circle is broken up: the youngest goes. */
  end(): readonly boolean[] {
    for (const txn of this.#txns) if (!txn.isWaiting) this.commit(txn)
    for (let i = 0; i < 10 && this.#txns.some((txn) => txn.isWaiting); i++) {
      this.rig.pass(100_000)
      this.rig.run()
      const waiting = this.#txns.filter((txn) => txn.isWaiting)
      const holders = this.#txns.filter((txn) => !txn.isWaiting && txn.status === "open")
      if (waiting.length > 0 && holders.length === 0)
        this.rig.command({ type: "cancelWait", txn: waiting.at(-1)!.id })
      this.rig.run()
      for (const txn of this.#txns) if (!txn.isWaiting) this.commit(txn)
    }
    for (const txn of this.#txns) assert.notEqual(txn.status, "open")
    return this.#txns.map((txn) => txn.status === "committed")
  }

  commit(txn: Txn): Txn {
    this.rig.pass(1_000)
    return txn.commit()
  }

  rows(): string {
    this.rig.pass(10_000)
    return [...this.rig.rows()].map(([key, value]) => `${key}=${value}`).join(" ")
  }
}

function forEach(run: (mode: Mode) => void): void {
  for (const mode of MODES) test(mode.name, () => run(mode))
}

const sees = (txn: Txn): readonly string[] =>
  (txn.value as readonly (readonly [string, string])[]).map((row) => row.join("="))

describe("G0: two writers do not mix", () => {
  forEach((mode) => {
    const stage = new Stage(mode)
    const [a, b] = [stage.begin(), stage.begin()]
    a.put("1", "11")
    b.put("1", "12")
    a.put("2", "21")
    stage.commit(a)
    if (!b.isWaiting) b.put("2", "22")
    const [, second] = stage.end()
    assert.include(second ? ["1=12 2=22"] : ["1=11 2=21"], stage.rows())
    // Who has read nothing yet has no snapshot that what it waited for could be newer than.
    if (mode !== OPTIMISTIC) assert.isTrue(second)
  })
})

describe("G1a: what is rolled back is read by nobody", () => {
  forEach((mode) => {
    const stage = new Stage(mode)
    const [a, b] = [stage.begin(), stage.begin()]
    a.put("1", "101")
    b.scan("", "")
    a.abort()
    if (!b.isWaiting) b.scan("", "")
    assert.deepEqual(sees(b), ["1=10", "2=20"])
    assert.isTrue(stage.end()[1])
    assert.equal(stage.rows(), "1=10 2=20")
  })
})

describe("G1b: what is written over before it is committed is read by nobody", () => {
  forEach((mode) => {
    const stage = new Stage(mode)
    const [a, b] = [stage.begin(), stage.begin()]
    a.put("1", "101")
    b.scan("", "")
    if (!b.isWaiting) assert.deepEqual(sees(b), ["1=10", "2=20"])
    a.put("1", "11")
    stage.commit(a)
    assert.equal(a.status, "committed")
    if (mode === LOCKING) assert.deepEqual(sees(b), ["1=11", "2=20"])
    if (b.status === "open" && !b.isWaiting) b.scan("", "")
    if (mode === RC) assert.deepEqual(sees(b), ["1=11", "2=20"])
    if (mode === SNAPSHOT || mode === OPTIMISTIC) assert.deepEqual(sees(b), ["1=10", "2=20"])
    stage.end()
  })
})

describe("G1c: two do not read each other", () => {
  forEach((mode) => {
    const stage = new Stage(mode)
    const [a, b] = [stage.begin(), stage.begin()]
    a.put("1", "11")
    b.put("2", "22")
    a.get("2")
    if (!a.isWaiting) assert.equal(a.value, "20")
    b.get("1")
    if (!b.isWaiting && b.status === "open") assert.equal(b.value, "10")
    const ended = stage.end()
    if (mode === RC || mode === SNAPSHOT) assert.deepEqual(ended, [true, true])
    else assert.equal(ended.filter((each) => each).length, 1)
  })
})

describe("OTV: what was seen of a transaction does not vanish", () => {
  forEach((mode) => {
    const stage = new Stage(mode)
    const [a, b, c] = [stage.begin(), stage.begin(), stage.begin()]
    a.put("1", "11")
    a.put("2", "19")
    b.put("1", "12")
    stage.commit(a)
    c.get("1")
    const first = c.isWaiting ? null : c.value
    if (!b.isWaiting && b.status === "open") b.put("2", "18")
    if (!c.isWaiting) {
      c.get("2")
      if (!c.isWaiting && first === "11") assert.equal(c.value, "19")
    }
    if (!b.isWaiting) stage.commit(b)
    if (!c.isWaiting && c.status === "open") {
      c.get("2")
      if (mode !== RC && first === "11" && c.status === "open" && !c.isWaiting) assert.equal(c.value, "19")
    }
    stage.end()
    assert.include(["1=11 2=19", "1=12 2=18"], stage.rows())
  })
})

describe("PMP: a predicate read twice has the same rows", () => {
  forEach((mode) => {
    const stage = new Stage(mode)
    const [a, b] = [stage.begin(), stage.begin()]
    a.scan("3", "")
    assert.deepEqual(sees(a), [])
    b.put("3", "30")
    if (!b.isWaiting) stage.commit(b)
    a.scan("", "")
    assert.deepEqual(sees(a), mode === RC ? ["1=10", "2=20", "3=30"] : ["1=10", "2=20"])
    stage.end()
  })
})

describe("P4: no update is lost", () => {
  forEach((mode) => {
    const stage = new Stage(mode)
    const [a, b] = [stage.begin(), stage.begin()]
    a.get("1")
    b.get("1")
    a.put("1", "11")
    if (!b.isWaiting) b.put("1", "12")
    if (!a.isWaiting) stage.commit(a)
    const ended = stage.end()
    if (mode === RC) assert.deepEqual(ended, [true, true])
    else assert.equal(ended.filter((each) => each).length, 1)
  })
})

describe("G-single: a reader does not see half of a transaction", () => {
  forEach((mode) => {
    const stage = new Stage(mode)
    const [a, b] = [stage.begin(), stage.begin()]
    a.get("1")
    assert.equal(a.value, "10")
    b.get("1")
    b.get("2")
    b.put("1", "12")
    if (!b.isWaiting) b.put("2", "18")
    if (!b.isWaiting) stage.commit(b)
    a.get("2")
    assert.equal(a.value, mode === RC ? "18" : "20")
    stage.end()
  })
})

describe("G2-item: write skew", () => {
  forEach((mode) => {
    const stage = new Stage(mode)
    const [a, b] = [stage.begin(), stage.begin()]
    for (const txn of [a, b]) for (const key of ["1", "2"]) txn.get(key)
    a.put("1", "11")
    b.put("2", "21")
    const ended = stage.end()
    if (mode === RC || mode === SNAPSHOT) assert.deepEqual(ended, [true, true])
    else assert.equal(ended.filter((each) => each).length, 1)
  })
})

describe("G2: write skew over predicates", () => {
  forEach((mode) => {
    const stage = new Stage(mode)
    const [a, b] = [stage.begin(), stage.begin()]
    a.scan("3", "")
    b.scan("3", "")
    a.put("3", "30")
    b.put("4", "42")
    const ended = stage.end()
    if (mode === RC || mode === SNAPSHOT) assert.deepEqual(ended, [true, true])
    else assert.equal(ended.filter((each) => each).length, 1)
  })
})
