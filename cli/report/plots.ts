import { brief, count } from "./format.ts"
import { escapeXml } from "./xml.ts"

const WIDTH = 360
const HEIGHT = 92
const BARS = 30

/** Bars between the least and the greatest value on an even scale, with the median and the 95th percentile. */
export function histogramHtml(title: string, values: readonly number[]): string {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!
  const [least, greatest] = [at(0), at(1)]
  const span = greatest - least || 1
  const bars = Array.from({ length: BARS }, () => 0)
  for (const value of values) bars[Math.min(BARS - 1, Math.floor(((value - least) / span) * BARS))]!++
  const tallest = Math.max(1, ...bars)
  const step = WIDTH / BARS
  const x = (value: number): string => (((value - least) / span) * WIDTH).toFixed(1)
  const rects = bars.map((runs, index) => {
    const tall = (runs / tallest) * HEIGHT
    const from = brief(least + (span / BARS) * index)
    const to = brief(least + (span / BARS) * (index + 1))
    return `<rect class="bar" x="${(index * step + 0.5).toFixed(1)}" y="${(HEIGHT - tall).toFixed(1)}" width="${(step - 1).toFixed(1)}" height="${tall.toFixed(1)}"><title>${from} to ${to}: ${count(runs)} runs</title></rect>`
  })
  const line = (name: string, value: number): string =>
    `<line class="${name}" x1="${x(value)}" x2="${x(value)}" y1="0" y2="${HEIGHT}"/>`
  const [median, tail] = [at(0.5), at(0.95)]
  const said = `median ${brief(median)}, 95th percentile ${brief(tail)}, ${count(values.length)} runs`
  return `<figure><figcaption>${escapeXml(title)}<br/><span>${escapeXml(said)}</span></figcaption>
<svg viewBox="-1 0 ${WIDTH + 2} ${HEIGHT + 16}" role="img" aria-label="${escapeXml(`${title}: ${said}`)}">${rects.join("")}<line class="axis" x1="0" x2="${WIDTH}" y1="${HEIGHT}" y2="${HEIGHT}"/>${line("median", median)}${line("tail", tail)}<text x="0" y="${HEIGHT + 12}">${brief(least)}</text><text x="${WIDTH}" y="${HEIGHT + 12}" text-anchor="end">${brief(greatest)}</text></svg></figure>`
}

export type BarRow = { readonly name: string; readonly whole: number; readonly part: number }

const NAME_WIDTH = 124
const BAR_WIDTH = 200
const ROW_HEIGHT = 17

/** A bar for each row: its whole pale, the part of it that counts over that. None of it is said in words. */
export function barsHtml(title: string, rows: readonly BarRow[]): string {
  const most = Math.max(1, ...rows.map(({ whole }) => whole))
  const drawn = rows.map(({ name, whole, part }) => {
    const wide = (value: number): string => ((value / most) * BAR_WIDTH).toFixed(1)
    const isMissing = part === 0
    const told = `${count(part)} of ${count(whole)}`
    return `<svg viewBox="0 0 ${NAME_WIDTH + BAR_WIDTH + 96} ${ROW_HEIGHT}" role="img" aria-label="${escapeXml(`${name}: ${told}`)}"><text class="name" x="0" y="12">${escapeXml(name)}</text><rect class="pale" x="${NAME_WIDTH}" y="3" width="${wide(whole)}" height="11"/><rect class="bar" x="${NAME_WIDTH}" y="3" width="${wide(part)}" height="11"/><text class="${isMissing ? "zero" : ""}" x="${NAME_WIDTH + Number(wide(whole)) + 6}" y="12">${told}</text></svg>`
  })
  return `<figure><figcaption><span>${escapeXml(title)}</span></figcaption><div class="bars">${drawn.join("\n")}</div></figure>`
}

/** A table whose cells are the darker the more they count; nothing at all stands out. */
export function heatHtml(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const numbers = rows.flatMap((row) => row.slice(1).map(numberOf))
  const most = Math.log1p(Math.max(1, ...numbers))
  const headCells = head.map((cell) => `<th>${escapeXml(cell)}</th>`).join("")
  const cellHtml = (cell: string, index: number): string => {
    if (index === 0) return `<td>${escapeXml(cell)}</td>`
    const value = numberOf(cell)
    const share = Math.round((Math.log1p(value) / most) * 62)
    if (value === 0) return '<td class="zero">0</td>'
    return `<td style="background: color-mix(in srgb, var(--leader) ${share}%, var(--ground))">${escapeXml(cell)}</td>`
  }
  const body = rows.map((row) => `<tr>${row.map(cellHtml).join("")}</tr>`)
  return `<div class="scroll"><table class="heat"><thead><tr>${headCells}</tr></thead><tbody>${body.join("\n")}</tbody></table></div>`
}

/** As `count` wrote it. */
function numberOf(cell: string): number {
  return Number(cell.replaceAll(/[^\d.]/g, ""))
}
