import type { Mono, StoreId, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"

/**
 * Where a peer's wall clock stands beside our monotonic one, µs: so that a jump of our own wall clock leaves
 * alone what is known of the peer's.
 */
type Estimate = {
  /** At least. */ low: number
  /** At most. */ high: number
  at: Mono
  highAt: Mono
}

/** An estimate older than this says nothing any more, µs. */
const ESTIMATE_AGE_MAX = 10_000_000
/** The share of the bound at which a store stops trusting its clock. */
const FENCE_PERCENT = 80

/**
 * Whether this store may trust its wall clock. Two witnesses: its own monotonic clock, beside which the
 * wall clock may not jump, stand still or run; and its peers, of which a majority may not be provably
 * further off than the bound allows. A frame shows by how much the sender is at least ahead, for the
 * way only makes its stamp older; an answer to our own stamp shows by how much at most.
 *
 * A clock that was wrong when the store started, or has been set since, is another one from then on. The first
 * witness begins anew with it when most peers have shown from both sides, since the store was fenced, that it is right.
 */
export class ClockGuard {
  readonly #fenceUs: number
  #anchorMono: Mono
  #anchorWall: Wall
  #estimates = new Map<StoreId, Estimate>()
  #fenced = false
  #fencedAt: Mono = 0

  constructor(clockBoundUs: number, mono: Mono, wall: Wall) {
    this.#fenceUs = Math.floor((clockBoundUs * FENCE_PERCENT) / 100)
    this.#anchorMono = mono
    this.#anchorWall = wall
  }

  get isFenced(): boolean {
    return this.#fenced
  }

  /** The sender's wall clock showed `theirWall` when the frame left. */
  frameReceived(from: StoreId, theirWall: Wall, mono: Mono): void {
    const low = theirWall - mono
    const estimate = this.#estimates.get(from)
    if (estimate === undefined || mono - estimate.at > ESTIMATE_AGE_MAX) {
      this.#estimates.set(from, { low, high: Number.MAX_SAFE_INTEGER, at: mono, highAt: mono })
    } else {
      // A newer frame replaces an older bound: clocks may have moved since.
      estimate.low = low
      estimate.at = mono
    }
  }

  /** The sender answered a stamp of ours that is `roundTripUs` old. */
  answerReceived(from: StoreId, theirWall: Wall, roundTripUs: number, mono: Mono): void {
    const low = theirWall - mono
    this.#estimates.set(from, { low, high: low + Math.max(0, roundTripUs), at: mono, highAt: mono })
  }

  /** Is this clock certainly further ahead of ours than a leader's may be? */
  isAhead(theirWall: Wall, wall: Wall): boolean {
    return theirWall - wall > this.#fenceUs
  }

  /** True when the answer to `isFenced` has changed. */
  check(mono: Mono, wall: Wall): boolean {
    const before = this.#fenced
    // Only of a store that is fenced already: whatever rested on the old anchor has ended with that.
    if (before && this.#jumped(mono, wall) && this.#isConfirmed(mono, wall)) {
      this.#anchorMono = mono
      this.#anchorWall = wall
    }
    this.#fenced = !this.trusts(mono, wall)
    if (this.#fenced && !before) this.#fencedAt = mono
    return this.#fenced !== before
  }

  /** Whether these clocks would pass `check`. */
  trusts(mono: Mono, wall: Wall): boolean {
    return !this.#jumped(mono, wall) && !this.#outvoted(mono, wall)
  }

  #jumped(mono: Mono, wall: Wall): boolean {
    const drift = wall - this.#anchorWall - (mono - this.#anchorMono)
    return drift > this.#fenceUs || drift < -this.#fenceUs
  }

  #outvoted(mono: Mono, wall: Wall): boolean {
    const ours = wall - mono
    let recent = 0
    let off = 0
    for (const { low, high, at, highAt } of this.#estimates.values()) {
      if (mono - at > ESTIMATE_AGE_MAX) continue
      recent++
      const behind = high - ours < -this.#fenceUs && mono - highAt <= ESTIMATE_AGE_MAX
      if (low - ours > this.#fenceUs || behind) off++
    }
    return off * 2 > recent
  }

  /** Most of the peers heard of lately have answered since this store was fenced, and are certainly no further off. */
  #isConfirmed(mono: Mono, wall: Wall): boolean {
    const ours = wall - mono
    let recent = 0
    let near = 0
    for (const { low, high, at, highAt } of this.#estimates.values()) {
      if (mono - at > ESTIMATE_AGE_MAX) continue
      recent++
      if (highAt < this.#fencedAt || mono - highAt > ESTIMATE_AGE_MAX) continue
      if (low - ours >= -this.#fenceUs && high - ours <= this.#fenceUs) near++
    }
    return near * 2 > recent
  }

  save(sink: Sink): void {
    sink.uint(this.#anchorMono)
    sink.uint(this.#anchorWall)
    sink.bool(this.#fenced)
    sink.uint(this.#fencedAt)
    sink.uint(this.#estimates.size)
    for (const [store, estimate] of [...this.#estimates].sort((a, b) => a[0] - b[0])) {
      sink.uint(store)
      sink.int(estimate.low)
      sink.int(estimate.high)
      sink.uint(estimate.at)
      sink.uint(estimate.highAt)
    }
  }

  static load(reader: ByteReader, clockBoundUs: number): ClockGuard {
    const mono = reader.uint()
    const guard = new ClockGuard(clockBoundUs, mono, reader.uint())
    guard.#fenced = reader.bool()
    guard.#fencedAt = reader.uint()
    for (let left = reader.count(4); left > 0; left--) {
      const store = reader.uint()
      guard.#estimates.set(store, {
        low: reader.int(),
        high: reader.int(),
        at: reader.uint(),
        highAt: reader.uint(),
      })
    }
    return guard
  }
}
