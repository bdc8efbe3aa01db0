import { clip, count, percent } from "#cli/report/format.ts"
import type { Paint } from "#cli/report/paint.ts"
import { textTable } from "#cli/report/table.ts"
import { escapeXml } from "#cli/report/xml.ts"
import { windowsLeft, type MutantResult, type ZooResults } from "./results.ts"
import { cpuSecondsOf, curve, isCaught, promises, PROMISED, seedsOf, wallSecondsOf } from "./score.ts"
import { DROP_PROBABILITY_MAX, type Drop } from "./sensitivity.ts"

/** What is told: the mutants that were asked for, and what they were held against. */
export type Told = ZooResults & {
  readonly windows: number
  readonly drops: readonly Drop[] | null
  /** Where the results are. */
  readonly json: string
}

const HEAD = [
  "id",
  "tier",
  "break",
  "fired",
  "seeds",
  "windows",
  "other first",
  "cpu s",
  "wall s",
  "shrunk to",
  "in s",
]
const NUMERIC = [4, 7, 8, 10]
const TITLE_WIDTH = 46

function rowOf(result: MutantResult): readonly string[] {
  const { id, tier, title, windows, shrunk } = result
  const seeds = seedsOf(result)
  const fired = new Set(windows.flatMap(({ found }) => found?.oracle ?? []))
  const others: Record<string, number> = {}
  for (const window of windows) {
    for (const [oracle, times] of Object.entries(window.others))
      others[oracle] = (others[oracle] ?? 0) + times
  }
  const first = Object.entries(others).sort(([a], [b]) => (a < b ? -1 : 1))
  const sought = windows.at(-1)?.seeds ?? 0
  return [
    id,
    tier,
    clip(title, TITLE_WIDTH),
    fired.size === 0 ? "–" : [...fired].join(", "),
    windows.length === 0 ? "–" : seeds === null ? `> ${count(sought)}` : String(seeds),
    windows.map((window) => (window.found === null ? `>${window.seeds}` : window.seeds)).join(" "),
    first.map(([oracle, times]) => `${times} ${oracle}`).join(", ") || "0",
    windows.length === 0 ? "–" : cpuSecondsOf(result).toFixed(1),
    windows.length === 0 ? "–" : wallSecondsOf(result).toFixed(1),
    shrunk === null
      ? "–"
      : `${shrunk.after.faults} faults, ${shrunk.after.operations} ops, ${shrunk.after.stores} stores${shrunk.minimal ? "" : " (cut short)"}`,
    shrunk === null ? "–" : shrunk.wallSeconds.toFixed(1),
  ]
}

/** For a terminal; the last line is the verdict. */
export function zooText(told: Told, paint: Paint): string {
  const { mutants } = told
  const hunted = mutants.filter(({ windows }) => windows.length > 0)
  const blocks = [textTable(HEAD, mutants.map(rowOf), NUMERIC, paint)]
  for (const { id, windows } of mutants) {
    const voided = windows.flatMap((window) => window.void)
    if (voided.length > 0) {
      blocks.push(`${id}: not counted, the shipped kernel fails there too: seeds ${voided.join(", ")}`)
    }
  }
  if (hunted.length > 1) blocks.push(plotText(hunted))
  const kept = promises(mutants).map(
    ({ text, isKept }) => `${isKept ? paint.green("✓") : paint.red("✗")} ${text}`,
  )
  if (kept.length > 0) blocks.push(kept.join("\n"))
  if (told.drops !== null) blocks.push(dropsText(told.drops, paint))
  const left = mutants.reduce((sum, result) => sum + windowsLeft(result, told.windows), 0)
  if (left > 0) blocks.push(`${left} windows are left: the same command goes on from ${told.json}`)
  else blocks.push(`results  ${told.json}`)
  const caught = hunted.filter(isCaught).length
  const how = (told.strategy ?? "swarm") === "swarm" ? "" : `, by the strategy ${told.strategy}`
  const verdict = `${caught} of ${hunted.length} caught, in windows of at most ${count(told.seedsMax)} seeds from ${told.from} of ${told.scenario}${how}`
  blocks.push(caught === hunted.length ? paint.green(verdict) : paint.red(verdict))
  return `${blocks.join("\n\n")}\n`
}

function dropsText(drops: readonly Drop[], paint: Paint): string {
  const bad = drops.filter(({ isDrop }) => isDrop)
  if (bad.length === 0) {
    return paint.green(
      `✓ none of ${drops.length} is found less often than before (p < ${DROP_PROBABILITY_MAX})`,
    )
  }
  return bad
    .map(({ id, before, now, probability }) =>
      paint.red(
        `✗ ${id} was found ${before.detections} times in ${count(before.seeds)} seeds, now ${now.detections} in ${count(now.seeds)} (p = ${probability.toExponential(1)}, corrected for ${drops.length})`,
      ),
    )
    .join("\n")
}

const PLOT_AT = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 20_000]
const PLOT_WIDTH = 50

