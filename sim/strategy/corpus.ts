import type { Chance } from "../plan/chance.ts"
import { weighted } from "../plan/chance.ts"
import { planShape } from "../plan/parse.ts"
import type { Plan } from "../plan/plan.ts"
import { isPlanError, list, planError, readShape, record, whole, type PlanError } from "../plan/shape.ts"
import { firstFlaw } from "../plan/well-formed.ts"
import type { Sighting } from "./sighting.ts"

/** Plans that are kept: the least telling goes when there is another. */
export const CORPUS_MAX = 96
/** Things that are told apart; a search that has seen so many counts the rest as nothing new. */
export const FEATURES_MAX = 65_536
/** What a plan is kept for: of all that its run showed, so many of the rarest. */
const KEPT_FOR_MAX = 24

/** A rare path says more than a rare pair of words, and that more than a rare order. */
const WEIGHTS = { marks: 16, steps: 4, orders: 1 } as const
const KINDS = ["marks", "steps", "orders"] as const
/** The energy of a thing that one run alone has shown. */
const ENERGY_ONE = 10_080

type Feature = { readonly key: number; readonly weight: number }

type Entry = {
  readonly plan: Plan
  readonly keptFor: readonly Feature[]
  /** How often it was chosen. */
  picks: number
}

/** A corpus as JSON. */
export type CorpusFile = {
  readonly format: 1
  /** Runs it has learnt from. */
  readonly runs: number
  /** How many runs have shown a thing: pairs of its number and that. */
  readonly seen: readonly (readonly number[])[]
  readonly entries: readonly {
    readonly plan: Plan
    readonly picks: number
    /** Pairs of a thing's number and its weight. */
    readonly keptFor: readonly (readonly number[])[]
  }[]
}

/**
 * Plans whose runs showed something that no run before had shown, each chosen as often as what it shows is rare. What
 * it holds is decided by the runs it was told of and their order, and is bounded whatever they show.
 */
export class Corpus {
  readonly #seen = new Map<number, number>()
  #entries: Entry[] = []
  #runs = 0

  get size(): number {
    return this.#entries.length
  }

  get runs(): number {
    return this.#runs
  }

  /** How many things were seen. */
  get features(): number {
    return this.#seen.size
  }

  get plans(): readonly Plan[] {
    return this.#entries.map(({ plan }) => plan)
  }

  /** Counts what a run showed; true when some of it was new. */
  learn(sighting: Sighting): boolean {
    this.#runs++
    let isNew = false
    for (const { key } of featuresOf(sighting)) {
      const count = this.#seen.get(key)
      if (count !== undefined) this.#seen.set(key, count + 1)
      else if (this.#seen.size < FEATURES_MAX) {
        this.#seen.set(key, 1)
        isNew = true
      }
    }
    return isNew
  }

  /** Keeps a plan for what its run, which was learnt, showed. */
  keep(plan: Plan, sighting: Sighting): void {
    const keptFor = featuresOf(sighting)
      .filter(({ key }) => this.#seen.has(key))
      .map((feature) => ({ feature, energy: this.#energyOf(feature) }))
      .sort((a, b) => b.energy - a.energy || a.feature.key - b.feature.key)
      .slice(0, KEPT_FOR_MAX)
      .map(({ feature }) => feature)
    this.#entries.push({ plan, keptFor, picks: 0 })
    if (this.#entries.length <= CORPUS_MAX) return
    let least = 0
    const energies = this.#entries.map((entry) => this.#energy(entry))
    for (let index = 1; index < energies.length; index++)
      if (energies[index]! < energies[least]!) least = index
    this.#entries.splice(least, 1)
  }

  /** One of the plans, the likelier the rarer what it is kept for, and the less it was chosen before. */
  pick(chance: Chance): Plan | null {
    if (this.#entries.length === 0) return null
    const entry =
      this.#entries[
        weighted(
          chance,
          this.#entries.map((candidate) => this.#energy(candidate)),
        )
      ]!
    entry.picks++
    return entry.plan
  }

  toJson(): CorpusFile {
    return {
      format: 1,
      runs: this.#runs,
      seen: [...this.#seen],
      entries: this.#entries.map(({ plan, picks, keptFor }) => ({
        plan,
        picks,
        keptFor: keptFor.map(({ key, weight }) => [key, weight]),
      })),
    }
  }

  /** From what `toJson` gave: goes on as the one it was written from. */
  static parse(json: unknown): Corpus | PlanError {
    const file = readShape(CORPUS_SHAPE, json)
    if (isPlanError(file)) return file
    if (file.seen.length > FEATURES_MAX) return planError("$.seen", `there are more than ${FEATURES_MAX}`)
    if (file.entries.length > CORPUS_MAX) return planError("$.entries", `there are more than ${CORPUS_MAX}`)
    const corpus = new Corpus()
    corpus.#runs = file.runs
    for (const [index, [key, count]] of file.seen.entries()) {
      if (key === undefined || count === undefined) return planError(`$.seen[${index}]`, "it is no pair")
      corpus.#seen.set(key, count)
    }
    for (const [index, { plan, picks, keptFor }] of file.entries.entries()) {
      const path = `$.entries[${index}]`
      const flaw = firstFlaw(plan)
      if (flaw !== null) return planError(`${path}.plan`, flaw.message)
      const features: Feature[] = []
      for (const [key, weight] of keptFor) {
        if (key === undefined || weight === undefined)
          return planError(path, "it is kept for what is no pair")
        features.push({ key, weight })
      }
      corpus.#entries.push({ plan, picks, keptFor: features })
    }
    return corpus
  }

  #energy({ keptFor, picks }: Entry): number {
    let energy = 0
    for (const feature of keptFor) energy += this.#energyOf(feature)
    return 1 + Math.floor(energy / (1 + picks))
  }

  #energyOf({ key, weight }: Feature): number {
    return Math.floor((weight * ENERGY_ONE) / (this.#seen.get(key) ?? 1))
  }
}

function featuresOf(sighting: Sighting): readonly Feature[] {
  // Numbers of different kinds are different things.
  return KINDS.flatMap((kind, index) =>
    sighting[kind].map((number) => ({ key: number * KINDS.length + index, weight: WEIGHTS[kind] })),
  )
}

const NUMBERS = list(list(whole(0)))
const CORPUS_SHAPE = record<CorpusFile>({
  format: (json, path) => whole(1, 1)(json, path) as 1,
  runs: whole(0),
  seen: NUMBERS,
  entries: list(
    record<CorpusFile["entries"][number]>({
      plan: planShape(),
      picks: whole(0),
      keptFor: NUMBERS,
    }),
  ),
})
