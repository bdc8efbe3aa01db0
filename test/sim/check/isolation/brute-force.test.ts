import assert from "node:assert/strict"
import fc from "fast-check"
import { test } from "vitest"
import { checkIsolation } from "#sim/check/isolation/check.ts"
import type { Level, Transaction } from "#sim/check/isolation/history.ts"
import { type SmallShape, smallTransactions } from "../../../support/isolation-arbitraries.ts"
import { hasSchedule } from "../../../support/isolation-brute-force.ts"

// The cycles against every schedule there is. Where all versions can be put in order, each must be right whenever the
// other is; where they cannot (appends of two transactions that nobody read, registers written unread), a history that has
// a schedule must never be accused, and the other way is not promised.

const order = fc.constantFrom("none" as const, "process" as const, "realTime" as const)

function compare(
  shape: SmallShape,
  runs: number,
  seed: number,
  isComplete: (history: readonly Transaction[]) => boolean,
): void {
  let [valid, compared] = [0, 0]
  fc.assert(
    fc.property(smallTransactions(shape), order, (history, promised) => {
      const expected = hasSchedule(history, promised)
      const found = checkIsolation(history, { order: promised })
      if (expected) assert.equal(found.verdict, "valid", found.findings[0]?.lines.join("\n") ?? "")
      else if (isComplete(history)) assert.equal(found.verdict, "invalid", JSON.stringify(history))
      else return
      compared++
      if (expected) valid++
    }),
    { numRuns: runs, seed },
  )
  assert.ok(valid > compared * 0.05 && valid < compared * 0.95, `${valid} of ${compared} have a schedule`)
  assert.ok(compared > runs * 0.5, `${compared} of ${runs} were compared both ways`)
}

/** Whether at most one transaction appended to each key what nobody read. */
function isOrdered(history: readonly Transaction[]): boolean {
  const read = new Set<string | number>()
  for (const { status, ops } of history) {
    for (const op of status === "ok" ? ops : []) {
      if (op.f === "read" && Array.isArray(op.value)) for (const element of op.value) read.add(element)
      if (op.f === "scan") for (const [, held] of op.rows) for (const e of held as number[]) read.add(e)
    }
  }
  const unread = new Map<string, Set<number>>()
  for (const { id, status, ops } of history) {
    for (const op of status === "fail" ? [] : ops) {
      if (op.f !== "append" || read.has(op.value)) continue
      unread.set(op.key, (unread.get(op.key) ?? new Set()).add(id))
    }
  }
  return [...unread.values()].every((writers) => writers.size <= 1)
}

const LEVELS: readonly Level[] = ["readCommitted", "snapshot", "serializable"]
const LISTS: SmallShape = {
  model: "append",
  levels: ["serializable"],
  transactionsMax: 5,
  readsFirst: false,
  readsAll: false,
}

test("lists at one level without snapshots: the same verdict as every schedule, on 5,000 small histories", () => {
  compare(LISTS, 3_000, 1, () => true)
  compare({ ...LISTS, levels: ["readCommitted"] }, 2_000, 2, () => true)
})

test("lists at snapshot isolation: the same verdict, on 1,500 small histories", () => {
  compare({ ...LISTS, levels: ["snapshot"], transactionsMax: 4, readsAll: true }, 1_500, 3, isOrdered)
})

test("lists of transactions of all levels: the same verdict, on 1,500 small histories", () => {
  compare({ ...LISTS, levels: LEVELS, transactionsMax: 4, readsAll: true }, 1_500, 4, isOrdered)
})

const REGISTERS: SmallShape = { ...LISTS, model: "register", readsFirst: true }

/** What one of unknown outcome read nobody heard, so its writes are blind. */
function isHeard(history: readonly Transaction[]): boolean {
  return history.every(({ status }) => status !== "info")
}

test("registers read before they are written: the same verdict, on 2,000 small histories", () => {
  compare(REGISTERS, 1_000, 5, isHeard)
  compare({ ...REGISTERS, levels: ["snapshot"], transactionsMax: 4 }, 1_000, 6, isHeard)
})

test("registers written unread are never accused wrongly, on 2,000 small histories", () => {
  let accused = 0
  fc.assert(
    fc.property(
      smallTransactions({ ...REGISTERS, levels: LEVELS, transactionsMax: 4, readsFirst: false }),
      order,
      (history, promised) => {
        const { verdict, findings } = checkIsolation(history, { order: promised })
        if (verdict !== "invalid") return
        accused++
        assert.equal(hasSchedule(history, promised), false, findings[0]?.lines.join("\n") ?? "")
      },
    ),
    { numRuns: 2_000, seed: 7 },
  )
  assert.ok(accused > 200, `${accused} were accused`)
})