/** The share of mutants found within so many seeds. */
function plotText(hunted: readonly MutantResult[]): string {
  const points = curve(hunted)
  const shareAt = (seeds: number): number => points.findLast((point) => point.seeds <= seeds)?.share ?? 0
  const last = Math.max(1, ...points.map(({ seeds }) => seeds))
  const end = PLOT_AT.findIndex((seeds) => seeds >= last)
  const rows = PLOT_AT.slice(0, end < 0 ? PLOT_AT.length : end + 1).map((seeds) => {
    const share = shareAt(seeds)
    const bar = "█".repeat(Math.round(share * PLOT_WIDTH)).padEnd(PLOT_WIDTH, "░")
    return `${count(seeds).padStart(7)}  ${bar}  ${percent(share, 1)}`
  })
  return ["found within so many seeds", ...rows].join("\n")
}

/** One page that needs nothing else: the promises, the plot, the table. */
export function zooHtml(told: Told): string {
  const { mutants, build, scenario, from } = told
  const hunted = mutants.filter(({ windows }) => windows.length > 0)
  const lines = promises(mutants).map(
    ({ text, isKept }) => `<li class="${isKept ? "good" : "bad"}">${escapeXml(text)}</li>`,
  )
  const drops = (told.drops ?? []).filter(({ isDrop }) => isDrop)
  for (const { id, probability } of drops) {
    lines.push(
      `<li class="bad">${escapeXml(id)} is found less often than before, p = ${probability.toExponential(1)}</li>`,
    )
  }
  const head = HEAD.map((name) => `<th>${escapeXml(name)}</th>`).join("")
  const rows = mutants.map(
    (result) =>
      `<tr>${rowOf(result)
        .map((cell) => `<td>${escapeXml(cell)}</td>`)
        .join("")}</tr>`,
  )
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>The bug zoo</title>
<style>
:root { color-scheme: light dark; --ink: #1c2128; --soft: #59636e; --line: #d8dee4; --paper: #fff; --good: #1a7f37; --bad: #c5221f; --bar: #4f7cc4; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --soft: #9198a1; --line: #30363d; --paper: #0d1117; --good: #3fb950; --bad: #ff7b72; --bar: #6ea8fe; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 28px 20px 60px; }
.facts { color: var(--soft); } .good { color: var(--good); } .bad { color: var(--bad); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 13.5px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 12px 4px 0; text-align: left; white-space: nowrap; border-bottom: 1px solid var(--line); }
svg { display: block; max-width: 100%; height: auto; } svg text { fill: var(--soft); font: 11px system-ui, sans-serif; }
svg path { fill: none; stroke: var(--bar); stroke-width: 2; } svg line { stroke: var(--line); }
</style>
</head>
<body>
<main>
<h1>The bug zoo</h1>
<p class="facts">build ${escapeXml(build)} · scenario ${escapeXml(scenario)} · from seed ${from} · ${hunted.length} of ${mutants.length} mutants hunted</p>
<ul>${lines.join("\n")}</ul>
<h2>Found within so many seeds</h2>
${plotSvg(hunted)}
<h2>Mutants</h2>
<div class="scroll"><table><thead><tr>${head}</tr></thead><tbody>
${rows.join("\n")}
</tbody></table></div>
</main>
</body>
</html>
`
}

const SVG = { width: 720, height: 260, left: 44, right: 12, top: 10, bottom: 30 } as const

/** Seeds on a logarithmic scale against the share found. */
function plotSvg(hunted: readonly MutantResult[]): string {
  const points = curve(hunted)
  const decades = Math.log10(PROMISED.allSeedsMax)
  const x = (seeds: number): number =>
    SVG.left + (Math.log10(seeds) / decades) * (SVG.width - SVG.left - SVG.right)
  const y = (share: number): number => SVG.top + (1 - share) * (SVG.height - SVG.top - SVG.bottom)
  const at = (value: number): string => value.toFixed(1)
  let path = `M${at(x(1))} ${at(y(0))}`
  for (const { seeds, share } of points) path += `H${at(x(seeds))}V${at(y(share))}`
  path += `H${at(x(PROMISED.allSeedsMax))}`
  const rules = [0, 0.25, 0.5, 0.75, 1].map(
    (share) =>
      `<line x1="${SVG.left}" x2="${SVG.width - SVG.right}" y1="${at(y(share))}" y2="${at(y(share))}"/><text x="${SVG.left - 6}" y="${at(y(share) + 4)}" text-anchor="end">${share * 100}%</text>`,
  )
  const ticks = [1, 10, 25, 100, 1_000, 10_000].map(
    (seeds) => `<text x="${at(x(seeds))}" y="${SVG.height - 10}" text-anchor="middle">${count(seeds)}</text>`,
  )
  return `<svg viewBox="0 0 ${SVG.width} ${SVG.height}" role="img" aria-label="Share of mutants found within so many seeds">
${[...rules, ...ticks].join("\n")}
<path d="${path}"/>
</svg>`
}
