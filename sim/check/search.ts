import { invariant } from "#kernel"
import { CounterBound, countFound, growingCounters } from "./counter-bound.ts"
import { ArrayTable, IntegerSetTable, type Room, SequenceSet } from "./hash-cons.ts"
import { byInvocation, type Operation } from "./history.ts"
import { isObserver, observed, produced, type Sighting, writtenKeys } from "./sightings.ts"
import { agrees, type Keys, requestAgrees, valueAfter } from "./models.ts"

/**
 * The search for a linearization of one partition: Wing and Gong's, with Lowe's memo of configurations.
 *
 * G. Lowe, "Testing for linearizability" (2017), and A. Athalye's porcupine: a doubly linked list of calls
 * and returns; taking an operation lifts both its entries, undoing it puts them back. A configuration (which
 * operations were taken, what the keys hold) that was seen before is not searched again. Nothing recurses,
 * and `run` stops and goes on, so that many searches can share one budget.
 *
 * What is ours are the cuts. Each leaves out only what another branch covers, or what cannot end well:
 * - An operation that changes nothing and may go now goes now: it is in nobody's way.
 * - Operations of unknown outcome are optional. They come last, never without effect, never where leaving
 *   the last of them out leads to the same values, and of two equal ones the earlier first.
 * - A value that someone still has to see, and that nobody will write again, is not overwritten.
 * - A key that is only appended to holds a prefix of the longest value that someone still has to see, and a
 *   counter that only grows stands no higher than the least count that someone still has to find.
 * - A value that someone saw and nobody could write needs no search at all.
 *
 * Not verified: that a refused request (`fail`) had to be refused. Such requests are left out.
 */
export class PartitionSearch {
  /** Operations that must be placed, in order of invocation, then the optional ones. */
  readonly #operations: readonly Operation[]
  readonly #required: number
  readonly #observers: Uint8Array
  /** For an optional operation, an equal one before it, or -1. */
  readonly #twins: Int32Array

  // Calls and returns of the required operations in order of time: 0 is the head, the last one the end.
  // An entry holds the operation, or its complement for a return.
  readonly #entries: Int32Array
  readonly #next: Int32Array
  readonly #prev: Int32Array
  readonly #callOf: Int32Array
  readonly #returnOf: Int32Array
  // The optional operations not taken, in a list of their own: index + 1, and 0 is its head and its end.
  readonly #optionalNext: Int32Array
  readonly #optionalPrev: Int32Array

  readonly #keys: readonly string[]
  readonly #keyIndex = new Map<string, number>()
  readonly #point: Int32Array
  readonly #values: (string | null)[] = [null]
  readonly #valueIds = new Map<string, number>()
  readonly #states: ArrayTable
  readonly #overlay: Overlay
  #state: number

  // Sightings: for each (key, value) that matters, how many required operations still have to see it and
  // how many operations may still write it.
  readonly #sightings = new Map<number, number>()
  readonly #sees: Int32Array[] = []
  readonly #makes: Int32Array[] = []
  readonly #seers: number[] = []
  readonly #makers: number[] = []
  /** For each key whether only appends change it, and then the longest value seen; else null. */
  readonly #longest: (string | null)[]
  /** For each key whether it is a counter that only grows; else null. */
  readonly #counters: (CounterBound | null)[]
  readonly #hasCounters: boolean

  readonly #memo: SequenceSet | null
  readonly #optionalSets = new IntegerSetTable()
  readonly #taken: Int32Array
  #firstOpen = 0
  #lastTaken = -1
  #optionalSet = 0
  #left: number
  #scratch = new Int32Array(64)

  // The operations taken, each with what undoing it needs.
  #depth = 0
  readonly #frameOp: Int32Array
  readonly #frameState: Int32Array
  readonly #frameOpen: Int32Array
  readonly #frameLast: Int32Array
  readonly #frameSet: Int32Array

  #phase: "observe" | "write" | "guess" = "observe"
  #cursor: number
  #verdict: "valid" | "invalid" | null = null
  #steps = 0
  #deepest: readonly number[] = []
  #deepestCount = -1
  readonly #isTold: boolean

