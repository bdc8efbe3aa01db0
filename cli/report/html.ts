import { distinct, DIVERSITY_STEP, type Diversity } from "../campaign/diversity.ts"
import { COVERAGE_HEAD, coverageRows, coverageText, KIND_HEAD, kindRows } from "./coverage.ts"
import { brief, count, percent } from "./format.ts"
import { declaringOf, MARK_HEAD, markRow, marksText, tellableText } from "./marks.ts"
import type { Coverage, Failure, MarkTotals, Report, ResultRow, Totals } from "./model.ts"
import { reportStyle } from "./page-style.ts"
import { barsHtml, heatHtml, histogramHtml } from "./plots.ts"
import { classesText, SCENARIO_HEAD, scenarioCells } from "./table.ts"
import { escapeXml } from "./xml.ts"

/** The report as one file that needs nothing else: no script, no font, no request. */
export function reportHtml(report: Report): string {
  const { totals } = report
  const sections = [
    headHtml(report),
    problemsHtml(totals),
    failuresHtml(totals),
    section("Scenarios", tableHtml(SCENARIO_HEAD, scenarioCells(totals))),
    section("Faults", faultsHtml(totals)),
    section("Where faults struck", coverageHtml(totals.coverage)),
    section("How different the runs were", diversityHtml(totals.diversity)),
    section("Marks", marksHtml(totals)),
    // Only some runs of a campaign with a journal are here, and these are no sample.
    section("Runs", report.results.length < totals.runs ? "" : histogramsHtml(report.results)),
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeXml(totals.headline)}</title>
<style>${reportStyle()}</style>
</head>
<body>
<main>
${sections.filter((html) => html !== "").join("\n")}
</main>
</body>
</html>
`
}

function headHtml(report: Report): string {
  const { totals } = report
  const facts = [
    `Orrery ${report.version}`,
    `build ${report.build}`,
    `seeds from ${totals.campaign.firstSeed}`,
    `${totals.campaign.jobs} ${totals.campaign.jobs === 1 ? "worker" : "workers"}`,
    `${percent(totals.operations.ok, totals.operations.invoked)} of ${brief(totals.operations.invoked)} operations acknowledged`,
    `${brief(totals.events)} kernel events`,
    classesText(totals),
  ]
  return `<header class="${totals.verdict}">
<h1>${escapeXml(totals.headline)}</h1>
<p class="facts">${facts.map(escapeXml).join(" · ")}</p>
<p class="facts"><code>${escapeXml(totals.campaign.command)}</code></p>
</header>`
}

function section(title: string, body: string): string {
  return body === "" ? "" : `<section>\n<h2>${escapeXml(title)}</h2>\n${body}\n</section>`
}

function problemsHtml(totals: Totals): string {
  if (totals.problems.length === 0) return ""
  const items = totals.problems.map((problem) => `<li class="bad">${escapeXml(problem.message)}</li>`)
  return section("The campaign as a whole", `<ul>${items.join("")}</ul>`)
}

const FAILURES_SHOWN_MAX = 200

function failuresHtml(totals: Totals): string {
  const cards = totals.failures.slice(0, FAILURES_SHOWN_MAX).map(failureHtml)
  const left = totals.failures.length - cards.length
  if (left > 0) cards.push(`<p class="soft">… and ${count(left)} more, all of them in the JSON report.</p>`)
  return cards.length === 0 ? "" : section("Failures", cards.join("\n"))
}

function failureHtml(failure: Failure): string {
  const shrunk = failure.shrunk === "" ? "" : ` · ${escapeXml(failure.shrunk)}`
  const schedule = failure.schedule.length === 0 ? "" : `<pre>${escapeXml(failure.schedule.join("\n"))}</pre>`
  const capsule =
    failure.capsule === null ? "" : `<p class="soft">capsule <code>${escapeXml(failure.capsule)}</code></p>`
  return `<article class="failure">
<h3>${escapeXml(failure.scenario)} seed ${failure.seed} · ${escapeXml(failure.oracle)}${failure.count === 1 ? "" : ` · ${count(failure.count)} runs`}</h3>
<p>${escapeXml(failure.message)}</p>
<p class="soft">${escapeXml(failure.signature)} · class ${failure.class}, seen after event ${count(failure.event)}${shrunk}</p>
${schedule}${capsule}<pre>${escapeXml(failure.replay)}</pre>
</article>`
}

function tableHtml(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const headCells = head.map((cell) => `<th>${escapeXml(cell)}</th>`).join("")
  const body = rows.map((row) => `<tr>${row.map((cell) => `<td>${escapeXml(cell)}</td>`).join("")}</tr>`)
  return `<div class="scroll"><table><thead><tr>${headCells}</tr></thead><tbody>${body.join("\n")}</tbody></table></div>`
}

function faultsHtml(totals: Totals): string {
  const rows = Object.entries(totals.faults).map(([kind, { applied, effective }]) => ({
    name: kind,
    whole: applied,
    part: effective,
  }))
  const about = "Each kind of fault: how often it struck someone (pale), and how often that changed something"
  const never = rows.filter(({ whole }) => whole === 0).map(({ name }) => name)
  const absent = never.length === 0 ? "" : `<p class="soft">Never: ${escapeXml(never.join(", "))}</p>`
  return `${barsHtml(
    about,
    rows.filter(({ whole }) => whole > 0),
  )}${absent}`
}

/** Every mark there is: those below their floors first, then those that were never hit and have one. */
function marksHtml(totals: Totals): string {
  const { marks } = totals
  if (marks.length === 0 || totals.runs === 0) return ""
  const isMissing = ({ runs, floor }: MarkTotals): boolean => runs === 0 && floor !== null
  const rank = (mark: MarkTotals): number => (mark.isBelow ? 0 : isMissing(mark) ? 1 : 2)
  const rows = marks
    .toSorted((a, b) => rank(a) - rank(b))
    .map((mark) => {
      const style = mark.isBelow ? ' class="bad"' : isMissing(mark) ? ' class="zero"' : ""
      const cells = markRow(mark, totals.runs, declaringOf(totals, mark.name))
      return `<tr${style}>${cells.map((cell) => `<td>${escapeXml(cell)}</td>`).join("")}</tr>`
    })
  const head = MARK_HEAD.map((cell) => `<th>${escapeXml(cell)}</th>`).join("")
  const about = [marksText(totals), tellableText(totals)].filter((text) => text !== "").join(" · ")
  return `<p class="soft">${escapeXml(about)}</p>
<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>${rows.join("\n")}</tbody></table></div>`
}

function coverageHtml(coverage: Coverage): string {
  const missed =
    coverage.missedSites.length === 0
      ? ""
      : `<details><summary class="bad">${count(coverage.missedSites.length)} declared sites without a hit</summary><p>${escapeXml(coverage.missedSites.join(", "))}</p></details>`
  return `<p class="soft">${escapeXml(coverageText(coverage))}</p>${missed}
${heatHtml(COVERAGE_HEAD, coverageRows(coverage))}
<details><summary>Every kind, by the role of whom it struck</summary>${heatHtml(KIND_HEAD, kindRows(coverage))}</details>
<details><summary>Cells never hit</summary><pre>${escapeXml(coverage.never.join("\n"))}</pre></details>`
}

function diversityHtml(diversity: Diversity): string {
  const rows = (
    [
      ["sets of marks that were hit", diversity.marks],
      ["sets of faults that were effective", diversity.faults],
      ["pairs of things a store said one after the other", diversity.steps],
    ] as const
  ).map(([name, seen]) => [name, count(distinct(seen)), seen.map((news) => count(news.length)).join(" ")])
  return tableHtml(["what", "distinct", `new in each ${DIVERSITY_STEP} runs`], rows)
}

function histogramsHtml(results: readonly ResultRow[]): string {
  if (results.length < 2) return ""
  const timed = results.filter((row) => row.wallSeconds > 0)
  const effective = (row: ResultRow): number =>
    Object.values(row.faults).reduce((sum, fault) => sum + fault.effective, 0)
  const plots: readonly (readonly [string, readonly number[]])[] = [
    ["Kernel events of a run", results.map((row) => row.events)],
    ["Faults of a run that changed something", results.map(effective)],
    ["Operations acknowledged in a run", results.map((row) => row.operations.ok)],
    ["Simulated seconds of a run", results.map((row) => row.simulatedSeconds)],
    ["Simulated seconds for one on the wall", timed.map((row) => row.simulatedSeconds / row.wallSeconds)],
    ["Kernel events a second on the wall", timed.map((row) => row.events / row.wallSeconds)],
    ["Seconds of a run on the wall", timed.map((row) => row.wallSeconds)],
  ]
  const drawn = plots.filter(([, values]) => values.length > 1)
  return `<div class="plots">${drawn.map(([title, values]) => histogramHtml(title, values)).join("\n")}</div>`
}
