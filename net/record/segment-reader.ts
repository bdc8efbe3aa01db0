import { open, readdir, stat, type FileHandle } from "node:fs/promises"
import { basename, join } from "node:path"
import { ByteReader } from "#kernel"
import { messageOf } from "../thrown.ts"
import {
  BLOCK_HEADER_BYTES,
  decodeFileHeader,
  FILE_HEADER_BYTES,
  isIntact,
  nextBlockMagic,
  readBlockHeader,
} from "./block.ts"
import { RecordingError } from "./error.ts"
import { segmentNumber, segmentName } from "./files.ts"

const SCAN_BYTES = 1 << 20
const NO_BYTES = new Uint8Array(0)

/** A segment file as it was found. */
export type SegmentInfo = {
  readonly name: string
  readonly path: string
  readonly number: number
  readonly bytes: number
  /** Which start of a process it is of; empty when the file ends before it says so. */
  readonly recording: string
  readonly seed: number
  /** It is all there is, and was written to its end before it had its name. */
  readonly isCapsule: boolean
}

/** In place of a block: from here on the file was torn as its process died. */
export const TORN = 0

export type Block = {
  readonly kind: number
  /** Behind the kind. */
  readonly reader: ByteReader
  /** Of the file, up to the end of this block. */
  readonly offset: number
}

/**
 * The segments of a recording by number, or a capsule, where that is a file. Throws `RecordingError` where there is none, or one
 * that cannot be read.
 */
export async function listSegments(directory: string): Promise<readonly SegmentInfo[]> {
  let names: readonly string[]
  try {
    if ((await stat(directory)).isFile()) return [await lookAtCapsule(directory)]
    names = await readdir(directory)
  } catch (error) {
    if (error instanceof RecordingError) throw error
    throw new RecordingError("recordingMissing", `Cannot read ${directory}: ${messageOf(error)}`)
  }
  const numbers = names
    .map(segmentNumber)
    .filter((number) => number !== null)
    .sort((a, b) => a - b)
  if (numbers.length === 0) {
    throw new RecordingError("recordingMissing", `${directory} holds no recording: it has no segment files`)
  }
  const segments: SegmentInfo[] = []
  for (const number of numbers) {
    const before = segments.at(-1)
    if (before !== undefined && number !== before.number + 1) {
      throw new RecordingError("recordingDamaged", `${segmentName(before.number + 1)} is missing`)
    }
    segments.push(await look(directory, number))
  }
  return segments
}

async function look(directory: string, number: number): Promise<SegmentInfo> {
  const name = segmentName(number)
  const path = join(directory, name)
  return withFile(path, async (handle) => {
    const { size } = await handle.stat()
    const header = decodeFileHeader(name, await readAt(handle, 0, FILE_HEADER_BYTES))
    if (header !== null && header.segment !== number) {
      throw new RecordingError("recordingDamaged", `${name} says that it is segment ${header.segment}`)
    }
    const recording = header === null ? "" : `${header.recordingHigh}.${header.recordingLow}`
    return { name, path, number, bytes: size, recording, seed: header?.seed ?? 0, isCapsule: false }
  })
}

async function lookAtCapsule(path: string): Promise<SegmentInfo> {
  const name = basename(path)
  return withFile(path, async (handle) => {
    const { size } = await handle.stat()
    const header = decodeFileHeader(name, await readAt(handle, 0, FILE_HEADER_BYTES), "capsule")
    if (header === null)
      throw new RecordingError("recordingDamaged", `${name} is no capsule: it ends before its header does`)
    return { name, path, number: 1, bytes: size, recording: "capsule", seed: header.seed, isCapsule: true }
  })
}

/**
 * The blocks of a segment in order. One that is not as it was written ends them. With `isLast` that may be how a process
 * died, and is given as `TORN`; anywhere else, or with a good block behind it, it is damage and throws.
 */
export async function* readBlocks(
  segment: SegmentInfo,
  isLast: boolean,
): AsyncGenerator<Block, void, undefined> {
  const { path, name, bytes: size, seed, recording } = segment
  if (recording === "") {
    if (!isLast) throw new RecordingError("recordingDamaged", `${name} ends before its header does`)
    yield { kind: TORN, reader: new ByteReader(NO_BYTES), offset: 0 }
    return
  }
  const handle = await open(path, "r")
  try {
    let at = FILE_HEADER_BYTES
    for (let number = 0; at < size; number++) {
      const header = readBlockHeader(await readAt(handle, at, BLOCK_HEADER_BYTES))
      const length = header === null ? 0 : BLOCK_HEADER_BYTES + header.length
      const isThere = header !== null && header.number === number && at + length <= size
      const bytes = isThere ? await readAt(handle, at, length) : null
      if (bytes === null || !isIntact(bytes, seed)) {
        if (!isLast || segment.isCapsule || (await holdsBlock(handle, at + 1, size, seed))) {
          throw new RecordingError("recordingDamaged", `${name} is damaged at byte ${at}`)
        }
        yield { kind: TORN, reader: new ByteReader(NO_BYTES), offset: at }
        return
      }
      at += length
      const reader = new ByteReader(bytes, BLOCK_HEADER_BYTES)
      yield { kind: reader.u8(), reader, offset: at }
    }
  } finally {
    await handle.close()
  }
}

/** Whether a whole block begins anywhere in `[from, size)`: then what is before it was not torn off. */
async function holdsBlock(handle: FileHandle, from: number, size: number, seed: number): Promise<boolean> {
  for (let start = from; start < size; start += SCAN_BYTES) {
    const bytes = await readAt(handle, start, Math.min(SCAN_BYTES + 3, size - start))
    for (let at = nextBlockMagic(bytes, 0); at >= 0; at = nextBlockMagic(bytes, at + 1)) {
      const header = readBlockHeader(await readAt(handle, start + at, BLOCK_HEADER_BYTES))
      if (header === null || start + at + BLOCK_HEADER_BYTES + header.length > size) continue
      if (isIntact(await readAt(handle, start + at, BLOCK_HEADER_BYTES + header.length), seed)) return true
    }
  }
  return false
}

async function readAt(handle: FileHandle, at: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length)
  let got = 0
  while (got < length) {
    const { bytesRead } = await handle.read(bytes, got, length - got, at + got)
    if (bytesRead === 0) break
    got += bytesRead
  }
  return bytes.subarray(0, got)
}

async function withFile<Result>(path: string, use: (handle: FileHandle) => Promise<Result>): Promise<Result> {
  const handle = await open(path, "r")
  try {
    return await use(handle)
  } finally {
    await handle.close()
  }
}
