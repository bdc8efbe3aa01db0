import assert from "node:assert/strict"
import fc from "fast-check"
import { describe, test } from "vitest"
import { checkIsolation } from "#sim/check/isolation/check.ts"
import { validateVersions } from "#sim/check/isolation/exact.ts"
import type { Anomaly } from "#sim/check/isolation/findings.ts"
import type { Level, Transaction } from "#sim/check/isolation/history.ts"
import {
  type Bug,
  runStore,
  STORE_SHAPE,
  type StoreShape,
} from "../../../../bench/support/isolation-store.ts"
import { nonsense } from "../../../support/isolation-arbitraries.ts"

const level = fc.constantFrom<Level>("readCommitted", "snapshot", "serializable")

/** Stores without a bug: whatever their levels, operations, ends and deletions. */
const rightStore: fc.Arbitrary<StoreShape> = fc.record(
  {
    seed: fc.integer(),
    transactions: fc.integer({ min: 1, max: 150 }),
    processes: fc.integer({ min: 1, max: 10 }),
    keys: fc.integer({ min: 1, max: 6 }),
    model: fc.constantFrom("append" as const, "register" as const),
    levels: fc.array(level, { minLength: 1, maxLength: 3 }),
    opsMax: fc.integer({ min: 1, max: 6 }),
    scans: fc.constantFrom(0, 20),
    deletes: fc.constantFrom(0, 10),
    info: fc.constantFrom(0, 10),
    aborts: fc.constantFrom(0, 10),
    changesMax: fc.integer({ min: 1, max: 30 }),
    hasTimestamps: fc.boolean(),
    bug: fc.constant(null),
  },
  { noNullPrototype: true },
)

describe("a store that is right", () => {
  test("is never accused, by cycles or by its versions, in real time", () => {
    fc.assert(
      fc.property(rightStore, (shape) => {
        const { history, versions } = runStore(shape)
        const { verdict, findings } = checkIsolation(history, { order: "realTime" })
        assert.equal(verdict, "valid", findings[0]?.lines.join("\n") ?? "")
        const exact = validateVersions(history, versions, { order: "realTime" })
        const expected = shape.hasTimestamps || history.every(isUnjudged) ? "valid" : exact.verdict
        assert.equal(exact.verdict, expected, exact.findings[0]?.lines.join("\n") ?? "")
        assert.notEqual(exact.verdict, "invalid")
      }),
      { numRuns: 150, seed: 1 },
    )
  })

  test("is accused by no weaker level and no weaker order either", () => {
    fc.assert(
      fc.property(rightStore, fc.constantFrom("none", "process"), (shape, order) => {
        const { history } = runStore({ ...shape, levels: ["serializable"] })
        for (const weaker of ["serializable", "snapshot", "readCommitted"] as const) {
          // A serializable store's snapshots may be refreshed: timestamps of snapshots promise nothing then.
          const timeless = history.map((one) => ({ ...one, startTs: null }))
          assert.equal(checkIsolation(timeless, { level: weaker, order }).verdict, "valid")
        }
      }),
      { numRuns: 50, seed: 2 },
    )
  })
})

function isUnjudged({ status, level: promised }: Transaction): boolean {
  return status !== "ok" || promised === "readCommitted"
}

/** What each bug may be called at a level, and in how many of twenty runs it must be found. */
const BUGS: readonly (readonly [Bug, "append" | "register", Level, readonly Anomaly[], number])[] = [
  ["lostUpdates", "append", "snapshot", ["incompatibleOrder", "G-single", "lostUpdate"], 20],
  ["lostUpdates", "register", "snapshot", ["lostUpdate", "G-single", "G-nonadjacent"], 6],
  ["writeSkew", "append", "serializable", ["G2-item", "G2"], 18],
  ["writeSkew", "register", "serializable", ["G2-item", "G2", "G2-item-process", "G2-process"], 8],
  ["phantoms", "append", "serializable", ["G2", "G2-process", "G2-realtime"], 2],
  ["phantoms", "register", "serializable", ["G2", "G2-process", "G2-realtime"], 1],
  ["dirtyReads", "append", "readCommitted", ["incompatibleOrder", "G1a", "G1b", "G1c"], 18],
  ["dirtyReads", "register", "readCommitted", ["G1a", "G1b", "G1c"], 15],
  ["oldSnapshots", "append", "snapshot", ["G-single-process", "G-single-realtime"], 18],
  ["oldSnapshots", "register", "snapshot", ["G-single-process", "G-single-realtime"], 15],
  ["tornCommits", "append", "snapshot", ["incompatibleOrder", "G-single", "G-nonadjacent"], 2],
  ["twice", "append", "serializable", ["duplicateElements"], 15],
  [
    "forgotten",
    "append",
    "serializable",
    ["incompatibleOrder", "G-single", "G0", "G2-item", "G0-process", "G-single-process"],
    15,
  ],
]

