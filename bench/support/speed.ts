/** How fast a scenario is simulated, variant beside variant, seed by seed in turn. */
import { drawPlan, simulate, type Plan, type Scenario, type SimulateOptions } from "#sim"
import { about, cpuSeconds, median, type Row } from "./report.ts"

export type Variant = {
  readonly name: string
  readonly options: SimulateOptions
  readonly change?: (plan: Plan) => Plan
}

type Sum = { readonly nsPerEvent: number[]; events: number; simulatedS: number; cpuS: number; wallS: number }

/** A run that ends a moment early has no end checks. */
export function withoutEndChecks(options: SimulateOptions, scenario: Scenario): SimulateOptions {
  const { rounds = 1, faultsUs = 0, quietUs = 0 } = scenario.phases ?? {}
  return { ...options, until: rounds * (faultsUs + quietUs) - 1 }
}

/**
 * Rows by variant. Every variant runs every seed, and each seed begins with another one, so that a machine that
 * drifts is unfair to none. The share beside the first variant is the median over seeds.
 */
export function compare(
  scenario: Scenario,
  variants: readonly Variant[],
  seeds: number,
  warmUps: number,
): Record<string, Row> {
  const sums = variants.map((): Sum => ({ nsPerEvent: [], events: 0, simulatedS: 0, cpuS: 0, wallS: 0 }))
  for (let seed = 1 - warmUps; seed <= seeds; seed++) {
    const drawn = drawPlan(scenario, seed > 0 ? seed : 1_000 - seed)
    for (let i = 0; i < variants.length; i++) {
      const at = (i + seeds + seed) % variants.length
      const { options, change } = variants[at]!
      const plan = change === undefined ? drawn : change(drawn)
      const startWall = process.hrtime.bigint()
      const start = cpuSeconds()
      const { events, simulatedUs, verdict } = simulate(plan, options)
      const cpuS = cpuSeconds() - start
      if (verdict !== "valid") console.error(`Seed ${plan.seed} is ${verdict}: its speed means little`)
      if (seed <= 0) continue
      const sum = sums[at]!
      sum.nsPerEvent.push((cpuS / events) * 1e9)
      sum.events += events
      sum.simulatedS += simulatedUs / 1e6
      sum.cpuS += cpuS
      sum.wallS += Number(process.hrtime.bigint() - startWall) / 1e9
    }
  }
  const rows: Record<string, Row> = {}
  for (let i = 0; i < variants.length; i++) {
    const { nsPerEvent, events, simulatedS, cpuS, wallS } = sums[i]!
    const shares = nsPerEvent.map((ns, at) => ns / sums[0]!.nsPerEvent[at]!)
    rows[variants[i]!.name] = {
      "simulated s/CPU s": about(simulatedS / cpuS),
      "simulated s/wall s": about(simulatedS / wallS),
      "events/simulated s": about(events / simulatedS),
      "events/CPU s": about(events / cpuS),
      "median seed, events/CPU s": about(1e9 / median(nsPerEvent)),
      "time, % of the first": Math.round(median(shares) * 100),
    }
  }
  return rows
}
