import type { GroupId, Lsn, ReplicaId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Effect } from "./effect.ts"
import type { Replicas } from "./replicas.ts"
import { readPairs, writePairs } from "../lib/pairs.ts"

/**
 * Replicas that were removed from their group. A tombstone is durable in the system volume before
 * anything of a replica goes, and a buried replica is never made again.
 */
export class Graveyard {
  /** The youngest replica buried of each group. */
  #tombstones: Map<GroupId, ReplicaId>
  /** Removed, and the frame of the tombstone is not durable yet. */
  #dying: Map<GroupId, Lsn>

  constructor(
    tombstones: ReadonlyMap<GroupId, ReplicaId> = new Map(),
    dying: ReadonlyMap<GroupId, Lsn> = new Map(),
  ) {
    this.#tombstones = new Map(tombstones)
    this.#dying = new Map(dying)
  }

  get hasDying(): boolean {
    return this.#dying.size > 0
  }

  isDying(group: GroupId): boolean {
    return this.#dying.has(group)
  }

  /** Whether this replica, or a younger one of its group, lies here. */
  holds(group: GroupId, replica: ReplicaId): boolean {
    return replica <= (this.#tombstones.get(group) ?? 0)
  }

  /** The tombstone travels in the frame `lsn` of the system volume. */
  bury(group: GroupId, lsn: Lsn): void {
    this.#dying.set(group, lsn)
  }

  /** Groups whose tombstone has become durable; each is given once. */
  #takeBuried(durableLsn: Lsn): readonly GroupId[] {
    const buried: GroupId[] = []
    for (const [group, lsn] of this.#dying) if (lsn <= durableLsn) buried.push(group)
    for (const group of buried) this.#dying.delete(group)
    return buried
  }

  /** What is left of those whose tombstone has become durable. */
  destroyBuried(replicas: Replicas, durableLsn: Lsn, out: Effect[]): void {
    for (const group of this.#takeBuried(durableLsn)) {
      const { replica, machine, volume } = replicas.get(group)!
      this.#raise(group, replica)
      machine.destroy()
      volume.append({ type: "replicaRemoved", group, replica })
      replicas.delete(replicas.get(group)!)
      out.push({ type: "observe", observation: { type: "replicaRemoved", group, replica } })
    }
  }

  #raise(group: GroupId, replica: ReplicaId): void {
    this.#tombstones.set(group, Math.max(replica, this.#tombstones.get(group) ?? 0))
  }

  save(sink: Sink): void {
    writePairs(this.#tombstones, sink)
    writePairs(this.#dying, sink)
  }

  static load(reader: ByteReader): Graveyard {
    const tombstones = readPairs(reader)
    return new Graveyard(tombstones, readPairs(reader))
  }
}
