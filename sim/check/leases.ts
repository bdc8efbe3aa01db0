/** Leases: while one holds, nobody else leads. */
import type { Observation } from "#kernel"
import type { OnlineChecker, WorldView } from "./checker.ts"

type Led = { term: number; store: number }

/**
 * Judged in true time, whatever the clocks of stores show: at the moment of an election no earlier leader
 * may be able to serve a read alone, and nobody may who was followed by another.
 */
export class LeaseChecker implements OnlineChecker {
  readonly name = "leases"
  /** By group: who was elected in the highest term so far. */
  readonly #led: (Led | undefined)[] = []

  /** Another that knows as much, for a run that may go on in two ways. */
  fork(): LeaseChecker {
    const fork = new LeaseChecker()
    for (const [group, led] of this.#led.entries()) if (led !== undefined) fork.#led[group] = { ...led }
    return fork
  }

  observed(world: WorldView, store: number, observation: Observation): void {
    if (observation.type === "leaseRead") {
      const { group, term } = observation
      const led = this.#led[group]
      if (led === undefined || led.term <= term) return
      world.report(
        "LEASE-disjoint",
        `Store ${store} serves a read of group ${group} by its lease of term ${term}, though store ${led.store} leads in term ${led.term}.`,
      )
    } else if (observation.type === "roleChanged" && observation.role === "leader") {
      const { group, term } = observation
      const led = this.#led[group]
      if (led !== undefined && led.term >= term) return
      this.#led[group] = { term, store }
      for (const holder of world.leaseHolders(group)) {
        if (holder.store === store || holder.term >= term) continue
        world.report(
          "LEASE-disjoint",
          `Store ${store} is elected leader of group ${group} in term ${term} while store ${holder.store} holds a lease of term ${holder.term}.`,
        )
      }
    }
  }
}
