import { ByteReader, ByteWriter, crc32c } from "#kernel"
import { RecordingError } from "./error.ts"

/**
 * Segment files of a recording: a header, then blocks, each with a length and a checksum (docs/formats/recording.md).
 * The checksum is seeded with that of the file's header and covers the block's number, so a block out of another file, or
 * from another place of this one, never validates.
 */

/** Of a segment of a recording, and of a capsule. */
const FILE_MAGIC = { segment: "ORRYRECD", capsule: "ORRYRCAP" } as const
const FORMAT_VERSION = 1
export const FILE_HEADER_BYTES = 28

const BLOCK_MAGIC = 0x4b4c_426f
export const BLOCK_HEADER_BYTES = 16
/** Of a payload. A reader believes no larger one. */
export const BLOCK_BYTES_MAX: number = 64 << 20

/** What a payload begins with. */
export const BLOCK = {
  head: 1,
  volume: 2,
  log: 3,
  rows: 4,
  kernel: 5,
  started: 6,
  events: 7,
  lost: 8,
  end: 9,
} as const

export type FileKind = keyof typeof FILE_MAGIC

/** Which file this is: `recording` is drawn anew for every start of a process. */
export type FileHeader = {
  readonly segment: number
  readonly recordingHigh: number
  readonly recordingLow: number
}

export function encodeFileHeader(
  header: FileHeader,
  kind: FileKind = "segment",
): { readonly bytes: Uint8Array; readonly seed: number } {
  const writer = new ByteWriter(FILE_HEADER_BYTES)
  const wanted = FILE_MAGIC[kind]
  for (let i = 0; i < wanted.length; i++) writer.u8(wanted.charCodeAt(i))
  writer.u32(FORMAT_VERSION)
  writer.u32(header.segment)
  writer.u32(header.recordingHigh)
  writer.u32(header.recordingLow)
  const seed = writer.crc32c(0)
  writer.u32(seed)
  return { bytes: writer.finish(), seed }
}

/** Null when the file ends before its header does: its process died as it made it. Throws what it refuses. */
export function decodeFileHeader(
  name: string,
  bytes: Uint8Array,
  kind: FileKind = "segment",
): (FileHeader & { readonly seed: number }) | null {
  const reader = new ByteReader(bytes)
  const wanted = FILE_MAGIC[kind]
  let magic = ""
  for (let i = 0; i < wanted.length; i++) magic += String.fromCharCode(reader.u8())
  if (reader.failed) return null
  if (magic !== wanted) throw new RecordingError("recordingDamaged", `${name} is ${NO_SUCH[kind]}`)
  const version = reader.u32()
  if (reader.failed) return null
  if (version !== FORMAT_VERSION) {
    const known = `this build reads version ${FORMAT_VERSION}`
    throw new RecordingError("recordingVersion", `${name} is of version ${version} of the format; ${known}`)
  }
  const header = { segment: reader.u32(), recordingHigh: reader.u32(), recordingLow: reader.u32() }
  const seed = reader.u32()
  if (reader.failed) return null
  if (seed !== crc32c(bytes, 0, FILE_HEADER_BYTES - 4)) {
    throw new RecordingError("recordingDamaged", `${name} is damaged: its header is not as it was written`)
  }
  return { ...header, seed }
}

const NO_SUCH = {
  segment: "no part of a recording",
  capsule: "no capsule of a recording; `orrery sim replay` takes those of the simulator",
} as const

/** A writer with room for a block's header and its kind: the payload follows, then `sealBlock`. */
export function beginBlock(writer: ByteWriter, kind: number): void {
  writer.reset()
  writer.zeros(BLOCK_HEADER_BYTES)
  writer.u8(kind)
}

/** Gives a block its header. Its bytes are those of the writer. */
export function sealBlock(writer: ByteWriter, number: number, seed: number): void {
  writer.patchU32(0, BLOCK_MAGIC)
  writer.patchU32(4, writer.length - BLOCK_HEADER_BYTES)
  writer.patchU32(12, number)
  writer.patchU32(8, checksum(writer.view(), seed))
}

/** What the header of a block says: its number, and how many bytes follow it. Null when there is none. */
export function readBlockHeader(
  bytes: Uint8Array,
): { readonly number: number; readonly length: number } | null {
  const reader = new ByteReader(bytes)
  const magic = reader.u32()
  const length = reader.u32()
  reader.u32()
  const number = reader.u32()
  const isHeader = !reader.failed && magic === BLOCK_MAGIC && length > 0 && length <= BLOCK_BYTES_MAX
  return isHeader ? { number, length } : null
}

/** Whether this is one block as it was written. */
export function isIntact(bytes: Uint8Array, seed: number): boolean {
  return new ByteReader(bytes, 8).u32() === checksum(bytes, seed)
}

/** Where a block may begin in `bytes`, at `from` or later; -1 for nowhere. */
export function nextBlockMagic(bytes: Uint8Array, from: number): number {
  for (let at = from; at + 4 <= bytes.length; at++) {
    if (bytes[at] === (BLOCK_MAGIC & 0xff) && new ByteReader(bytes, at).u32() === BLOCK_MAGIC) return at
  }
  return -1
}

function checksum(bytes: Uint8Array, seed: number): number {
  return crc32c(bytes, 12, bytes.length, crc32c(bytes, 4, 8, seed))
}