  constructor(
    operations: readonly Operation[],
    keys: readonly string[],
    options: { readonly room: Room | null; readonly isTold: boolean },
  ) {
    const required = operations.filter((operation) => operation.outcome === "ok").sort(byInvocation)
    const optional = operations.filter((operation) => operation.outcome === "info" && !isObserver(operation))
    optional.sort(byInvocation)
    const all = [...required, ...optional]
    this.#operations = all
    this.#required = required.length
    this.#left = required.length
    this.#isTold = options.isTold
    this.#observers = Uint8Array.from(all, (operation) => (isObserver(operation) ? 1 : 0))
    this.#twins = twinsOf(all, required.length)

    const entries = entriesOf(required)
    const end = entries.length + 1
    this.#entries = new Int32Array(end + 1)
    this.#next = new Int32Array(end + 1)
    this.#prev = new Int32Array(end + 1)
    this.#callOf = new Int32Array(required.length)
    this.#returnOf = new Int32Array(required.length)
    for (let entry = 0; entry <= end; entry++) {
      this.#next[entry] = Math.min(entry + 1, end)
      this.#prev[entry] = Math.max(entry - 1, 0)
      // The end reads as a return: a scan of calls stops there.
      const op = entry === 0 || entry === end ? -1 : entries[entry - 1]!
      this.#entries[entry] = op
      if (entry === 0 || entry === end) continue
      if (op >= 0) this.#callOf[op] = entry
      else this.#returnOf[~op] = entry
    }
    this.#cursor = this.#next[0]!
    this.#optionalNext = Int32Array.from(
      { length: optional.length + 1 },
      (_, i) => (i + 1) % (optional.length + 1),
    )
    this.#optionalPrev = Int32Array.from(this.#optionalNext, (_, i) => (i === 0 ? optional.length : i - 1))

