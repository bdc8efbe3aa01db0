/** A half-open interval of whole numbers, `[from, to)`. */
export type Interval = readonly [from: number, to: number]

/** A set of whole numbers from 0 of which nearly all come in their order: as many intervals as it has gaps, and one. */
export class Intervals {
  readonly #intervals: (readonly [number, number])[]
  #size = 0

  /** Throws a `RangeError` unless they rise and neither touch nor overlap. */
  constructor(intervals: readonly Interval[] = []) {
    let end = -1
    for (const [from, to] of intervals) {
      if (!(from > end && to > from)) throw new RangeError(`The interval ${from} to ${to} is out of order`)
      this.#size += to - from
      end = to
    }
    this.#intervals = [...intervals]
  }

  get size(): number {
    return this.#size
  }

  get list(): readonly Interval[] {
    return this.#intervals
  }

  /** How many there are from 0 on without a gap. */
  get unbroken(): number {
    const first = this.#intervals[0]
    return first !== undefined && first[0] === 0 ? first[1] : 0
  }

  /** One more than the largest; 0 of none. */
  get end(): number {
    return this.#intervals.at(-1)?.[1] ?? 0
  }

  has(value: number): boolean {
    const interval = this.#intervals[this.#upTo(value)]
    return interval !== undefined && value < interval[1]
  }

  /** False when it was there. */
  add(value: number): boolean {
    if (this.has(value)) return false
    const index = this.#upTo(value)
    const before = this.#intervals[index]
    const after = this.#intervals[index + 1]
    const joinsBefore = before !== undefined && before[1] === value
    const joinsAfter = after !== undefined && after[0] === value + 1
    const from = joinsBefore ? before[0] : value
    const to = joinsAfter ? after[1] : value + 1
    const start = joinsBefore ? index : index + 1
    this.#intervals.splice(start, Number(joinsBefore) + Number(joinsAfter), [from, to])
    this.#size++
    return true
  }

  /** Where the last interval stands that begins at or before the value; -1 when none does. */
  #upTo(value: number): number {
    let index = this.#intervals.length - 1
    while (index >= 0 && this.#intervals[index]![0] > value) index--
    return index
  }
}
