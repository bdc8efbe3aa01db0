import { readFileSync } from "node:fs"
import type { HostClock } from "./ports.ts"

/** Where a host's clock has its time from: the machine's, or a test's. */
export interface ClockSources {
  /** Microseconds that never go back and may stand still while the machine sleeps. */
  monoUs(): number
  /** Milliseconds since 1970, as the machine believes; may jump. */
  wallMs(): number
  /** Microseconds since the machine started, its sleep included; null where the machine does not say. */
  uptimeUs(): number | null
}

const UPTIME = "/proc/uptime"

/** CLOCK_MONOTONIC, CLOCK_REALTIME, and on Linux CLOCK_BOOTTIME, which the kernel of the machine shows as a file. */
export function machineSources(): ClockSources {
  return {
    monoUs() {
      const [seconds, nanoseconds] = process.hrtime()
      return seconds * 1_000_000 + Math.floor(nanoseconds / 1_000)
    },
    wallMs: () => Date.now(),
    uptimeUs() {
      if (process.platform !== "linux") return null
      try {
        const seconds = Number(readFileSync(UPTIME, "latin1").split(" ", 1)[0])
        return Number.isFinite(seconds) ? Math.round(seconds * 1_000_000) : null
      } catch {
        return null
      }
    },
  }
}

/** How far the two clocks may part before the third is asked: it costs a read of a file. */
const SUSPICION_US = 20_000
/** What `/proc/uptime` is exact to, twice, and the time between two reads: a shorter sleep is not told from none. */
const SLEEP_US_MIN = 50_000

/**
 * Both clocks in integer microseconds, neither of which ever goes back. A machine that was suspended has aged: the monotonic
 * clock shows it as an advance, though the one underneath stood still, so that leases end and the kernel's guard, which
 * holds the two clocks against each other, sees no jump where there was none (DESIGN §14: a lease holds only while
 * advances of both agree). A wall clock that was set is not corrected: to notice it is the guard's. Where nobody says how
 * long the machine slept, a sleep looks like a jump of the wall clock, and the store fences itself.
 */
export class MachineClock implements HostClock {
  readonly #sources: ClockSources
  /** Start of the machine by the clock that counts sleep, less that by the one that does not. */
  readonly #uptimeAhead: number | null
  #sleptUs = 0
  /** What wall less mono was when they were last found to be in order. */
  #apart: number
  #mono: number
  #wall: number
  /** The wall clock at a moment of the monotonic one: between two of its milliseconds time goes on by this. */
  #anchorMono: number
  #anchorWall: number

  constructor(sources: ClockSources = machineSources()) {
    this.#sources = sources
    const uptime = sources.uptimeUs()
    const raw = sources.monoUs()
    const wall = sources.wallMs() * 1_000
    this.#uptimeAhead = uptime === null ? null : uptime - raw
    // Past zero, which is "never" to some.
    this.#mono = raw + 1
    this.#wall = wall
    this.#anchorMono = raw
    this.#anchorWall = wall
    this.#apart = wall - raw
  }

  mono(): number {
    const raw = this.#sources.monoUs()
    this.#lookForSleep(raw)
    this.#mono = Math.max(this.#mono, raw + this.#sleptUs + 1)
    return this.#mono
  }

  wall(): number {
    const raw = this.#sources.monoUs()
    const shownUs = this.#sources.wallMs() * 1_000
    let wall = this.#anchorWall + (raw - this.#anchorMono)
    // The machine's clock is right, as far as it says: its digits below the millisecond are not told, so they are counted.
    if (wall < shownUs || wall > shownUs + 999) {
      wall = wall < shownUs ? shownUs : shownUs + 999
      this.#anchorMono = raw
      this.#anchorWall = wall
    }
    this.#wall = Math.max(this.#wall, wall)
    return this.#wall
  }

  /** A sleep moves the wall clock alone: only then is the third clock read. */
  #lookForSleep(raw: number): void {
    if (this.#uptimeAhead === null) return
    const apart = this.#sources.wallMs() * 1_000 - raw
    if (Math.abs(apart - this.#apart) < SUSPICION_US) return
    const uptime = this.#sources.uptimeUs()
    if (uptime === null) return
    this.#apart = apart
    const slept = uptime - raw - this.#uptimeAhead
    if (slept - this.#sleptUs >= SLEEP_US_MIN) this.#sleptUs = slept
  }
}
