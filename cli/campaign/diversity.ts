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
  const seen = new FirstSeenFold()
  for (const run of runs) seen.add(run)
  return seen.diversity
}

/** The curves of runs that come one after the other, in any order, after those of `before`. */
export class FirstSeenFold {
  readonly #marks: Map<number, number>
  readonly #faults: Map<number, number>
  readonly #steps: Map<number, number>

  constructor(before: Diversity = { marks: [], faults: [], steps: [] }) {
    this.#marks = firstOf([before.marks])
    this.#faults = firstOf([before.faults])
    this.#steps = firstOf([before.steps])
  }

  add({ index, signature }: Signed): void {
    const hundred = Math.floor(index / DIVERSITY_STEP)
    see(this.#marks, signature.marks, hundred)
    see(this.#faults, signature.faults, hundred)
    for (const step of signature.steps) see(this.#steps, step, hundred)
  }

  get diversity(): Diversity {
    return { marks: byHundred(this.#marks), faults: byHundred(this.#faults), steps: byHundred(this.#steps) }
  }
}

/** Of shards: what is new in a hundred is what no shard has seen in one before it. */
export function mergeDiversity(parts: readonly Diversity[]): Diversity {
  const merge = (of: (part: Diversity) => FirstSeen): FirstSeen => byHundred(firstOf(parts.map(of)))
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

function firstOf(parts: readonly FirstSeen[]): Map<number, number> {
  const first = new Map<number, number>()
  for (const part of parts) {
    for (const [hundred, news] of part.entries()) for (const what of news) see(first, what, hundred)
  }
  return first
}

function see(first: Map<number, number>, what: number, hundred: number): void {
  const before = first.get(what)
  if (before === undefined || hundred < before) first.set(what, hundred)
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
