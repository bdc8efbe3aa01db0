import type { Incarnation, Lsn, StoreId, VolumeId } from "../ids.ts"
import { ByteReader, ByteWriter } from "../lib/bytes.ts"
import { crc32c } from "../lib/crc32c.ts"
import { invariant } from "../lib/invariant.ts"
import { allZero, FRAME_ALIGNMENT, frameBytes, getU32, putU32, SECTOR_BYTES } from "./frame.ts"

/**
 * A segment: one file, zeroed before use, that begins with a header zone of 4 KiB and goes on with frames. The zone
 * holds the same 512-byte record twice, at 0 and at 2,048, so that one bad sector does not cost the salt, without
 * which no frame of the segment can be told from garbage.
 *
 * A record is: magic, format version, fields, zeros, and a CRC-32C of it all in the last four bytes. Magic, version
 * and checksum stay where they are in every future format, so that an unknown one can be told from damage.
 */
export const SEGMENT_HEADER_BYTES = 4096
export const SEGMENT_FORMAT = 1
const MAGIC = "ORRYWAL\0"
const COPIES: readonly number[] = [0, 2048]
const CHECKSUM_AT: number = SECTOR_BYTES - 4
/** Bytes of the name of a cluster: with the other fields it must fit one sector. */
export const CLUSTER_BYTES_MAX = 255

/** Whose log it is. Bytes of any other are refused, however intact. */
export type VolumeIdentity = {
  readonly cluster: string
  readonly store: StoreId
  readonly incarnation: Incarnation
  readonly volume: VolumeId
}

export type SegmentHeader = {
  readonly identity: VolumeIdentity
  /** From 1, without gaps. */
  readonly sequence: number
  readonly sizeBytes: number
  /** No frame below this lies here. Segments are made ahead of time, so the first one may be higher. */
  readonly firstLsn: Lsn
  /** Drawn anew for every segment. */
  readonly salt: number
}

/**
 * Bytes [start, end) of a segment that the disk did not give back (EIO). What stands there in memory says nothing:
 * above all not that nothing was ever written there.
 */
export type Unreadable = { readonly start: number; readonly end: number }

/** All of it was read. */
export const ALL_READ: readonly Unreadable[] = []

export type DecodedHeader =
  | { readonly type: "header"; readonly header: SegmentHeader }
  /** A record of ours, intact, of a format this build does not know. */
  | { readonly type: "unknownFormat"; readonly format: number }
  /** Never written: a crash between the making of the file and its first sync. */
  | { readonly type: "zero" }
  | { readonly type: "bad" }

/** The whole header zone. */
export function encodeSegmentHeader(header: SegmentHeader): Uint8Array {
  invariant(
    header.identity.cluster.length <= CLUSTER_BYTES_MAX,
    "Cannot encode a segment header: name too long",
  )
  const writer = new ByteWriter(SECTOR_BYTES)
  for (let i = 0; i < MAGIC.length; i++) writer.u8(MAGIC.charCodeAt(i))
  writer.u32(SEGMENT_FORMAT)
  writer.str(header.identity.cluster)
  writer.uint(header.identity.store)
  writer.uint(header.identity.incarnation)
  writer.uint(header.identity.volume)
  writer.uint(header.sequence)
  writer.uint(header.sizeBytes)
  writer.uint(header.firstLsn)
  writer.u32(header.salt)
  writer.zeros(CHECKSUM_AT - writer.length)
  const record = new Uint8Array(SECTOR_BYTES)
  record.set(writer.view())
  putU32(record, CHECKSUM_AT, crc32c(record, 0, CHECKSUM_AT))
  const zone = new Uint8Array(SEGMENT_HEADER_BYTES)
  for (const at of COPIES) zone.set(record, at)
  return zone
}

/** Reads whichever copy is intact. One that could not be read is as bad as a damaged one, and never "zero". */
export function decodeSegmentHeader(
  bytes: Uint8Array,
  unreadable: readonly Unreadable[] = ALL_READ,
): DecodedHeader {
  let unknown: DecodedHeader | null = null
  for (const at of COPIES) {
    if (at + SECTOR_BYTES > bytes.length) break
    const decoded = decodeRecord(bytes, at)
    if (decoded.type === "header") return decoded
    if (decoded.type === "unknownFormat") unknown = decoded
  }
  if (unknown !== null) return unknown
  const end = Math.min(bytes.length, SEGMENT_HEADER_BYTES)
  return neverWritten(bytes, unreadable, 0, end) ? { type: "zero" } : { type: "bad" }
}

/** Bytes [start, end) were all read, and all of them are zero. */
export function neverWritten(
  bytes: Uint8Array,
  unreadable: readonly Unreadable[],
  start: number,
  end: number,
): boolean {
  return !isUnreadable(unreadable, start, end) && allZero(bytes, start, end)
}

/** Some byte of [start, end) could not be read. */
export function isUnreadable(unreadable: readonly Unreadable[], start: number, end: number): boolean {
  return unreadable.some((range) => range.start < end && start < range.end)
}

function decodeRecord(bytes: Uint8Array, at: number): DecodedHeader {
  for (let i = 0; i < MAGIC.length; i++) if (bytes[at + i] !== MAGIC.charCodeAt(i)) return { type: "bad" }
  if (getU32(bytes, at + CHECKSUM_AT) !== crc32c(bytes, at, at + CHECKSUM_AT)) return { type: "bad" }
  const reader = new ByteReader(bytes, at + MAGIC.length, at + CHECKSUM_AT)
  const format = reader.u32()
  if (format !== SEGMENT_FORMAT) return { type: "unknownFormat", format }
  const identity: VolumeIdentity = {
    cluster: reader.str(),
    store: reader.uint(),
    incarnation: reader.uint(),
    volume: reader.uint(),
  }
  const header: SegmentHeader = {
    identity,
    sequence: reader.uint(),
    sizeBytes: reader.uint(),
    firstLsn: reader.uint(),
    salt: reader.u32(),
  }
  if (reader.failed || !allZero(bytes, reader.offset, at + CHECKSUM_AT)) return { type: "bad" }
  return { type: "header", header }
}

export function sameIdentity(a: VolumeIdentity, b: VolumeIdentity): boolean {
  return (
    a.cluster === b.cluster && a.store === b.store && a.incarnation === b.incarnation && a.volume === b.volume
  )
}

/**
 * Bytes of the next segment: `previousBytes` (0 for the first of a volume) doubled between the two limits, or as many
 * as a frame with `itemBytes` bytes of items needs.
 */
export function segmentBytes(
  limits: { readonly segmentBytesFirst: number; readonly segmentBytesMax: number },
  previousBytes: number,
  itemBytes: number,
): number {
  const scheduled = Math.max(limits.segmentBytesFirst, Math.min(limits.segmentBytesMax, previousBytes * 2))
  const needed = SEGMENT_HEADER_BYTES + frameBytes(itemBytes)
  return roundUpSector(Math.max(scheduled, needed))
}

function roundUpSector(bytes: number): number {
  invariant(SECTOR_BYTES % FRAME_ALIGNMENT === 0, "Cannot place frames: sectors are not aligned to them")
  return Math.ceil(bytes / SECTOR_BYTES) * SECTOR_BYTES
}
