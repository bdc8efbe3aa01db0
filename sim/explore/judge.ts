import { frameItems } from "#kernel"
import type { WorldView } from "../check/checker.ts"
import { LeaseChecker } from "../check/leases.ts"
import { SafetyChecker } from "../check/safety.ts"
import type { Found } from "../judge.ts"
import { birthOf } from "./scope.ts"
import type { Told } from "./store-run.ts"
import type { ExploredWorld, State, Step } from "./world.ts"

/**
 * The oracles of the simulator over one schedule. Every step of every schedule is judged, also one that ends in a state that
 * was met before: what a step lets out may be wrong though what it leads to is not.
 */
export class Judge implements WorldView {
  event = 0
  found: Found | null = null
  readonly #world: ExploredWorld
  readonly #safety: SafetyChecker
  readonly #leases: LeaseChecker
  #state: State

  constructor(world: ExploredWorld, state: State, from: Judge | null = null) {
    this.#world = world
    this.#state = state
    this.event = from?.event ?? 0
    this.#safety = from === null ? safetyOf(world) : from.#safety.fork()
    this.#leases = from === null ? new LeaseChecker() : from.#leases.fork()
  }

  get now(): number {
    return this.#state.now
  }

  /** Another that knows as much, for another way to go on. */
  fork(): Judge {
    return new Judge(this.#world, this.#state, this)
  }

  leaseHolders(group: number): readonly { readonly store: number; readonly term: number }[] {
    return this.#state.stores
      .map((_, index) => ({
        store: index + 1,
        term: this.#world.leaseTerm(this.#state, index + 1, group),
      }))
      .filter(({ term }) => term > 0)
  }

  report(oracle: string, message: string): void {
    this.found ??= { oracle, message }
  }

  /** What is wrong with this step; null when nothing is. */
  hear({ state, told }: Step): Found | null {
    const isNew = state.history !== this.#state.history
    this.#state = state
    for (const each of told) this.#listen(each.store, each.told)
    if (isNew) this.found ??= this.#world.clients.judge(state.history)
    return this.found
  }

  #listen(store: number, told: readonly Told[]): void {
    for (const each of told) {
      switch (each.type) {
        case "booted":
          this.#safety.storeBooted(this, store)
          break
        case "stepped":
          this.event++
          this.#safety.stepped(this, store, each.input, each.effects)
          break
        case "observed":
          this.#safety.observed(this, store, each.observation)
          this.#leases.observed(this, store, each.observation)
          break
        case "released":
          this.#safety.released(this, store, each.effect)
          break
        case "synced":
          this.#safety.synced(this, store, each.volume, each.lsn)
          break
        case "crashed":
          this.#safety.storeCrashed(this, store)
          break
        case "stopped":
          this.#safety.storeStopped(this, store, each.code)
          // Nothing befalls these stores that could give one a reason to stop.
          this.report("RES-fatal", `Store ${store} stops itself: ${each.code}, ${each.detail}`)
          break
        case "broke":
          this.report(each.oracle, each.message)
          break
      }
    }
  }
}

function safetyOf(world: ExploredWorld): SafetyChecker {
  return new SafetyChecker({
    births: [birthOf(world.scope.stores)],
    itemsOf: frameItems,
    damagesSynced: false,
    forgetful: new Set(),
  })
}
