import { SYSTEM_VOLUME } from "#kernel"
import { pick, SEGMENT_HEADER_BYTES, type DamageKey } from "./disk-damage.ts"
import { SECTOR_BYTES } from "./sectors.ts"
import type { DiskFile, VolumeFiles } from "./volume-files.ts"

/** A record of a segment's header: where its copies begin, and in each the format and the checksum, of 4 bytes each. */
const COPIES: readonly number[] = [0, 2_048]
const FORMAT_AT = 8
const CHECKSUM_AT: number = SECTOR_BYTES - 4
/** Castagnoli's polynomial, reflected. */
const POLYNOMIAL = 0x82f6_3b78

/** A header zone that was written over, and what it was. */
export type Relabelled = { readonly file: DiskFile; readonly before: Uint8Array }

/**
 * A file with others before and behind it is gone from a tenant's log. False when no log is so long. Without a file behind
 * it nothing would say that it was ever there.
 */
export function loseFile(volumes: readonly VolumeFiles[], key: DamageKey): boolean {
  const candidates = tenants(volumes).flatMap((volume) =>
    volume.segments
      .slice(1, -1)
      .filter(hasFrames)
      .map((file) => ({ volume, file })),
  )
  if (candidates.length === 0) return false
  const { volume, file } = candidates[pick(key, 0, candidates.length)]!
  volume.drop(file)
  return true
}

/** The last file with frames of a tenant's log ends within its last write. False when there is no such file. */
export function shortenLast(volumes: readonly VolumeFiles[], key: DamageKey): boolean {
  const last = tenants(volumes).flatMap((volume) => volume.segments.findLast(hasFrames) ?? [])
  if (last.length === 0) return false
  const file = last[pick(key, 0, last.length)]!
  const start = Math.max(SEGMENT_HEADER_BYTES, file.lastOffset)
  file.shorten(start + 1 + pick(key, 1, file.usedBytes - start - 1))
  return true
}

/** The header of one file becomes that of a build that came later, whole and with a right checksum. */
export function relabel(
  volumes: readonly VolumeFiles[],
  key: DamageKey,
  isSystem: boolean,
): Relabelled | null {
  const files = volumes
    .filter(({ id }) => (id === SYSTEM_VOLUME) === isSystem)
    .flatMap(({ segments }) => segments.filter(hasFrames))
  if (files.length === 0) return null
  const file = files[pick(key, 0, files.length)]!
  const before = file.bytes.slice(0, SEGMENT_HEADER_BYTES)
  const after = before.slice()
  const view = new DataView(after.buffer)
  const format = new DataView(before.buffer).getUint32(FORMAT_AT, true) + 1
  for (const at of COPIES) {
    view.setUint32(at + FORMAT_AT, format, true)
    view.setUint32(at + CHECKSUM_AT, crc32c(after.subarray(at, at + CHECKSUM_AT)), true)
  }
  file.patch(0, after)
  return { file, before }
}

function tenants(volumes: readonly VolumeFiles[]): readonly VolumeFiles[] {
  return volumes.filter(({ id }) => id !== SYSTEM_VOLUME)
}

function hasFrames(file: DiskFile): boolean {
  return file.usedBytes > SEGMENT_HEADER_BYTES
}

/** Bit by bit, as a build of others would have it: a header is written once in a run. */
function crc32c(bytes: Uint8Array): number {
  let crc = 0xffff_ffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
  }
  return (crc ^ 0xffff_ffff) >>> 0
}
