import { lowerBound, type RangeDescriptor, type StoreId } from "#kernel"
import type { Location } from "../api/control-codec.ts"

/** A range as this client knows it. */
export type Route = {
  descriptor: RangeDescriptor
  stores: readonly StoreId[]
  /** 0 when it is not known. */
  leader: StoreId
}

/**
 * Where the ranges of one tenant are, as far as answers have told: a range that covers another with a greater
 * generation replaces it. Nothing here is ever trusted: the store that is asked checks range and generation.
 */
export class Router {
  /** By start key; they never overlap. */
  #routes: Route[] = []
  #starts: string[] = []
  #turn: number

  /** Clients begin at different stores. */
  constructor(turn: number) {
    this.#turn = turn
  }

  get isEmpty(): boolean {
    return this.#routes.length === 0
  }

  /** The range that holds the key, or null when it must be asked for. */
  find(key: string): Route | null {
    const routes = this.#routes
    if (routes.length === 1 && routes[0]!.descriptor.end === "" && routes[0]!.descriptor.start === "")
      return routes[0]!
    // The last one that starts at or before the key.
    const above = lowerBound(this.#starts, key)
    const at = this.#starts[above] === key ? above : above - 1
    const route = routes[at]
    if (route === undefined) return null
    const { end } = route.descriptor
    return end === "" || key < end ? route : null
  }

  /** The range that holds the last keys below `end`, an empty one being above all; null when it must be asked for. */
  findBelow(end: string): Route | null {
    const at = end === "" ? this.#routes.length : lowerBound(this.#starts, end)
    const route = this.#routes[at - 1]
    if (route === undefined) return null
    const last = route.descriptor.end
    return last === "" || (end !== "" && end <= last) ? route : null
  }

  learn({ range, stores, leader }: Location): void {
    const known = this.#routes.find(({ descriptor }) => descriptor.rangeId === range.rangeId)
    if (known !== undefined && known.descriptor.generation > range.generation) return
    if (known !== undefined && known.descriptor.generation === range.generation) {
      known.stores = stores
      if (leader !== 0) known.leader = leader
      return
    }
    this.#replace({ descriptor: range, stores, leader })
  }

  /** A store's answer to a stale generation. */
  relearn(route: Route, descriptor: RangeDescriptor): void {
    this.#replace({ descriptor, stores: route.stores, leader: route.leader })
  }

  /** What is known of it led nowhere. */
  forget(route: Route): void {
    this.#keep(this.#routes.filter((other) => other !== route))
  }

  /** The leader as far as it is known, otherwise the stores in turn. */
  storeFor(route: Route, isDown: (store: StoreId) => boolean): StoreId {
    if (route.leader !== 0 && !isDown(route.leader)) return route.leader
    const { stores } = route
    for (let i = 0; i < stores.length; i++) {
      const store = stores[this.#turn++ % stores.length]!
      if (!isDown(store)) return store
    }
    return stores[this.#turn++ % stores.length]!
  }

  #replace(route: Route): void {
    const { start, end, rangeId } = route.descriptor
    const others = this.#routes.filter(({ descriptor: its }) => {
      const isApart = (end !== "" && its.start >= end) || (its.end !== "" && its.end <= start)
      return its.rangeId !== rangeId && isApart
    })
    this.#keep([...others, route])
  }

  #keep(routes: Route[]): void {
    this.#routes = routes.sort((a, b) => (a.descriptor.start < b.descriptor.start ? -1 : 1))
    this.#starts = routes.map(({ descriptor }) => descriptor.start)
  }
}
