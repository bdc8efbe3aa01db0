import type { GroupId, Lsn, ReplicaId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { readPairs, writePairs } from "../lib/pairs.ts"
import type { Effect } from "./effect.ts"
import type { Replica } from "./replica.ts"
import type { Replicas } from "./replicas.ts"
import type { Volume } from "./volume.ts"

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
  takeBuried(durableLsn: Lsn): readonly GroupId[] {
    const buried: GroupId[] = []
    for (const [group, lsn] of this.#dying) if (lsn <= durableLsn) buried.push(group)
    for (const group of buried) this.#dying.delete(group)
    return buried
  }

  raise(group: GroupId, replica: ReplicaId): void {
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

/** What was buried durably goes, with all that it held. */
export function destroyBuried(
  graveyard: Graveyard,
  replicas: Replicas,
  durableLsn: Lsn,
  out: Effect[],
): void {
  for (const group of graveyard.takeBuried(durableLsn)) {
    const replica = replicas.get(group)!
    graveyard.raise(group, replica.replica)
    replica.machine.destroy()
    replica.volume.append({ type: "replicaRemoved", group, replica: replica.replica })
    replicas.delete(replica)
    const removed = { type: "replicaRemoved", group, replica: replica.replica } as const
    out.push({ type: "observe", observation: removed })
  }
}

/**
 * Buries every replica of a disk that is an old image of itself and takes over the boot that peers have seen: under
 * their old names they must not say one word more. `lsn` is the frame that says so; `alone` when a group has no other
 * replica, and then nothing has changed.
 */
export function giveUpImage(
  replicas: readonly Replica[],
  system: Volume,
  boot: number,
): { readonly type: "alone"; readonly detail: string } | { readonly type: "given"; readonly lsn: Lsn } {
  const alone = replicas.find((replica) => replica.isAlone)
  if (alone !== undefined) {
    return {
      type: "alone",
      detail: `The disk is an old image, and group ${alone.group} has no other replica`,
    }
  }
  for (const { group, replica } of replicas) system.append({ type: "tombstone", group, replica })
  return { type: "given", lsn: system.append({ type: "boot", boot }) }
}
