/** Microseconds as seconds, with as many digits as tell two of them apart at this scale (µs across the screen). */
export function seconds(us: number, spanUs = 0): string {
  const digits = spanUs === 0 || spanUs < 20_000 ? 6 : spanUs < 2_000_000 ? 4 : spanUs < 60_000_000 ? 2 : 1
  return `${(us / 1_000_000).toFixed(digits)} s`
}

export function count(value: number): string {
  return value.toLocaleString("en")
}

export function bytes(value: number): string {
  if (value < 1_024) return `${value} B`
  if (value < 1_048_576) return `${(value / 1_024).toFixed(1)} KiB`
  return `${(value / 1_048_576).toFixed(1)} MiB`
}

/** A span of time in the unit a person would say it in. */
export function span(us: number): string {
  if (us < 1_000) return `${Math.round(us)} µs`
  if (us < 1_000_000) return `${(us / 1_000).toFixed(us < 10_000 ? 1 : 0)} ms`
  return `${(us / 1_000_000).toFixed(us < 10_000_000 ? 2 : 1)} s`
}
