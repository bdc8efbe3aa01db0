import { integerIn } from "./models.ts"
import type { Operation } from "./history.ts"

/**
 * How high a counter may stand that only grows: no higher than the least count that someone still has to
 * find there. It knows the required operations by their places in a search, which takes and gives them back.
 */
export class CounterBound {
  readonly #counts: readonly number[]
  readonly #rankOf = new Map<number, number>()
  readonly #isTaken: Uint8Array
  /** Ranks below it are taken. */
  #first = 0

  constructor(found: readonly { readonly op: number; readonly count: number }[]) {
    const sorted = found.toSorted((a, b) => a.count - b.count || a.op - b.op)
    this.#counts = sorted.map(({ count }) => count)
    sorted.forEach(({ op }, rank) => this.#rankOf.set(op, rank))
    this.#isTaken = new Uint8Array(sorted.length)
  }

  take(op: number): void {
    const rank = this.#rankOf.get(op)
    if (rank === undefined) return
    this.#isTaken[rank] = 1
    while (this.#isTaken[this.#first] === 1) this.#first++
  }

  giveBack(op: number): void {
    const rank = this.#rankOf.get(op)
    if (rank === undefined) return
    this.#isTaken[rank] = 0
    if (rank < this.#first) this.#first = rank
  }

  isBeyond(value: string | null): boolean {
    const bound = this.#counts[this.#first]
    return bound !== undefined && (integerIn(value) ?? 0) > bound
  }
}

/** The keys that only positive increments change. */
export function growingCounters(operations: readonly Operation[]): ReadonlySet<string> {
  const counters = new Set<string>()
  const others = new Set<string>()
  for (const { request } of operations) {
    for (const op of request) {
      if (op.type === "increment" && op.by > 0) counters.add(op.key)
      else if (op.type !== "get" && op.type !== "scan") others.add(op.key)
    }
  }
  return new Set([...counters].filter((key) => !others.has(key)))
}

/** What the operation found in the counter before it did anything there; null if it does not say. */
export function countFound({ request, results }: Operation, key: string): number | null {
  for (let i = 0; i < request.length; i++) {
    const op = request[i]!
    const result = results?.[i]
    if (op.type === "scan" || op.key !== key) continue
    if (op.type === "get" && result?.type === "value") return integerIn(result.value)
    return op.type === "increment" && result?.type === "count" ? result.value - op.by : null
  }
  return null
}
