import type { RunResult } from "#sim"
import { DIVERSITY, FAILURE, FAULTS, OPERATIONS } from "../report/json.ts"
import type { Form } from "../report/form.ts"
import type { Failure } from "../report/model.ts"
import type { Diversity } from "./diversity.ts"
import type { Interval } from "./intervals.ts"
import { clip } from "../report/format.ts"
import type { RunRecord } from "./run.ts"
import type { Share } from "./schedule.ts"
import type { Shard } from "../arguments.ts"
import type { ScenarioSums } from "./sums.ts"

export const JOURNAL_FORMAT = 1

/** What every run of a journal rests on: with another of it, another journal. */
export type JournalKey = {
  /** Content hash of what decides a run. */
  readonly build: string
  readonly isDefault: boolean
  readonly shares: readonly Share[]
  readonly firstSeed: number
  readonly shard: Shard | null
}

/** The first line. */
export type Head = { readonly journal: number; readonly version: string; readonly key: JournalKey }

/** What a journal keeps of the result of a run that is the newest, or that failed. */
export type KeptResult = Omit<RunResult, "scenario" | "seed" | "checkpoints" | "history">

export type KeptRun = {
  /** Its place in the whole campaign. */
  readonly index: number
  readonly scenario: string
  readonly seed: number
  readonly verified: boolean
  readonly wallMs: number
  readonly result: KeptResult
}

/** A run that failed, and what it was told as; null while no session has come to tell it. */
export type FailedRun = { readonly run: KeptRun; readonly signature: string | null }

/** What a session took so far. */
export type Spent = { readonly elapsedMs: number; readonly cpuMs: number }

export type SessionStart = {
  readonly type: "session"
  /** ISO 8601. */
  readonly at: string
  readonly command: string
  /** Runs of the whole campaign, all shards together; null where only time ends it. */
  readonly runs: number | null
}

export type Entry =
  | SessionStart
  | { readonly type: "run"; readonly run: KeptRun; readonly spent: Spent }
  | {
      readonly type: "told"
      /** Whole, with what earlier sessions told of them. */
      readonly failures: readonly Failure[]
      readonly runs: readonly { readonly index: number; readonly signature: string }[]
      readonly spent: Spent
    }
  | Checkpoint

/** All that the lines before it came to. */
export type Checkpoint = {
  readonly type: "checkpoint"
  readonly done: readonly Interval[]
  readonly scenarios: Readonly<Record<string, ScenarioSums>>
  readonly diversity: Diversity
  readonly failed: readonly FailedRun[]
  readonly unlisted: number
  readonly failures: readonly Failure[]
  readonly sessions: number
  readonly last: SessionStart
  /** Of the sessions before the last one, and of that one. */
  readonly before: Spent
  readonly spent: Spent
}

const COUNTS: Form = { record: "count" }
const SPENT: Form = { fields: { elapsedMs: "count", cpuMs: "count" } }

const RUN: Form = {
  fields: {
    index: "count",
    scenario: "string",
    seed: "count",
    verified: "boolean",
    wallMs: "count",
    result: {
      fields: {
        runClass: { oneOf: ["within", "detectable", "undetectable"] },
        verdict: { oneOf: ["valid", "invalid", "unknown"] },
        violation: {
          orNull: { fields: { oracle: "string", message: "string", at: "number", event: "number" } },
        },
        traceHash: "string",
        stateHash: "string",
        events: "count",
        simulatedUs: "count",
        operations: OPERATIONS,
        faults: { record: FAULTS },
        marks: COUNTS,
        cells: COUNTS,
        signature: { fields: { marks: "number", faults: "number", steps: { list: "number" } } },
      },
    },
  },
}

const SESSION: Readonly<Record<string, Form>> = {
  type: "string",
  at: "string",
  command: "string",
  runs: { orNull: "count" },
}

export const HEAD: Form = {
  fields: {
    journal: "count",
    version: "string",
    key: {
      fields: {
        build: "string",
        isDefault: "boolean",
        shares: { list: { fields: { scenario: "string", weight: "count" } } },
        firstSeed: "count",
        shard: { orNull: { fields: { index: "count", count: "count" } } },
      },
    },
  },
}

/** By the type of the entry. */
export const ENTRIES: Readonly<Record<string, Form>> = {
  session: { fields: SESSION },
  run: { fields: { type: "string", run: RUN, spent: SPENT } },
  told: {
    fields: {
      type: "string",
      failures: { list: FAILURE },
      runs: { list: { fields: { index: "count", signature: "string" } } },
      spent: SPENT,
    },
  },
  checkpoint: {
    fields: {
      type: "string",
      done: { list: { list: "count" } },
      scenarios: {
        record: {
          fields: {
            figures: COUNTS,
            faults: { record: FAULTS },
            marks: COUNTS,
            markRuns: COUNTS,
            cells: COUNTS,
          },
        },
      },
      diversity: DIVERSITY,
      failed: { list: { fields: { run: RUN, signature: { orNull: "string" } } } },
      unlisted: "count",
      failures: { list: FAILURE },
      sessions: "count",
      last: { fields: SESSION },
      before: SPENT,
      spent: SPENT,
    },
  },
}

/** Characters kept of what an oracle said. */
const MESSAGE_MAX = 1_000

export function keepRun({ job, result, wallMs, verified }: RunRecord): KeptRun {
  const { scenario: _, seed: __, checkpoints: ___, history: ____, ...kept } = result
  const violation = kept.violation && {
    ...kept.violation,
    message: clip(kept.violation.message, MESSAGE_MAX),
  }
  return { ...job, verified, wallMs: Math.round(wallMs), result: { ...kept, violation } }
}

/** The record of a run as a session has it that made it, but for what was not kept. */
export function recordOfKept({ index, scenario, seed, verified, wallMs, result }: KeptRun): RunRecord {
  return {
    job: { index, scenario, seed },
    result: { ...result, scenario, seed, checkpoints: [], history: [] },
    wallMs,
    // A journal is of a swarm.
    planned: null,
    verified,
  }
}
