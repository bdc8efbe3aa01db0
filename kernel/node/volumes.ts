import type { Base } from "../engine/base.ts"
import { SYSTEM_VOLUME, type Incarnation, type VolumeId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Sfc32 } from "../lib/rng.ts"
import { walPorts } from "./boot.ts"
import type { KernelConfig } from "./config.ts"
import { Volume } from "./volume.ts"

/** What concerns all volumes of one store at once. */

/** Nothing appended to a tenant's log waits for its disk. */
export function areTenantsDurable(volumes: ReadonlyMap<VolumeId, Volume>): boolean {
  for (const volume of volumes.values())
    if (volume.id !== SYSTEM_VOLUME && volume.barrier !== null) return false
  return true
}

/** A second witness of what was durable, on another log than the one that says so. */
export function witnessDurable(volumes: ReadonlyMap<VolumeId, Volume>, isRunning: boolean): void {
  for (const volume of volumes.values()) {
    if (volume.id === SYSTEM_VOLUME) continue
    const identifiers = volume.wal.takeWitnessed()
    if (identifiers.length > 0 && isRunning)
      volumes.get(SYSTEM_VOLUME)!.append({ type: "witness", volume: volume.id, identifiers })
  }
}

/** As bytes, each with the incarnation that the system volume does not list yet, or 0. */
export function saveVolumes(
  volumes: ReadonlyMap<VolumeId, Volume>,
  unlisted: ReadonlyMap<VolumeId, Incarnation>,
  sink: Sink,
): void {
  sink.uint(volumes.size)
  for (const volume of volumes.values()) {
    sink.uint(unlisted.get(volume.id) ?? 0)
    volume.save(sink)
  }
}

/** Puts into `volumes` and `unlisted` what `saveVolumes` wrote. */
export function loadVolumes(
  reader: ByteReader,
  config: KernelConfig,
  salts: Sfc32,
  bases: ReadonlyMap<VolumeId, Base>,
  volumes: Map<VolumeId, Volume>,
  unlisted: Map<VolumeId, Incarnation>,
): void {
  for (let left = reader.count(); left > 0; left--) {
    const incarnation = reader.uint()
    const volume = Volume.load(
      reader,
      (id, itsIncarnation) => walPorts(config, itsIncarnation, id, salts),
      (id) => bases.get(id)!,
    )
    if (incarnation !== 0) unlisted.set(volume.id, incarnation)
    volumes.set(volume.id, volume)
  }
}
