import { unreachable } from "../errors.ts"
import type { Failure, Report, ResultRow, ScenarioTotals } from "./model.ts"
import { escapeXml } from "./xml.ts"

/** From this many runs on, the passing seeds of a scenario are one test case: readers of JUnit choke on millions. */
const CASES_MAX = 20_000

/** The report as JUnit XML: a suite for each scenario, a case for each seed, and a suite for the campaign itself. */
export function junitXml(report: Report): string {
  const { totals, results } = report
  const failures = new Map(
    totals.failures.flatMap((failure) =>
      failure.seeds.map(({ scenario, seed }) => [`${scenario}\n${seed}`, failure] as const),
    ),
  )
  const isLarge = results.length > CASES_MAX || results.length < totals.runs
  const rows = Map.groupBy(results, (row) => row.scenario)
  const suites = totals.scenarios
    .filter((scenario) => scenario.runs > 0)
    .map((scenario) => suiteXml(scenario, rows.get(scenario.name) ?? [], failures, isLarge))
  suites.push(campaignSuiteXml(report))
  const failed = totals.invalid + totals.problems.length
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="orrery" tests="${results.length + 1}" failures="${failed}" errors="0" skipped="${totals.unknown}" time="${totals.wallSeconds}">`,
    ...suites,
    "</testsuites>",
    "",
  ].join("\n")
}

function suiteXml(
  scenario: ScenarioTotals,
  rows: readonly ResultRow[],
  failures: ReadonlyMap<string, Failure>,
  isLarge: boolean,
): string {
  const name = escapeXml(scenario.name)
  const told = isLarge ? rows.filter((row) => row.verdict !== "valid") : rows
  const cases = told.map((row) => caseXml(row, failures.get(`${row.scenario}\n${row.seed}`)))
  if (isLarge && scenario.valid > 0) {
    cases.push(`    <testcase classname="${name}" name="${scenario.valid} passing seeds" time="0"/>`)
  }
  const tests = cases.length
  return [
    `  <testsuite name="${name}" tests="${tests}" failures="${scenario.invalid}" errors="0" skipped="${scenario.unknown}" time="${scenario.wallSeconds}">`,
    ...cases,
    "  </testsuite>",
  ].join("\n")
}

function caseXml(row: ResultRow, failure: Failure | undefined): string {
  const open = `    <testcase classname="${escapeXml(row.scenario)}" name="seed ${row.seed}" time="${row.wallSeconds}"`
  switch (row.verdict) {
    case "valid":
      return `${open}/>`
    case "unknown":
      return `${open}><skipped message="no verdict: a checker ran out of budget"/></testcase>`
    case "invalid": {
      const { oracle, message } = row
      const text = failure === undefined ? "" : failureBody(failure)
      return `${open}><failure type="${escapeXml(oracle ?? "")}" message="${escapeXml(message ?? "")}">${escapeXml(text)}</failure></testcase>`
    }
    default:
      return unreachable(row.verdict)
  }
}

function failureBody(failure: Failure): string {
  const lines = [`class: ${failure.class}`, ...failure.schedule, `replay: ${failure.replay}`]
  if (failure.capsule !== null) lines.push(`capsule: ${failure.capsule}`)
  return lines.join("\n")
}

function campaignSuiteXml(report: Report): string {
  const { problems, headline } = report.totals
  const body = problems.map(
    (problem) => `<failure type="${problem.id}" message="${escapeXml(problem.message)}"/>`,
  )
  return [
    `  <testsuite name="campaign as a whole" tests="1" failures="${problems.length}" errors="0" skipped="0" time="0">`,
    `    <testcase classname="campaign as a whole" name="${escapeXml(headline)}" time="0">${body.join("")}</testcase>`,
    "  </testsuite>",
  ].join("\n")
}
