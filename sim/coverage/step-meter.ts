import type { Observation } from "#kernel"
import type { OnlineChecker, WorldView } from "../check/checker.ts"

/** Words of one run; more of them are all the last one. */
const WORDS_MAX = 1_024

/**
 * What each store said, one thing after the other: pairs of rare words. Two runs whose pairs are the same
 * have gone the same ways, whatever their seeds. What stores say all the time (applied, committed) is no word.
 */
export class StepMeter implements OnlineChecker {
  readonly name = "steps"
  readonly #words = new Map<string, number>()
  readonly #pairs = new Set<number>()
  /** The last word of each store. */
  readonly #last: number[] = []

  storeCrashed(_world: WorldView, store: number): void {
    this.#say(store, "died")
  }

  observed(_world: WorldView, store: number, observation: Observation): void {
    switch (observation.type) {
      case "applied":
      case "committed":
      case "logChanged":
      case "voted":
      case "lowWaterSet":
        return
      case "mark":
        return this.#say(store, observation.name)
      case "roleChanged":
        return this.#say(store, observation.role)
      case "configurationChanged":
        return this.#say(store, observation.configuration.outgoing.length > 0 ? "joint" : "configuration")
      case "recovered":
        return this.#say(store, observation.verdict)
      default:
        this.#say(store, observation.type)
    }
  }

  /** A number for each pair that was seen, ascending: the same for the same pair in every run and build. */
  steps(): readonly number[] {
    const names = [...this.#words.keys()]
    const steps = new Set<number>()
    for (const pair of this.#pairs) {
      const before = names[Math.floor(pair / WORDS_MAX)] ?? ""
      steps.add(numberOf(`${before} ${names[pair % WORDS_MAX] ?? ""}`))
    }
    return [...steps].sort((a, b) => a - b)
  }

  #say(store: number, name: string): void {
    let word = this.#words.get(name)
    if (word === undefined) {
      word = Math.min(this.#words.size, WORDS_MAX - 1)
      this.#words.set(name, word)
    }
    const before = this.#last[store]
    this.#last[store] = word
    if (before !== undefined && before !== word) this.#pairs.add(before * WORDS_MAX + word)
  }
}

/** FNV-1a, 32 bits: a name for a text that is the same for ever. */
export function numberOf(text: string): number {
  let hash = 0x811c_9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x0100_0193)
  return hash >>> 0
}
