import assert from "node:assert/strict"
import { describe, test } from "vitest"
import { checkIsolation } from "#sim/check/isolation/check.ts"
import type { Finding } from "#sim/check/isolation/findings.ts"
import type { Level, Transaction } from "#sim/check/isolation/history.ts"
import { runStore, STORE_SHAPE } from "../../../../bench/support/isolation-store.ts"
import { ORDER_PHENOMENA, PHENOMENA, type Phenomenon } from "../../../support/phenomena.ts"
import { txn } from "../../../support/transactions.ts"

const LEVELS: readonly Level[] = ["readCommitted", "snapshot", "serializable"]

function judge(
  history: readonly Transaction[],
  level: Level,
  order: "none" | "process" | "realTime",
): Finding | null {
  const { verdict, findings } = checkIsolation(history, { level, order })
  assert.equal(verdict, findings.length > 0 ? "invalid" : "valid")
  return findings[0] ?? null
}

function assertNamed(
  phenomenon: Phenomenon,
  history: readonly Transaction[],
  order: "none" | "process" | "realTime",
  offset: number,
): void {
  LEVELS.forEach((level, i) => {
    const found = judge(history, level, order)
    assert.equal(found?.anomaly ?? null, phenomenon.expected[i], `${level}: ${found?.lines.join("\n") ?? ""}`)
    if (found === null) return
    assert.ok(found.lines.length >= 1 && found.lines.length <= 12)
    if (phenomenon.pattern !== undefined && level === "serializable") {
      assert.equal(found.pattern, phenomenon.pattern)
    }
    const involved = phenomenon.involved ?? phenomenon.history.map(({ id }) => id)
    assert.deepEqual(
      found.transactions.map((id) => id - offset).toSorted((a, b) => a - b),
      involved.toSorted((a, b) => a - b),
      found.lines.join("\n"),
    )
  })
}

describe("by its definition", () => {
  test.each(PHENOMENA.map((phenomenon) => [phenomenon.name, phenomenon] as const))("%s", (_, phenomenon) => {
    assertNamed(phenomenon, phenomenon.history, "none", 0)
    // All are concurrent, each in a process of its own: orders change nothing.
    assertNamed(phenomenon, phenomenon.history, "realTime", 0)
  })

  test.each(ORDER_PHENOMENA.map((phenomenon) => [phenomenon.name, phenomenon] as const))(
    "%s",
    (_, phenomenon) => {
      for (const level of LEVELS) assert.equal(judge(phenomenon.history, level, "none"), null)
      assertNamed(phenomenon, phenomenon.history, phenomenon.order, 0)
      if (phenomenon.order === "process") return
      for (const level of LEVELS) assert.equal(judge(phenomenon.history, level, "process"), null)
    },
  )
})

/** The small history in the middle of a large one: other keys, later, by other processes. */
function within(small: readonly Transaction[], level: Level): readonly Transaction[] {
  const { history } = runStore({ ...STORE_SHAPE, seed: 7, transactions: 400, levels: [level] })
  const from = history[200]!.invokedAt
  const rename = (key: string): string => `injected-${key}`
  const injected = small.map((transaction) => ({
    ...transaction,
    id: transaction.id + 10_000,
    process: transaction.process + 10_000,
    invokedAt: transaction.invokedAt + from,
    completedAt: transaction.status === "info" ? transaction.completedAt : transaction.completedAt + from,
    ops: transaction.ops.map((op) =>
      op.f === "scan"
        ? {
            ...op,
            start: rename(op.start),
            end: rename(op.end),
            rows: op.rows.map(([key, held]) => [rename(key), held] as const),
          }
        : { ...op, key: rename(op.key) },
    ),
  }))
  return [...history.slice(0, 200), ...injected, ...history.slice(200)]
}

describe("in the middle of a valid history", () => {
  const both = [...PHENOMENA.map((p) => ({ ...p, order: "none" as const })), ...ORDER_PHENOMENA]
  test.each(both.map((phenomenon) => [phenomenon.name, phenomenon] as const))("%s", (_, phenomenon) => {
    // What runs around it is serializable, and so is right at every level.
    assertNamed(phenomenon, within(phenomenon.history, "serializable"), phenomenon.order, 10_000)
  })
})

