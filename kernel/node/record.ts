import { readTxnRequest, writeTxnReply, writeTxnRequest } from "../gateway/client-codec.ts"
import type { ByteReader, ByteWriter, Sink } from "../lib/bytes.ts"
import { unreachable } from "../lib/invariant.ts"
import {
  readAdminRequest,
  readRequest,
  writeAdminReply,
  writeAdminRequest,
  writeReply,
  writeRequest,
} from "../range/request-codec.ts"
import type { Barrier, Effect } from "./effect.ts"
import { FRAME_HEAD_BYTES, readFrameBody, writeFrameBody } from "./frame-codec.ts"
import type { Input, Stamp } from "./input.ts"
import { writePeerMessage } from "./peer-message.ts"

/**
 * Inputs and effects over a sink: what the trace hash covers, and what a recording keeps. Every field but what
 * is only for people (`observe`). For the hash an entry stands for itself by its length and digest, taken when
 * it was made or decoded; with `whole` it is written out, so that it can be read again.
 */

const LANES = ["liveness", "raft", "bulk"] as const

export function writeInput(input: Input, sink: Sink, whole: boolean): void {
  sink.uint(input.mono)
  sink.uint(input.wall)
  switch (input.type) {
    case "wake":
      sink.u8(1)
      break
    case "frame":
      sink.u8(2)
      writeFrameBody(input.frame, sink, whole)
      break
    case "request":
      sink.u8(3)
      sink.uint(input.session)
      writeRequest(input.request, sink)
      break
    case "admin":
      sink.u8(4)
      sink.uint(input.session)
      writeAdminRequest(input.request, sink)
      break
    case "appendSynced":
      sink.u8(5)
      sink.uint(input.volume)
      sink.uint(input.lsn)
      break
    case "appendFailed":
      sink.u8(6)
      sink.uint(input.volume)
      sink.uint(input.lsn)
      break
    case "segmentCreated":
      sink.u8(7)
      sink.uint(input.volume)
      sink.uint(input.segment)
      break
    case "segmentRefused":
      sink.u8(8)
      sink.uint(input.volume)
      sink.uint(input.segment)
      break
    case "checkpointSynced":
      sink.u8(9)
      sink.uint(input.volume)
      sink.uint(input.checkpoint)
      break
    case "checkpointRefused":
      sink.u8(10)
      sink.uint(input.volume)
      sink.uint(input.checkpoint)
      break
    case "checkpointFailed":
      sink.u8(11)
      sink.uint(input.volume)
      sink.uint(input.checkpoint)
      break
    case "turnEnded":
      sink.u8(12)
      break
    case "drain":
      sink.u8(13)
      break
    case "txn":
      sink.u8(14)
      sink.uint(input.session)
      writeTxnRequest(input.request, sink)
      break
    default:
      unreachable(input)
  }
}

/** As `writeInput` whole, of the frame that was decoded from these bytes: a value has one spelling. */
export function writeFrameInput(stamp: Stamp, bytes: Uint8Array, writer: ByteWriter): void {
  writer.uint(stamp.mono)
  writer.uint(stamp.wall)
  writer.u8(2)
  writer.raw(bytes.subarray(FRAME_HEAD_BYTES))
}

/** What `writeInput` wrote whole. The reader has `failed` when the bytes are no input. */
export function readInput(reader: ByteReader): Input {
  const stamp = { mono: reader.uint(), wall: reader.uint() }
  const tag = reader.u8()
  switch (tag) {
    case 1:
      return { type: "wake", ...stamp }
    case 2:
      return { type: "frame", ...stamp, frame: readFrameBody(reader, Number.MAX_SAFE_INTEGER) }
    case 3:
      return { type: "request", ...stamp, session: reader.uint(), request: readRequest(reader) }
    case 4:
      return { type: "admin", ...stamp, session: reader.uint(), request: readAdminRequest(reader) }
    case 5:
      return { type: "appendSynced", ...stamp, volume: reader.uint(), lsn: reader.uint() }
    case 6:
      return { type: "appendFailed", ...stamp, volume: reader.uint(), lsn: reader.uint() }
    case 7:
      return { type: "segmentCreated", ...stamp, volume: reader.uint(), segment: reader.uint() }
    case 8: {
      const volume = reader.uint()
      return { type: "segmentRefused", ...stamp, volume, segment: reader.uint(), code: "diskFull" }
    }
    case 9:
      return { type: "checkpointSynced", ...stamp, volume: reader.uint(), checkpoint: reader.uint() }
    case 10: {
      const volume = reader.uint()
      return { type: "checkpointRefused", ...stamp, volume, checkpoint: reader.uint(), code: "diskFull" }
    }
    case 11:
      return { type: "checkpointFailed", ...stamp, volume: reader.uint(), checkpoint: reader.uint() }
    case 12:
      return { type: "turnEnded", ...stamp }
    case 13:
      return { type: "drain", ...stamp }
    case 14:
      return { type: "txn", ...stamp, session: reader.uint(), request: readTxnRequest(reader) }
    default:
      reader.fail()
      return { type: "turnEnded", ...stamp }
  }
}

function writeBarrier(barrier: Barrier | null, sink: Sink): void {
  sink.bool(barrier !== null)
  if (barrier === null) return
  sink.uint(barrier.volume)
  sink.uint(barrier.lsn)
}

export function writeEffect(effect: Effect, sink: Sink, whole: boolean): void {
  switch (effect.type) {
    case "send":
      sink.u8(1)
      sink.uint(effect.to)
      sink.u8(LANES.indexOf(effect.lane))
      writeBarrier(effect.barrier, sink)
      writePeerMessage(effect.message, sink, whole)
      break
    case "reply":
      sink.u8(2)
      sink.uint(effect.session)
      writeBarrier(effect.barrier, sink)
      writeReply(effect.reply, sink)
      break
    case "adminReply":
      sink.u8(3)
      sink.uint(effect.session)
      writeBarrier(effect.barrier, sink)
      writeAdminReply(effect.reply, sink)
      break
    case "append":
      sink.u8(4)
      sink.uint(effect.volume)
      sink.uint(effect.lsn)
      sink.uint(effect.segment)
      sink.uint(effect.offset)
      sink.bytes(effect.bytes)
      break
    case "createSegment":
      sink.u8(5)
      sink.uint(effect.volume)
      sink.uint(effect.segment)
      sink.uint(effect.sizeBytes)
      sink.bytes(effect.header)
      break
    case "releaseSegments":
      sink.u8(6)
      sink.uint(effect.volume)
      sink.uint(effect.below)
      break
    case "writeWitness":
      sink.u8(7)
      sink.uint(effect.volume)
      sink.bytes(effect.bytes)
      break
    case "checkpoint":
      sink.u8(8)
      sink.uint(effect.volume)
      sink.uint(effect.checkpoint)
      sink.uint(effect.changes.count)
      writeBarrier(effect.barrier, sink)
      break
    case "wakeAt":
      sink.u8(9)
      sink.bool(effect.mono !== null)
      sink.uint(effect.mono ?? 0)
      break
    case "fatal":
      sink.u8(10)
      sink.str(effect.code)
      sink.str(effect.detail)
      break
    case "txnReply":
      sink.u8(11)
      sink.uint(effect.session)
      writeBarrier(effect.barrier, sink)
      writeTxnReply(effect.reply, sink)
      break
    case "observe":
      break
    default:
      unreachable(effect)
  }
}
