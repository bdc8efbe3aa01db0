import Table from "cli-table3"
import { distinct, DIVERSITY_STEP, type FirstSeen } from "../campaign/diversity.ts"
import { COVERAGE_HEAD, coverageRows, coverageText } from "./coverage.ts"
import { brief, count, duration, listed, percent, ratio, wrap } from "./format.ts"
import { journalText } from "./journal-text.ts"
import { marksText, missingMarks, tellableText } from "./marks.ts"
import type { Failure, Report, ScenarioTotals, Totals } from "./model.ts"
import type { Paint } from "./paint.ts"
import { shellWord } from "./shell-word.ts"

const FAILURE_LINES_MAX = 40
const FAILURES_TOLD_MAX = 10
const TEXT_WIDTH = 100

/** A table of nothing but its columns. */
const RULES = {
  top: "",
  "top-mid": "",
  "top-left": "",
  "top-right": "",
  bottom: "",
  "bottom-mid": "",
  "bottom-left": "",
  "bottom-right": "",
  left: "",
  "left-mid": "",
  mid: "",
  "mid-mid": "",
  right: "",
  "right-mid": "",
  middle: "  ",
}

/** Rows under a head, columns aligned, no lines. `numeric` columns stand right. */
export function textTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  numeric: readonly number[],
  paint: Paint,
): string {
  const table = new Table({
    head: head.map((name) => paint.bold(name)),
    chars: RULES,
    colAligns: head.map((_, column) => (numeric.includes(column) ? "right" : "left")),
    style: { "padding-left": 0, "padding-right": 0, head: [], border: [] },
  })
  for (const row of rows) table.push([...row])
  return table.toString().replaceAll(/[ \t]+$/gm, "")
}

/** The whole report for a terminal or a log; its last line is the verdict. */
export function reportText(report: Report, paths: readonly string[], paint: Paint): string {
  const { totals } = report
  const blocks = [scenarioTable(totals, paint)]
  if (totals.runs > 0) blocks.push(faultTable(totals, paint), coverageTable(totals, paint))
  if (totals.runs > 0 && totals.marks.length > 0) blocks.push(markLines(totals, paint))
  if (totals.runs > 1) blocks.push(diversityTable(totals, paint))
  blocks.push(...failureBlocks(totals, paint))
  if (totals.problems.length > 0) {
    blocks.push(totals.problems.map((problem) => paint.red(`✗ ${problem.message}`)).join("\n"))
  }
  if (paths.length > 0) blocks.push(paths.map((path) => `report  ${path}`).join("\n"))
  const journal = journalText(totals, paint)
  if (journal !== "") blocks.push(journal)
  const good = totals.verdict === "pass"
  blocks.push(good ? paint.green(paint.bold(totals.headline)) : paint.red(paint.bold(totals.headline)))
  return `${blocks.join("\n\n")}\n`
}

export const SCENARIO_HEAD: readonly string[] = (
  "scenario seeds failed unknown events simulated sim:wall " + "ok fail info acked faults effective marks"
).split(" ")

/** A row of figures for each scenario that ran, and their sum. */
export function scenarioCells(totals: Totals): readonly (readonly string[])[] {
  const ran = totals.scenarios.filter((scenario) => scenario.runs > 0)
  let applied = 0
  let effective = 0
  for (const scenario of ran) {
    applied += scenario.faults.applied
    effective += scenario.faults.effective
  }
  const rows = ran.map((scenario) =>
    figures(scenario.name, scenario, scenario.faults, declaredText(scenario)),
  )
  if (ran.length > 1) rows.push(figures("all", totals, { applied, effective }, ""))
  return rows
}

type Figures = Pick<
  ScenarioTotals,
  "runs" | "invalid" | "unknown" | "events" | "simulatedSeconds" | "wallSeconds" | "operations"
>

function figures(
  name: string,
  sum: Figures,
  faults: ScenarioTotals["faults"],
  marks: string,
): readonly string[] {
  const { operations } = sum
  return [
    name,
    count(sum.runs),
    count(sum.invalid),
    count(sum.unknown),
    brief(sum.events),
    duration(sum.simulatedSeconds),
    ratio(sum.simulatedSeconds, sum.wallSeconds),
    brief(operations.ok),
    brief(operations.fail),
    brief(operations.info),
    percent(operations.ok, operations.invoked),
    brief(faults.applied),
    brief(faults.effective),
    marks,
  ]
}

