import type { Incarnation, StoreId, VolumeId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { KernelConfig } from "./config.ts"
import type { FrameHeader } from "./input.ts"
import type { Identity } from "./status.ts"

/** The incarnation of a volume of the store that sent a frame. */
export function lifeOf(header: FrameHeader, volume: VolumeId): Incarnation {
  for (const life of header.volumes) if (life.volume === volume) return life.incarnation
  return header.fromIncarnation
}

/** Who a store is: its own incarnation, and beside it those of volumes that differ from it. */
export function identityOf(
  { cluster, store }: KernelConfig,
  incarnation: Incarnation,
  boot: number,
  all: readonly { readonly id: VolumeId; readonly incarnation: Incarnation }[],
): Identity {
  const volumes = all
    .filter((volume) => volume.incarnation !== incarnation)
    .map((volume) => ({ volume: volume.id, incarnation: volume.incarnation }))
    .sort((a, b) => a.volume - b.volume)
  return { cluster, store, incarnation, boot, volumes, configEpoch: 0 }
}

type Seen = { readonly incarnation: Incarnation; readonly boot: number }

/** What this store knows of the lives of its peers: what an older process still says is dropped. */
export class Peers {
  /** The highest boot seen of the incarnation last heard of. */
  readonly #seen = new Map<StoreId, Seen>()

  /** False for the words of a process that was followed by a later one. */
  heard(store: StoreId, incarnation: Incarnation, boot: number): boolean {
    const seen = this.#seen.get(store)
    if (seen !== undefined && seen.incarnation === incarnation) {
      if (boot < seen.boot) return false
      if (boot === seen.boot) return true
    }
    this.#seen.set(store, { incarnation, boot })
    return true
  }

  /** The highest boot heard of in the life last heard of. */
  bootOf(store: StoreId): number {
    return this.#seen.get(store)?.boot ?? 0
  }

  save(sink: Sink): void {
    sink.uint(this.#seen.size)
    for (const [store, seen] of [...this.#seen].sort((a, b) => a[0] - b[0])) {
      sink.uint(store)
      sink.uint(seen.incarnation)
      sink.uint(seen.boot)
    }
  }

  static load(reader: ByteReader): Peers {
    const peers = new Peers()
    for (let left = reader.count(3); left > 0; left--) {
      peers.#seen.set(reader.uint(), { incarnation: reader.uint(), boot: reader.uint() })
    }
    return peers
  }
}
