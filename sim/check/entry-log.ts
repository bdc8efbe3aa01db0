/** Numbers at consecutive indexes from `first` on; `ABSENT` where nothing was put. Old ones can be dropped. */
export const ABSENT = -1

export class IndexedNumbers {
  #first: number
  #values: number[] = []

  constructor(first: number) {
    this.#first = first
  }

  get first(): number {
    return this.#first
  }

  get end(): number {
    return this.#first + this.#values.length
  }

  get(index: number): number {
    const at = index - this.#first
    return at < 0 || at >= this.#values.length ? ABSENT : this.#values[at]!
  }

  set(index: number, value: number): void {
    const at = index - this.#first
    if (at < 0) return
    for (let i = this.#values.length; i < at; i++) this.#values.push(ABSENT)
    if (at === this.#values.length) this.#values.push(value)
    else this.#values[at] = value
  }

  copyOf(other: IndexedNumbers): this {
    this.#first = other.#first
    this.#values = [...other.#values]
    return this
  }

  /** Forgets what lies below `first`. */
  trim(first: number): void {
    if (first <= this.#first) return
    this.#values = this.#values.slice(first - this.#first)
    this.#first = first
  }
}

/**
 * One replica's log as terms and digests. It starts after `base`; `baseTerm` is the term of the entry
 * there, `ABSENT` when it is not known.
 */
export class EntryLog {
  #base = 0
  #baseTerm = 0
  #terms: number[] = []
  #digests: number[] = []

  get base(): number {
    return this.#base
  }

  get last(): number {
    return this.#base + this.#terms.length
  }

  termAt(index: number): number {
    if (index === this.#base) return this.#baseTerm
    const at = index - this.#base - 1
    return at < 0 || at >= this.#terms.length ? ABSENT : this.#terms[at]!
  }

  digestAt(index: number): number {
    const at = index - this.#base - 1
    return at < 0 || at >= this.#digests.length ? ABSENT : this.#digests[at]!
  }

  /** Empty, starting after `base`. */
  reset(base: number, baseTerm: number): void {
    this.#base = base
    this.#baseTerm = baseTerm
    this.#terms = []
    this.#digests = []
  }

  copy(other: EntryLog): void {
    this.#base = other.#base
    this.#baseTerm = other.#baseTerm
    this.#terms = [...other.#terms]
    this.#digests = [...other.#digests]
  }

  /** What the log held from `index` on is gone; a hole before it means that all before is gone too. */
  truncate(index: number): void {
    if (index <= this.#base || index > this.last + 1) this.reset(index - 1, index === 1 ? 0 : ABSENT)
    else if (index <= this.last) {
      this.#terms.length = index - this.#base - 1
      this.#digests.length = index - this.#base - 1
    }
  }

  push(term: number, digest: number): void {
    this.#terms.push(term)
    this.#digests.push(digest)
  }

  /** The log now starts after `index`; past its end it is empty. */
  cut(index: number, term: number): void {
    if (index <= this.#base) return
    if (index >= this.last) {
      this.reset(index, index === this.last ? this.termAt(index) : term)
      return
    }
    const baseTerm = this.termAt(index)
    this.#terms = this.#terms.slice(index - this.#base)
    this.#digests = this.#digests.slice(index - this.#base)
    this.#base = index
    this.#baseTerm = baseTerm
  }
}
