import { writeMessage, type Effect, type Frame, type Input, type KvReply, type KvRequest, type Sink } from "#kernel"

/**
 * Stand-in for `kernel/node/record.ts`, with its signatures, until that is here: what of an input or an
 * effect goes into the trace hash.
 */
export function digestInput(input: Input, sink: Sink): void {
  sink.str(input.type)
  sink.uint(input.mono)
  sink.uint(input.wall)
  switch (input.type) {
    case "wake":
    case "turnEnded":
      break
    case "frame":
      digestFrame(input.frame, sink)
      break
    case "request":
      sink.uint(input.session)
      digestRequest(input.request, sink)
      break
    case "admin":
      sink.uint(input.session)
      sink.uint(input.request.id)
      sink.uint(input.request.group)
      sink.str(input.request.action.type)
      sink.uint(input.request.action.store)
      break
    case "appendSynced":
    case "appendFailed":
      sink.uint(input.volume)
      sink.uint(input.lsn)
      break
    case "segmentCreated":
    case "segmentRefused":
      sink.uint(input.volume)
      sink.uint(input.segment)
      break
    case "checkpointSynced":
    case "checkpointRefused":
    case "checkpointFailed":
      sink.uint(input.volume)
      sink.uint(input.checkpoint)
      break
  }
}

export function digestEffect(effect: Effect, sink: Sink): void {
  sink.str(effect.type)
  switch (effect.type) {
    case "send":
      sink.uint(effect.to)
      sink.str(effect.lane)
      writeMessage(effect.message, sink, false)
      break
    case "reply":
      sink.uint(effect.session)
      digestReply(effect.reply, sink)
      break
    case "adminReply":
      sink.uint(effect.session)
      sink.str(effect.reply.type)
      break
    case "append":
      sink.uint(effect.volume)
      sink.uint(effect.lsn)
      sink.uint(effect.segment)
      sink.uint(effect.offset)
      sink.bytes(effect.bytes)
      break
    case "createSegment":
      sink.uint(effect.volume)
      sink.uint(effect.segment)
      sink.uint(effect.sizeBytes)
      sink.bytes(effect.header)
      break
    case "releaseSegments":
      sink.uint(effect.volume)
      sink.uint(effect.below)
      break
    case "writeWitness":
      sink.uint(effect.volume)
      sink.bytes(effect.bytes)
      break
    case "checkpoint":
      sink.uint(effect.volume)
      sink.uint(effect.checkpoint)
      sink.uint(effect.changes.count)
      break
    case "wakeAt":
      sink.uint(effect.mono ?? 0)
      break
    case "fatal":
      sink.str(effect.code)
      break
    case "observe":
      break
  }
}

function digestFrame(frame: Frame, sink: Sink): void {
  const { header, messages } = frame
  sink.str(header.cluster)
  sink.uint(header.fromStore)
  sink.uint(header.toStore)
  sink.uint(header.fromIncarnation)
  sink.uint(header.fromBoot)
  sink.uint(header.wall)
  sink.uint(messages.length)
  for (const message of messages) writeMessage(message, sink, false)
}

function digestRequest(request: KvRequest, sink: Sink): void {
  sink.uint(request.id)
  sink.uint(request.rangeId)
  sink.uint(request.ops.length)
  for (const op of request.ops) {
    sink.str(op.type)
    sink.str(op.type === "scan" ? op.start : op.key)
    if (op.type === "put" || op.type === "append" || op.type === "cas") sink.str(op.value)
  }
}

function digestReply(reply: KvReply, sink: Sink): void {
  sink.uint(reply.id)
  sink.str(reply.type)
  if (reply.type === "ok") sink.uint(reply.commitTs)
  else sink.str(reply.error.code)
}
