import { MARK_FLOOR_RUNS, type MarkRule } from "#sim"
import { count } from "../report/format.ts"
import type { CampaignFacts, MarkTotals } from "../report/model.ts"
import { atMostProbability, corrected } from "./chance.ts"
import { defaultShares, roundLength } from "./schedule.ts"

/** Wrongly to say of one of all marks that it has become rarer happens less often than this. */
export const FLOOR_PROBABILITY_MAX = 0.01

/** Floors are of the default campaign's mix of scenarios: a whole one, and at least one round of it. */
export function isHeldToFloors(
  scenarios: readonly { readonly name: string }[],
  runs: number,
  campaign: CampaignFacts,
): boolean {
  const isWhole = !campaign.interrupted && campaign.shards.length === campaign.shardCount
  return (
    campaign.isDefault && isWhole && runs >= roundLength(defaultShares(scenarios.map(({ name }) => name)))
  )
}

/**
 * Every mark there is, in the order of the catalogue, and then those that were hit without being in it. `hits` says how
 * many of the runs hit each. With null for the runs nothing is asked of them.
 *
 * A mark is below its floor when so few hits would be rarer than `FLOOR_PROBABILITY_MAX` if the floor held: a campaign
 * that is too short to tell says nothing, and the longer it is, the smaller a loss it sees.
 */
export function markTotals(
  rules: readonly MarkRule[],
  hits: Readonly<Record<string, number>>,
  runs: number | null,
): readonly MarkTotals[] {
  const known = new Set(rules.map(({ name }) => name))
  const strangers = Object.keys(hits).filter((name) => !known.has(name))
  const all = [...rules, ...strangers.map((name): MarkRule => ({ name, floor: null, elsewhere: "" }))]
  const asked = all.filter(({ floor }) => floor !== null && runs !== null)
  const chances = corrected(
    asked.map(({ name, floor }) =>
      atMostProbability(hits[name] ?? 0, runs ?? 0, (floor ?? 0) / MARK_FLOOR_RUNS),
    ),
  )
  const chanceOf = new Map(asked.map(({ name }, index) => [name, chances[index]!]))
  return all.map(({ name, floor, elsewhere }) => {
    const chance = chanceOf.get(name) ?? null
    const isBelow = chance !== null && chance < FLOOR_PROBABILITY_MAX
    return { name, floor, elsewhere, runs: hits[name] ?? 0, chance, isBelow }
  })
}

/** Marks whose absence from all of so many runs would be below their floor, by itself. */
export function tellable(marks: readonly MarkTotals[], runs: number): number {
  const asked = marks.filter(({ chance }) => chance !== null)
  const bound = FLOOR_PROBABILITY_MAX / Math.max(1, asked.length)
  return asked.filter(({ floor }) => atMostProbability(0, runs, (floor ?? 0) / MARK_FLOOR_RUNS) < bound)
    .length
}

/** `2 of 1,710 runs, at least 240 of 20,000 are promised`. */
export function lowText({ runs: hits, floor }: MarkTotals, runs: number): string {
  return `${count(hits)} of ${count(runs)} runs, at least ${count(floor ?? 0)} of ${count(MARK_FLOOR_RUNS)} are promised`
}
