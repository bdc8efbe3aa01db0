import { MemoryBase, SYSTEM_VOLUME, type VolumeImage } from "#kernel"
import { below, draw, PURPOSE } from "../draws.ts"
import type { Tally } from "./link-overlay.ts"
import { SECTOR_BYTES } from "./sectors.ts"
import type { DiskFile, VolumeFiles } from "./volume-files.ts"

/** Where a segment's frames begin. */
export const SEGMENT_HEADER_BYTES = 4_096

/** What kind of bytes damage strikes. */
export const ZONE = { header: 0, frames: 1, witness: 2, checkpoint: 3, lastWrite: 4 } as const

/** Names the damage of one fault on one store among all draws: where it strikes depends on nothing else. */
export type DamageKey = { readonly seed: number; readonly fault: number; readonly store: number }

export type Aim = {
  readonly key: DamageKey
  readonly zone: number
  /** In the system volume, or in one of the tenants'. */
  readonly isSystem: boolean
  readonly sectors: number
}

/** A fault of reading: asked at every start while it is in force, or until it has struck once. */
export type Misread = {
  readonly id: number
  readonly type: "error" | "misdirected" | "stale"
  readonly aim: Aim
  readonly tally: Tally
}

/** The next append lands elsewhere. */
export type Misdirection = {
  readonly id: number
  readonly key: DamageKey
  /** 0 in its own segment, 1 in another one of its volume, 2 in one of another volume. */
  readonly reach: number
  readonly tally: Tally
}

/** Bytes [start, end) of a file. */
export type Span = { readonly file: DiskFile; readonly start: number; readonly end: number }

export function pick(key: DamageKey, count: number, bound: number): number {
  return below(draw(key.seed, PURPOSE.damage, key.fault, key.store, count), bound)
}

/** One of the places that `aim` means and that hold something; null when there is none. */
function regionOf(volumes: readonly VolumeFiles[], aim: Aim): Span | null {
  const regions = volumes
    .filter((volume) => (volume.id === SYSTEM_VOLUME) === aim.isSystem)
    .flatMap((volume) => regionsIn(volume, aim.zone))
    .filter((region) => region.end > region.start)
  return regions.length === 0 ? null : regions[pick(aim.key, 0, regions.length)]!
}

function regionsIn(volume: VolumeFiles, zone: number): readonly Span[] {
  const { segments, checkpoint } = volume.directory
  switch (zone) {
    case ZONE.header:
      return segments.map((file) => ({
        file,
        start: 0,
        end: Math.min(file.bytes.length, SEGMENT_HEADER_BYTES),
      }))
    case ZONE.witness:
      return [{ file: volume.witness, start: 0, end: volume.witness.bytes.length }]
    case ZONE.checkpoint:
      // Checkpoint 0 is no file.
      return checkpoint.number === 0 ? [] : [{ file: checkpoint, start: 0, end: checkpoint.bytes.length }]
    case ZONE.lastWrite: {
      const file = segments.findLast(({ usedBytes }) => usedBytes > SEGMENT_HEADER_BYTES)
      if (file === undefined) return []
      return [{ file, start: Math.max(SEGMENT_HEADER_BYTES, file.lastOffset), end: file.usedBytes }]
    }
    default:
      return segments.map((file) => ({ file, start: SEGMENT_HEADER_BYTES, end: file.usedBytes }))
  }
}

/** Some whole sectors of it, where it begins and ends cut to the file. */
function sectorsOf(region: Span, aim: Aim): Span {
  const first = Math.floor(region.start / SECTOR_BYTES)
  const count = Math.ceil(region.end / SECTOR_BYTES) - first
  const start = (first + pick(aim.key, 1, count)) * SECTOR_BYTES
  const end = Math.min(start + aim.sectors * SECTOR_BYTES, region.file.bytes.length)
  return { file: region.file, start, end }
}

/** One bit of durable bytes turns over. False when there are none of that kind. */
export function rot(volumes: readonly VolumeFiles[], aim: Aim): boolean {
  const region = regionOf(volumes, aim)
  if (region === null) return false
  region.file.flip(region.start + pick(aim.key, 1, region.end - region.start), pick(aim.key, 2, 8))
  return true
}

/** Sectors that give an error from now on, until they are written again. */
export function spoil(volumes: readonly VolumeFiles[], aim: Aim): boolean {
  const region = regionOf(volumes, aim)
  if (region === null) return false
  const { file, start, end } = sectorsOf(region, aim)
  for (let at = start; at < end; at += SECTOR_BYTES) file.latent.add(at / SECTOR_BYTES)
  return true
}

/**
 * Where an append of `length` bytes at `offset` of `file` lands instead: as far into a sector as it should
 * have, over what is there already. Null when there is no such place.
 */
