/**
 * In how many seeds does each strategy find a planted bug? Mutants of the bug zoo, the unhinted default campaign, windows of
 * seeds that are the same for all strategies: each ends at the first find or at its bound, and a learning strategy begins each with
 * nothing. `node bench/sim/strategies.ts --mutant R30,D01 --strategy guided,swarm --windows 3 --seeds 300 --out FILE`. Seeds a find are
 * all seeds of the windows by all finds and half a one; the ratio to swarm is of those, and its mean over mutants the geometric one, with
 * the interval that so few finds leave (95 %, finds as of a Poisson process). What lies in FILE is not measured again.
 * Promised (issue 5): guided at most half the seeds of a swarm.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs"
import { about, benchOptions, median, printReport, type Row } from "../support/report.ts"

type Mutant = { readonly id: string; readonly tier: "A" | "B" }
type Window = {
  readonly from: number
  readonly seeds: number
  readonly found: object | null
  readonly cpuSeconds: number
}
type Hunt = (
  mutant: Mutant,
  from: number,
  count: number,
  options: { readonly scenario: string; readonly strategy: string },
) => Promise<Window | null>

/** Of one mutant, by one strategy. */
type Measured = { readonly mutant: string; readonly strategy: string; readonly windows: readonly Window[] }

const options = benchOptions(import.meta.filename, {
  mutant: "R14,R16,R21,R26,R30,W10,W17,D01,D02,I04,L01,L03",
  strategy: "swarm,guided,portfolio,priority",
  windows: 3,
  seeds: 300,
  from: 1_000_001,
  out: "",
})
/**
 * Windows of one mutant, and of two, lie so far apart that no two overlap: on the same seeds a strategy runs much the same plans
 * whatever is planted, and a lucky plan would count for every mutant that it shows.
 */
const WINDOW_APART = 100_000
const MUTANT_APART = 1_000
const BASE = "swarm"

// By address: the zoo is a test, and tests may know of benches.
const zoo = (file: string): string => new URL(`../../test/zoo/${file}`, import.meta.url).href
const { MUTANTS } = (await import(zoo("mutants.ts"))) as { readonly MUTANTS: readonly Mutant[] }
const { hunt } = (await import(zoo("hunt.ts"))) as { readonly hunt: Hunt }

const strategies = options.strategy.split(",")
const mutants = options.mutant.split(",").map((id) => {
  const mutant = MUTANTS.find((known) => known.id === id)
  if (mutant === undefined) throw new Error(`--mutant: there is no "${id}"`)
  return mutant
})
const fromOf = (mutant: Mutant, turn: number): number =>
  options.from + turn * WINDOW_APART + MUTANTS.findIndex(({ id }) => id === mutant.id) * MUTANT_APART
const key = (from: number, strategy: string, mutant: string): string =>
  `${mutant}/${strategy}/${from}/${options.seeds}`
const kept: Record<string, Window> =
  options.out !== "" && existsSync(options.out)
    ? (JSON.parse(readFileSync(options.out, "utf8")) as Record<string, Window>)
    : {}

// A window of every mutant by every strategy, then the next: one that is broken off has been as fair to all.
for (let turn = 0; turn < options.windows; turn++) {
  for (const strategy of strategies) {
    for (const mutant of mutants) {
      const from = fromOf(mutant, turn)
      const at = key(from, strategy, mutant.id)
      if (kept[at] !== undefined) continue
      const window = await hunt(mutant, from, options.seeds, { scenario: "campaign", strategy })
      if (window === null) continue
      kept[at] = window
      if (options.out !== "") writeFileSync(options.out, `${JSON.stringify(kept)}\n`)
      process.stderr.write(`${mutant.id} ${strategy} ${from}: ${textOf(window)}\n`)
    }
  }
}

const measured: Measured[] = mutants.flatMap((mutant) =>
  strategies.map((strategy) => ({
    mutant: mutant.id,
    strategy,
    windows: Array.from(
      { length: options.windows },
      (_, turn) => kept[key(fromOf(mutant, turn), strategy, mutant.id)],
    ).filter((window) => window !== undefined),
  })),
)

function textOf({ found, seeds }: Window): string {
  return found === null ? `>${seeds}` : String(seeds)
}

function finds({ windows }: Measured): number {
  return windows.filter(({ found }) => found !== null).length
}

function seedsOf({ windows }: Measured): number {
  return windows.reduce((sum, { seeds }) => sum + seeds, 0)
}

function of(mutant: string, strategy: string): Measured {
  return measured.find((known) => known.mutant === mutant && known.strategy === strategy)!
}

/**
 * Seeds a find beside those of a swarm, as a logarithm. Both with half a find more, so that a mutant that one of them never
 * found is not left out, which would flatter that one.
 */
function ratio(mutant: string, strategy: string): { readonly log: number; readonly variance: number } {
  const own = of(mutant, strategy)
  const base = of(mutant, BASE)
  const [found, foundByBase] = [finds(own) + 0.5, finds(base) + 0.5]
  const log = Math.log(seedsOf(own) / found) - Math.log(seedsOf(base) / foundByBase)
  return { log, variance: 1 / found + 1 / foundByBase }
}

function mean(strategy: string, ids: readonly string[]): string {
  const ratios = ids
    .filter((id) => of(id, strategy).windows.length > 0 && of(id, BASE).windows.length > 0)
    .map((id) => ratio(id, strategy))
  if (ratios.length === 0) return "–"
  const log = ratios.reduce((sum, known) => sum + known.log, 0) / ratios.length
  const error = Math.sqrt(ratios.reduce((sum, known) => sum + known.variance, 0)) / ratios.length
  const [low, high] = [Math.exp(log - 1.96 * error), Math.exp(log + 1.96 * error)]
  return `${about(Math.exp(log))} (${about(low)} to ${about(high)}, ${ratios.length} mutants)`
}

const rows: Record<string, Row> = {}
for (const { id, tier } of mutants) {
  const row: Record<string, string | number> = { tier }
  for (const strategy of strategies) {
    const own = of(id, strategy)
    row[strategy] = own.windows.map(textOf).join(" ")
    if (strategy === BASE) continue
    row[`${strategy} : ${BASE}`] = own.windows.length === 0 ? "–" : about(Math.exp(ratio(id, strategy).log))
  }
  rows[id] = row
}
const all = mutants.map(({ id }) => id)
const deep = all.filter((id) => median(of(id, BASE).windows.map(({ seeds }) => seeds)) >= 10)
printReport({
  bench: "sim/strategies",
  question: "in how many seeds does each strategy find a planted bug?",
  rows,
  notes: strategies.flatMap((strategy) => {
    const found = all.reduce((sum, id) => sum + finds(of(id, strategy)), 0)
    const seeds = all.reduce((sum, id) => sum + seedsOf(of(id, strategy)), 0)
    const cpu = measured
      .filter((known) => known.strategy === strategy)
      .reduce((sum, { windows }) => sum + windows.reduce((part, { cpuSeconds }) => part + cpuSeconds, 0), 0)
    const spent = `${strategy}: ${found} finds in ${seeds} seeds, ${about(cpu / Math.max(1, seeds))} s of CPU a seed`
    if (strategy === BASE) return [spent]
    return [
      `${spent}; ratio to ${BASE} ${mean(strategy, all)}; of those that take a swarm 10 seeds or more ${mean(strategy, deep)}`,
    ]
  }),
})
