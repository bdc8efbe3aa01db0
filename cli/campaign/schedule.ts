import type { Shard } from "../arguments.ts"
import { DEFAULT_CAMPAIGN } from "./default-campaign.ts"

/** One run to be made. `index` is its place in the campaign: it decides the shard and the order of the report. */
export type Job = { readonly index: number; readonly scenario: string; readonly seed: number }

export type Share = { readonly scenario: string; readonly weight: number }

/**
 * What a campaign runs: in each round every share gets `weight` further seeds. `runs` is the length of the
 * whole list before it is cut into shards; null goes on until the time is up.
 */
export type Selection = {
  readonly shares: readonly Share[]
  readonly firstSeed: number
  readonly runs: number | null
  readonly shard: Shard | null
}

export function defaultShares(scenarios: readonly string[]): readonly Share[] {
  return scenarios.map((scenario) => ({
    scenario,
    weight: scenario === DEFAULT_CAMPAIGN.mainScenario ? DEFAULT_CAMPAIGN.mainWeight : 1,
  }))
}

/** Runs in one round of all shares. */
export function roundLength(shares: readonly Share[]): number {
  let length = 0
  for (const share of shares) length += share.weight
  return length
}

/** The runs of a selection in the order in which they are handed out: the same list on every machine. */
export function* jobsOf(selection: Selection): Generator<Job, void, undefined> {
  const { shares, firstSeed, runs, shard } = selection
  if (roundLength(shares) === 0) return
  let index = 0
  for (let round = 0; ; round++) {
    for (const share of shares) {
      for (let turn = 0; turn < share.weight; turn++) {
        if (runs !== null && index === runs) return
        const seed = firstSeed + round * share.weight + turn
        if (!Number.isSafeInteger(seed)) return
        const isOurs = shard === null || index % shard.count === shard.index - 1
        if (isOurs) yield { index, scenario: share.scenario, seed }
        index++
      }
    }
  }
}

/** How many runs `jobsOf` yields, or null when only time ends it. */
export function jobCount(selection: Selection): number | null {
  if (selection.runs === null) return null
  if (selection.shard === null) return selection.runs
  const { index, count } = selection.shard
  return Math.max(0, Math.floor((selection.runs - index) / count) + 1)
}

/** Which of the runs that `jobsOf` yields this is, counted from 0. */
export function placeOf(job: Job, shard: Shard | null): number {
  return shard === null ? job.index : (job.index - (shard.index - 1)) / shard.count
}

/** The run at a place of `jobsOf`. */
export function jobAt({ shares, firstSeed, shard }: Selection, place: number): Job {
  const index = shard === null ? place : place * shard.count + shard.index - 1
  const length = roundLength(shares)
  const round = Math.floor(index / length)
  let turn = index % length
  for (const share of shares) {
    if (turn < share.weight)
      return { index, scenario: share.scenario, seed: firstSeed + round * share.weight + turn }
    turn -= share.weight
  }
  throw new Error("A campaign without shares has no run")
}