describe("a store with a bug", () => {
  test.each(BUGS)("%s of %s keys at %s is found and named", (bug, model, promised, names, least) => {
    let found = 0
    for (let seed = 1; seed <= 20; seed++) {
      const { history } = runStore({ ...STORE_SHAPE, seed, model, levels: [promised], scans: 20, bug })
      const [worst] = checkIsolation(history, { order: "realTime" }).findings
      if (worst === undefined) continue
      found++
      assert.ok(names.includes(worst.anomaly), worst.lines.join("\n"))
    }
    assert.ok(found >= least, `found in ${found} of 20 runs`)
  })

  const exact = [
    ["lostUpdates", "snapshot", "firstCommitterWins"],
    ["writeSkew", "serializable", "changedRead"],
    ["phantoms", "serializable", "changedRead"],
    ["dirtyReads", "readCommitted", "wrongRead"],
    ["oldSnapshots", "snapshot", "timestampOrder"],
    ["tornCommits", "snapshot", "tornCommit"],
    ["twice", "serializable", "sameTimestamp"],
    ["forgotten", "serializable", "lostWrite"],
  ] as const
  test.each(exact)("%s at %s is found by its versions in most runs, as %s", (bug, promised, name) => {
    for (const model of ["append", "register"] as const) {
      let found = 0
      for (let seed = 1; seed <= 20; seed++) {
        const shape = { ...STORE_SHAPE, seed, model, levels: [promised], scans: 20, bug, hasTimestamps: true }
        const { history, versions } = runStore(shape)
        const { verdict, findings } = validateVersions(history, versions, { order: "realTime" })
        if (verdict !== "invalid") continue
        found++
        assert.equal(findings[0]!.anomaly, name)
      }
      assert.ok(found >= 10, `found in ${found} of 20 runs with ${model}`)
    }
  })
})

describe("a history", () => {
  test("is judged alike whatever its transactions, processes and keys are called and in whatever order it is told", () => {
    fc.assert(
      fc.property(
        rightStore,
        fc.constantFrom<Bug>("oldSnapshots", "writeSkew", "forgotten"),
        (shape, bug) => {
          const { history } = runStore({ ...shape, bug, scans: 0 })
          const renamed = history.toReversed().map((one) => ({
            ...one,
            id: 9_999 - one.id,
            process: one.process + 77,
            invokedAt: one.invokedAt + 1_000_000,
            completedAt: one.completedAt + 1_000_000,
            ops: one.ops.map((op) => (op.f === "scan" ? op : { ...op, key: `renamed ${op.key}` })),
          }))
          const worst = (told: readonly Transaction[]): string | undefined =>
            checkIsolation(told, { order: "realTime" }).findings[0]?.anomaly
          assert.equal(worst(renamed), worst(history))
        },
      ),
      { numRuns: 60, seed: 3 },
    )
  })

  test("of nonsense is judged too, with words for all that is found", () => {
    let wrong = 0
    const order = fc.constantFrom("none" as const, "process" as const, "realTime" as const)
    fc.assert(
      fc.property(fc.oneof(nonsense("append"), nonsense("register")), order, (history, promised) => {
        const { verdict, findings } = checkIsolation(history, { order: promised })
        if (verdict === "invalid") wrong++
        for (const { lines, transactions } of findings) {
          assert.ok(lines.length > 0 && lines.length <= 12 && transactions.length > 0)
          assert.ok(lines.every((line) => line.length > 10 && !/undefined|NaN|T-1/.test(line)))
        }
        assert.equal(verdict === "invalid", findings.length > 0)
        const exact = validateVersions(history, [], { order: "realTime" })
        assert.ok(exact.findings.every(({ lines }) => lines.every((line) => !/undefined|NaN/.test(line))))
      }),
      { numRuns: 1_000, seed: 5 },
    )
    assert.ok(wrong > 500, `${wrong} were wrong`)
  })

  test("whose versions explain it has no forbidden cycle", () => {
    let [explained, wrong] = [0, 0]
    fc.assert(
      fc.property(rightStore, fc.nat(), fc.nat(), (shape, where, other) => {
        const { history, versions } = runStore({ ...shape, hasTimestamps: true, transactions: 20, scans: 0 })
        const told = withForeignRead(history, where, other)
        const { verdict } = validateVersions(told, versions, { order: "none" })
        if (verdict === "valid") {
          explained++
          const { findings } = checkIsolation(told, { order: "none" })
          assert.equal(findings.length, 0, findings[0]?.lines.join("\n") ?? "")
        } else wrong++
      }),
      { numRuns: 300, seed: 4 },
    )
    assert.ok(explained > 30 && wrong > 30, `${explained} explained, ${wrong} wrong`)
  })
})

/** One read shows what another read of its key showed. */
function withForeignRead(
  history: readonly Transaction[],
  where: number,
  other: number,
): readonly Transaction[] {
  const reads = history.flatMap(({ status, ops }, t) =>
    ops.flatMap((op, i) => (status === "ok" && op.f === "read" ? [{ t, i, op }] : [])),
  )
  if (reads.length === 0) return history
  const { t, i, op } = reads[where % reads.length]!
  const same = reads.filter((read) => read.op.key === op.key)
  const { value } = same[other % same.length]!.op
  const one = history[t]!
  return history.with(t, { ...one, ops: one.ops.with(i, { ...op, value }) })
}
