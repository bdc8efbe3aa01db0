import { isStoreMessage } from "#kernel"
import type { Told } from "./store-run.ts"

const NONE: readonly string[] = []

/**
 * What has happened and stays true whatever becomes of the stores: who led a term, which entries were ever held and
 * committed, to which states they led, which votes and acknowledgements left. The oracles remember it, and no store need; so it is part of what tells two states of the
 * cluster apart.
 */
export function factsOf(told: readonly Told[]): readonly string[] {
  const facts: string[] = []
  for (const each of told) {
    if (each.type === "stepped") {
      for (const effect of each.effects) {
        if (effect.type !== "observe") continue
        const { observation } = effect
        if (observation.type === "roleChanged" && observation.role === "leader")
          facts.push(`leader ${observation.term} ${observation.replica}`)
        else if (observation.type === "committed")
          facts.push(`commit ${observation.term} ${observation.index}`)
        else if (observation.type === "applied")
          facts.push(`state ${observation.index} ${observation.hashHigh} ${observation.hashLow}`)
        else if (observation.type === "logChanged") {
          const { index, terms, digests } = observation
          for (let i = 0; i < terms.length; i++) facts.push(`entry ${index + i} ${terms[i]!} ${digests[i]!}`)
        }
      }
    } else if (each.type === "released" && each.effect.type === "send") {
      const { message } = each.effect
      if (isStoreMessage(message)) continue
      if (message.type === "voteRequest" && !message.preVote)
        facts.push(`vote ${message.term} ${message.from} ${message.from}`)
      else if (message.type === "voteReply" && !message.preVote && message.granted)
        facts.push(`vote ${message.term} ${message.from} ${message.to}`)
      else if (message.type === "appendReply" && message.success)
        facts.push(`holds ${message.term} ${message.from} ${message.matchIndex}`)
    }
  }
  return facts.length === 0 ? NONE : facts
}

/** Sets of facts, numbered. */
export class FactSets {
  readonly #sets: (readonly string[])[] = [[]]
  readonly #known = new Map<string, number>([["", 0]])
  readonly #memo = new Map<string, number>()

  text(set: number): string {
    return this.#sets[set]!.join("; ")
  }

  with(set: number, facts: readonly string[]): number {
    if (facts.length === 0) return set
    const key = `${set}:${facts.join(";")}`
    const known = this.#memo.get(key)
    if (known !== undefined) return known
    const union = [...new Set([...this.#sets[set]!, ...facts])].sort()
    const name = union.join(";")
    let number = this.#known.get(name)
    if (number === undefined) {
      number = this.#sets.length
      this.#sets.push(union)
      this.#known.set(name, number)
    }
    this.#memo.set(key, number)
    return number
  }
}
