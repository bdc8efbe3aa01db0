/** `1,234,567`. */
export function count(value: number): string {
  const digits = Math.round(value).toString()
  return digits.replaceAll(/\B(?=(\d{3})+(?!\d))/g, ",")
}

/** At most four significant characters and a unit: `987`, `12.3k`, `4.56M`. */
export function brief(value: number): string {
  const units = ["", "k", "M", "G", "T"]
  let scaled = value
  let unit = 0
  while (Math.abs(scaled) >= 1_000 && unit < units.length - 1) {
    scaled /= 1_000
    unit++
  }
  if (unit === 0 && Number.isInteger(scaled)) return scaled.toString()
  const digits = Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2
  return `${scaled.toFixed(digits)}${units[unit] ?? ""}`
}

/** `4.2%`; a dash of nothing. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return "–"
  const ratio = (part / whole) * 100
  if (ratio !== 0 && ratio !== 100) return `${ratio.toFixed(1)}%`
  return `${ratio}%`
}

/** `340 ms`, `12.3 s`, `2m 31s`, `14.2 h`, `3.1 d`. */
export function duration(seconds: number): string {
  if (seconds < 1) return `${Math.round(seconds * 1_000)} ms`
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}m ${Math.floor(seconds % 60)}s`
  if (seconds < 86_400) return `${(seconds / 3_600).toFixed(1)} h`
  return `${(seconds / 86_400).toFixed(1)} d`
}

/** Simulated time of a run: `61.204 s`. */
export function instant(microseconds: number): string {
  return `${(microseconds / 1_000_000).toFixed(3)} s`
}

/** How many simulated seconds pass in one of the wall. */
export function ratio(simulatedSeconds: number, wallSeconds: number): string {
  return wallSeconds === 0 ? "–" : `${brief(simulatedSeconds / wallSeconds)}×`
}

/** Cut to `width` characters, with an ellipsis. */
export function clip(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}

/** Lines of at most `width` characters, broken between words. */
export function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = []
  let line = ""
  for (const word of text.split(" ")) {
    if (line !== "" && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === "" ? word : `${line} ${word}`
    }
  }
  lines.push(line)
  return lines
}

/** `a, b, c and 4 more`. */
export function listed(names: readonly string[], max: number): string {
  const left = names.length - max
  return `${names.slice(0, max).join(", ")}${left > 0 ? ` and ${left} more` : ""}`
}
