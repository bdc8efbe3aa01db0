import type { Observation } from "#kernel"
import type { OnlineChecker, WorldView } from "../check/checker.ts"
import { numberOf } from "./step-meter.ts"

/** Orders of one run that are told apart; what comes beyond them is not counted. */
export const ORDERS_MAX = 4_096

/** What became of a group: what was said, by one in which role, while its members changed or not, and whether by the one before. */
type Word = { readonly name: string; readonly store: number }

type Group = {
  readonly roles: Map<number, string>
  isJoint: boolean
  before: Word | null
  last: Word | null
}

/**
 * In which order things happened to each group, over all its stores: runs of three transitions (3-grams), each what it was,
 * the role of who said it and the phase of the group. Names of groups and stores do not count, only whether the same
 * store spoke twice. What is said all the time (applied, committed, served) is no transition.
 */
export class OrderMeter implements OnlineChecker {
  readonly name = "orders"
  readonly #groups = new Map<number, Group>()
  readonly #orders = new Set<number>()

  storeCrashed(_world: WorldView, store: number): void {
    for (const group of this.#groups.values()) {
      if (!group.roles.has(store)) continue
      this.#happened(group, store, "died")
      group.roles.delete(store)
    }
  }

  observed(_world: WorldView, store: number, observation: Observation): void {
    if (!("group" in observation)) return
    const group = this.#groupOf(observation.group)
    switch (observation.type) {
      case "applied":
      case "committed":
      case "logChanged":
      case "lowWaterSet":
      case "leaseRead":
        return
      case "roleChanged":
        this.#happened(group, store, observation.role)
        group.roles.set(store, observation.role)
        return
      case "configurationChanged":
        group.isJoint = observation.configuration.outgoing.length > 0
        return this.#happened(group, store, observation.type)
      default:
        return this.#happened(group, store, observation.type)
    }
  }

  /** A number for each order that was seen, ascending: the same for the same order in every run and build. */
  orders(): readonly number[] {
    return [...this.#orders].sort((a, b) => a - b)
  }

  #groupOf(id: number): Group {
    let group = this.#groups.get(id)
    if (group === undefined) {
      group = { roles: new Map(), isJoint: false, before: null, last: null }
      this.#groups.set(id, group)
    }
    return group
  }

  #happened(group: Group, store: number, what: string): void {
    const role = group.roles.get(store) ?? "none"
    const again = group.last?.store === store ? "same" : "other"
    const word = { name: `${what}/${role}/${group.isJoint ? "joint" : "plain"}/${again}`, store }
    const { before, last } = group
    if (before !== null && last !== null && this.#orders.size < ORDERS_MAX)
      this.#orders.add(numberOf(`${before.name} ${last.name} ${word.name}`))
    group.before = last
    group.last = word
  }
}
