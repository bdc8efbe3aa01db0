import { invariant, unreachable, type Mono, type Wall } from "#kernel"

/** 2026-01-01T00:00:00Z in microseconds: where every run begins. */
export const WALL_START = 1_767_225_600_000_000

/** Something wrong with a clock, in force until it is lifted. */
export type ClockFault =
  | { readonly type: "offset"; readonly offsetUs: number }
  | { readonly type: "drift"; readonly ppm: number }
  /** The offset is reached evenly within `overUs`, as a smeared leap second is. */
  | { readonly type: "smear"; readonly offsetUs: number; readonly overUs: number }
  /** Swings ahead and behind. */
  | { readonly type: "sine"; readonly amplitudeUs: number; readonly periodUs: number }
  /** An offset that begins with the next start of the process. */
  | { readonly type: "bootOffset"; readonly offsetUs: number }
  /** Of the monotonic clock alone. */
  | { readonly type: "monoDrift"; readonly ppm: number }
  /** Wall time stands still; with `mono` the monotonic clock does too. */
  | { readonly type: "freeze"; readonly mono: boolean }

type Overlay = {
  readonly id: number
  readonly fault: ClockFault
  readonly since: number
  readonly wallAt: number
  /** Starts of the process before it. */
  readonly boots: number
}

/**
 * The two clocks of one store, as functions of true time and of what is wrong with them.
 *
 * `wall` is true time plus every offset, plus what drifts have added; frozen it stands at the value the
 * freeze met. Lifting a fault gives back what it took, so wall time may jump either way. `mono` starts
 * anew at each boot and runs with the same oscillator, so drift moves it too; offsets never do, it never
 * goes back while the process lives, and a lifted drift leaves it where it is.
 */
export class Clock {
  readonly #overlays: Overlay[] = []
  #monoAnchor = 0
  #trueAnchor = 0
  /** Parts per million the monotonic clock is fast. */
  #monoPpm = 0
  #monoFrozen = 0
  #boots = 0

  /** Whether any overlay is in force: when not, stamps need no second look. */
  get faulty(): boolean {
    return this.#overlays.length > 0
  }

  /** A new process: its monotonic clock starts at `monoBase`. */
  boot(now: number, monoBase: number): void {
    this.#boots++
    this.#monoAnchor = monoBase
    this.#trueAnchor = now
  }

  mono(now: number): Mono {
    if (this.#monoFrozen > 0) return this.#monoAnchor
    const elapsed = now - this.#trueAnchor
    return this.#monoAnchor + elapsed + Math.floor((elapsed * this.#monoPpm) / 1_000_000)
  }

  wall(now: number): Wall {
    let wall = WALL_START + now
    for (let i = 0; i < this.#overlays.length; i++) {
      const overlay = this.#overlays[i]!
      if (overlay.fault.type === "freeze") return overlay.wallAt
      wall += this.#aheadBy(overlay, now)
    }
    return wall
  }

  #aheadBy({ fault, since, boots }: Overlay, now: number): number {
    switch (fault.type) {
      case "offset":
        return fault.offsetUs
      case "drift":
        return Math.floor(((now - since) * fault.ppm) / 1_000_000)
      case "smear":
        return smearedUs(fault.offsetUs, fault.overUs, now - since)
      case "sine":
        return sineUs(fault.amplitudeUs, fault.periodUs, now - since)
      case "bootOffset":
        return this.#boots > boots ? fault.offsetUs : 0
      case "freeze":
      case "monoDrift":
        return 0
      default:
        return unreachable(fault)
    }
  }

  /** The earliest true time at which `mono` shows `at`; null while it stands still before that. */
  trueTimeOf(now: number, at: Mono): number | null {
    const missing = at - this.mono(now)
    if (missing <= 0) return now
    if (this.#monoFrozen > 0) return null
    let guess = Math.max(now, now + Math.floor((missing * 1_000_000) / (1_000_000 + this.#monoPpm)) - 2)
    while (this.mono(guess) < at) guess++
    return guess
  }

  /** `id` names the overlay for `lift`; a freeze is looked at before all others. */
  overlay(now: number, id: number, fault: ClockFault): void {
    const overlay: Overlay = { id, fault, since: now, wallAt: this.wall(now), boots: this.#boots }
    this.#reanchor(now)
    if (fault.type === "freeze") {
      this.#overlays.unshift(overlay)
      if (fault.mono) this.#monoFrozen++
    } else {
      this.#overlays.push(overlay)
      if (fault.type === "drift" || fault.type === "monoDrift") this.#monoPpm += fault.ppm
    }
  }

  /** False when no overlay has this id. */
  lift(now: number, id: number): boolean {
    const index = this.#overlays.findIndex((overlay) => overlay.id === id)
    if (index < 0) return false
    this.#reanchor(now)
    const { fault } = this.#overlays[index]!
    this.#overlays.splice(index, 1)
    if (fault.type === "drift" || fault.type === "monoDrift") this.#monoPpm -= fault.ppm
    if (fault.type === "freeze" && fault.mono) this.#monoFrozen--
    return true
  }

  /** Whether what this overlay does can be seen at this moment. */
  shows(now: number, id: number): boolean {
    const overlay = this.#overlays.find((candidate) => candidate.id === id)
    invariant(overlay !== undefined, "Cannot judge a clock fault: it is not in force")
    const { fault, since } = overlay
    if (fault.type === "freeze") return now > since
    if (fault.type === "monoDrift") return Math.floor(((now - since) * fault.ppm) / 1_000_000) !== 0
    return this.#aheadBy(overlay, now) !== 0
  }

  #reanchor(now: number): void {
    const mono = this.mono(now)
    this.#monoAnchor = mono
    this.#trueAnchor = now
  }
}

/** How far a smear has come. */
export function smearedUs(offsetUs: number, overUs: number, elapsedUs: number): number {
  if (elapsedUs >= overUs) return offsetUs
  // Parts per million first: the product of two hours with two hours would be no safe integer.
  return Math.floor((offsetUs * Math.floor((elapsedUs * 1_000_000) / overUs)) / 1_000_000)
}

/** A sine as two parabolas, in whole numbers: the last digit of `Math.sin` may differ between engines. */
export function sineUs(amplitudeUs: number, periodUs: number, elapsedUs: number): number {
  const half = Math.max(1, Math.floor(periodUs / 2))
  const phase = elapsedUs % (2 * half)
  const x = Math.floor(((phase % half) * 1_000_000) / half)
  const height = Math.floor((4 * x * (1_000_000 - x)) / 1_000_000)
  const ahead = Math.floor((amplitudeUs * height) / 1_000_000)
  // Of nothing there is no negative: -0 is another value to whoever compares.
  return phase < half ? ahead : 0 - ahead
}
