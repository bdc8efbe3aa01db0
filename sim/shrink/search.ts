/** Where a pass stands in what it tries: whole numbers that only the pass itself can read; [] is its beginning. */
export type Place = readonly number[]

/** One thing a pass tries. A candidate of null is none: it counts as left. */
export type Offer<P> = { readonly candidate: P | null; readonly taken: Place; readonly left: Place }

/** One way in which plans get smaller. Without state: where it stands is told. */
export type Pass<P> = {
  readonly name: string
  /** It comes before the rounds and never again. */
  readonly isOnce?: true
  /** It makes plainer rather than smaller, and waits for a round in which what makes smaller has taken nothing. */
  readonly isFinish?: true
  /**
   * What to try at this place, and where to go on after it; null when the pass is over. `failedAt` is when the plan
   * failed, endless when nobody knows.
   */
  readonly offer: (plan: P, place: Place, failedAt: number) => Offer<P> | null
}

export type Cursor = {
  readonly pass: string
  readonly place: Place
  /** This round has taken something, so another one will come. */
  readonly changed: boolean
  /** Candidates are run to their end: otherwise no further than the failure should take. */
  readonly whole: boolean
}

/**
 * A search that can be put away and gone on with, by anybody and anywhere: what is taken or left depends on
 * nothing but this and on how candidates run.
 */
export type SearchState<P> = {
  /** The smallest so far that fails. */
  readonly plan: P
  /** The simulated microsecond at which it does; endless when nobody knows. */
  readonly failedAt: number
  /** Null when nothing is left to try. */
  readonly cursor: Cursor | null
}

/** A candidate, and what comes after it either way. */
export type Step<P> = {
  readonly candidate: P
  readonly pass: string
  /** How far it is run. */
  readonly until: number
  /** It fails alike, at `at`. */
  readonly taken: (at: number) => SearchState<P>
  readonly left: SearchState<P>
}

/** A failure found while a run goes on shows again at about the same time, or earlier. */
const SLACK_US = 2_000_000

/**
 * The order in which smaller plans are tried: passes that come once, then rounds of the others, until a whole round takes
 * nothing. Those that finish come last, and only in a round that has taken nothing before them. While it goes on, candidates are not run much further than the failure took; the last round runs
 * them to their end, so that what it could not leave out is needed in the whole run.
 */
export class Search<P> {
  readonly #passes: readonly Pass<P>[]
  readonly #isPlan: (candidate: P, from: P) => boolean

  /** `isPlan` says whether a candidate made from another plan can be run, and means the same thing. */
  constructor(passes: readonly Pass<P>[], isPlan: (candidate: P, from: P) => boolean) {
    this.#passes = passes
    this.#isPlan = isPlan
  }

  /** Of a plan that fails at `failedAt`; endless when nobody knows, and then every candidate is run to its end. */
  begin(plan: P, failedAt: number): SearchState<P> {
    const first = this.#passes[0]
    if (first === undefined) return { plan, failedAt, cursor: null }
    const cursor = { pass: first.name, place: [], changed: false, whole: !Number.isFinite(failedAt) }
    return { plan, failedAt, cursor }
  }

  /** Goes on from a cursor that was kept; from the beginning when its pass is no longer there. */
  resume(plan: P, failedAt: number, cursor: Cursor | null): SearchState<P> {
    const isKnown = cursor === null || this.#passes.some(({ name }) => name === cursor.pass)
    return isKnown ? { plan, failedAt, cursor } : this.begin(plan, failedAt)
  }

  /** What to try next; null when nothing is left. */
  next({ plan, failedAt, cursor }: SearchState<P>): Step<P> | null {
    let current = cursor
    while (current !== null) {
      const { pass, whole, place } = current
      const offer = this.#passes.find(({ name }) => name === pass)?.offer(plan, place, failedAt) ?? null
      if (offer === null) {
        current = this.#after(current)
        continue
      }
      const { candidate } = offer
      const left: Cursor = { ...current, place: offer.left }
      if (candidate !== null && this.#isPlan(candidate, plan)) {
        const taken: Cursor = { ...current, place: offer.taken, changed: true }
        return {
          candidate,
          pass,
          until: whole ? Infinity : failedAt + SLACK_US,
          taken: (at) => ({ plan: candidate, failedAt: at, cursor: taken }),
          left: { plan, failedAt, cursor: left },
        }
      }
      current = left
    }
    return null
  }

  #after({ pass, changed, whole }: Cursor): Cursor | null {
    const index = this.#passes.findIndex(({ name }) => name === pass)
    const next = this.#passes[index + 1]
    const isFinishing = next?.isFinish === true && this.#passes[index]?.isFinish !== true
    if (next !== undefined && !(isFinishing && changed)) {
      return { pass: next.name, place: [], changed, whole }
    }
    const first = this.#passes.find(({ isOnce }) => isOnce !== true)
    if (first === undefined || (whole && !changed)) return null
    return { pass: first.name, place: [], changed: false, whole: whole || !changed }
  }
}

/**
 * The fewest items of which the failure still holds: delta debugging by complements (Zeller and Hildebrandt, 2002).
 * First none at all, then whole runs of items are left out, at last single ones, until no single one can be.
 */
export function subsets<P>(
  name: string,
  count: (plan: P) => number,
  /** The plan with only the items of these indices, which rise. */
  keep: (plan: P, indices: readonly number[]) => P | null,
): Pass<P> {
  const offer = (plan: P, place: Place): Offer<P> | null => {
    const items = count(plan)
    if (items === 0) return null
    const half = Math.max(1, Math.floor(items / 2))
    let [size, end, shorter] = place
    if (size === undefined || end === undefined || shorter === undefined) {
      return { candidate: keep(plan, []), taken: [half, 0, 0], left: [half, items, 0] }
    }
    if (end === 0) {
      if (size === 1 && shorter === 0) return null
      size = Math.max(1, Math.min(half, Math.floor(size / 2)))
      end = items
      shorter = 0
    }
    // From the end: what happens last is most often not needed.
    const start = Math.max(0, end - size)
    const kept: number[] = []
    for (let index = 0; index < items; index++) if (index < start || index >= end) kept.push(index)
    // None at all has been tried before.
    const candidate = kept.length === 0 ? null : keep(plan, kept)
    return { candidate, taken: [size, start, 1], left: [size, start, shorter] }
  }
  return { name, offer }
}

/** Other forms of each item, one after the other; a form that was taken is asked for its next one at the same place. */
export function forms<P>(
  name: string,
  count: (plan: P) => number,
  of: (plan: P, index: number, failedAt: number) => readonly (P | null)[],
): Pass<P> {
  const offer = (plan: P, place: Place, failedAt: number): Offer<P> | null => {
    let [index = 0, form = 0] = place
    for (; index < count(plan); index++) {
      const candidates = of(plan, index, failedAt)
      if (form < candidates.length) {
        return { candidate: candidates[form] ?? null, taken: [index, form], left: [index, form + 1] }
      }
      form = 0
    }
    return null
  }
  return { name, offer }
}

/** Forms of the plan as a whole. */
export function alternatives<P>(
  name: string,
  of: (plan: P, failedAt: number) => readonly (P | null)[],
): Pass<P> {
  return forms(
    name,
    () => 1,
    (plan, _index, failedAt) => of(plan, failedAt),
  )
}
