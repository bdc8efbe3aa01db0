import type { Cells, RunClass } from "#sim"
import type { Diversity } from "../campaign/diversity.ts"

/** One object of `--json`, and what every other form of report is made from. DESIGN §11. */
export type Report = {
  /** Of Orrery. */
  readonly version: string
  /** Content hash of what decides a run: kernel, simulator, scenarios. */
  readonly build: string
  /** Every run; of a campaign with a journal those that failed, as far as they are kept. */
  readonly results: readonly ResultRow[]
  readonly totals: Totals
}

export type Verdict = "valid" | "invalid" | "unknown"
export type FaultCount = { readonly applied: number; readonly effective: number }
export type OperationCount = {
  readonly invoked: number
  readonly ok: number
  readonly fail: number
  readonly info: number
}

export type ResultRow = {
  readonly scenario: string
  readonly seed: number
  readonly verdict: Verdict
  /** The one check that failed; null when none did. */
  readonly oracle: string | null
  readonly traceHash: string
  readonly events: number
  readonly simulatedSeconds: number
  readonly wallSeconds: number
  readonly faults: Readonly<Record<string, FaultCount>>
  readonly operations: OperationCount
  /** Path of the capsule, if one was written. */
  readonly capsule: string | null
  readonly class: RunClass
  readonly message: string | null
}

/** What a capsule shows at a glance. */
export type Failure = {
  readonly scenario: string
  readonly seed: number
  readonly oracle: string
  /** Oracle and shrunk story in a few words: failures of one signature are one failure. */
  readonly signature: string
  /** Runs that failed so, and which: this one is the smallest of them. */
  readonly count: number
  /** Runs of these that an earlier session of the same journal has told of; 0 where the failure is new. */
  readonly before: number
  readonly seeds: readonly { readonly scenario: string; readonly seed: number }[]
  readonly message: string
  readonly class: RunClass
  /** Of the event after which it was seen, in the shrunk plan where there is one. */
  readonly event: number
  readonly capsule: string | null
  /** Path of the file to commit beside the scenarios, if one was written. */
  readonly regression: string | null
  /** The line to paste. */
  readonly replay: string
  /** The minimal schedule, a line each; empty when the failure was not shrunk. */
  readonly schedule: readonly string[]
  /** How it was shrunk, one sentence; empty when it was not. */
  readonly shrunk: string
}

export type ScenarioTotals = {
  readonly name: string
  readonly about: string
  readonly runs: number
  readonly valid: number
  readonly invalid: number
  readonly unknown: number
  readonly events: number
  readonly simulatedSeconds: number
  readonly wallSeconds: number
  readonly operations: OperationCount
  readonly faults: FaultCount
  /** Marks that must be hit over the seeds, and how often each mark was, declared or not. */
  readonly declaredMarks: readonly string[]
  readonly marks: Readonly<Record<string, number>>
  /** In how many runs each mark was hit. */
  readonly markRuns: Readonly<Record<string, number>>
  /** Whom faults struck and when, as `RunResult.cells`. */
  readonly cells: Cells
}

/** Where faults have struck, over all runs. */
export type Coverage = {
  readonly cells: Cells
  /** How many cells there are, and those that were never hit. */
  readonly possible: number
  readonly never: readonly string[]
  /** Declared sites that no run has hit. */
  readonly missedSites: readonly string[]
}

/** A mark of the kernel, and whether runs hit it as often as they must. */
export type MarkTotals = {
  readonly name: string
  /** Of 20,000 runs of the default campaign so many must hit it; null: none need to. */
  readonly floor: number | null
  /** Where it is reached if the default campaign cannot reach it; empty when it can, or the mark is unknown. */
  readonly elsewhere: string
  /** Runs that hit it. */
  readonly runs: number
  /** How likely so few are if the floor holds, corrected for how many marks were looked at; null where nothing was asked. */
  readonly chance: number | null
  readonly isBelow: boolean
}

/** Which part of which campaign this is. */
export type CampaignFacts = {
  /** No scenario was named: the default campaign. */
  readonly isDefault: boolean
  /** Runs of all shards together; null when time ended it. */
  readonly runsPlanned: number | null
  readonly firstSeed: number
  readonly shardCount: number
  /** Shards that are in here, from 1. */
  readonly shards: readonly number[]
  readonly interrupted: boolean
  /** Runs made a second time in a new worker. */
  readonly verified: number
  readonly jobs: number
  readonly elapsedSeconds: number
  readonly command: string
  /** Null of a campaign that is run in one go. */
  readonly journal: JournalFacts | null
}

/** How far a campaign of several sessions is. */
export type JournalFacts = {
  readonly folder: string
  /** Runs made in all sessions, and those that are missing to the number asked for; null where none was. */
  readonly done: number
  readonly left: number | null
  /** The first so many runs are all made; beyond them there may be gaps. */
  readonly unbroken: number
  readonly intervals: number
  readonly sessions: number
  readonly cpuSeconds: number
  /** Failing runs that are counted and of which no more is kept. */
  readonly unlisted: number
}

/** Something wrong with the campaign as a whole, found in no single run. */
export type Problem = {
  readonly id:
    | "marks"
    | "floors"
    | "unknownMarks"
    | "sites"
    | "teeth"
    | "acknowledged"
    | "undetectable"
    | "unknown"
    | "incomplete"
    | "empty"
  readonly scenario: string | null
  readonly message: string
}

export type Totals = {
  readonly verdict: "pass" | "fail"
  readonly exitCode: number
  readonly headline: string
  readonly problems: readonly Problem[]
  readonly runs: number
  readonly valid: number
  readonly invalid: number
  readonly unknown: number
  readonly classes: Readonly<Record<RunClass, number>>
  readonly events: number
  readonly simulatedSeconds: number
  readonly wallSeconds: number
  readonly operations: OperationCount
  /** Operations that were acknowledged, of all that were asked. */
  readonly acknowledgedRatio: number
  /** Every kind of fault there is, also those that never came. */
  readonly faults: Readonly<Record<string, FaultCount>>
  readonly coverage: Coverage
  readonly marks: readonly MarkTotals[]
  /** How different runs were from each other. */
  readonly diversity: Diversity
  readonly scenarios: readonly ScenarioTotals[]
  readonly failures: readonly Failure[]
  readonly campaign: CampaignFacts
}