describe("levels that meet", () => {
  const at = (level: Level): Partial<Transaction> => ({ level })
  const verdict = (history: readonly Transaction[]): string =>
    checkIsolation(history, { order: "none" }).verdict

  test("write skew is allowed if one of the two is snapshot isolation, and not if both are serializable", () => {
    const skew = (a: Level, b: Level): readonly Transaction[] => [
      txn(1, "r x .; w y 1", at(a)),
      txn(2, "r y .; w x 1", at(b)),
    ]
    assert.equal(verdict(skew("serializable", "serializable")), "invalid")
    assert.equal(verdict(skew("serializable", "snapshot")), "valid")
    assert.equal(verdict(skew("snapshot", "snapshot")), "valid")
    assert.equal(verdict(skew("serializable", "readCommitted")), "valid")
  })

  test("a lost update is allowed if the one that replaces is read committed, and not if the other is", () => {
    const updates = (first: Level, second: Level): readonly Transaction[] => [
      txn(1, "r x []; a x 1", at(first)),
      txn(2, "r x []; a x 2", at(second)),
      txn(3, "r x [1 2]"),
    ]
    assert.equal(verdict(updates("readCommitted", "readCommitted")), "valid")
    assert.equal(verdict(updates("snapshot", "readCommitted")), "valid")
    assert.equal(verdict(updates("readCommitted", "snapshot")), "invalid")
    assert.equal(verdict(updates("readCommitted", "serializable")), "invalid")
  })
})

describe("what is told", () => {
  test("a cycle names the operations of each of its steps", () => {
    const { findings } = checkIsolation(
      [txn(1, "r x [1]; a y 4"), txn(2, "r y []; a x 2"), txn(3, "a x 1"), txn(4, "r x [1 2]; r y [4]")],
      { order: "none" },
    )
    assert.deepEqual(findings, [
      {
        anomaly: "G2-item",
        pattern: "write skew",
        transactions: [1, 2],
        lines: [
          "G2-item (write skew): T1 → T2 → T1, each before the next.",
          "T1 read x = [1], and T2 appended 2 to x after that version.",
          "T2 read y = [], and T1 appended 4 to y after that version.",
        ],
      },
    ])
  })

  test("the shortest cycle is the one of the fewest transactions, however much time lies between them", () => {
    const others = Array.from({ length: 40 }, (_, i) =>
      txn(100 + i, `w k${i} ${i}`, { invokedAt: 10 * i + 10, completedAt: 10 * i + 11 }),
    )
    const history = [
      txn(1, "w x 1", { invokedAt: 0, completedAt: 1 }),
      ...others,
      txn(3, "r x 1", { invokedAt: 500, completedAt: 501 }),
      txn(2, "r x .", { invokedAt: 510, completedAt: 511 }),
    ]
    const [worst] = checkIsolation(history, { order: "realTime" }).findings
    assert.equal(worst?.anomaly, "G-single-realtime")
    assert.deepEqual(
      worst.transactions.toSorted((a, b) => a - b),
      [1, 2],
    )
  })

  test("a lost update names what both read and what each made of it", () => {
    const { findings } = checkIsolation([txn(1, "r x .; w x 1"), txn(2, "r x .; w x 2")], { order: "none" })
    assert.deepEqual(findings[0], {
      anomaly: "lostUpdate",
      pattern: "lost update",
      transactions: [1, 2],
      lines: [
        "T1 and T2 both changed x, each on the strength of the same version: one did not see what the other made of it.",
        "T1 read x = nothing, and wrote x = 1.",
        "T2 read x = nothing, and wrote x = 2.",
      ],
    })
  })

  test("a long cycle is cut to twelve lines", () => {
    const ring = Array.from({ length: 40 }, (_, i) => txn(i, `r k${i} .; w k${(i + 1) % 40} ${i}`))
    const { findings } = checkIsolation(ring, { order: "none" })
    assert.equal(findings[0]?.anomaly, "G2-item")
    assert.equal(findings[0].transactions.length, 40)
    assert.ok(findings[0].lines.length <= 12)
  })

  test("values written twice are no verdict, and no accusation", () => {
    const history = [txn(1, "w x 1"), txn(2, "w x 1"), txn(3, "r x 1")]
    assert.equal(checkIsolation(history, { order: "none" }).verdict, "unknown")
  })

  test("absent does not tell which version was read where keys are deleted, and is counted", () => {
    const history = [txn(1, "w x 1"), txn(2, "r x 1; w x ."), txn(3, "r x .")]
    const { verdict, unresolved } = checkIsolation(history, { order: "none" })
    assert.deepEqual([verdict, unresolved], ["valid", 1])
  })

  test("a key that is a list and a register is refused", () => {
    assert.throws(
      () => checkIsolation([txn(1, "w x 1; a x 2")], { order: "none" }),
      /as a list and as a register/,
    )
  })
})
