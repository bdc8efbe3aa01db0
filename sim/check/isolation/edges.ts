/**
 * Edges between transactions as columns: four numbers an edge and no object.
 *
 * An edge says that its source comes before its target. Vertices from `transactionCount` on are helpers, which stand for
 * no transaction: what leads into one goes on along each of its `THROUGH` edges as the kind it came in by.
 */

/** The target wrote the version behind the source's. */
export const WW = 1
/** The target read what the source wrote. */
export const WR = 2
/** The target replaced what the source had read: an anti-dependency. */
export const RW = 4
/** The target made a key that the source had looked for and not found: a predicate anti-dependency. */
export const PRW = 8
/** The same process ran the source, then the target. */
export const PROCESS = 16
/** The source ended before the target began. */
export const REAL_TIME = 32
export const THROUGH = 64

/** All kinds of anti-dependency. */
export const ANTI: number = RW | PRW

export class Edges {
  from: Int32Array
  to: Int32Array
  /** The key it is about, or -1. */
  key: Int32Array
  kind: Uint8Array
  count = 0

  constructor(expected: number) {
    const length = Math.max(expected, 16)
    this.from = new Int32Array(length)
    this.to = new Int32Array(length)
    this.key = new Int32Array(length)
    this.kind = new Uint8Array(length)
  }

  add(from: number, to: number, kind: number, key: number): void {
    if (this.count === this.from.length) this.#grow()
    const edge = this.count++
    this.from[edge] = from
    this.to[edge] = to
    this.kind[edge] = kind
    this.key[edge] = key
  }

  #grow(): void {
    const length = this.from.length * 2
    const [from, to, key] = [new Int32Array(length), new Int32Array(length), new Int32Array(length)]
    from.set(this.from)
    to.set(this.to)
    key.set(this.key)
    const kind = new Uint8Array(length)
    kind.set(this.kind)
    this.from = from
    this.to = to
    this.key = key
    this.kind = kind
  }
}

/** Hands out the numbers of helpers. */
export class Helpers {
  next: number

  constructor(transactionCount: number) {
    this.next = transactionCount
  }

  take(count: number): number {
    const first = this.next
    this.next += count
    return first
  }
}
