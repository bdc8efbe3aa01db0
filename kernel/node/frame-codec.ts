import { ByteReader, ByteWriter, type Sink } from "../lib/bytes.ts"
import { crc32c } from "../lib/crc32c.ts"
import type { Frame, FrameHeader, VolumeLife } from "./input.ts"
import type { StoreId, Wall } from "../ids.ts"
import {
  PEER_MESSAGE_BYTES_MIN,
  readPeerMessage,
  writePeerMessage,
  type PeerMessage,
} from "./peer-message.ts"
import type { Identity } from "./status.ts"

/** Format of frames between stores; a reader keeps every version since the last major. */
export const FRAME_VERSION = 2

const MAGIC = 0x4f52
const MESSAGES_MAX = 1 << 16
/** Magic, checksum and length; what follows them is what `writeInput` writes of a frame. */
export const FRAME_HEAD_BYTES = 10
const NO_LIVES: readonly VolumeLife[] = []

/** What stands on a frame of the store `identity` that leaves for the store `to` at `wall`. */
export function frameHeader(identity: Identity, to: StoreId, wall: Wall): FrameHeader {
  return {
    version: FRAME_VERSION,
    cluster: identity.cluster,
    fromStore: identity.store,
    toStore: to,
    fromIncarnation: identity.incarnation,
    fromBoot: identity.boot,
    fromNonce: identity.nonce,
    volumes: identity.volumes,
    configEpoch: identity.configEpoch,
    wall,
  }
}

/**
 * A frame as bytes: magic u16 · CRC-32C u32 of all that follows · length u32 of all that follows ·
 * header · messages. Gives bytes of its own; who sends many hands in a writer for them to be made in, so that
 * most take one small allocation instead of a large one that grows.
 */
export function encodeFrame(frame: Frame, writer: ByteWriter = new ByteWriter()): Uint8Array {
  writer.reset()
  writer.u8(MAGIC & 0xff)
  writer.u8(MAGIC >>> 8)
  writer.u32(0)
  writer.u32(0)
  writeFrameBody(frame, writer, true)
  writer.patchU32(6, writer.length - FRAME_HEAD_BYTES)
  writer.patchU32(2, writer.crc32c(6))
  return writer.finish()
}

/** A frame without its head. Entries stand for themselves by length and digest, or, with `whole`, are written out. */
export function writeFrameBody({ header, messages }: Frame, sink: Sink, whole: boolean): void {
  sink.u8(header.version)
  sink.str(header.cluster)
  sink.uint(header.fromStore)
  sink.uint(header.toStore)
  sink.uint(header.fromIncarnation)
  sink.uint(header.fromBoot)
  sink.uint(header.fromNonce)
  writeLives(header.volumes, sink)
  sink.uint(header.configEpoch)
  sink.uint(header.wall)
  sink.uint(messages.length)
  for (const message of messages) writePeerMessage(message, sink, whole)
}

/** What `writeFrameBody` wrote whole. The reader has `failed` when the bytes are none, or hold more messages than this. */
export function readFrameBody(reader: ByteReader, messagesMax: number): Frame {
  const header: FrameHeader = {
    version: reader.u8(),
    cluster: reader.str(),
    fromStore: reader.uint(),
    toStore: reader.uint(),
    fromIncarnation: reader.uint(),
    fromBoot: reader.uint(),
    fromNonce: reader.uint(),
    volumes: readLives(reader),
    configEpoch: reader.uint(),
    wall: reader.uint(),
  }
  const count = reader.count(PEER_MESSAGE_BYTES_MIN)
  if (count > messagesMax) reader.fail()
  const messages: PeerMessage[] = []
  for (let left = count; left > 0 && !reader.failed; left--) messages.push(readPeerMessage(reader))
  return { header, messages }
}

function writeLives(lives: readonly VolumeLife[], sink: Sink): void {
  sink.uint(lives.length)
  for (const { volume, incarnation } of lives) {
    sink.uint(volume)
    sink.uint(incarnation)
  }
}

function readLives(reader: ByteReader): readonly VolumeLife[] {
  const count = reader.count(2)
  if (count === 0) return NO_LIVES
  const lives: VolumeLife[] = []
  for (let left = count; left > 0; left--) lives.push({ volume: reader.uint(), incarnation: reader.uint() })
  return lives
}

/**
 * Bytes of the frame that begins at `offset`, by its own word: several may follow one another. At least 1, and not more
 * than are there to be had when it says so; `decodeFrame` is the judge of what it names.
 */
export function frameLength(bytes: Uint8Array, offset: number): number {
  const rest = bytes.length - offset
  if (rest < FRAME_HEAD_BYTES) return Math.max(1, rest)
  const reader = new ByteReader(bytes.subarray(offset + FRAME_HEAD_BYTES - 4, offset + FRAME_HEAD_BYTES))
  return FRAME_HEAD_BYTES + Math.min(reader.u32(), rest - FRAME_HEAD_BYTES)
}

/** Null for anything that is not exactly one whole, undamaged frame of a known version. */
export function decodeFrame(bytes: Uint8Array): Frame | null {
  if (bytes.length < FRAME_HEAD_BYTES) return null
  const reader = new ByteReader(bytes)
  if (reader.u8() !== (MAGIC & 0xff) || reader.u8() !== MAGIC >>> 8) return null
  if (reader.u32() !== crc32c(bytes, 6, bytes.length)) return null
  if (reader.u32() !== bytes.length - FRAME_HEAD_BYTES) return null
  if (bytes[FRAME_HEAD_BYTES] !== FRAME_VERSION) return null
  const frame = readFrameBody(reader, MESSAGES_MAX)
  return reader.failed || reader.remaining > 0 ? null : frame
}
