import { invariant } from "#kernel"

/** Names one scheduled event for as long as it has neither happened nor been cancelled. */
export type Handle = number

/** No event: `cancel` ignores it. */
export const NO_EVENT: Handle = -1

/** A handle is `generation * SLOTS_MAX + slot`, so one that outlived its event finds another generation. */
const SLOTS_MAX = 1 << 22
const ARITY = 4

/**
 * The events of one run, in the order of (time, sequence): two events of one moment happen in the order
 * they were asked for. Time jumps from event to event; nothing ticks.
 *
 * A 4-ary heap over parallel typed arrays. An event is a small integer kind, two integers and one
 * reference, so asking for one allocates nothing. The fields of the event taken last are read from the
 * scheduler itself, until the next is taken.
 */
export class Scheduler {
  now = 0
  kind = 0
  a = 0
  b = 0
  payload: unknown = null

  #time = new Float64Array(1024)
  #sequence = new Float64Array(1024)
  #slot = new Int32Array(1024)
  #size = 0
  #sequenceNext = 0

  #kinds = new Uint8Array(1024)
  #as = new Int32Array(1024)
  #bs = new Int32Array(1024)
  #payloads: unknown[] = []
  #generations = new Float64Array(1024)
  #free = new Int32Array(1024)
  #freeCount = 0
  #slotCount = 0
  #cancelled = 0

  /** Events still to happen. */
  get pending(): number {
    return this.#size - this.#cancelled
  }

  /** `kind` is in [1, 255], `a` and `b` are 32-bit integers, `at` is not before `now`. */
  schedule(at: number, kind: number, a: number, b: number, payload: unknown): Handle {
    invariant(at >= this.now && Number.isSafeInteger(at), () => `Cannot schedule at ${at}: it is ${this.now}`)
    invariant(kind > 0, "Cannot schedule kind 0: it marks a cancelled event")
    const slot = this.#freeCount > 0 ? this.#free[--this.#freeCount]! : this.#newSlot()
    this.#kinds[slot] = kind
    this.#as[slot] = a
    this.#bs[slot] = b
    this.#payloads[slot] = payload
    this.#push(at, slot)
    return this.#generations[slot]! * SLOTS_MAX + slot
  }

  /** True when the event was still to happen. It stays in the heap, empty, until its time. */
  cancel(handle: Handle): boolean {
    if (handle < 0) return false
    const slot = handle % SLOTS_MAX
    if (this.#generations[slot] !== (handle - slot) / SLOTS_MAX || this.#kinds[slot] === 0) return false
    this.#kinds[slot] = 0
    this.#payloads[slot] = null
    this.#cancelled++
    return true
  }

  /** Takes the next event not later than `until`; false when there is none, and then it is `until`. */
  next(until: number): boolean {
    while (this.#size > 0 && this.#time[0]! <= until) {
      const at = this.#time[0]!
      const slot = this.#slot[0]!
      this.#pop()
      const kind = this.#kinds[slot]!
      this.kind = kind
      this.a = this.#as[slot]!
      this.b = this.#bs[slot]!
      this.payload = this.#payloads[slot]
      this.#payloads[slot] = null
      this.#kinds[slot] = 0
      this.#generations[slot]!++
      this.#free[this.#freeCount++] = slot
      if (kind === 0) {
        this.#cancelled--
        continue
      }
      this.now = at
      return true
    }
    if (until > this.now) this.now = until
    return false
  }

  #newSlot(): number {
    const slot = this.#slotCount++
    invariant(slot < SLOTS_MAX, "Cannot schedule: four million events are pending")
    if (slot === this.#kinds.length) {
      this.#kinds = grown(this.#kinds, new Uint8Array(slot * 2))
      this.#as = grown(this.#as, new Int32Array(slot * 2))
      this.#bs = grown(this.#bs, new Int32Array(slot * 2))
      this.#generations = grown(this.#generations, new Float64Array(slot * 2))
      this.#free = grown(this.#free, new Int32Array(slot * 2))
    }
    return slot
  }

  #push(at: number, slot: number): void {
    if (this.#size === this.#time.length) {
      this.#time = grown(this.#time, new Float64Array(this.#size * 2))
      this.#sequence = grown(this.#sequence, new Float64Array(this.#size * 2))
      this.#slot = grown(this.#slot, new Int32Array(this.#size * 2))
    }
    const times = this.#time
    const sequences = this.#sequence
    const slots = this.#slot
    let index = this.#size++
    // The newest event has the highest sequence, so it climbs only past strictly later times.
    while (index > 0) {
      const parent = Math.floor((index - 1) / ARITY)
      if (times[parent]! <= at) break
      times[index] = times[parent]!
      sequences[index] = sequences[parent]!
      slots[index] = slots[parent]!
      index = parent
    }
    times[index] = at
    sequences[index] = this.#sequenceNext++
    slots[index] = slot
  }

  #pop(): void {
    const size = --this.#size
    if (size === 0) return
    const times = this.#time
    const sequences = this.#sequence
    const slots = this.#slot
    const time = times[size]!
    const sequence = sequences[size]!
    const slot = slots[size]!
    let index = 0
    for (;;) {
      const first = index * ARITY + 1
      if (first >= size) break
      const last = Math.min(first + ARITY, size)
      let least = first
      for (let child = first + 1; child < last; child++) {
        const later = times[child]! - times[least]!
        if (later < 0 || (later === 0 && sequences[child]! < sequences[least]!)) least = child
      }
      const later = times[least]! - time
      if (later > 0 || (later === 0 && sequences[least]! > sequence)) break
      times[index] = times[least]!
      sequences[index] = sequences[least]!
      slots[index] = slots[least]!
      index = least
    }
    times[index] = time
    sequences[index] = sequence
    slots[index] = slot
  }
}

function grown<T extends Uint8Array | Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}
