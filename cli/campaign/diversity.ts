import type { RunSignature } from "#sim"

/** Seeds between two points of a curve. */
export const DIVERSITY_STEP = 100
/** Things that are told apart; a campaign that finds more of them counts the rest as nothing new. */
const DISTINCT_MAX = 50_000

/** For each hundred runs of a campaign, in their order: what was new in it. */
export type FirstSeen = readonly (readonly number[])[]

/** How different runs were from each other, by what they reached, by what struck them, by what stores said. */
export type Diversity = {
  /** Sets of marks that were hit. */
  readonly marks: FirstSeen
  /** Sets of kinds of faults that were effective. */
  readonly faults: FirstSeen
  /** Pairs of rare things that a store said one after the other. */
  readonly steps: FirstSeen
}

type Signed = { readonly index: number; readonly signature: RunSignature }

/** The same runs give the same curves, in whatever order they finished. */
export function diversityOf(runs: readonly Signed[]): Diversity {
  const ordered = [...runs].sort((a, b) => a.index - b.index)
  const seen = (of: (signature: RunSignature) => readonly number[]): FirstSeen => {
    const first = new Map<number, number>()
    for (const { index, signature } of ordered) {
      const hundred = Math.floor(index / DIVERSITY_STEP)
      for (const what of of(signature)) if (!first.has(what)) first.set(what, hundred)
    }
    return byHundred(first)
  }
  return {
    marks: seen(({ marks }) => [marks]),
    faults: seen(({ faults }) => [faults]),
    steps: seen(({ steps }) => steps),
  }
}

/** Of shards: what is new in a hundred is what no shard has seen in one before it. */
export function mergeDiversity(parts: readonly Diversity[]): Diversity {
  const merge = (of: (part: Diversity) => FirstSeen): FirstSeen => {
    const first = new Map<number, number>()
    for (const part of parts) {
      for (const [hundred, news] of of(part).entries()) {
        for (const what of news) first.set(what, Math.min(hundred, first.get(what) ?? hundred))
      }
    }
    return byHundred(first)
  }
  return {
    marks: merge(({ marks }) => marks),
    faults: merge(({ faults }) => faults),
    steps: merge(({ steps }) => steps),
  }
}

/** How many there are in all. */
export function distinct(seen: FirstSeen): number {
  let sum = 0
  for (const news of seen) sum += news.length
  return sum
}

function byHundred(first: ReadonlyMap<number, number>): FirstSeen {
  const hundreds: number[][] = []
  const ordered = [...first].sort((a, b) => a[1] - b[1] || a[0] - b[0])
  for (const [what, hundred] of ordered.slice(0, DISTINCT_MAX)) {
    while (hundreds.length <= hundred) hundreds.push([])
    hundreds[hundred]!.push(what)
  }
  return hundreds
}
