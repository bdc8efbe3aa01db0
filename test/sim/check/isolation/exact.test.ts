import assert from "node:assert/strict"
import { describe, test } from "vitest"
import { type ExactAnomaly, validateVersions } from "#sim/check/isolation/exact.ts"
import type { Held, Level, Transaction } from "#sim/check/isolation/history.ts"
import { txn } from "../../../support/transactions.ts"

type Told = readonly [key: string, commitTs: number, value: Held, transaction: number]

function judge(history: readonly Transaction[], told: readonly Told[], order: "none" | "realTime" = "none") {
  const versions = told.map(([key, commitTs, value, transaction]) => ({ key, commitTs, value, transaction }))
  return validateVersions(history, versions, { order })
}

function assertFound(
  expected: ExactAnomaly | null,
  history: readonly Transaction[],
  told: readonly Told[],
  order: "none" | "realTime" = "none",
): void {
  const { verdict, findings } = judge(history, told, order)
  assert.deepEqual(
    [verdict, findings[0]?.anomaly ?? null],
    [expected === null ? "valid" : "invalid", expected],
  )
  for (const { lines } of findings) assert.ok(lines.length >= 1 && lines.length <= 12)
}

const si = (startTs: number, commitTs: number): Partial<Transaction> => ({
  level: "snapshot",
  startTs,
  commitTs,
})
const as = (level: Level, startTs: number | null, commitTs: number | null): Partial<Transaction> => ({
  level,
  startTs,
  commitTs,
})

describe("versions", () => {
  const history = [txn(1, "a x 1; w y 1", si(0, 10)), txn(2, "r x [1]; a x 2", si(10, 20))]
  const right: readonly Told[] = [
    ["x", 10, [1], 1],
    ["y", 10, 1, 1],
    ["x", 20, [1, 2], 2],
  ]

  test("that are what transactions made are valid, in whatever order they are told", () => {
    assertFound(null, history, right)
    assertFound(null, history, right.toReversed())
  })

  test("that are missing are lost if all are, and a torn commit if some are", () => {
    assertFound("lostWrite", history, right.slice(0, 2))
    assertFound("tornCommit", history, [right[0]!, right[2]!])
  })

  test("that have another time than their transaction are a torn commit", () => {
    assertFound("tornCommit", history, [right[0]!, ["y", 11, 1, 1], right[2]!])
  })

  test("that nobody made, or not so, are stray", () => {
    assertFound("strayVersion", history, [...right, ["z", 30, 5, 9]])
    assertFound("strayVersion", history, [right[0]!, right[1]!, ["x", 20, [2], 2]])
    assertFound(
      "strayVersion",
      [...history, txn(3, "w z 1", { status: "fail" })],
      [...right, ["z", 30, 1, 3]],
    )
  })

  test("that have one time are told", () => {
    const both = [txn(1, "w x 1", as("readCommitted", 0, 10)), txn(2, "w x 2", as("readCommitted", 0, 10))]
    assertFound("sameTimestamp", both, [
      ["x", 10, 1, 1],
      ["x", 10, 2, 2],
    ])
  })

  test("of unknown outcome may be there or not, but not in part", () => {
    const unknown = [txn(1, "w x 1; w y 1", { status: "info" })]
    assertFound(null, unknown, [])
    assertFound(null, unknown, [
      ["x", 10, 1, 1],
      ["y", 10, 1, 1],
    ])
    assertFound("tornCommit", unknown, [["x", 10, 1, 1]])
    assertFound("tornCommit", unknown, [
      ["x", 10, 1, 1],
      ["y", 11, 1, 1],
    ])
  })
})

