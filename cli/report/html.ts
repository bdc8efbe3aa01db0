import { distinct, DIVERSITY_STEP, type Diversity } from "../campaign/diversity.ts"
import { COVERAGE_HEAD, coverageRows, coverageText, KIND_HEAD, kindRows } from "./coverage.ts"
import { brief, count, percent } from "./format.ts"
import type { Coverage, Failure, Report, ResultRow, Totals } from "./model.ts"
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
    section("Runs", histogramsHtml(report.results)),
  ]
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeXml(totals.headline)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
${sections.filter((html) => html !== "").join("\n")}
</main>
</body>
</html>
`
}

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2128; --soft: #59636e; --line: #d8dee4; --paper: #ffffff; --card: #f6f8fa;
  --good: #1a7f37; --bad: #c5221f; --warn: #9a6700; --bar: #4f7cc4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #30363d; --paper: #0d1117;
  --card: #161b22; --good: #3fb950; --bad: #ff7b72; --warn: #d29922; --bar: #6ea8fe; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
h1 { font-size: 22px; margin: 0 0 4px; } h2 { font-size: 17px; margin: 34px 0 10px; }
.pass h1 { color: var(--good); } .fail h1 { color: var(--bad); }
.facts { color: var(--soft); margin: 0; } code, pre, td { font-variant-numeric: tabular-nums; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13.5px; }
th, td { padding: 4px 12px 4px 0; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { font-weight: 600; color: var(--soft); } th:first-child, td:first-child { text-align: left; }
.zero { color: var(--warn); font-weight: 600; } .columns { display: flex; flex-wrap: wrap; gap: 0 48px; align-items: flex-start; }
.failure { background: var(--card); border: 1px solid var(--line); border-left: 4px solid var(--bad); border-radius: 6px;
  padding: 12px 16px; margin: 12px 0; } .failure h3 { margin: 0 0 4px; font-size: 15px; color: var(--bad); }
.failure p { margin: 4px 0; } pre { overflow-x: auto; font: 12.5px/1.5 ui-monospace, monospace; margin: 8px 0; }
.bad { color: var(--bad); } .soft { color: var(--soft); }
svg { display: block; max-width: 100%; height: auto; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg rect { fill: var(--bar); } figure { margin: 0 0 20px; } figcaption { color: var(--soft); margin-bottom: 6px; }
`

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
  const figure = (value: number): string => `<td${value === 0 ? ' class="zero"' : ""}>${count(value)}</td>`
  const rows = Object.entries(totals.faults).map(
    ([kind, { applied, effective }]) =>
      `<tr><td>${escapeXml(kind)}</td>${figure(applied)}${figure(effective)}</tr>`,
  )
  const half = Math.ceil(rows.length / 2)
  const head = "<thead><tr><th>fault</th><th>applied</th><th>effective</th></tr></thead>"
  const tables = [rows.slice(0, half), rows.slice(half)].map(
    (part) => `<table>${head}<tbody>${part.join("\n")}</tbody></table>`,
  )
  return `<div class="columns scroll">${tables.join("\n")}</div>`
}

function marksHtml(totals: Totals): string {
  const rows = totals.scenarios.flatMap((scenario) =>
    scenario.declaredMarks
      .filter(() => scenario.runs > 0)
      .map((mark) => {
        const hits = scenario.marks[mark] ?? 0
        return `<tr><td>${escapeXml(scenario.name)}</td><td>${escapeXml(mark)}</td><td${hits === 0 ? ' class="zero"' : ""}>${count(hits)}</td></tr>`
      }),
  )
  if (rows.length === 0) return ""
  return `<div class="scroll"><table><thead><tr><th>scenario</th><th>mark</th><th>hits</th></tr></thead><tbody>${rows.join("\n")}</tbody></table></div>`
}

function coverageHtml(coverage: Coverage): string {
  const missed =
    coverage.missedSites.length === 0
      ? ""
      : `<p class="bad">Declared sites without a hit: ${escapeXml(coverage.missedSites.join(", "))}</p>`
  return `<p class="soft">${escapeXml(coverageText(coverage))}</p>${missed}
${tableHtml(COVERAGE_HEAD, coverageRows(coverage))}
<details><summary>Every kind, by the role of whom it struck</summary>${tableHtml(KIND_HEAD, kindRows(coverage))}</details>
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
  const timed = results.filter((row) => row.wallSeconds > 0)
  if (timed.length < 2) return ""
  return [
    histogramHtml(
      "Simulated seconds for one second on the wall",
      timed.map((row) => row.simulatedSeconds / row.wallSeconds),
    ),
    histogramHtml(
      "Kernel events a second",
      timed.map((row) => row.events / row.wallSeconds),
    ),
    histogramHtml(
      "Length of a run on the wall, seconds",
      timed.map((row) => row.wallSeconds),
    ),
  ].join("\n")
}

const BARS = 24

/** Bars between the least and the greatest value, on an even scale. */
function histogramHtml(title: string, values: readonly number[]): string {
  let least = Number.POSITIVE_INFINITY
  let greatest = Number.NEGATIVE_INFINITY
  for (const value of values) {
    least = Math.min(least, value)
    greatest = Math.max(greatest, value)
  }
  const span = greatest - least || 1
  const bars = Array.from({ length: BARS }, () => 0)
  for (const value of values) {
    const index = Math.min(BARS - 1, Math.floor(((value - least) / span) * BARS))
    bars[index] = (bars[index] ?? 0) + 1
  }
  const tallest = Math.max(...bars)
  const width = 720
  const height = 120
  const step = width / BARS
  const rects = bars.map((runs, index) => {
    const tall = tallest === 0 ? 0 : (runs / tallest) * height
    const from = brief(least + (span / BARS) * index)
    const to = brief(least + (span / BARS) * (index + 1))
    return `<rect x="${(index * step + 1).toFixed(1)}" y="${(height - tall).toFixed(1)}" width="${(step - 2).toFixed(1)}" height="${tall.toFixed(1)}"><title>${from} to ${to}: ${count(runs)} runs</title></rect>`
  })
  const labels = `<text x="0" y="${height + 14}">${brief(least)}</text><text x="${width}" y="${height + 14}" text-anchor="end">${brief(greatest)}</text>`
  const sorted = [...values].sort((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  const about = `${title}: median ${brief(median)} over ${count(values.length)} runs`
  return `<figure><figcaption>${escapeXml(about)}</figcaption><svg viewBox="0 0 ${width} ${height + 18}" width="${width}" role="img" aria-label="${escapeXml(about)}">${rects.join("")}${labels}</svg></figure>`
}
