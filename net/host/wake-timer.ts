import type { Mono } from "#kernel"
import type { HostClock } from "./ports.ts"

/** A timer further away looks again by then: those of Node hold 31 bits of milliseconds, and a machine may sleep. */
const TIMER_MS_MAX = 10_000

/**
 * The one wake-up a kernel asks for. A timer that is set for an earlier time stays: it looks again when it fires, so that a
 * kernel that asks anew in every turn costs no timer each time. It never wakes too early by the store's own clock.
 */
export class WakeTimer {
  readonly #clock: HostClock
  readonly #woken: () => void
  #at: Mono | null = null
  #timer: NodeJS.Timeout | null = null
  #firesAt: Mono = 0

  constructor(clock: HostClock, woken: () => void) {
    this.#clock = clock
    this.#woken = woken
  }

  /** Replaces what was asked for before. Null: nothing. */
  ask(at: Mono | null): void {
    this.#at = at
    if (at === null) return
    if (this.#timer !== null) {
      if (this.#firesAt <= at) return
      clearTimeout(this.#timer)
      this.#timer = null
    }
    const now = this.#clock.mono()
    if (at <= now) this.#wake()
    else this.#set(now, at)
  }

  stop(): void {
    this.#at = null
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
  }

  #set(now: Mono, at: Mono): void {
    const delayMs = Math.min(Math.ceil((at - now) / 1_000), TIMER_MS_MAX)
    this.#firesAt = Math.min(at, now + delayMs * 1_000)
    this.#timer = setTimeout(() => {
      this.#timer = null
      this.#look()
    }, delayMs)
  }

  #look(): void {
    const at = this.#at
    if (at === null) return
    const now = this.#clock.mono()
    if (at <= now) this.#wake()
    else this.#set(now, at)
  }

  #wake(): void {
    this.#at = null
    this.#woken()
  }
}
