import { UsageError } from "../errors.ts"
import type { Report } from "./model.ts"

export function reportJson(report: Report): string {
  return `${JSON.stringify(report, null, 1)}\n`
}

/** What a field must be, spelled as data: one table that says the whole shape. */
type Form =
  | "string"
  | "number"
  | "boolean"
  | "any"
  | { readonly orNull: Form }
  | { readonly list: Form }
  | { readonly record: Form }
  | { readonly fields: Readonly<Record<string, Form>> }

const FAULTS: Form = { fields: { applied: "number", effective: "number" } }
const OPERATIONS: Form = { fields: { invoked: "number", ok: "number", fail: "number", info: "number" } }
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

const FAILURE: Form = {
  fields: {
    scenario: "string",
    seed: "number",
    oracle: "string",
    signature: "string",
    count: "number",
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

const FIRST_SEEN: Form = { list: { list: "number" } }
const DIVERSITY: Form = { fields: { marks: FIRST_SEEN, faults: FIRST_SEEN, steps: FIRST_SEEN } }

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

/** One sentence on the first place where the value is not of the form, or null. */
function misfit(value: unknown, form: Form, path: string): string | null {
  const place = path === "" ? "it" : path
  if (form === "any") return null
  if (typeof form === "string") {
    const fits = form === "number" ? Number.isFinite(value) : typeof value === form
    return fits ? null : `${place} is not a ${form}`
  }
  if ("orNull" in form) return value === null ? null : misfit(value, form.orNull, path)
  if ("list" in form) {
    if (!Array.isArray(value)) return `${place} is not a list`
    return firstMisfit(value.map((item, index) => [item, form.list, `${path}[${index}]`] as const))
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) return `${place} is not an object`
  const entries = Object.entries(value)
  if ("record" in form) {
    return firstMisfit(entries.map(([key, item]) => [item, form.record, `${path}.${key}`] as const))
  }
  const unknown = entries.find(([key]) => !Object.hasOwn(form.fields, key))
  if (unknown !== undefined) return `${place} has the unknown field "${unknown[0]}"`
  const record = value as Readonly<Record<string, unknown>>
  return firstMisfit(
    Object.entries(form.fields).map(
      ([key, inner]) => [record[key], inner, path === "" ? key : `${path}.${key}`] as const,
    ),
  )
}

function firstMisfit(parts: readonly (readonly [unknown, Form, string])[]): string | null {
  for (const [value, form, path] of parts) {
    const fault = misfit(value, form, path)
    if (fault !== null) return fault
  }
  return null
}