export function astray(
  volumes: readonly VolumeFiles[],
  own: VolumeFiles,
  file: DiskFile,
  offset: number,
  length: number,
  misdirection: Misdirection,
): (Span & { readonly volume: VolumeFiles }) | null {
  const { key, reach } = misdirection
  const others =
    reach === 1
      ? own.segments.filter((other) => other !== file)
      : reach === 2
        ? volumes.filter((volume) => volume !== own).flatMap((volume) => volume.segments)
        : []
  const used = others.filter((other) => other.usedBytes > 0)
  const target = used.length === 0 ? file : used[pick(key, 0, used.length)]!
  // In its own segment not over the place it should have gone to: behind it nothing is written yet.
  const room =
    target === file ? Math.floor(offset / SECTOR_BYTES) : Math.ceil(target.usedBytes / SECTOR_BYTES)
  if (room === 0) return null
  const start = pick(key, 1, room) * SECTOR_BYTES + (offset % SECTOR_BYTES)
  const end = Math.min(start + length, target === file ? offset : target.bytes.length)
  if (end <= start) return null
  const volume = volumes.find((candidate) => candidate.segments.includes(target))!
  return { volume, file: target, start, end }
}

type Answer = { bytes: Uint8Array; readonly unreadable: { readonly start: number; readonly end: number }[] }

/** What a start is told of every volume, and which misreads struck. */
export function readVolumes(
  volumes: readonly VolumeFiles[],
  misreads: readonly Misread[],
): { readonly answers: ReadonlyMap<DiskFile, Answer>; readonly struck: readonly Misread[] } {
  const answers = new Map<DiskFile, Answer>()
  for (const volume of volumes) {
    for (const file of [...volume.segments, volume.witness, volume.directory.checkpoint]) {
      const answer: Answer = { bytes: file.bytes, unreadable: [] }
      for (const sector of [...file.latent].sort((a, b) => a - b)) {
        const start = sector * SECTOR_BYTES
        refuse(answer, start, Math.min(start + SECTOR_BYTES, file.bytes.length))
      }
      answers.set(file, answer)
    }
  }
  const struck = misreads.filter((misread) => misreadNow(volumes, answers, misread))
  return { answers, struck }
}

function misreadNow(
  volumes: readonly VolumeFiles[],
  answers: ReadonlyMap<DiskFile, Answer>,
  { type, aim }: Misread,
): boolean {
  const region = regionOf(volumes, aim)
  if (region === null) return false
  const { file, start, end } = sectorsOf(region, aim)
  const answer = answers.get(file)!
  if (type === "error") {
    refuse(answer, start, end)
    return true
  }
  const other =
    type === "stale" ? olderOf(volumes, file, start, end, aim) : elsewhere(volumes, file, start, end, aim)
  if (other === null) return false
  const bytes = answer.bytes.slice()
  bytes.set(other, start)
  const isOther = other.some((byte, at) => byte !== answer.bytes[start + at])
  answer.bytes = bytes
  return isOther
}

/** An earlier version of a file that is replaced is the file before it. */
function olderOf(
  volumes: readonly VolumeFiles[],
  file: DiskFile,
  start: number,
  end: number,
  aim: Aim,
): Uint8Array | null {
  const replaced = volumes.find((volume) => volume.directory.checkpoint === file)?.previousCheckpoint
  if (replaced === undefined) return file.older(start, end, pick(aim.key, 2, 4))
  if (replaced === null) return null
  const old = new Uint8Array(end - start)
  old.set(replaced.bytes.subarray(start, end))
  return old
}

/** As many bytes of another place on this disk. */
function elsewhere(
  volumes: readonly VolumeFiles[],
  file: DiskFile,
  start: number,
  end: number,
  aim: Aim,
): Uint8Array | null {
  const files = volumes
    .flatMap((volume) => volume.segments)
    .filter((other) => other.usedBytes >= SECTOR_BYTES)
  if (files.length === 0) return null
  const source = files[pick(aim.key, 2, files.length)]!
  const from = pick(aim.key, 3, Math.floor(source.usedBytes / SECTOR_BYTES)) * SECTOR_BYTES
  if (source === file && from === start) return null
  return source.bytes.slice(from, Math.min(from + end - start, source.bytes.length))
}

/** The disk gives an error; zeros stand for what it does not give. */
function refuse(answer: Answer, start: number, end: number): void {
  if (end <= start) return
  const bytes = answer.bytes.slice()
  bytes.fill(0, start, end)
  answer.bytes = bytes
  const ranges = [...answer.unreadable, { start, end }].sort((a, b) => a.start - b.start)
  answer.unreadable.length = 0
  for (const range of ranges) {
    const last = answer.unreadable.at(-1)
    if (last === undefined || range.start > last.end) answer.unreadable.push(range)
    else
      answer.unreadable[answer.unreadable.length - 1] = {
        start: last.start,
        end: Math.max(last.end, range.end),
      }
  }
}

/** One volume of it, for a kernel. A checkpoint that does not decode may have held anything, a witness that cannot be read is none. */
export function imageOf(
  files: VolumeFiles,
  answers: ReadonlyMap<DiskFile, Answer>,
): Omit<VolumeImage, "base"> & { readonly checkpoint: MemoryBase } {
  const segments = files.segments.map((file) => {
    const { bytes, unreadable } = answers.get(file)!
    return unreadable.length === 0
      ? { sequence: file.number, bytes }
      : { sequence: file.number, bytes, unreadable }
  })
  const witness = answers.get(files.witness)!
  const isWitness = witness.bytes.length > 0 && witness.unreadable.length === 0
  const checkpoint =
    MemoryBase.decode(answers.get(files.directory.checkpoint)!.bytes) ?? MemoryBase.unreadable()
  return { volume: files.id, segments, witness: isWitness ? witness.bytes : null, checkpoint }
}
