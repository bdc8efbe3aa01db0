import type { MarkRule, Scenario } from "#sim"
import type { Failure, Report } from "../report/model.ts"
import { orreryVersion } from "../build-id.ts"
import type { Engine } from "./engine.ts"
import { plainSignature, type KnownFailure } from "./failures.ts"
import { recordOfKept, type KeptRun } from "./journal-entry.ts"
import type { JournalState } from "./journal-state.ts"
import { jobCount, type Selection } from "./schedule.ts"
import { Sums } from "./sums.ts"
import { makeReport, rowOf } from "./tally.ts"

/** The failures that sessions so far have told, with what their runs say before they are shrunk. */
export function knownFailures(engine: Engine, state: JournalState): readonly KnownFailure[] {
  return [...state.failures.keys()].map((signature) => {
    const runs = state.failed.filter((failed) => failed.signature === signature)
    return { signature, alike: new Set(runs.map(({ run }) => plainSignature(engine, recordOfKept(run)))) }
  })
}

/** What runs of this session were found to be, added to what the journal has of the same. */
export function addKnown(state: JournalState, found: readonly Failure[]): readonly Failure[] {
  return found.map((failure) => {
    const known = state.failures.get(failure.signature)
    if (known === undefined) return failure
    return {
      ...known,
      count: known.count + failure.count,
      before: known.count,
      seeds: [...known.seeds, ...failure.seeds],
    }
  })
}

/** Which waiting run was told as which of these failures. */
export function signaturesOf(
  waiting: readonly KeptRun[],
  failures: readonly Failure[],
): readonly { readonly index: number; readonly signature: string }[] {
  const told = new Map(
    failures.flatMap(({ signature, seeds }) =>
      seeds.map(({ scenario, seed }) => [`${scenario}\n${seed}`, signature] as const),
    ),
  )
  return waiting.flatMap(({ index, scenario, seed }) => {
    const signature = told.get(`${scenario}\n${seed}`)
    return signature === undefined ? [] : [{ index, signature }]
  })
}

export type JournalReportParts = {
  readonly folder: string
  readonly state: JournalState
  readonly scenarios: readonly Scenario[]
  readonly markRules: readonly MarkRule[]
  /** Found by this session; those of earlier ones are in the journal. */
  readonly failures: readonly Failure[]
  readonly interrupted: boolean
  readonly jobs: number
}

/** The report of a whole campaign so far: what one session of the same runs would have said. */
export function reportOfJournal(parts: JournalReportParts): Report {
  const { folder, state } = parts
  const { key, done, last } = state
  const all = new Sums()
  for (const sums of state.scenarios.values()) all.addSums(sums)
  const selection: Selection = { ...key, runs: last?.runs ?? null }
  const runs = jobCount(selection)
  const left = runs === null ? null : Math.max(0, runs - done.size)

  const failures = new Map<string, Failure>()
  for (const failure of state.failures.values())
    failures.set(failure.signature, { ...failure, before: failure.count })
  for (const failure of parts.failures) failures.set(failure.signature, failure)
  const signatures = new Map(
    signaturesOf(state.waiting, parts.failures).map(({ index, signature }) => [index, signature]),
  )
  const capsuleOf = (index: number, signature: string | null): string | null =>
    failures.get(signature ?? signatures.get(index) ?? "")?.capsule ?? null

  return makeReport({
    version: orreryVersion(),
    build: key.build,
    results: state.failed.map(({ run, signature }) =>
      rowOf(recordOfKept(run), capsuleOf(run.index, signature)),
    ),
    sums: {
      all: all.rows,
      scenarios: new Map([...state.scenarios].map(([name, sums]) => [name, sums.rows])),
    },
    scenarios: key.shares.map(({ scenario: name }) => {
      const scenario = parts.scenarios.find((candidate) => candidate.name === name)
      const { marks = {}, markRuns = {}, cells = {} } = state.scenarios.get(name)?.kept ?? {}
      return {
        name,
        about: scenario?.about ?? "",
        declaredMarks: scenario?.marks ?? [],
        marks,
        markRuns,
        cells,
      }
    }),
    markRules: parts.markRules,
    failures: [...failures.values()],
    diversity: state.diversity.diversity,
    campaign: {
      isDefault: key.isDefault,
      runsPlanned: selection.runs,
      firstSeed: key.firstSeed,
      shardCount: key.shard?.count ?? 1,
      shards: [key.shard?.index ?? 1],
      // An interrupt that cost no run keeps no promise from being held.
      interrupted: parts.interrupted && left !== 0,
      verified: all.figures.verified,
      jobs: parts.jobs,
      elapsedSeconds: state.spent.elapsedMs / 1_000,
      command: last?.command ?? "",
      journal: {
        folder,
        done: done.size,
        left,
        unbroken: done.unbroken,
        intervals: done.list.length,
        sessions: state.sessions,
        cpuSeconds: state.spent.cpuMs / 1_000,
        unlisted: state.unlisted,
      },
    },
  })
}