describe("reads", () => {
  const writers = [txn(1, "w x 1", si(0, 10)), txn(2, "w x 2", si(10, 20))]
  const versions: readonly Told[] = [
    ["x", 10, 1, 1],
    ["x", 20, 2, 2],
  ]
  const read = (value: string, level: Level, startTs: number | null, commitTs: number | null): Transaction =>
    txn(3, `r x ${value}`, as(level, startTs, commitTs))

  test("of a snapshot are what was newest then, to the tick", () => {
    assertFound(null, [...writers, read("1", "snapshot", 19, 30)], versions)
    assertFound(null, [...writers, read("2", "snapshot", 20, 30)], versions)
    assertFound(null, [...writers, read(".", "snapshot", 9, 30)], versions)
    assertFound("wrongRead", [...writers, read("1", "snapshot", 20, 30)], versions)
    assertFound("wrongRead", [...writers, read("2", "snapshot", 19, 30)], versions)
    assertFound("wrongRead", [...writers, read("7", "snapshot", 19, 30)], versions)
  })

  test("of a serializable transaction are what is newest at its commit", () => {
    assertFound(null, [...writers, read("2", "serializable", 15, 30)], versions)
    assertFound("changedRead", [...writers, read("1", "serializable", 15, 30)], versions)
    assertFound("wrongRead", [...writers, read(".", "serializable", 15, 30)], versions)
    // It changed nothing and has no commit: its snapshot is as good.
    assertFound(null, [...writers, read("1", "serializable", 15, null)], versions)
  })

  test("of a read committed transaction are what was newest at some moment", () => {
    for (const value of ["1", "2"]) {
      assertFound(null, [...writers, read(value, "readCommitted", 15, 30)], versions)
    }
    assertFound("wrongRead", [...writers, read(".", "readCommitted", 15, 30)], versions)
    assertFound("wrongRead", [...writers, read("1", "readCommitted", 20, 30)], versions)
  })

  test("see the transaction's own changes on top, and no one else's", () => {
    const own = txn(
      3,
      "r x [1]; a x 3; r x [1 3]; s x..y x=[1 3]; r y .; w y 5; r y 5; s y..z y=5; w y .; s y..z ",
      si(10, 20),
    )
    assertFound(
      null,
      [txn(1, "a x 1", si(0, 10)), own],
      [
        ["x", 10, [1], 1],
        ["x", 20, [1, 3], 3],
        ["y", 20, null, 3],
      ],
    )
  })

  test("of spans are right only with all rows of them", () => {
    const rows = [txn(1, "w k1 1; w k2 2", si(0, 10)), txn(2, "w k2 .", si(10, 20))]
    const told: readonly Told[] = [
      ["k1", 10, 1, 1],
      ["k2", 10, 2, 1],
      ["k2", 20, null, 2],
    ]
    const scan = (text: string, startTs: number): Transaction => txn(3, text, si(startTs, 30))
    assertFound(null, [...rows, scan("s k..l k1=1 k2=2", 15)], told)
    assertFound(null, [...rows, scan("s k..l k1=1", 20)], told)
    assertFound(null, [...rows, scan("s k..k2 k1=1", 15)], told)
    assertFound("wrongRead", [...rows, scan("s k..l k1=1", 15)], told)
    assertFound("wrongRead", [...rows, scan("s k..l k1=1 k2=2", 20)], told)
  })

  test("are told with what was right, and whose version they show", () => {
    const { findings } = judge([...writers, read("1", "snapshot", 25, 30)], versions)
    assert.deepEqual(findings, [
      {
        anomaly: "wrongRead",
        transactions: [3],
        lines: [
          "T3 (snapshot, snapshot of 25, committed at 30) read x = 1.",
          "Newest then was 2 of 20, by T2.",
          "That is the version of 10, by T1.",
        ],
      },
    ])
  })

  test("without timestamps are not judged, and say so", () => {
    const { verdict, unjudged } = judge([...writers, read("9", "snapshot", null, null)], versions)
    assert.deepEqual([verdict, unjudged], ["unknown", 1])
  })
})

describe("commits", () => {
  test("of two snapshots that changed a key and were open together: the first wins, to the tick", () => {
    const told: readonly Told[] = [
      ["x", 10, 1, 1],
      ["x", 20, 2, 2],
    ]
    assertFound("firstCommitterWins", [txn(1, "w x 1", si(0, 10)), txn(2, "w x 2", si(9, 20))], told)
    assertFound(null, [txn(1, "w x 1", si(0, 10)), txn(2, "w x 2", si(10, 20))], told)
    // The rule is of snapshot isolation; blind writes are serializable in the order of their commits.
    const serializable = as("serializable", 9, 20)
    assertFound(null, [txn(1, "w x 1", si(0, 10)), txn(2, "w x 2", serializable)], told)
  })

  test("follow real time, key by key", () => {
    const when = (
      invokedAt: number,
      completedAt: number,
      ts: Partial<Transaction>,
    ): Partial<Transaction> => ({
      ...ts,
      invokedAt,
      completedAt,
    })
    const backwards = [txn(1, "w x 1", when(0, 10, si(15, 20))), txn(2, "w x 2", when(11, 20, si(0, 10)))]
    const told: readonly Told[] = [
      ["x", 10, 2, 2],
      ["x", 20, 1, 1],
    ]
    assertFound(null, backwards, told)
    assertFound("timestampOrder", backwards, told, "realTime")
    const touching = [txn(1, "w x 1", when(0, 11, si(15, 20))), txn(2, "w x 2", when(11, 20, si(0, 10)))]
    assertFound(null, touching, told, "realTime")
    const writer = txn(1, "w x 1", when(0, 10, si(0, 5)))
    const one: readonly Told[] = [["x", 5, 1, 1]]
    assertFound("timestampOrder", [writer, txn(2, "r x .", when(11, 20, si(4, 4)))], one, "realTime")
    assertFound(null, [writer, txn(2, "r x .", when(10, 20, si(4, 4)))], one, "realTime")
    const early = txn(1, "w x 1", when(11, 20, si(0, 5)))
    assertFound("timestampOrder", [early, txn(2, "r x 1", when(0, 10, si(6, 6)))], one, "realTime")
  })
})
