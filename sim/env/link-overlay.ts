import type { Priorities } from "./priorities.ts"

/** What is wrong with a set of links. Every field that is a number is one of the fault's arguments. */
export type LinkFault =
  | { readonly type: "partition" }
  | { readonly type: "drop"; readonly ratioPpm: number }
  | { readonly type: "duplicate"; readonly ratioPpm: number }
  | {
      readonly type: "delay"
      readonly minUs: number
      readonly meanUs: number
      readonly tailPpm: number
      readonly tailUs: number
    }
  | { readonly type: "corrupt"; readonly ratioPpm: number }
  /** More than this many in flight on one link are dropped. */
  | { readonly type: "capacity"; readonly messages: number }
  /** Nothing leaves until it is lifted, then all of it does. */
  | { readonly type: "clog" }
  /** Nothing leaves until it is told to: then all of it arrives at one moment. */
  | { readonly type: "hold" }
  /** Up for `upUs`, then cut for `downUs`, and so on. */
  | { readonly type: "flap"; readonly upUs: number; readonly downUs: number }
  | { readonly type: "misroute"; readonly ratioPpm: number }
  | { readonly type: "prioritize"; readonly priorities: Priorities }

/** Counts the deliveries, reads and stamps that a fault has changed. */
export type Tally = { changes: number }

/** A frame kept back by a clog or a hold, ready to be sent on. */
export type HeldBack = {
  readonly link: number
  readonly lane: number
  readonly kind: number
  readonly to: number
  readonly latency: number
  readonly ordered: boolean
  readonly payload: unknown
}

/** One fault laid over the links from one side to another, and back unless `oneWay`. */
export class LinkOverlay {
  readonly id: number
  readonly fault: LinkFault
  readonly since: number
  readonly tally: Tally
  held: HeldBack[] = []
  readonly #from: Uint8Array
  readonly #to: Uint8Array
  readonly #oneWay: boolean

  /** `from` and `to` are lists of endpoints out of `endpointCount`. */
  constructor(
    id: number,
    fault: LinkFault,
    since: number,
    tally: Tally,
    sides: { readonly from: readonly number[]; readonly to: readonly number[]; readonly oneWay: boolean },
    endpointCount: number,
  ) {
    this.id = id
    this.fault = fault
    this.since = since
    this.tally = tally
    this.#from = new Uint8Array(endpointCount)
    this.#to = new Uint8Array(endpointCount)
    for (const endpoint of sides.from) this.#from[endpoint] = 1
    for (const endpoint of sides.to) this.#to[endpoint] = 1
    this.#oneWay = sides.oneWay
  }

  strikes(from: number, to: number): boolean {
    if (this.#from[from] === 1 && this.#to[to] === 1) return true
    return !this.#oneWay && this.#from[to] === 1 && this.#to[from] === 1
  }

  /** Whether frames wait here until somebody lets them go. */
  get keeps(): boolean {
    return this.fault.type === "clog" || this.fault.type === "hold"
  }

  /** Whether the link is cut at this moment: what is under way is lost as well. */
  cuts(now: number): boolean {
    if (this.fault.type === "partition") return true
    if (this.fault.type !== "flap") return false
    return (now - this.since) % (this.fault.upUs + this.fault.downUs) >= this.fault.upUs
  }
}
