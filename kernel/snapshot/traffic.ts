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
  /** Groups with a reservation; the value is 1. */
  #receiving = new Map<GroupId, number>()
  /** The bytes sent so far are paid for at this time. */
  #paidUntil: Mono = 0

  constructor(limits: Limits) {
    this.#limits = limits
  }

  /** When the next chunk may leave. */
  get freeAt(): Mono {
    return this.#paidUntil
  }

  /** True when this group may send one more. */
  takeSlot(group: GroupId): boolean {
    let taken = 0
    for (const count of this.#sending.values()) taken += count
    if (taken >= this.#limits.snapshotsSendingMax) return false
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

  /** True when these bytes may leave now: a bucket that holds one chunk. */
  pay(bytes: number, mono: Mono): boolean {
    if (this.#paidUntil > mono) return false
    this.#paidUntil = mono + Math.ceil((bytes * 1_000_000) / this.#limits.snapshotBytesPerSecond)
    return true
  }

  /** The group's replica here is gone. */
  forget(group: GroupId): void {
    this.#sending.delete(group)
    this.#receiving.delete(group)
  }

  save(sink: Sink): void {
    writePairs(this.#sending, sink)
    writePairs(this.#receiving, sink)
    sink.uint(this.#paidUntil)
  }

  static load(reader: ByteReader, limits: Limits): SnapshotTraffic {
    const traffic = new SnapshotTraffic(limits)
    traffic.#sending = readPairs(reader)
    traffic.#receiving = readPairs(reader)
    traffic.#paidUntil = reader.uint()
    return traffic
  }
}
