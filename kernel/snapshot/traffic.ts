import type { GroupId, Mono } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { readPairs, writePairs } from "../lib/pairs.ts"
import type { Limits } from "../node/config.ts"

/**
 * What all snapshots of a store share: how many go out and come in at once, and how many bytes leave in a
 * second. One range that moves must not take the disk and the links from all the others.
 */
export class SnapshotTraffic {
  readonly #limits: Limits
  /** Transfers under way, by group. */
  #sending = new Map<GroupId, number>()
  /** Groups that wait for a slot, first come first, and until when their places are kept. */
  readonly #waiting = new Map<GroupId, Mono>()
  /** Groups with a reservation; the value is 1. */
  #receiving = new Map<GroupId, number>()
  /** What was booked so far is paid for at this time. */
  #paidUntil: Mono = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /**
   * True when this group may send one more. Else it has a place among those who wait, in the order in which they came, and
   * keeps it if it asks again before `until`: a slot that others give up and take again in turn is not theirs for ever.
   */
  takeSlot(group: GroupId, mono: Mono, until: Mono): boolean {
    let ahead = 0
    for (const count of this.#sending.values()) ahead += count
    for (const [other, keeps] of this.#waiting) {
      if (other === group) break
      if (keeps >= mono) ahead++
      else this.#waiting.delete(other)
    }
    if (ahead >= this.#limits.snapshotsSendingMax) {
      this.#waiting.set(group, until)
      return false
    }
    this.#waiting.delete(group)
    this.#sending.set(group, (this.#sending.get(group) ?? 0) + 1)
    return true
  }

  freeSlot(group: GroupId): void {
    const count = (this.#sending.get(group) ?? 0) - 1
    if (count > 0) this.#sending.set(group, count)
    else this.#sending.delete(group)
  }

  /** True when this group has the room to receive. Asked again, it keeps it. */
  reserve(group: GroupId): boolean {
    if (!this.#receiving.has(group) && this.#receiving.size >= this.#limits.snapshotsReceivingMax)
      return false
    this.#receiving.set(group, 1)
    return true
  }

  release(group: GroupId): void {
    this.#receiving.delete(group)
  }

  /**
   * When a chunk of about so many bytes may leave. Whoever books has a turn of his own, and books the next one
   * behind all others: transfers take turns, whatever order they are woken in.
   */
  book(bytes: number, mono: Mono): Mono {
    const turn = Math.max(this.#paidUntil, mono)
    this.#paidUntil = turn + this.#cost(bytes)
    return turn
  }

  /** The chunk that left was larger than booked. */
  settle(bytesMore: number): void {
    if (bytesMore > 0) this.#paidUntil += this.#cost(bytesMore)
  }

  #cost(bytes: number): number {
    return Math.ceil((bytes * 1_000_000) / this.#limits.snapshotBytesPerSecond)
  }

  /** The group's replica here is gone. */
  forget(group: GroupId): void {
    this.#sending.delete(group)
    this.#waiting.delete(group)
    this.#receiving.delete(group)
  }

  save(sink: Sink): void {
    writePairs(this.#sending, sink)
    writePairs(this.#receiving, sink)
    sink.uint(this.#paidUntil)
    sink.uint(this.#waiting.size)
    for (const [group, until] of this.#waiting) {
      sink.uint(group)
      sink.uint(until)
    }
  }

  static load(reader: ByteReader, limits: Limits): SnapshotTraffic {
    const traffic = new SnapshotTraffic(limits)
    traffic.#sending = readPairs(reader)
    traffic.#receiving = readPairs(reader)
    traffic.#paidUntil = reader.uint()
    for (let left = reader.count(2); left > 0; left--) traffic.#waiting.set(reader.uint(), reader.uint())
    return traffic
  }
}
