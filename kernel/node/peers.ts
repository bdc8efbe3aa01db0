import type { Incarnation, StoreId, VolumeId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { KernelConfig } from "./config.ts"
import type { FrameHeader } from "./input.ts"
import { readProcess, writeProcess, type Process } from "./process.ts"
import type { Identity } from "./status.ts"

/** The incarnation of a volume of the store that sent a frame. */
export function lifeOf(header: FrameHeader, volume: VolumeId): Incarnation {
  for (const life of header.volumes) if (life.volume === volume) return life.incarnation
  return header.fromIncarnation
}

/** Who a store is: its own incarnation, and beside it those of volumes that differ from it. */
export function identityOf(
  { cluster, store }: KernelConfig,
  { incarnation, boot, nonce }: Process,
  all: readonly { readonly id: VolumeId; readonly incarnation: Incarnation }[],
): Identity {
  const volumes = all
    .filter((volume) => volume.incarnation !== incarnation)
    .map((volume) => ({ volume: volume.id, incarnation: volume.incarnation }))
    .sort((a, b) => a.volume - b.volume)
  return { cluster, store, incarnation, boot, nonce, volumes, configEpoch: 0 }
}

/** What this store knows of the lives of its peers: what an older process still says is dropped. */
export class Peers {
  /** The highest boot seen of the incarnation last heard of, and the process that was heard under it first. */
  readonly #seen = new Map<StoreId, Process>()

  /** Null for the words of who may speak; otherwise the process heard of that makes the sender an older one. */
  heard({ fromStore, fromIncarnation, fromBoot, fromNonce }: FrameHeader): Process | null {
    const seen = this.#seen.get(fromStore)
    if (seen !== undefined && seen.incarnation === fromIncarnation && fromBoot <= seen.boot) {
      return fromBoot === seen.boot && fromNonce === seen.nonce ? null : seen
    }
    this.#seen.set(fromStore, { incarnation: fromIncarnation, boot: fromBoot, nonce: fromNonce })
    return null
  }

  save(sink: Sink): void {
    sink.uint(this.#seen.size)
    for (const [store, seen] of [...this.#seen].sort((a, b) => a[0] - b[0])) {
      sink.uint(store)
      writeProcess(seen, sink)
    }
  }

  static load(reader: ByteReader): Peers {
    const peers = new Peers()
    for (let left = reader.count(4); left > 0; left--) peers.#seen.set(reader.uint(), readProcess(reader))
    return peers
  }
}
