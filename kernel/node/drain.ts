import type { GroupId, Mono } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Moment, Replica } from "./replica.ts"
import type { Replicas } from "./replicas.ts"
import type { Timers } from "./timers.ts"

/** `left`: it leads nothing any more. `kept`: it leads what nobody else would take. */
type Phase = "none" | "draining" | "left" | "kept"
const PHASES: readonly Phase[] = ["none", "draining", "left", "kept"]

/** Key of its timer: no group has it. */
const TIMER: number = Number.MAX_SAFE_INTEGER - 1
/** Groups on their way to others at once: each costs its heir a vote and an entry, all of one turn share a sync. */
const UNDER_WAY_MAX = 64
/** Who is not fit to lead is looked at again after so many heartbeats, and gives way to the groups behind it. */
const LOOK_HEARTBEATS = 2
/** A group that comes back so often goes nowhere: the others are being stopped too, or do not want it. */
const OFFERS_MAX = 4

/**
 * The end of a store, as its host has announced it: what it leads is handed to others that are fit, a few at a time, so that
 * nobody has to find out by a timeout that it is gone. Until each is taken over, it is served. ADR 37.
 */
export class Drain {
  #phase: Phase = "none"
  /** Something happened since the last look. */
  #isDue = false
  #lookAt: Mono = 0
  /** What was led here since it began, in the order in which it was found: how often it was offered, and 1; 0 before the first look. */
  readonly #offers = new Map<GroupId, number>()

  /** It elects itself nowhere as long as others can. */
  get isOn(): boolean {
    return this.#phase !== "none"
  }
  get isUnderWay(): boolean {
    return this.#phase === "draining"
  }
  /** There is nothing more to wait for: the host may stop the store. */
  get isOver(): boolean {
    return this.#phase === "left" || this.#phase === "kept"
  }
  /** It has nothing left, and takes nothing any more. */
  get hasLeft(): boolean {
    return this.#phase === "left"
  }

  begin(replicas: Replicas): void {
    if (this.#phase !== "none") return
    this.#phase = "draining"
    this.#isDue = true
    for (const replica of replicas.all()) this.note(replica)
  }

  /** After anything happened to a replica. */
  note(replica: Replica): void {
    if (this.#phase !== "draining") return
    if (this.#offers.has(replica.group)) this.#isDue = true
    else if (replica.raft.isLeader) {
      this.#offers.set(replica.group, 0)
      this.#isDue = true
    }
  }

  /** When a turn ends. Gives the replicas with which it had to do. */
  step(replicas: Replicas, timers: Timers, heartbeatUs: number, moment: Moment): readonly Replica[] {
    const isTime = moment.mono >= this.#lookAt
    if (this.#phase !== "draining" || (!this.#isDue && !isTime)) return []
    this.#isDue = false
    if (isTime) this.#lookAt = moment.mono + LOOK_HEARTBEATS * heartbeatUs
    timers.atLatest(TIMER, this.#lookAt)
    const led: Replica[] = []
    let underWay = 0
    for (const group of this.#offers.keys()) {
      const replica = replicas.get(group)
      if (replica === undefined || replica.isRemoved) this.#offers.delete(group)
      else if (!replica.raft.isLeader) {
        // Who has it now is not known yet: clients would be sent nowhere.
        if (replica.raft.leader === 0) underWay++
      } else if (replica.raft.transfer !== null) underWay++
      else led.push(replica)
    }
    const offered: Replica[] = []
    let kept = 0
    let waiting = underWay
    for (const replica of led) {
      const looks = this.#offers.get(replica.group)!
      const tries = Math.max(0, looks - 1)
      if (tries >= OFFERS_MAX) {
        kept++
        continue
      }
      waiting++
      if (underWay >= UNDER_WAY_MAX) continue
      const offer = replica.offer(tries, looks === 0 || isTime, moment)
      offered.push(replica)
      if (offer === "alone") {
        waiting--
        kept++
        continue
      }
      underWay++
      // Who is not fit yet gives way.
      if (offer !== "made" && isTime) this.#offers.delete(replica.group)
      this.#offers.set(replica.group, 1 + tries + (offer === "made" ? 1 : 0))
    }
    if (waiting === 0) this.#end(kept, moment)
    return offered
  }

  #end(kept: number, { out }: Moment): void {
    this.#phase = kept === 0 ? "left" : "kept"
    out.push({ type: "observe", observation: { type: "drained", handed: this.#offers.size - kept, kept } })
    out.push({ type: "observe", observation: { type: "mark", name: `node.drain.${this.#phase}` } })
  }

  save(sink: Sink): void {
    sink.u8(PHASES.indexOf(this.#phase))
    sink.bool(this.#isDue)
    sink.uint(this.#lookAt)
    sink.uint(this.#offers.size)
    for (const [group, offers] of this.#offers) {
      sink.uint(group)
      sink.uint(offers)
    }
  }

  static load(reader: ByteReader): Drain {
    const drain = new Drain()
    drain.#phase = PHASES[reader.u8()]!
    drain.#isDue = reader.bool()
    drain.#lookAt = reader.uint()
    for (let left = reader.count(2); left > 0; left--) drain.#offers.set(reader.uint(), reader.uint())
    return drain
  }
}
