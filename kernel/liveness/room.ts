import type { Incarnation, Mono, StoreId, VolumeId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { readPairs, writePairs } from "../lib/pairs.ts"
import type { StoreHeartbeat } from "./message.ts"

/** So many beats a volume here has been full before anything is done about it: a checkpoint may free enough. */
const FULL_BEATS = 2
/** For so many beats another store has said that it has room before that counts: a disk at its brink says so now and then. */
const ROOM_BEATS = 5

/** What another store says of its disk. */
type Heard = {
  incarnation: Incarnation
  boot: number
  sentMono: Mono
  /** When it was first heard in this boot. */
  since: Mono
  /** When each volume was last said to be full; nothing older than what is waited for. */
  fullAt: Map<VolumeId, Mono>
}

/**
 * Which volumes have no room, here and elsewhere. Stores say it with their heartbeats, so that it costs nothing for a
 * group, and that those who rest know it as well. Nothing here is a promise: whoever is asked may be full by then.
 */
export class RoomWatch {
  readonly #livenessUs: number
  /** Volumes of this store that are full, ascending, and since when. */
  #fullSince: Map<VolumeId, Mono> = new Map()
  readonly #heard = new Map<StoreId, Heard>()

  constructor(livenessUs: number) {
    this.#livenessUs = livenessUs
  }

  /** What this store says of itself. */
  get full(): readonly VolumeId[] {
    return [...this.#fullSince.keys()]
  }

  /** At each beat, with the volumes that are full. */
  look(full: readonly VolumeId[], mono: Mono): void {
    if (full.length === 0 && this.#fullSince.size === 0) return
    const ascending = [...full].sort((a, b) => a - b)
    this.#fullSince = new Map(ascending.map((volume) => [volume, this.#fullSince.get(volume) ?? mono]))
  }

  heard(
    from: StoreId,
    incarnation: Incarnation,
    boot: number,
    message: Pick<StoreHeartbeat, "sentMono" | "full">,
    mono: Mono,
  ): void {
    const { sentMono, full } = message
    let heard = this.#heard.get(from)
    if (heard === undefined || heard.incarnation !== incarnation || heard.boot !== boot) {
      heard = { incarnation, boot, sentMono, since: mono, fullAt: new Map() }
      this.#heard.set(from, heard)
    } else if (sentMono < heard.sentMono) return // They pass each other.
    heard.sentMono = sentMono
    for (const [volume, at] of heard.fullAt) if (this.#isPast(at, mono)) heard.fullAt.delete(volume)
    for (const volume of full) heard.fullAt.set(volume, mono)
  }

  get beatUs(): number {
    return this.#livenessUs
  }

  /** Some volume here is full. */
  get isTight(): boolean {
    return this.#fullSince.size > 0
  }

  /** This volume here has been full for long enough. */
  isFull(volume: VolumeId, mono: Mono): boolean {
    const since = this.#fullSince.get(volume)
    return since !== undefined && mono - since >= FULL_BEATS * this.#livenessUs
  }

  /** That store has said for long enough, in one boot, that its volume takes more. */
  hasRoom(store: StoreId, volume: VolumeId, mono: Mono): boolean {
    const heard = this.#heard.get(store)
    if (heard === undefined || !this.#isPast(heard.since, mono)) return false
    const at = heard.fullAt.get(volume)
    return at === undefined || this.#isPast(at, mono)
  }

  #isPast(at: Mono, mono: Mono): boolean {
    return mono - at >= ROOM_BEATS * this.#livenessUs
  }

  save(sink: Sink): void {
    writePairs(this.#fullSince, sink)
    sink.uint(this.#heard.size)
    for (const [store, heard] of [...this.#heard].sort((a, b) => a[0] - b[0])) {
      sink.uint(store)
      sink.uint(heard.incarnation)
      sink.uint(heard.boot)
      sink.uint(heard.sentMono)
      sink.uint(heard.since)
      writePairs(heard.fullAt, sink)
    }
  }

  static load(reader: ByteReader, livenessUs: number): RoomWatch {
    const room = new RoomWatch(livenessUs)
    room.#fullSince = readPairs(reader)
    for (let left = reader.count(6); left > 0; left--) {
      room.#heard.set(reader.uint(), {
        incarnation: reader.uint(),
        boot: reader.uint(),
        sentMono: reader.uint(),
        since: reader.uint(),
        fullAt: readPairs(reader),
      })
    }
    return room
  }
}
