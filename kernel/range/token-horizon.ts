import type { Write } from "../engine/engine.ts"
import type { Mono, Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Timing } from "../node/config.ts"
import { aheadUs, fromWall } from "../time/hlc.ts"
import { expireWrites } from "../txn/tokens.ts"
import { horizonWrite, type StateMachine } from "./state-machine.ts"

/** Records looked at by one step of a walk, and the time between two: more a second than one range takes writes. */
const VISITS_MAX = 1_024
const STEP_US = 50_000
const NEVER = Number.MAX_SAFE_INTEGER

/**
 * Forgets tokens: a leader moves the horizon of its range, and once it has moved, walks through the records
 * and deletes those that lie behind it, a little at a time. With as many writes a second as the walk has
 * visits, as many records are dead as alive; with fewer, fewer are.
 */
export class TokenHorizon {
  readonly #machine: StateMachine
  readonly #timing: Timing
  /** In the log, if not applied yet: what lies behind it is refused already. */
  #proposed: Timestamp = 0
  /** When the walk goes on; `NEVER` when there is none. */
  #stepAt: Mono = NEVER
  /** Where it goes on, a key of the engine; empty at the beginning. */
  #resume = ""
  /** The horizon has moved since this walk began: another one follows. */
  #isBehind = false

  constructor(machine: StateMachine, timing: Timing) {
    this.#machine = machine
    this.#timing = timing
  }

  /** A token born at or below it is too old. */
  get at(): Timestamp {
    return Math.max(this.#machine.horizon, this.#proposed)
  }

  get deadline(): Mono {
    return this.#stepAt
  }

  /** Of another leader's time: what it proposed may never come. */
  becameLeader(): void {
    this.#proposed = 0
  }

  lostLeadership(): void {
    this.#stepAt = NEVER
    this.#resume = ""
    this.#isBehind = false
  }

  /** The write that moves the horizon, when that is worth an entry. */
  move(mono: Mono, wallUs: number): readonly Write[] {
    const wall = wallUs - this.#timing.tokenTtlUs
    if (wall <= 0) return NOTHING
    const horizon = fromWall(wall)
    if (aheadUs(horizon, 0) - aheadUs(this.at, 0) < this.#timing.tokenTtlUs / 4) return NOTHING
    this.#proposed = horizon
    if (this.#stepAt === NEVER) this.#stepAt = mono + STEP_US
    else this.#isBehind = true
    return [horizonWrite(horizon)]
  }

  /** The next writes of the walk, when their time has come; not `mayWrite` puts it off. */
  step(mono: Mono, mayWrite: boolean): readonly Write[] {
    if (mono < this.#stepAt) return NOTHING
    this.#stepAt = mono + STEP_US
    // Deletes rest on the horizon that is applied; the first step may come before it is.
    if (!mayWrite || this.#machine.horizon < this.#proposed) return NOTHING
    const { tenant, start, end } = this.#machine.descriptor
    const { view, horizon } = this.#machine
    const expired = expireWrites(view, tenant, horizon, VISITS_MAX, start, end, this.#resume)
    this.#resume = expired.resume
    if (expired.resume === "") {
      if (!this.#isBehind) this.#stepAt = NEVER
      this.#isBehind = false
    }
    return expired.writes
  }

  save(sink: Sink): void {
    sink.uint(this.#proposed)
    sink.uint(this.#stepAt)
    sink.str(this.#resume)
    sink.bool(this.#isBehind)
  }

  static load(reader: ByteReader, machine: StateMachine, timing: Timing): TokenHorizon {
    const horizon = new TokenHorizon(machine, timing)
    horizon.#proposed = reader.uint()
    horizon.#stepAt = reader.uint()
    horizon.#resume = reader.str()
    horizon.#isBehind = reader.bool()
    return horizon
  }
}

const NOTHING: readonly Write[] = []
