import type { GroupId, Lsn, Mono, StoreId, VolumeId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Timing } from "../node/config.ts"
import type { Effect } from "../node/effect.ts"
import type { FrameHeader, Stamp } from "../node/input.ts"
import type { Configuration } from "../raft/types.ts"
import { GroupIndex } from "./group-index.ts"
import type { StoreHeartbeat } from "./message.ts"
import { RoomWatch } from "./room.ts"
import { heldAtLeastUs, StoreSupport, type Support, type SupportChange } from "./support.ts"
import { SyncWatch } from "./sync-watch.ts"

/** What became of the support between this store and another, for one group that has to do with both. */
export type GroupChange = { readonly group: GroupId; readonly change: SupportChange }

/** A volume as the pulse sees it: how far it is durable, and whether it could be further. */
export type WatchedVolume = {
  readonly id: VolumeId
  readonly barrier: { readonly lsn: Lsn } | null
  readonly wal: { readonly durableLsn: Lsn; readonly full: boolean }
  /** Its disk refused what would make it larger. */
  readonly isFull: boolean
}

const NO_CHANGES: readonly GroupChange[] = []

/**
 * The heartbeat of a store: one message a second to each store it shares a group with, whatever the number
 * of groups. What it hears back is told to the groups it concerns, and to no other.
 */
export class Pulse {
  readonly #timing: Timing
  readonly #store: StoreId
  readonly #support: StoreSupport
  readonly #syncs: SyncWatch
  readonly room: RoomWatch
  readonly #index = new GroupIndex()

  constructor(
    timing: Timing,
    store: StoreId,
    support: StoreSupport,
    syncs: SyncWatch = new SyncWatch(),
    room: RoomWatch = new RoomWatch(timing.livenessUs),
  ) {
    this.#timing = timing
    this.#store = store
    this.#support = support
    this.#syncs = syncs
    this.room = room
  }

  get support(): Support {
    return this.#support
  }

  /** When `timePassed` is wanted next; each beat looks as well, so what ends later than the next one needs no timer. */
  get deadline(): Mono {
    return this.#support.deadline
  }

  /** After anything happened to a replica. */
  note(group: GroupId, configuration: Configuration, leaderStore: StoreId): void {
    this.#index.note(group, configuration, leaderStore)
  }

  forget(group: GroupId): void {
    this.#index.forget(group)
  }

  /** A second has passed: heartbeats leave. A store whose disk hangs, or that distrusts its clock, asks for nothing. */
  beat(
    volumes: Iterable<WatchedVolume>,
    isFenced: boolean,
    stamp: Stamp,
    out: Effect[],
  ): readonly GroupChange[] {
    const full: VolumeId[] = []
    for (const { id, barrier, wal, isFull } of volumes) {
      if (isFull) full.push(id)
      // A disk without space has answered.
      this.#syncs.look(id, wal.durableLsn, barrier !== null && !wal.full, stamp.mono)
    }
    this.room.look(full, stamp.mono)
    const isOverdue = this.#syncs.isOverdue(stamp.mono, this.#timing.syncOverdueUs)
    const changes = [...this.timePassed(stamp), ...this.#ask(!isFenced && !isOverdue, out)]
    this.#tellPeers(stamp, out)
    return changes
  }

  /** The store has just begun to distrust its clock, or to trust it again. */
  fencingChanged(isFenced: boolean, stamp: Stamp, out: Effect[]): readonly GroupChange[] {
    const isOverdue = this.#syncs.isOverdue(stamp.mono, this.#timing.syncOverdueUs)
    const changes = this.#ask(!isFenced && !isOverdue, out)
    this.#tellPeers(stamp, out)
    return changes
  }

  /** A leader is gone that owes its followers a word: all that was promised to this store ends instead. */
  giveUp(stamp: Stamp, out: Effect[]): readonly GroupChange[] {
    mark("liveness.gaveUp", out)
    const changes = this.#forGroups(this.#support.giveUp())
    this.#tellPeers(stamp, out)
    return changes
  }

  #ask(wanted: boolean, out: Effect[]): readonly GroupChange[] {
    const changes = this.#support.ask(wanted)
    if (changes === null) return NO_CHANGES
    mark(wanted ? "liveness.asksAgain" : "liveness.withdrawn", out)
    return this.#forGroups(changes)
  }

  #tellPeers(stamp: Stamp, out: Effect[]): void {
    const stores = new Set([...this.#index.stores(), ...this.#support.supported()])
    for (const store of [...stores].sort((a, b) => a - b))
      if (store !== this.#store) this.#tell(store, stamp, out)
  }

  #tell(to: StoreId, stamp: Stamp, out: Effect[]): void {
    const message = this.#support.heartbeatTo(to, stamp.mono, stamp.wall, this.room.full)
    out.push({ type: "send", to, lane: "liveness", message, barrier: null })
  }

  heard(header: FrameHeader, message: StoreHeartbeat, stamp: Stamp, out: Effect[]): readonly GroupChange[] {
    const { fromStore, fromIncarnation, fromBoot } = header
    const { mono, wall } = stamp
    this.room.heard(fromStore, fromIncarnation, fromBoot, message, mono)
    const { changes, isNew } = this.#support.heard(fromStore, fromIncarnation, fromBoot, message, mono, wall)
    if (isNew) this.#tell(fromStore, stamp, out)
    return this.#forGroups(changes)
  }

  timePassed(stamp: Stamp): readonly GroupChange[] {
    return this.#forGroups(this.#support.timePassed(stamp.mono, stamp.wall))
  }

  /** How long the sender's answer to a heartbeat of ours was on the way at most, both ways; null when it is none. */
  roundTripUs(message: StoreHeartbeat, mono: Mono): number | null {
    const isOurs =
      message.ofIncarnation === this.#support.incarnation && message.ofBoot === this.#support.boot
    return isOurs ? Math.max(0, mono - message.askedMono - heldAtLeastUs(message.heldUs)) : null
  }

  #forGroups(changes: readonly SupportChange[]): readonly GroupChange[] {
    if (changes.length === 0) return NO_CHANGES
    return changes.flatMap((change) => this.#index.groupsOn(change.store).map((group) => ({ group, change })))
  }

  save(sink: Sink): void {
    this.#support.save(sink)
    this.#syncs.save(sink)
    this.room.save(sink)
  }

  /** The index follows when the replicas are noted. */
  static load(reader: ByteReader, timing: Timing, store: StoreId): Pulse {
    const support = StoreSupport.load(reader, timing)
    const syncs = SyncWatch.load(reader)
    return new Pulse(timing, store, support, syncs, RoomWatch.load(reader, timing.livenessUs))
  }
}

function mark(name: string, out: Effect[]): void {
  out.push({ type: "observe", observation: { type: "mark", name } })
}
