import { corrected, logChoose } from "#cli/campaign/chance.ts"

/**
 * Whether a generator finds a bug less often than it did, or was only less lucky. Each seed finds a mutant with some
 * chance, independently of the others; so how many seeds some detections took says how large that chance is, and two
 * such figures can be compared exactly.
 */
export type Sighting = {
  /** How often it was found. */
  readonly detections: number
  /** Seeds that were run for it. */
  readonly seeds: number
  /** The last of them were run in vain: the next find is still to come. */
  readonly isOpen: boolean
}

type Seen = { readonly seeds: number; readonly found: unknown }

/** What windows, one behind the other, come to. A window without a find goes on in the next: chance has no memory. */
export function sightingOf(windows: readonly Seen[]): Sighting {
  let detections = 0
  let seeds = 0
  for (const window of windows) {
    seeds += window.seeds
    if (window.found !== null) detections++
  }
  return { detections, seeds, isOpen: windows.at(-1)?.found === null }
}

/**
 * How likely it is that finding it as often as in `now` takes that many seeds or more, if a seed finds it with the same
 * chance as one of `before`. Exact: given how many seeds and finds there were in all, every place for the finds is
 * equally likely, whatever that chance is (the negative hypergeometric distribution).
 *
 * Seeds behind the last find are taken in favour of `now`: for `before` as if that find had come with the last of them,
 * for `now` as if the very next seed were another one.
 */
export function dropProbability(before: Sighting, now: Sighting): number {
  if (before.detections === 0 || now.seeds === 0) return 1
  const more = now.isOpen ? 1 : 0
  const k1 = before.detections
  const k2 = now.detections + more
  const n2 = now.seeds + more
  const n = before.seeds + n2
  const whole = logChoose(n - 1, k1 + k2 - 1)
  let sum = 0
  // From the far end: the small ones first, so that none is lost in the sum.
  for (let m = n - k1; m >= n2; m--)
    sum += Math.exp(logChoose(m - 1, k2 - 1) + logChoose(n - m - 1, k1 - 1) - whole)
  return Math.min(1, sum)
}

/** Wrongly to call one of so many mutants worse happens less often than this. */
export const DROP_PROBABILITY_MAX = 0.01

export type Drop = {
  readonly id: string
  readonly before: Sighting
  readonly now: Sighting
  /** Corrected for how many were compared. */
  readonly probability: number
  readonly isDrop: boolean
}

/** Those that can be compared, the least likely first. */
export function drops(
  pairs: readonly { readonly id: string; readonly before: Sighting; readonly now: Sighting }[],
): readonly Drop[] {
  const compared = pairs
    .filter(({ before, now }) => before.detections > 0 && now.seeds > 0)
    .map((pair) => ({ ...pair, raw: dropProbability(pair.before, pair.now) }))
    .sort((a, b) => a.raw - b.raw || (a.id < b.id ? -1 : 1))
  const probabilities = corrected(compared.map(({ raw }) => raw))
  return compared.map(({ id, before, now }, i) => {
    const probability = probabilities[i]!
    return { id, before, now, probability, isDrop: probability < DROP_PROBABILITY_MAX }
  })
}
