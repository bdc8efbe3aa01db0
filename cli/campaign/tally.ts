import type {
  CampaignFacts,
  Failure,
  FaultCount,
  OperationCount,
  Report,
  ResultRow,
  ScenarioTotals,
} from "../report/model.ts"
import { SWARM_KINDS, type MarkRule } from "#sim"
import { coverageOf } from "../report/coverage.ts"
import type { Diversity } from "./diversity.ts"
import type { RunRecord } from "./run.ts"
import { isHeldToFloors, markTotals } from "./floors.ts"
import { judge } from "./verdict.ts"

/** What the report says of a scenario that its runs do not. */
export type ScenarioFacts = {
  readonly name: string
  readonly about: string
  readonly declaredMarks: readonly string[]
  /** How often each mark was hit over all runs. */
  readonly marks: Readonly<Record<string, number>>
  /** In how many runs each mark was hit. */
  readonly markRuns: Readonly<Record<string, number>>
  /** Whom faults struck and when, over all runs. */
  readonly cells: Readonly<Record<string, number>>
}

export type ReportParts = {
  readonly version: string
  readonly build: string
  /** In any order; the report has its own. */
  readonly results: readonly ResultRow[]
  /** What all runs add up to, where `results` are not all of them. */
  readonly sums?: { readonly all: RowSums; readonly scenarios: ReadonlyMap<string, RowSums> }
  /** In the order in which they are told. */
  readonly scenarios: readonly ScenarioFacts[]
  /** Every mark there is. */
  readonly markRules: readonly MarkRule[]
  readonly failures: readonly Failure[]
  readonly diversity: Diversity
  readonly campaign: CampaignFacts
}

export function rowOf(record: RunRecord, capsule: string | null): ResultRow {
  const { job, result, wallMs } = record
  return {
    scenario: job.scenario,
    seed: job.seed,
    verdict: result.verdict,
    oracle: result.violation?.oracle ?? null,
    traceHash: result.traceHash,
    events: result.events,
    simulatedSeconds: result.simulatedUs / 1_000_000,
    wallSeconds: Math.round(wallMs) / 1_000,
    faults: result.faults,
    operations: result.operations,
    capsule,
    class: result.runClass,
    message: result.violation?.message ?? null,
  }
}

/** Adds up what was counted by name in many runs: marks, cells. */
export function addCounts(into: Map<string, number>, counts: Readonly<Record<string, number>>): void {
  for (const [name, hits] of Object.entries(counts)) into.set(name, (into.get(name) ?? 0) + hits)
}

/** Adds a run to those that hit each of its marks. */
export function countRun(into: Map<string, number>, marks: Readonly<Record<string, number>>): void {
  for (const [name, hits] of Object.entries(marks)) if (hits > 0) into.set(name, (into.get(name) ?? 0) + 1)
}

/** Sums the rows and judges them. The same rows give the same report, in whatever order they came. */
export function makeReport(parts: ReportParts): Report {
  const order = new Map(parts.scenarios.map((scenario, index) => [scenario.name, index]))
  const rank = (name: string): number => order.get(name) ?? order.size
  const results = [...parts.results].sort((a, b) => rank(a.scenario) - rank(b.scenario) || a.seed - b.seed)
  const failures = [...parts.failures].sort((a, b) => rank(a.scenario) - rank(b.scenario) || a.seed - b.seed)

  const byScenario = Map.groupBy(results, (row) => row.scenario)
  const scenarios = parts.scenarios.map((facts) =>
    sumScenario(facts, parts.sums?.scenarios.get(facts.name) ?? sumRows(byScenario.get(facts.name) ?? [])),
  )
  const all = parts.sums?.all ?? sumRows(results)
  const sums = {
    runs: all.runs,
    ...all.verdicts,
    classes: all.classes,
    events: all.events,
    simulatedSeconds: all.simulatedSeconds,
    wallSeconds: all.wallSeconds,
    operations: all.operations,
    acknowledgedRatio: all.operations.invoked === 0 ? 0 : all.operations.ok / all.operations.invoked,
    faults: Object.fromEntries(all.faults),
    coverage: coverageOf(sumCounts(parts.scenarios.map(({ cells }) => cells))),
    marks: markTotals(
      parts.markRules,
      sumCounts(parts.scenarios.map(({ markRuns }) => markRuns)),
      isHeldToFloors(scenarios, all.runs, parts.campaign) ? all.runs : null,
    ),
    diversity: parts.diversity,
    scenarios,
    failures,
    campaign: parts.campaign,
  }
  return { version: parts.version, build: parts.build, results, totals: { ...judge(sums, results), ...sums } }
}

type Counts = Readonly<Record<string, number>>

function sumCounts(all: readonly Counts[]): Counts {
  const sums = new Map<string, number>()
  for (const counts of all) addCounts(sums, counts)
  return sortedRecord(Object.fromEntries(sums))
}

function sumScenario(facts: ScenarioFacts, sum: RowSums): ScenarioTotals {
  let applied = 0
  let effective = 0
  for (const count of sum.faults.values()) {
    applied += count.applied
    effective += count.effective
  }
  return {
    name: facts.name,
    about: facts.about,
    runs: sum.runs,
    ...sum.verdicts,
    events: sum.events,
    simulatedSeconds: sum.simulatedSeconds,
    wallSeconds: sum.wallSeconds,
    operations: sum.operations,
    faults: { applied, effective },
    declaredMarks: facts.declaredMarks,
    marks: sortedRecord(facts.marks),
    markRuns: sortedRecord(facts.markRuns),
    cells: sortedRecord(facts.cells),
  }
}

export type RowSums = {
  readonly runs: number
  readonly verdicts: { readonly valid: number; readonly invalid: number; readonly unknown: number }
  readonly classes: { readonly within: number; readonly detectable: number; readonly undetectable: number }
  readonly events: number
  readonly simulatedSeconds: number
  readonly wallSeconds: number
  readonly operations: OperationCount
  readonly faults: ReadonlyMap<string, FaultCount>
}

function sumRows(rows: readonly ResultRow[]): RowSums {
  const verdicts = { valid: 0, invalid: 0, unknown: 0 }
  const classes = { within: 0, detectable: 0, undetectable: 0 }
  const operations = { invoked: 0, ok: 0, fail: 0, info: 0 }
  const faults = new Map<string, { applied: number; effective: number }>()
  for (const kind of SWARM_KINDS) faults.set(kind, { applied: 0, effective: 0 })
  let events = 0
  // Whole microseconds and milliseconds, so that the order of rows cannot show in the last digit.
  let simulatedUs = 0
  let wallMs = 0
  for (const row of rows) {
    verdicts[row.verdict]++
    classes[row.class]++
    operations.invoked += row.operations.invoked
    operations.ok += row.operations.ok
    operations.fail += row.operations.fail
    operations.info += row.operations.info
    events += row.events
    simulatedUs += Math.round(row.simulatedSeconds * 1_000_000)
    wallMs += Math.round(row.wallSeconds * 1_000)
    for (const [kind, count] of Object.entries(row.faults)) {
      const sum = faults.get(kind) ?? { applied: 0, effective: 0 }
      sum.applied += count.applied
      sum.effective += count.effective
      faults.set(kind, sum)
    }
  }
  return {
    runs: rows.length,
    verdicts,
    classes,
    events,
    simulatedSeconds: simulatedUs / 1_000_000,
    wallSeconds: wallMs / 1_000,
    operations,
    faults,
  }
}

function sortedRecord(record: Readonly<Record<string, number>>): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(record).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)))
}