    this.#keys = keys
    for (const key of keys) this.#keyIndex.set(key, this.#keyIndex.size)
    this.#point = Int32Array.from(all, ({ request }) => {
      const op = request[0]!
      return request.length === 1 && op.type !== "scan" ? this.#indexOf(op.key) : -1
    })
    this.#states = new ArrayTable(Math.max(keys.length, 1))
    this.#state = this.#states.zeros
    this.#overlay = new Overlay(
      keys,
      (key) => this.#values[this.#states.get(this.#state, this.#indexOf(key))]!,
    )
    this.#longest = keys.map(() => null)
    this.#indexSightings()
    this.#counters = this.#counterBounds()
    this.#hasCounters = this.#counters.some((counter) => counter !== null)

    this.#memo = options.room === null ? null : new SequenceSet(options.room)
    this.#taken = new Int32Array((required.length >> 5) + 1)
    this.#frameOp = new Int32Array(all.length)
    this.#frameState = new Int32Array(all.length)
    this.#frameOpen = new Int32Array(all.length)
    this.#frameLast = new Int32Array(all.length)
    this.#frameSet = new Int32Array(all.length)
    // Who tells how far one can come has to go there.
    if (!this.#isTold && this.#isImpossible()) this.#settle("invalid")
  }

  get steps(): number {
    return this.#steps
  }

  /**
   * With `isTold`, the most operations that could be placed, in their order, as far as was searched. It
   * copies at every dead end that goes deeper, so it is for histories of a few operations.
   */
  get deepest(): readonly Operation[] {
    return this.#deepest.map((op) => this.#operations[op]!)
  }

  /** Goes on for about `stepsMax` steps (attempts to place an operation); null means there is more to search. */
  run(stepsMax: number): "valid" | "invalid" | null {
    const stop = this.#steps + stepsMax
    while (this.#verdict === null && this.#steps < stop) {
      if (this.#left === 0) this.#settle("valid")
      else if (this.#phase === "observe") this.#observe()
      else if (this.#phase === "write") this.#write()
      else this.#guess()
    }
    return this.#verdict
  }

  /** Places all operations that only look and may go now. There is no other branch beside this one. */
  #observe(): void {
    let entry = this.#next[0]!
    for (let op = this.#entries[entry]!; op >= 0; op = this.#entries[entry]!) {
      if (this.#observers[op] === 1 && this.#attempt(op) === this.#state) {
        this.#take(op, this.#state)
        // Not the lifted entry's own successor: that may be its return, lifted with it.
        entry = this.#next[this.#prev[entry]!]!
      } else {
        entry = this.#next[entry]!
      }
    }
    this.#phase = "write"
    this.#cursor = this.#next[0]!
  }

  /** Tries the next required operation that changes something. */
  #write(): void {
    const op = this.#entries[this.#cursor]!
    if (op < 0) {
      this.#phase = "guess"
      this.#cursor = this.#optionalNext[0]!
      return
    }
    this.#cursor = this.#next[this.#cursor]!
    if (this.#observers[op] === 0) this.#branch(op)
  }

  /** Tries the next optional operation that was invoked before the first return still to come. */
  #guess(): void {
    const op = this.#cursor === 0 ? -1 : this.#required + this.#cursor - 1
    if (op < 0 || this.#operations[op]!.invokedAt > this.#firstReturn()) {
      this.#backtrack()
      return
    }
    const twin = this.#twins[op]!
    this.#cursor = this.#optionalNext[this.#cursor]!
    // The twin was invoked earlier: if it is still in the list, it stands in for this one.
    if (twin >= 0 && this.#isListed(twin)) this.#steps++
    else this.#branch(op)
  }

  #branch(op: number): void {
    const before = this.#state
    const after = this.#attempt(op)
    if (after < 0) return
    const isOptional = op >= this.#required
    if (isOptional && after === before) return
    if (this.#depth > 0 && this.#frameOp[this.#depth - 1]! >= this.#required) {
      this.#state = this.#frameState[this.#depth - 1]!
      const without = this.#attempt(op)
      this.#state = before
      if (without === after) return
    }
    this.#take(op, after)
    if (this.#isHopeless(before, after) || !this.#remember()) this.#undo()
    else this.#phase = "observe"
  }

  #backtrack(): void {
    if (this.#isTold && this.#required - this.#left > this.#deepestCount) {
      this.#deepestCount = this.#required - this.#left
      this.#deepest = [...this.#frameOp.subarray(0, this.#depth)]
    }
    let op: number
    do {
      if (this.#depth === 0) {
        this.#settle("invalid")
        return
      }
      op = this.#frameOp[this.#depth - 1]!
      this.#undo()
    } while (this.#observers[op] === 1)
    if (op < this.#required) {
      this.#phase = "write"
      this.#cursor = this.#next[this.#callOf[op]!]!
    } else {
      this.#phase = "guess"
      this.#cursor = this.#optionalNext[op - this.#required + 1]!
    }
  }

  #settle(verdict: "valid" | "invalid"): void {
    this.#verdict = verdict
    this.#memo?.release()
    if (verdict === "valid" && this.#isTold) this.#deepest = [...this.#frameOp.subarray(0, this.#depth)]
  }

  /** The state after `op`, or -1 if it cannot come next with what it was answered. */
  #attempt(op: number): number {
    this.#steps++
    const { request, results } = this.#operations[op]!
    const key = this.#point[op]!
    if (key < 0) {
      this.#overlay.clear()
      if (!requestAgrees(request, results, this.#overlay)) return -1
      let state = this.#state
      for (const [changed, value] of this.#overlay.changes) {
        state = this.#states.with(state, this.#indexOf(changed), this.#idOf(value))
      }
      return state
    }
    const point = request[0]!
    invariant(point.type !== "scan", "A scan is not an operation on one key")
    const current = this.#values[this.#states.get(this.#state, key)]!
    if (results !== null && !agrees(point, current, results[0]!)) return -1
    const next = valueAfter(point, current)
    if (next === undefined) return -1
    return next === current ? this.#state : this.#states.with(this.#state, key, this.#idOf(next))
  }

  #take(op: number, state: number): void {
    const depth = this.#depth++
    this.#frameOp[depth] = op
    this.#frameState[depth] = this.#state
    this.#frameOpen[depth] = this.#firstOpen
    this.#frameLast[depth] = this.#lastTaken
    this.#frameSet[depth] = this.#optionalSet
    this.#state = state
    for (const sighting of this.#sees[op]!) this.#seers[sighting]!--
    for (const sighting of this.#makes[op]!) this.#makers[sighting]!--
    if (op >= this.#required) {
      const index = op - this.#required + 1
      lift(this.#optionalNext, this.#optionalPrev, index)
      this.#optionalSet = this.#optionalSets.with(this.#optionalSet, index)
      return
    }
    if (this.#hasCounters) for (const counter of this.#counters) counter?.take(op)
    lift(this.#next, this.#prev, this.#callOf[op]!)
    lift(this.#next, this.#prev, this.#returnOf[op]!)
    this.#left--
    this.#taken[op >> 5]! |= 1 << (op & 31)
    if (op > this.#lastTaken) this.#lastTaken = op
    while (this.#firstOpen < this.#required && this.#isTaken(this.#firstOpen)) this.#firstOpen++
  }

  #undo(): void {
    const depth = --this.#depth
    const op = this.#frameOp[depth]!
    this.#state = this.#frameState[depth]!
    this.#firstOpen = this.#frameOpen[depth]!
    this.#lastTaken = this.#frameLast[depth]!
    this.#optionalSet = this.#frameSet[depth]!
    for (const sighting of this.#sees[op]!) this.#seers[sighting]!++
    for (const sighting of this.#makes[op]!) this.#makers[sighting]!++
    if (op >= this.#required) {
      unlift(this.#optionalNext, this.#optionalPrev, op - this.#required + 1)
      return
    }
    if (this.#hasCounters) for (const counter of this.#counters) counter?.giveBack(op)
    // In the opposite order of lifting: an entry finds its neighbours as they were.
    unlift(this.#next, this.#prev, this.#returnOf[op]!)
    unlift(this.#next, this.#prev, this.#callOf[op]!)
    this.#left++
    this.#taken[op >> 5]! &= ~(1 << (op & 31))
  }

  /**
   * Notes the configuration; false if it was noted before. The required operations taken are all those
   * before the first open one, and a few more up to the last taken: so many words are the whole set.
   */
  #remember(): boolean {
    if (this.#memo === null) return true
    const from = this.#firstOpen >> 5
    const count = Math.max((this.#lastTaken >> 5) - from + 1, 0)
    if (count + 3 > this.#scratch.length) this.#scratch = new Int32Array((count + 3) * 2)
    this.#scratch[0] = this.#state
    this.#scratch[1] = this.#optionalSet
    this.#scratch[2] = this.#firstOpen
    for (let i = 0; i < count; i++) this.#scratch[3 + i] = this.#taken[from + i]!
    return this.#memo.add(this.#scratch, count + 3)
  }

  /** Whether the step from `before` to `after` lost a value that is still wanted. */
  #isHopeless(before: number, after: number): boolean {
    // Who tells how far one can come must not stop where it is only clear that the rest will fail.
    if (before === after || this.#isTold) return false
    if (this.#keys.length === 1) return this.#isLost(0, before, after)
    const op = this.#frameOp[this.#depth - 1]!
    for (const key of writtenKeys(this.#operations[op]!)) {
      const index = this.#indexOf(key)
      const old = this.#states.get(before, index)
      const current = this.#states.get(after, index)
      if (old !== current && this.#isLost(index, old, current)) return true
    }
    return false
  }

  #isLost(key: number, old: number, current: number): boolean {
    const sighting = this.#sightings.get(key + old * this.#keys.length)
    if (sighting !== undefined && this.#seers[sighting]! > 0 && this.#makers[sighting] === 0) return true
    if (this.#counters[key]?.isBeyond(this.#values[current]!) === true) return true
    const longest = this.#longest[key]!
    if (longest === null) return false
    const wanted = this.#sightings.get(key + this.#idOf(longest) * this.#keys.length)!
    return this.#seers[wanted]! > 0 && !longest.startsWith(this.#values[current] ?? "")
  }

  /** Whether some value was seen that no operation writes, or a list that is no beginning of a longer one. */
  #isImpossible(): boolean {
    for (const [place, sighting] of this.#sightings) {
      if (this.#makers[sighting]! > 0) continue
      const value = this.#values[Math.floor(place / this.#keys.length)]!
      if (value === null) continue
      const longest = this.#longest[place % this.#keys.length]!
      if (longest === null || !longest.startsWith(value)) return true
    }
    return false
  }

  #counterBounds(): (CounterBound | null)[] {
    const growing = growingCounters(this.#operations)
    return this.#keys.map((key) => {
      if (!growing.has(key)) return null
      const found: { readonly op: number; readonly count: number }[] = []
      for (let op = 0; op < this.#required; op++) {
        const count = countFound(this.#operations[op]!, key)
        if (count !== null) found.push({ op, count })
      }
      return new CounterBound(found)
    })
  }

  #indexSightings(): void {
    const counted = new Set<string>()
    const appended = new Set<string>()
    const other = new Set<string>()
    for (const { request } of this.#operations) {
      for (const op of request) {
        if (op.type === "append") appended.add(op.key)
        else if (op.type === "increment") counted.add(op.key)
        else if (op.type !== "get" && op.type !== "scan") other.add(op.key)
      }
    }
    // A counter or a mixed key takes values that no request names: nothing is concluded about it.
    const isNamed = (key: string): boolean => !counted.has(key) && !(appended.has(key) && other.has(key))
    const number = ({ key, value }: Sighting): number => {
      const place = this.#indexOf(key) + this.#idOf(value) * this.#keys.length
      let sighting = this.#sightings.get(place)
      if (sighting === undefined) {
        sighting = this.#sightings.size
        this.#sightings.set(place, sighting)
        this.#seers.push(0)
        this.#makers.push(0)
      }
      return sighting
    }
    for (let op = 0; op < this.#operations.length; op++) {
      const operation = this.#operations[op]!
      const sees = op < this.#required ? observed(operation).filter(({ key }) => isNamed(key)) : []
      const makes = produced(operation).filter(({ key }) => isNamed(key))
      this.#sees.push(Int32Array.from(sees, number))
      this.#makes.push(Int32Array.from(makes, number))
      for (const sighting of this.#sees[op]!) this.#seers[sighting]!++
      for (const sighting of this.#makes[op]!) this.#makers[sighting]!++
      for (const { key, value } of sees) {
        if (!appended.has(key) || value === null) continue
        const index = this.#indexOf(key)
        const longest = this.#longest[index]!
        if (longest === null || value.length > longest.length) this.#longest[index] = value
      }
    }
  }

  #isTaken(op: number): boolean {
    return (this.#taken[op >> 5]! & (1 << (op & 31))) !== 0
  }

  #isListed(op: number): boolean {
    const index = op - this.#required + 1
    return this.#optionalNext[this.#optionalPrev[index]!] === index
  }

  #firstReturn(): number {
    let entry = this.#next[0]!
    while (this.#entries[entry]! >= 0) entry = this.#next[entry]!
    const op = ~this.#entries[entry]!
    invariant(this.#left > 0 && entry === this.#returnOf[op], "Cannot guess: every operation is placed")
    return this.#operations[op]!.endedAt
  }

  #indexOf(key: string): number {
    const index = this.#keyIndex.get(key)
    invariant(index !== undefined, () => `Cannot check: key ${JSON.stringify(key)} is not of this partition`)
    return index
  }

  #idOf(value: string | null): number {
    if (value === null) return 0
    let id = this.#valueIds.get(value)
    if (id === undefined) {
      id = this.#values.length
      this.#values.push(value)
      this.#valueIds.set(value, id)
    }
    return id
  }
}

/** A request's own writes over the state before it. */
class Overlay implements Keys {
  readonly changes = new Map<string, string | null>()
  readonly #keys: readonly string[]
  readonly #below: (key: string) => string | null

  constructor(keys: readonly string[], below: (key: string) => string | null) {
    this.#keys = keys
    this.#below = below
  }

  clear(): void {
    this.changes.clear()
  }

  get(key: string): string | null {
    const changed = this.changes.get(key)
    return changed === undefined ? this.#below(key) : changed
  }

  set(key: string, value: string | null): void {
    this.changes.set(key, value)
  }

  span(start: string, end: string): readonly (readonly [string, string])[] {
    const rows: (readonly [string, string])[] = []
    for (const key of this.#keys) {
      if (key < start || key >= end) continue
      const value = this.get(key)
      if (value !== null) rows.push([key, value])
    }
    return rows
  }
}

/** Calls and returns by time; at one instant calls come first, so that touching operations are concurrent. */
function entriesOf(required: readonly Operation[]): Int32Array {
  const returns = Array.from(required, (_, op) => op)
  returns.sort((a, b) => required[a]!.endedAt - required[b]!.endedAt || a - b)
  const entries = new Int32Array(required.length * 2)
  let call = 0
  let at = 0
  for (const op of returns) {
    while (call < required.length && required[call]!.invokedAt <= required[op]!.endedAt)
      entries[at++] = call++
    entries[at++] = ~op
  }
  return entries
}

function twinsOf(operations: readonly Operation[], required: number): Int32Array {
  const twins = new Int32Array(operations.length).fill(-1)
  const last = new Map<string, number>()
  for (let op = required; op < operations.length; op++) {
    const request = JSON.stringify(operations[op]!.request)
    twins[op] = last.get(request) ?? -1
    last.set(request, op)
  }
  return twins
}

function lift(next: Int32Array, prev: Int32Array, entry: number): void {
  next[prev[entry]!] = next[entry]!
  prev[next[entry]!] = prev[entry]!
}

function unlift(next: Int32Array, prev: Int32Array, entry: number): void {
  next[prev[entry]!] = entry
  prev[next[entry]!] = entry
}
