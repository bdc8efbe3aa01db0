import type { Sink } from "../lib/bytes.ts"
import { unreachable } from "../lib/invariant.ts"
import { writeAdminReply, writeAdminRequest, writeReply, writeRequest } from "../range/request-codec.ts"
import type { Barrier, Effect } from "./effect.ts"
import { writeLives } from "./frame-codec.ts"
import type { Input } from "./input.ts"
import { writePeerMessage } from "./peer-message.ts"

/**
 * Inputs and effects over a sink: what the trace hash covers. Every field but what is only for people
 * (`observe`). An entry stands for itself by its length and digest, taken when it was made or decoded.
 */

const LANES = ["liveness", "raft", "bulk"] as const

export function writeInput(input: Input, sink: Sink): void {
  sink.uint(input.mono)
  sink.uint(input.wall)
  switch (input.type) {
    case "wake":
      sink.u8(1)
      break
    case "frame": {
      sink.u8(2)
      const { header, messages } = input.frame
      sink.u8(header.version)
      sink.str(header.cluster)
      sink.uint(header.fromStore)
      sink.uint(header.toStore)
      sink.uint(header.fromIncarnation)
      sink.uint(header.fromBoot)
      writeLives(header.volumes, sink)
      sink.uint(header.configEpoch)
      sink.uint(header.wall)
      sink.uint(messages.length)
      for (const message of messages) writePeerMessage(message, sink, false)
      break
    }
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
    default:
      unreachable(input)
  }
}

function writeBarrier(barrier: Barrier | null, sink: Sink): void {
  sink.bool(barrier !== null)
  if (barrier === null) return
  sink.uint(barrier.volume)
  sink.uint(barrier.lsn)
}

export function writeEffect(effect: Effect, sink: Sink): void {
  switch (effect.type) {
    case "send":
      sink.u8(1)
      sink.uint(effect.to)
      sink.u8(LANES.indexOf(effect.lane))
      writeBarrier(effect.barrier, sink)
      writePeerMessage(effect.message, sink, false)
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
    case "observe":
      break
    default:
      unreachable(effect)
  }
}
