import type { GroupId, LogIndex, RangeId, VolumeId } from "../ids.ts"
import type { RoomWatch } from "../liveness/room.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { KernelConfig } from "./config.ts"
import { HandOver } from "./hand-over.ts"
import { Replica, type Moment } from "./replica.ts"
import { replaceLost } from "./repair.ts"
import { Scrubber } from "./scrubber.ts"
import { StoreBudget } from "./store-budget.ts"
import type { Volume } from "./volume.ts"

/** The replicas of one store, by group and by range. Walks go by group, in ascending order. */
export class Replicas {
  #scrubber = new Scrubber()
  #handOver = new HandOver()
  readonly #budget = new StoreBudget()
  readonly #byGroup = new Map<GroupId, Replica>()
  readonly #groupOfRange = new Map<RangeId, GroupId>()
  /** Sorted once for all walks between two changes. */
  #sorted: readonly Replica[] | null = null

  add(replica: Replica): void {
    this.#byGroup.set(replica.group, replica)
    replica.share(this.#budget)
    this.#groupOfRange.set(replica.machine.descriptor.rangeId, replica.group)
    this.#sorted = null
  }

  delete(replica: Replica): void {
    this.#byGroup.delete(replica.group)
    this.#budget.forget(replica.group)
    this.#groupOfRange.delete(replica.machine.descriptor.rangeId)
    this.#sorted = null
  }

  get(group: GroupId): Replica | undefined {
    return this.#byGroup.get(group)
  }

  has(group: GroupId): boolean {
    return this.#byGroup.has(group)
  }

  ofRange(range: RangeId): Replica | undefined {
    const group = this.#groupOfRange.get(range)
    return group === undefined ? undefined : this.#byGroup.get(group)
  }

  all(): readonly Replica[] {
    this.#sorted ??= [...this.#byGroup.values()].sort((a, b) => a.group - b.group)
    return this.#sorted
  }

  /** How far each replica of the volume has applied. */
  appliedIn(volume: Volume): ReadonlyMap<GroupId, LogIndex> {
    const applied = new Map<GroupId, LogIndex>()
    for (const replica of this.all()) {
      if (replica.volume === volume) applied.set(replica.group, replica.machine.appliedIndex)
    }
    return applied
  }

  /**
   * Housekeeping: horizons move, lost members are replaced, who has no room hands over, states are scrubbed. Gives the
   * replicas with which it had to do.
   */
  tend(awake: readonly Replica[], room: RoomWatch, moment: Moment): readonly Replica[] {
    const leading = awake.filter((replica) => replica.raft.isLeader && !replica.isRemoved)
    for (const replica of leading) replica.tidy(moment)
    return [
      ...leading,
      ...replaceLost(awake, moment),
      ...this.#handOver.step(this.all(), room, moment),
      ...this.#scrubber.step(this.all(), moment),
    ]
  }

  save(sink: Sink): void {
    this.#scrubber.save(sink)
    this.#handOver.save(sink)
    sink.uint(this.#byGroup.size)
    for (const replica of this.all()) replica.save(sink)
  }

  static load(reader: ByteReader, config: KernelConfig, volumeOf: (id: VolumeId) => Volume): Replicas {
    const replicas = new Replicas()
    replicas.#scrubber = Scrubber.load(reader)
    replicas.#handOver = HandOver.load(reader)
    for (let left = reader.count(); left > 0; left--) replicas.add(Replica.load(reader, config, volumeOf))
    return replicas
  }
}
