import { UsageError } from "../errors.ts"
import { misfit, type Form } from "./form.ts"
import type { Report } from "./model.ts"

export function reportJson(report: Report): string {
  return `${JSON.stringify(report, null, 1)}\n`
}

export const FAULTS: Form = { fields: { applied: "number", effective: "number" } }
export const OPERATIONS: Form = {
  fields: { invoked: "number", ok: "number", fail: "number", info: "number" },
}
const SUMS: Readonly<Record<string, Form>> = {
  runs: "number",
  valid: "number",
  invalid: "number",
  unknown: "number",
  events: "number",
  simulatedSeconds: "number",
  wallSeconds: "number",
  operations: OPERATIONS,
}

const ROW: Form = {
  fields: {
    scenario: "string",
    seed: "number",
    verdict: "string",
    oracle: { orNull: "string" },
    traceHash: "string",
    events: "number",
    simulatedSeconds: "number",
    wallSeconds: "number",
    faults: { record: FAULTS },
    operations: OPERATIONS,
    capsule: { orNull: "string" },
    class: "string",
    message: { orNull: "string" },
  },
}

export const FAILURE: Form = {
  fields: {
    scenario: "string",
    seed: "number",
    oracle: "string",
    signature: "string",
    count: "number",
    before: "number",
    seeds: { list: { fields: { scenario: "string", seed: "number" } } },
    message: "string",
    class: "string",
    event: "number",
    capsule: { orNull: "string" },
    regression: { orNull: "string" },
    replay: "string",
    schedule: { list: "string" },
    shrunk: "string",
  },
}

const SCENARIO: Form = {
  fields: {
    ...SUMS,
    name: "string",
    about: "string",
    faults: FAULTS,
    declaredMarks: { list: "string" },
    marks: { record: "number" },
    markRuns: { record: "number" },
    cells: { record: "number" },
  },
}

const COVERAGE: Form = {
  fields: {
    cells: { record: "number" },
    possible: "number",
    never: { list: "string" },
    missedSites: { list: "string" },
  },
}

const MARK: Form = {
  fields: {
    name: "string",
    floor: { orNull: "number" },
    elsewhere: "string",
    runs: "number",
    chance: { orNull: "number" },
    isBelow: "boolean",
  },
}

const FIRST_SEEN: Form = { list: { list: "number" } }
export const DIVERSITY: Form = { fields: { marks: FIRST_SEEN, faults: FIRST_SEEN, steps: FIRST_SEEN } }

const CAMPAIGN: Form = {
  fields: {
    isDefault: "boolean",
    runsPlanned: { orNull: "number" },
    firstSeed: "number",
    shardCount: "number",
    shards: { list: "number" },
    interrupted: "boolean",
    verified: "number",
    jobs: "number",
    elapsedSeconds: "number",
    command: "string",
    journal: {
      orNull: {
        fields: {
          folder: "string",
          done: "number",
          left: { orNull: "number" },
          unbroken: "number",
          intervals: "number",
          sessions: "number",
          cpuSeconds: "number",
          unlisted: "number",
        },
      },
    },
  },
}

const REPORT: Form = {
  fields: {
    version: "string",
    build: "string",
    results: { list: ROW },
    totals: {
      fields: {
        ...SUMS,
        verdict: "string",
        exitCode: "number",
        headline: "string",
        problems: { list: "any" },
        classes: { record: "number" },
        acknowledgedRatio: "number",
        faults: { record: FAULTS },
        coverage: COVERAGE,
        marks: { list: MARK },
        diversity: DIVERSITY,
        scenarios: { list: SCENARIO },
        failures: { list: FAILURE },
        campaign: CAMPAIGN,
      },
    },
  },
}

/** Trusts nothing of a file that claims to be a report: another program may have written it. */
export function parseReport(path: string, json: unknown): Report {
  const fault = misfit(json, REPORT, "")
  if (fault !== null) throw new UsageError(`${path} is no report of \`orrery sim run --json\`: ${fault}`)
  const report = json as Report
  for (const row of report.results) {
    if (!["valid", "invalid", "unknown"].includes(row.verdict)) {
      throw new UsageError(`${path}: "${row.verdict}" is no verdict`)
    }
    if (!["within", "detectable", "undetectable"].includes(row.class)) {
      throw new UsageError(`${path}: "${row.class}" is no class of run`)
    }
  }
  return report
}
