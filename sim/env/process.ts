import { below, draw, PURPOSE } from "../draws.ts"
import { EVENT } from "../events.ts"
import { NO_EVENT, type Handle, type Scheduler } from "../scheduler.ts"
import type { DiskOutcome } from "./disk.ts"
import type { Tally } from "./link-overlay.ts"

/** Inputs one process has not looked at; a socket that finds this many loses what it brings. */
export const INBOX_MAX = 100_000
/** A turn keeps its process busy this long, and for each input this much longer. */
const TURN_US = 10
const INPUT_US = 5

/** What waits in an inbox. `stamp` is taken only when it is handed over. */
export type Arrival = "wake" | "frame" | "request" | "admin" | "drain" | DiskOutcome

/**
 * When the process of one store looks at its inbox: some drawn time after something arrived, never while
 * it is busy or paused. Parallel arrays instead of records: an arrival allocates nothing.
 */
export class Process {
  /** How many wait; what the arrays hold from there on is of earlier turns. */
  count = 0
  readonly kinds: Arrival[] = []
  /** A frame, a request, or null. */
  readonly payloads: unknown[] = []
  /** A session or a volume, and an lsn, segment or checkpoint. */
  readonly ids: number[] = []
  readonly numbers: number[] = []
  /** Most arrivals that ever waited at once. */
  inboxPeak = 0
  /** Frames and requests lost to a full inbox. */
  overflowed = 0

  readonly #seed: number
  readonly #store: number
  readonly #scheduler: Scheduler
  readonly #turnUsMax: number
  #turn: Handle = NO_EVENT
  #turnCount = 0
  #busyUntil = 0

  readonly pauses: { readonly id: number; readonly tally: Tally }[] = []
  readonly slowdowns: { readonly id: number; readonly factor: number; readonly tally: Tally }[] = []

  constructor(seed: number, store: number, scheduler: Scheduler, turnUsMax: number) {
    this.#seed = seed
    this.#store = store
    this.#scheduler = scheduler
    this.#turnUsMax = turnUsMax
  }

  get paused(): boolean {
    return this.pauses.length > 0
  }

  /** Only what can be sent again may be lost: completions and wake-ups always find room. */
  arrive(kind: Arrival, id: number, number: number, payload: unknown): void {
    if (this.count >= INBOX_MAX && (kind === "frame" || kind === "request")) {
      this.overflowed++
      return
    }
    const index = this.count++
    this.kinds[index] = kind
    this.payloads[index] = payload
    this.ids[index] = id
    this.numbers[index] = number
    if (this.count > this.inboxPeak) this.inboxPeak = this.count
    this.askForTurn()
  }

  /** Something waits for the process. */
  askForTurn(): void {
    if (this.#turn !== NO_EVENT) return
    if (this.pauses.length > 0) {
      for (const pause of this.pauses) pause.tally.changes++
      return
    }
    let wait = 0
    if (this.#turnUsMax > 0) {
      wait = below(draw(this.#seed, PURPOSE.turnDelay, this.#store, 0, this.#turnCount), this.#turnUsMax + 1)
    }
    this.#turnCount++
    const now = this.#scheduler.now
    const at = Math.max(now + this.#slowed(wait), this.#busyUntil)
    this.#turn = this.#scheduler.schedule(at, EVENT.turn, this.#store, 0, null)
  }

  /** The turn has come: what waits is readable until `endTurn`. */
  beginTurn(): void {
    this.#turn = NO_EVENT
  }

  /** All that waited is done with: nothing arrives during a turn, which takes no simulated time. */
  endTurn(): void {
    this.#busyUntil = this.#scheduler.now + this.#slowed(TURN_US + INPUT_US * this.count)
    this.#clear()
  }

  pause(id: number, tally: Tally): void {
    this.pauses.push({ id, tally })
    if (this.#scheduler.cancel(this.#turn)) tally.changes++
    this.#turn = NO_EVENT
  }

  /** The process has died: nothing it knew is left, nor does its pause; slowness is of the machine. */
  die(): void {
    this.#scheduler.cancel(this.#turn)
    this.#turn = NO_EVENT
    this.#busyUntil = 0
    this.pauses.length = 0
    this.#clear()
  }

  /** The arrays keep their room: cut to nothing, they would grow anew in every turn. */
  #clear(): void {
    for (let i = 0; i < this.count; i++) this.payloads[i] = null
    this.count = 0
  }

  #slowed(duration: number): number {
    let factor = 1
    for (const slowdown of this.slowdowns) {
      factor = Math.max(factor, slowdown.factor)
      slowdown.tally.changes++
    }
    return duration * factor
  }
}
