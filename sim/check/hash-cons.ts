import { invariant } from "#kernel"

/**
 * Exact identities for the checker's configurations: equal content has an equal number, always.
 *
 * Hashes only find the place; contents are compared. A hash taken for the content would let two
 * configurations pass for one and accuse a correct run, however seldom.
 */

/** Pairs of integers, each with its number from 1: the same pair, the same number. */
export class PairTable {
  #pairs = new Int32Array(64)
  #slots = new Int32Array(64)
  #count = 0

  numberOf(left: number, right: number): number {
    let slot = mixed(Math.imul(left, 0x9e37_79b1) ^ right) & (this.#slots.length - 1)
    for (;;) {
      const number = this.#slots[slot]!
      if (number === 0) break
      if (this.#pairs[number * 2 - 2] === left && this.#pairs[number * 2 - 1] === right) return number
      slot = (slot + 1) & (this.#slots.length - 1)
    }
    const number = ++this.#count
    if (number * 2 > this.#pairs.length) this.#pairs = grown(this.#pairs)
    this.#pairs[number * 2 - 2] = left
    this.#pairs[number * 2 - 1] = right
    this.#slots[slot] = number
    if (number * 2 > this.#slots.length) this.#rehash()
    return number
  }

  left(number: number): number {
    return this.#pairs[number * 2 - 2]!
  }

  right(number: number): number {
    return this.#pairs[number * 2 - 1]!
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2)
    for (let number = 1; number <= this.#count; number++) {
      let slot =
        mixed(Math.imul(this.left(number), 0x9e37_79b1) ^ this.right(number)) & (this.#slots.length - 1)
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (this.#slots.length - 1)
      this.#slots[slot] = number
    }
  }
}

/** Words that a set of configurations may still take: shared by all searches of one check. */
export type Room = { words: number }

/**
 * A set of short sequences of words. It takes from the `room` what it stores and stores nothing once
 * that is used up; a search then looks at some configurations twice, which costs steps and no verdict.
 */
export class SequenceSet {
  readonly #room: Room
  #words = new Int32Array(64)
  #end = 0
  #slots = new Int32Array(32)
  #count = 0

  constructor(room: Room) {
    this.#room = room
  }

  /** Adds the first `length` words of `sequence`; false if it was there. */
  add(sequence: Int32Array, length: number): boolean {
    let hash = length
    for (let i = 0; i < length; i++) hash = mixed(Math.imul(hash, 0x9e37_79b1) ^ sequence[i]!)
    const mask = this.#slots.length - 1
    let slot = hash & mask
    for (;;) {
      const place = this.#slots[slot]!
      if (place === 0) break
      if (this.#equals(place - 1, sequence, length)) return false
      slot = (slot + 1) & mask
    }
    // Two words for its place in the table, one for its hash and one for its length.
    if (this.#room.words < length + 4) return true
    this.#room.words -= length + 4
    while (this.#end + length + 2 > this.#words.length) this.#words = grown(this.#words)
    this.#slots[slot] = this.#end + 1
    this.#words[this.#end] = length
    this.#words[this.#end + 1] = hash
    for (let i = 0; i < length; i++) this.#words[this.#end + 2 + i] = sequence[i]!
    this.#end += length + 2
    if (++this.#count * 2 > this.#slots.length) this.#rehash()
    return true
  }

  /** Gives its words back to the room; the set is empty afterwards. */
  release(): void {
    this.#room.words += this.#end + this.#count * 2
    this.#words = new Int32Array(64)
    this.#slots = new Int32Array(32)
    this.#end = 0
    this.#count = 0
  }

  #equals(place: number, sequence: Int32Array, length: number): boolean {
    if (this.#words[place] !== length) return false
    for (let i = 0; i < length; i++) {
      if (this.#words[place + 2 + i] !== sequence[i]) return false
    }
    return true
  }

  #rehash(): void {
    this.#slots = new Int32Array(this.#slots.length * 2)
    const mask = this.#slots.length - 1
    for (let place = 0; place < this.#end; place += this.#words[place]! + 2) {
      let slot = this.#words[place + 1]! & mask
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask
      this.#slots[slot] = place + 1
    }
  }
}

/**
 * Arrays of a fixed length, each as one number: a binary tree with the elements at its leaves, its inner
 * nodes numbered by a `PairTable`. A change makes a node for each level, whatever the length.
 */
export class ArrayTable {
  readonly #nodes = new PairTable()
  readonly #levels: number
  readonly #path: Int32Array
  /** The array of all zeros. */
  readonly zeros: number

  constructor(length: number) {
    invariant(length <= 1 << 30, "Cannot number arrays: they are too long")
    let levels = 0
    while (1 << levels < length) levels++
    this.#levels = levels
    this.#path = new Int32Array(levels)
    let node = 0
    for (let i = 0; i < levels; i++) node = this.#nodes.numberOf(node, node)
    this.zeros = node
  }

  get(array: number, index: number): number {
    let node = array
    for (let level = this.#levels - 1; level >= 0; level--) {
      node = (index >>> level) & 1 ? this.#nodes.right(node) : this.#nodes.left(node)
    }
    return node
  }

  with(array: number, index: number, element: number): number {
    invariant(index < 1 << this.#levels, "Cannot set: the index lies outside the array")
    let node = array
    for (let level = this.#levels - 1; level >= 0; level--) {
      this.#path[level] = node
      node = (index >>> level) & 1 ? this.#nodes.right(node) : this.#nodes.left(node)
    }
    node = element
    for (let level = 0; level < this.#levels; level++) {
      const old = this.#path[level]!
      const isRight = (index >>> level) & 1
      node = isRight
        ? this.#nodes.numberOf(this.#nodes.left(old), node)
        : this.#nodes.numberOf(node, this.#nodes.right(old))
    }
    return node
  }
}

/** Sets of small integers, each as one number: a descending list of numbered pairs. 0 is the empty set. */
export class IntegerSetTable {
  readonly #lists = new PairTable()

  with(set: number, element: number): number {
    const above: number[] = []
    let rest = set
    while (rest !== 0 && this.#lists.left(rest) > element) {
      above.push(this.#lists.left(rest))
      rest = this.#lists.right(rest)
    }
    rest = this.#lists.numberOf(element, rest)
    for (let i = above.length - 1; i >= 0; i--) rest = this.#lists.numberOf(above[i]!, rest)
    return rest
  }
}

function mixed(word: number): number {
  let hash = Math.imul(word ^ (word >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return hash ^ (hash >>> 16)
}

function grown(words: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(words.length * 2)
  larger.set(words)
  return larger
}
