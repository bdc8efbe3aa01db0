import { SWARM_KINDS } from "#sim"
import type { FaultCount } from "../report/model.ts"
import type { KeptResult } from "./journal-entry.ts"
import { addCounts, countRun, type RowSums } from "./tally.ts"

/** What is added up of each run, whole numbers all. */
const FIGURES = [
  "runs",
  "valid",
  "invalid",
  "unknown",
  "within",
  "detectable",
  "undetectable",
  "invoked",
  "ok",
  "fail",
  "info",
  "events",
  "simulatedUs",
  "wallMs",
  "verified",
] as const
type Figures = Record<(typeof FIGURES)[number], number>

/** The sums of one scenario as a file keeps them. */
export type ScenarioSums = {
  readonly figures: Readonly<Record<string, number>>
  readonly faults: Readonly<Record<string, FaultCount>>
  readonly marks: Readonly<Record<string, number>>
  readonly markRuns: Readonly<Record<string, number>>
  readonly cells: Readonly<Record<string, number>>
}

/** What the runs of one scenario add up to, without the runs: the same in whatever order they come. */
export class Sums {
  readonly figures: Figures
  readonly faults: Map<string, FaultCount>
  readonly marks: Map<string, number>
  readonly markRuns: Map<string, number>
  readonly cells: Map<string, number>

  constructor(before?: ScenarioSums) {
    this.figures = Object.fromEntries(
      FIGURES.map((figure) => [figure, before?.figures[figure] ?? 0]),
    ) as Figures
    this.faults = new Map(Object.entries(before?.faults ?? {}))
    this.marks = new Map(Object.entries(before?.marks ?? {}))
    this.markRuns = new Map(Object.entries(before?.markRuns ?? {}))
    this.cells = new Map(Object.entries(before?.cells ?? {}))
  }

  addRun(result: KeptResult, wallMs: number, verified: boolean): void {
    const { figures } = this
    figures.runs++
    figures[result.verdict]++
    figures[result.runClass]++
    figures.invoked += result.operations.invoked
    figures.ok += result.operations.ok
    figures.fail += result.operations.fail
    figures.info += result.operations.info
    figures.events += result.events
    figures.simulatedUs += result.simulatedUs
    figures.wallMs += wallMs
    if (verified) figures.verified++
    this.#addFaults(Object.entries(result.faults))
    addCounts(this.marks, result.marks)
    countRun(this.markRuns, result.marks)
    addCounts(this.cells, result.cells)
  }

  addSums(other: Sums): void {
    for (const figure of FIGURES) this.figures[figure] += other.figures[figure]
    this.#addFaults(other.faults)
    addCounts(this.marks, Object.fromEntries(other.marks))
    addCounts(this.markRuns, Object.fromEntries(other.markRuns))
    addCounts(this.cells, Object.fromEntries(other.cells))
  }

  /** As the report has them. */
  get rows(): RowSums {
    const { runs, valid, invalid, unknown, within, detectable, undetectable } = this.figures
    const { invoked, ok, fail, info, events, simulatedUs, wallMs } = this.figures
    const none = SWARM_KINDS.map((kind): readonly [string, FaultCount] => [
      kind,
      { applied: 0, effective: 0 },
    ])
    return {
      runs,
      verdicts: { valid, invalid, unknown },
      classes: { within, detectable, undetectable },
      events,
      simulatedSeconds: simulatedUs / 1_000_000,
      wallSeconds: wallMs / 1_000,
      operations: { invoked, ok, fail, info },
      faults: new Map<string, FaultCount>([...none, ...sorted(this.faults)]),
    }
  }

  get kept(): ScenarioSums {
    return {
      figures: { ...this.figures },
      faults: Object.fromEntries(sorted(this.faults)),
      marks: Object.fromEntries(sorted(this.marks)),
      markRuns: Object.fromEntries(sorted(this.markRuns)),
      cells: Object.fromEntries(sorted(this.cells)),
    }
  }

  #addFaults(counts: Iterable<readonly [string, FaultCount]>): void {
    for (const [kind, { applied, effective }] of counts) {
      const sum = this.faults.get(kind)
      this.faults.set(kind, {
        applied: (sum?.applied ?? 0) + applied,
        effective: (sum?.effective ?? 0) + effective,
      })
    }
  }
}

function sorted<Value>(map: ReadonlyMap<string, Value>): readonly (readonly [string, Value])[] {
  return [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
}