/** `7/9`: declared marks that were hit. */
function declaredText(scenario: ScenarioTotals): string {
  const { declaredMarks, marks } = scenario
  if (declaredMarks.length === 0) return "–"
  return `${declaredMarks.filter((mark) => (marks[mark] ?? 0) > 0).length}/${declaredMarks.length}`
}

function scenarioTable(totals: Totals, paint: Paint): string {
  const rows = scenarioCells(totals).map((cells) =>
    cells.map((cell, column) =>
      column === 2 && cell !== "0"
        ? paint.red(cell)
        : column === 3 && cell !== "0"
          ? paint.yellow(cell)
          : cell,
    ),
  )
  const numeric = SCENARIO_HEAD.map((_, column) => column).slice(1)
  return `${textTable(SCENARIO_HEAD, rows, numeric, paint)}\n${paint.dim(classesText(totals))}`
}

/** Runs by class: what a passing one has shown differs. */
export function classesText({ classes }: Totals): string {
  const within = `${count(classes.within)} runs within the fault model`
  if (classes.detectable + classes.undetectable === 0) return within
  return `${within}, ${count(classes.detectable)} beyond it but detectable, ${count(classes.undetectable)} undetectable`
}

function faultTable(totals: Totals, paint: Paint): string {
  const names = Object.keys(totals.faults)
  const half = Math.ceil(names.length / 2)
  const cellsOf = (kind: string | undefined): readonly string[] => {
    if (kind === undefined) return ["", "", ""]
    const { applied, effective } = totals.faults[kind] ?? { applied: 0, effective: 0 }
    const figure = (value: number): string => (value === 0 ? paint.yellow("0") : count(value))
    return [kind, figure(applied), figure(effective)]
  }
  // Two kinds a line: the table is read at a glance and must not scroll the verdict away.
  const rows = names
    .slice(0, half)
    .map((kind, index) => [...cellsOf(kind), "", ...cellsOf(names[half + index])])
  const head = ["fault", "applied", "effective"]
  return textTable([...head, "", ...head], rows, [1, 2, 5, 6], paint)
}

/** Whom faults struck, and in which moment. */
function coverageTable(totals: Totals, paint: Paint): string {
  const rows = coverageRows(totals.coverage).map((cells) =>
    cells.map((cell) => (cell === "0" ? paint.yellow(cell) : cell)),
  )
  const numeric = COVERAGE_HEAD.map((_, column) => column).slice(1)
  return `${textTable(COVERAGE_HEAD, rows, numeric, paint)}\n${paint.dim(coverageText(totals.coverage))}`
}

const MARKS_TOLD_MAX = 12

/** How many marks were hit, and which were not that must be; those below their floors are told as problems. */
function markLines(totals: Totals, paint: Paint): string {
  const lines = [`${paint.bold("marks")}  ${marksText(totals)}`]
  const missing = missingMarks(totals)
  if (missing.length > 0) lines.push(paint.yellow(`       never hit: ${listed(missing, MARKS_TOLD_MAX)}`))
  const told = tellableText(totals)
  if (told !== "") lines.push(paint.dim(`       ${told}`))
  return lines.join("\n")
}

const HUNDREDS_TOLD_MAX = 8

/** What is new in each hundred of seeds: while there is much, more seeds are worth their time. */
function diversityTable({ diversity }: Totals, paint: Paint): string {
  const hundreds = Math.max(diversity.marks.length, diversity.faults.length, diversity.steps.length)
  const from = Math.max(0, hundreds - HUNDREDS_TOLD_MAX)
  const columns = Array.from({ length: hundreds - from }, (_, index) => from + index)
  const row = (name: string, seen: FirstSeen): readonly string[] => [
    name,
    count(distinct(seen)),
    ...columns.map((hundred) => count(seen[hundred]?.length ?? 0)),
  ]
  const head = [
    "diversity",
    "distinct",
    ...columns.map((hundred) => `new to ${(hundred + 1) * DIVERSITY_STEP}`),
  ]
  const rows = [
    row("sets of marks", diversity.marks),
    row("sets of faults", diversity.faults),
    row("pairs of steps", diversity.steps),
  ]
  return textTable(head, rows, head.map((_, column) => column).slice(1), paint)
}

