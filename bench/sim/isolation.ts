/**
 * How many transactions a second does the isolation check judge? `node bench/sim/isolation.ts`.
 *
 * Histories of a small store by 20 processes on 100 keys that are left alone after 16 changes each, of up to five
 * operations, half of them reads; 1 % of unknown outcome, 1 % aborted. Judged in real time, which has the most edges. `--transactions
 * 1000000` for long ones, `--rounds 3`, `--only append` for rows that begin so. Each row is the best of its rounds, in CPU time of this thread.
 */
import { checkIsolation } from "#sim/check/isolation/check.ts"
import type { Level } from "#sim/check/isolation/history.ts"
import { validateVersions } from "#sim/check/isolation/exact.ts"
import { type Bug, runStore, STORE_SHAPE, type StoreShape } from "../support/isolation-store.ts"
import { about, benchOptions, cpuSeconds, printReport, type Row } from "../support/report.ts"

const { transactions, rounds, only } = benchOptions(import.meta.filename, {
  transactions: 100_000,
  rounds: 3,
  only: "",
})

const SHAPE: StoreShape = {
  ...STORE_SHAPE,
  transactions,
  processes: 20,
  keys: 100,
  opsMax: 5,
  info: 1,
  aborts: 1,
  hasTimestamps: true,
}

function shapeOf(model: "append" | "register", level: Level, bug: Bug | null, scans = 0): StoreShape {
  return { ...SHAPE, model, levels: [level], bug, scans }
}

const SHAPES: Readonly<Record<string, StoreShape>> = {
  "append, serializable": shapeOf("append", "serializable", null),
  "append, snapshot": shapeOf("append", "snapshot", null),
  "append, read committed": shapeOf("append", "readCommitted", null),
  "append, write skew": shapeOf("append", "serializable", "writeSkew"),
  "register, serializable": shapeOf("register", "serializable", null),
  "register, snapshot": shapeOf("register", "snapshot", null),
  "register, 5 % scans": shapeOf("register", "serializable", null, 5),
}

const rows: Record<string, Row> = {}
for (const [name, shape] of Object.entries(SHAPES)) {
  if (!name.startsWith(only)) continue
  const { history, versions } = runStore(shape)
  let [best, bestExact] = [Infinity, Infinity]
  let verdict = ""
  let edges = 0
  let exact = ""
  for (let round = 0; round < rounds; round++) {
    const start = cpuSeconds()
    const found = checkIsolation(history, { order: "realTime" })
    const middle = cpuSeconds()
    const validated = validateVersions(history, versions, { order: "realTime" })
    best = Math.min(best, middle - start)
    bestExact = Math.min(bestExact, cpuSeconds() - middle)
    verdict = found.findings[0]?.anomaly ?? found.verdict
    edges = found.edges
    exact = validated.findings[0]?.anomaly ?? validated.verdict
  }
  rows[name] = {
    transactions: history.length,
    edges,
    verdict,
    ms: about(best * 1_000),
    "transactions/s": about(history.length / best),
    exact,
    "exact transactions/s": about(history.length / bestExact),
  }
}
printReport({
  bench: "sim/isolation",
  question: "how many transactions a second does the isolation check judge?",
  rows,
  notes: ["promised: 300,000 transactions/s on one core"],
})
