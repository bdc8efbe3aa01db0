import type { GroupId, Mono } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Effect } from "./effect.ts"
import type { Replica } from "./replica.ts"
import { Timers } from "./timers.ts"

/** Which replicas of a store want something: when the turn ends, or at a time. The others are not looked at. */
export class Agenda {
  #dirty = new Set<GroupId>()
  /** Groups that wait for a time: nothing is done for the others unless something happens to them. */
  readonly #awake = new Set<GroupId>()
  timers: Timers = new Timers()
  #wakeRequested: Mono | null = null

  get hasDirty(): boolean {
    return this.#dirty.size > 0
  }

  /** After anything happened to it. */
  note(replica: Replica): void {
    const { group } = replica
    if (replica.isDirty) this.#dirty.add(group)
    if (replica.isAwake) {
      this.#awake.add(group)
      this.timers.atLatest(group, replica.deadline)
    } else this.#awake.delete(group)
  }

  forget(group: GroupId): void {
    this.#awake.delete(group)
    this.timers.forget(group)
    this.#dirty.delete(group)
  }

  /** Those that gathered something, in the order in which they did: nobody is dirty any more. */
  takeDirty(): readonly GroupId[] {
    const groups = [...this.#dirty]
    this.#dirty.clear()
    return groups
  }

  awake(): readonly GroupId[] {
    return [...this.#awake].sort((a, b) => a - b)
  }

  /** The wake-up that was asked for has come. */
  woken(): void {
    this.#wakeRequested = null
  }

  /** Asks for another wake-up, if another one is wanted than was asked for. */
  askWake(out: Effect[]): void {
    const { earliest } = this.timers
    if (earliest === this.#wakeRequested) return
    this.#wakeRequested = earliest
    out.push({ type: "wakeAt", mono: earliest })
  }

  save(sink: Sink): void {
    sink.uint(this.#dirty.size)
    for (const group of this.#dirty) sink.uint(group)
    this.timers.save(sink)
    sink.bool(this.#wakeRequested !== null)
    sink.uint(this.#wakeRequested ?? 0)
  }

  /** Who is awake is seen from the replicas. */
  static load(reader: ByteReader, replicas: readonly Replica[], isRunning: boolean): Agenda {
    const agenda = new Agenda()
    for (const { group, isRemoved, isAwake } of replicas) {
      if (isRunning && isAwake && !isRemoved) agenda.#awake.add(group)
    }
    for (let left = reader.count(); left > 0; left--) agenda.#dirty.add(reader.uint())
    agenda.timers = Timers.load(reader)
    const isWakeRequested = reader.bool()
    const wake = reader.uint()
    agenda.#wakeRequested = isWakeRequested ? wake : null
    return agenda
  }
}