/** The shrunk ones first of all, since the others tend to be the same bug again. */
function failureBlocks(totals: Totals, paint: Paint): readonly string[] {
  const news = totals.failures.filter(({ before }) => before === 0)
  const shrunk = news.filter((failure) => failure.shrunk !== "")
  const plain = news.filter((failure) => failure.shrunk === "")
  const room = Math.max(0, FAILURES_TOLD_MAX - shrunk.length)
  const blocks = [...shrunk, ...plain.slice(0, room)].map((failure) => failureText(failure, paint))
  const rest = plain.slice(room)
  const lines = rest
    .slice(0, FAILURE_LINES_MAX)
    .map(
      (failure) =>
        `${paint.red(`✗ ${failure.scenario} seed ${failure.seed}  ${failure.oracle}`)}${timesText(failure)}  ${failure.replay}`,
    )
  const left = rest.length - lines.length
  if (left > 0) lines.push(`… and ${count(left)} more failing seeds, all of them in the JSON report`)
  if (lines.length > 0) blocks.push(lines.join("\n"))
  const old = totals.failures.filter(({ before }) => before > 0)
  if (old.length > 0) blocks.push(oldLines(old, paint).join("\n"))
  return blocks
}

/** What an earlier session has told is told once: here it is counted. */
function oldLines(failures: readonly Failure[], paint: Paint): readonly string[] {
  const lines = failures.slice(0, FAILURE_LINES_MAX).map((failure) => {
    const { signature, count: runs, before, seeds, replay } = failure
    const first = seeds[0] ?? failure
    const now = runs > before ? `, ${count(runs - before)} of them now` : ""
    return `${paint.red(`✗ ${signature}`)}${timesText(failure)}  seen before, first at ${first.scenario} seed ${first.seed}${now}  ${replay}`
  })
  const left = failures.length - lines.length
  return left > 0 ? [...lines, `… and ${count(left)} more that were seen before`] : lines
}

/** At most 40 lines: what broke, the smallest schedule that breaks it, and how to see, replay and keep it. */
export function failureText(failure: Failure, paint: Paint): string {
  const { scenario, seed, oracle, capsule, regression } = failure
  const lines = [
    paint.red(paint.bold(`✗ ${scenario} seed ${seed}  ${oracle}${timesText(failure)}`)),
    ...wrap(failure.message, TEXT_WIDTH)
      .slice(0, 8)
      .map((line) => `  ${line}`),
    paint.dim(`  class: ${failure.class}, seen after event ${count(failure.event)}`),
    ...(failure.shrunk === "" ? [] : [paint.dim(`  ${failure.shrunk}`)]),
    paint.dim(`  signature ${failure.signature}${seedsText(failure)}`),
  ]
  const tail = [
    ...(capsule === null ? [] : [`  capsule  ${capsule}`]),
    `  replay   ${paint.cyan(failure.replay)}`,
    ...(capsule === null
      ? []
      : [`  page     npx orrery sim view ${shellWord(capsule)} --out ${shellWord(pageOf(capsule))}`]),
    ...(regression === null ? [] : [`  keep     cp ${shellWord(regression)} scenarios/regressions/`]),
  ]
  const room = FAILURE_LINES_MAX - lines.length - tail.length
  const schedule =
    failure.schedule.length <= room
      ? failure.schedule
      : [...failure.schedule.slice(0, room - 1), `… and ${failure.schedule.length - room + 1} more`]
  return [...lines, ...schedule.map((line) => `    ${line}`), ...tail].join("\n")
}

/** ` ×12`: in so many runs. */
function timesText({ count: runs }: Failure): string {
  return runs === 1 ? "" : `  ×${count(runs)}`
}

const SEEDS_TOLD_MAX = 8

function seedsText({ seeds, count: runs }: Failure): string {
  if (runs === 1) return ""
  const told = seeds.slice(0, SEEDS_TOLD_MAX).map(({ scenario, seed }) => `${scenario} ${seed}`)
  return `, ${count(runs)} runs: ${told.join(", ")}${runs > told.length ? ", …" : ""}`
}

function pageOf(capsule: string): string {
  return capsule.replace(/(\.json)?$/, ".html")
}
