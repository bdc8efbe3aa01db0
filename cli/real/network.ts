import { Link, type LinkState } from "./link.ts"

/** Which links a fault is on: from these stores to those. */
export type Cut = { readonly from: number; readonly to: number }

/** Every directed link of a cluster, and the faults that are on it. */
export class FaultNetwork {
  readonly #links = new Map<string, Link>()
  /** By link: the faults on it, by the id of each. */
  readonly #faults = new Map<string, Map<number, LinkState>>()
  readonly stores: readonly number[]

  private constructor(stores: readonly number[]) {
    this.stores = stores
  }

  /** `portOf` says where a store listens for its peers. */
  static async open(
    host: string,
    stores: readonly number[],
    portOf: (store: number) => number,
  ): Promise<FaultNetwork> {
    const network = new FaultNetwork(stores)
    try {
      for (const from of stores) {
        for (const to of stores) {
          if (from === to) continue
          network.#links.set(nameOf(from, to), await Link.listen(host, portOf(to)))
          network.#faults.set(nameOf(from, to), new Map())
        }
      }
    } catch (thrown) {
      await network.close()
      throw thrown
    }
    return network
  }

  /** Where `from` has to dial to reach `to`. */
  portOf(from: number, to: number): number {
    return this.#link(from, to).port
  }

  stateOf(from: number, to: number): LinkState {
    return this.#link(from, to).state
  }

  /** What faults have done on these links so far, in bytes and connections. */
  affected(cuts: readonly Cut[]): number {
    return cuts.reduce((sum, { from, to }) => sum + this.#link(from, to).affected, 0)
  }

  /** Puts the fault `id` on these links until it is lifted; several may be on one link, and the worst is seen. */
  apply(id: number, cuts: readonly Cut[], state: LinkState): void {
    for (const { from, to } of cuts) {
      this.#faults.get(nameOf(from, to))!.set(id, state)
      this.#settle(from, to)
    }
  }

  lift(id: number): void {
    for (const { from, to } of this.#all()) {
      if (this.#faults.get(nameOf(from, to))!.delete(id)) this.#settle(from, to)
    }
  }

  /** Every connection of these links ends by RST; the next ones pass. */
  reset(cuts: readonly Cut[]): void {
    for (const { from, to } of cuts) this.#link(from, to).reset()
  }

  heal(): void {
    for (const { from, to } of this.#all()) {
      const faults = this.#faults.get(nameOf(from, to))!
      if (faults.size === 0) continue
      faults.clear()
      this.#settle(from, to)
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#links.values()].map((link) => link.close()))
  }

  #settle(from: number, to: number): void {
    this.#link(from, to).set(worst([...this.#faults.get(nameOf(from, to))!.values()]))
  }

  #link(from: number, to: number): Link {
    return this.#links.get(nameOf(from, to))!
  }

  *#all(): Iterable<Cut> {
    for (const from of this.stores) for (const to of this.stores) if (from !== to) yield { from, to }
  }
}

/** Both ways, or from the first to the second only. */
export function linksBetween(
  stores: readonly number[],
  peers: readonly number[],
  isOneWay: boolean,
): readonly Cut[] {
  const cuts = new Map<string, Cut>()
  for (const from of stores) {
    for (const to of peers) {
      if (from === to) continue
      cuts.set(nameOf(from, to), { from, to })
      if (!isOneWay) cuts.set(nameOf(to, from), { from: to, to: from })
    }
  }
  return [...cuts.values()]
}

function worst(states: readonly LinkState[]): LinkState {
  const half = states.find((state) => state.type === "halfOpen")
  if (states.some((state) => state.type === "cut")) return { type: "cut" }
  if (half !== undefined) return half
  let delayMs = 0
  let bytesPerSecond = Number.POSITIVE_INFINITY
  for (const state of states) {
    if (state.type !== "slow") continue
    delayMs += state.delayMs
    bytesPerSecond = Math.min(bytesPerSecond, state.bytesPerSecond)
  }
  const isOpen = delayMs === 0 && bytesPerSecond === Number.POSITIVE_INFINITY
  return isOpen ? { type: "open" } : { type: "slow", delayMs, bytesPerSecond }
}

function nameOf(from: number, to: number): string {
  return `${from}>${to}`
}
