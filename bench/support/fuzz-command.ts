import { benchOptions } from "./report.ts"

/** How often something happened, by decoder; and what went wrong, each in a line. */
export type FuzzOutcome = {
  readonly counts: object
  readonly wrong: readonly string[]
}

const LINES_MAX = 20

/**
 * The fuzzer in `file` as a command: `--inputs 1000000 [--seed 1]`. Tells how far it is while it runs, what it counted at the end and
 * how much memory that took at most. Exits 1 when anything was wrong.
 */
export function runFuzzCommand(
  file: string,
  fuzz: (inputs: number, seed: number, progress: (done: number) => void) => FuzzOutcome,
): void {
  const { inputs, seed } = benchOptions(file, { inputs: 1_000_000, seed: 1 })
  const startedAt = performance.now()
  const before = process.memoryUsage().rss
  let peak = before
  const { counts, wrong } = fuzz(inputs, seed, (done) => {
    peak = Math.max(peak, process.memoryUsage().rss)
    if (!process.stderr.isTTY && done % 100_000 !== 0) return
    const rate = (done / (performance.now() - startedAt)) * 1000
    const eta = Math.ceil((inputs - done) / rate)
    const line = `${done} of ${inputs} inputs · ${Math.round(rate)}/s · ${eta} s left`
    process.stderr.write(process.stderr.isTTY ? `\r${line}\u001b[K` : `${line}\n`)
  })
  if (process.stderr.isTTY) process.stderr.write("\n")

  console.table(counts)
  console.log(`memory: ${Math.round((peak - before) / 2 ** 20)} MiB more than at the start, at most`)
  for (const line of wrong.slice(0, LINES_MAX)) console.error(line)
  if (wrong.length > LINES_MAX) console.error(`and ${wrong.length - LINES_MAX} more`)
  process.exitCode = wrong.length > 0 ? 1 : 0
}
