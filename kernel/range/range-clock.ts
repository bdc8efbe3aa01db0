import type { Timestamp, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Timing } from "../node/config.ts"
import { Hlc, aheadUs, fromWall } from "../time/hlc.ts"
import type { StateMachine } from "./state-machine.ts"

/** How far beyond its clock and the bound a leader waits rather than refuses, in bounds. */
const WAIT_BOUNDS_MAX = 3

/** The timestamps one leader gives: each above everything that was assigned, read or promised here before. */
export class RangeClock {
  readonly #machine: StateMachine
  readonly #boundUs: number
  #hlc = new Hlc()
  /** Nothing was read above it, so nothing may be written at or below it. */
  #readHighWater: Timestamp = 0
  /** The greatest that others gave to something that is written here. */
  #foreign: Timestamp = 0
  /** Handed over by a transfer, or logged by this leader's first entry. */
  #assignAbove: Timestamp = 0

  constructor(machine: StateMachine, timing: Timing) {
    this.#machine = machine
    this.#boundUs = timing.clockBoundUs
  }

  /** Nothing above it was assigned or served. */
  get highWater(): Timestamp {
    return Math.max(this.#hlc.last, this.#readHighWater, this.#machine.lowWater)
  }

  /** The last that was assigned here, or seen. */
  get last(): Timestamp {
    return this.#hlc.last
  }

  /** No leader before this one assigned or served anything above it. */
  get termFloor(): Timestamp {
    return this.#assignAbove
  }

  /** This replica leads from now on, and assigns nothing at or below. */
  lead(handedOver: Timestamp | null, wall: Wall): Timestamp {
    const own = Math.max(this.#machine.lowWater, fromWall(wall))
    this.#assignAbove = handedOver ?? own + 2 * fromWall(this.#boundUs)
    return this.#assignAbove
  }

  /** "Now" sees all that is applied: the newest of it may be stamped a little ahead of this clock. */
  readNow(wall: Wall): Timestamp {
    const readTs = Math.max(this.#hlc.last, this.#machine.lowWater, fromWall(wall))
    this.noteRead(readTs)
    return readTs
  }

  /** Something was read, or found absent, at `ts`: nothing will be written there. */
  noteRead(ts: Timestamp): void {
    if (ts > this.#readHighWater) this.#readHighWater = ts
  }

  /** A timestamp that somebody else gave to something written here. */
  observe(ts: Timestamp): void {
    this.#hlc.observe(ts)
    if (ts > this.#foreign) this.#foreign = ts
  }

  /** Whether nothing that was given its timestamp elsewhere can lie above it. */
  isAboveForeign(ts: Timestamp): boolean {
    return ts >= this.#foreign
  }

  /** How long to wait before something can be assigned; "never" when that is longer than anybody should. */
  assignDelayUs(wall: Wall): number | "never" {
    const ahead = aheadUs(Math.max(this.#hlc.last, this.#floor) + 1, wall)
    if (ahead <= this.#boundUs) return 0
    return ahead <= WAIT_BOUNDS_MAX * this.#boundUs ? ahead - this.#boundUs : "never"
  }

  /** No leader of the cluster can have assigned it: none does more than a bound ahead of its clock, nor is that of ours. */
  isBeyond(ts: Timestamp, wall: Wall): boolean {
    return aheadUs(ts, wall) > 2 * this.#boundUs
  }

  assign(wall: Wall): Timestamp {
    this.#hlc.observe(this.#floor)
    return this.#hlc.now(wall)
  }

  get #floor(): Timestamp {
    return Math.max(this.#machine.lowWater, this.#assignAbove, this.#readHighWater)
  }

  save(sink: Sink): void {
    this.#hlc.save(sink)
    sink.uint(this.#readHighWater)
    sink.uint(this.#assignAbove)
    sink.uint(this.#foreign)
  }

  load(reader: ByteReader): void {
    this.#hlc = Hlc.load(reader)
    this.#readHighWater = reader.uint()
    this.#assignAbove = reader.uint()
    this.#foreign = reader.uint()
  }
}
