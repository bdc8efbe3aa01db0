/** Numbers in a row that grows: a run of a million events is a few of these, not a million objects. */
export class Column<A extends Float64Array | Int32Array | Uint16Array | Uint8Array = Float64Array> {
  #values: A
  #length = 0

  constructor(values: A) {
    this.#values = values
  }

  get length(): number {
    return this.#length
  }

  push(value: number): void {
    if (this.#length === this.#values.length) {
      const make = this.#values.constructor as new (length: number) => A
      const larger = new make(this.#length * 2)
      larger.set(this.#values)
      this.#values = larger
    }
    this.#values[this.#length++] = value
  }

  at(index: number): number {
    return this.#values[index]!
  }

  set(index: number, value: number): void {
    this.#values[index] = value
  }

  /** How many values, which ascend, are not above `value`. */
  countUpTo(value: number): number {
    let low = 0
    let high = this.#length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#values[middle]! <= value) low = middle + 1
      else high = middle
    }
    return low
  }
}

export const floats = (): Column => new Column(new Float64Array(256))
export const integers = (): Column<Int32Array> => new Column(new Int32Array(256))
export const shorts = (): Column<Uint16Array> => new Column(new Uint16Array(256))
export const bytes = (): Column<Uint8Array> => new Column(new Uint8Array(256))
