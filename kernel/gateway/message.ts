import type { RangeId, TenantId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { unreachable } from "../lib/invariant.ts"
import { readReply, readRequest, writeReply, writeRequest } from "../range/request-codec.ts"
import type { KvReply, KvRequest } from "../range/request.ts"
import { readItems, readTxnId, writeItems, writeTxnId } from "../txn/protocol-codec.ts"
import type { TxnId } from "../txn/protocol.ts"

/** One gateway asks a range of another store. `request.id` is its own; `nonce` its process, as in the frame. */
export type Ask = { readonly type: "ask"; readonly request: KvRequest }
/** `nonce` is of the process that asked: another one under its name was not meant. */
export type Answer = { readonly type: "answer"; readonly nonce: number; readonly reply: KvReply }

/** A transaction waits in a range, under a ticket of its leader. */
export type Wait = {
  readonly txn: TxnId
  readonly tenant: TenantId
  readonly rangeId: RangeId
  readonly ticket: number
}
/** A leader to the gateway of a transaction that waits there: for whom. Empty: no longer. */
export type Waits = { readonly type: "waits"; readonly wait: Wait; readonly for: readonly TxnId[] }
/** Who waits for whom: each for the one after it, the last for `to`, whose gateway is told. */
export type Probe = { readonly type: "probe"; readonly path: readonly Wait[]; readonly to: TxnId }

/** From the gateway of one store to that of another, of no group. */
export type GatewayMessage = Ask | Answer | Waits | Probe

const ASK_TAG = 28
const ANSWER_TAG = 29
const WAITS_TAG = 30
const PROBE_TAG = 31
const WAIT_BYTES_MIN = 20

export function isGatewayTag(tag: number): boolean {
  return tag >= ASK_TAG && tag <= PROBE_TAG
}

export function isGatewayMessage(message: { readonly type: string }): message is GatewayMessage {
  const { type } = message
  return type === "ask" || type === "answer" || type === "waits" || type === "probe"
}

export function writeGatewayMessage(message: GatewayMessage, sink: Sink): void {
  switch (message.type) {
    case "ask":
      sink.u8(ASK_TAG)
      writeRequest(message.request, sink)
      break
    case "answer":
      sink.u8(ANSWER_TAG)
      sink.uint(message.nonce)
      writeReply(message.reply, sink)
      break
    case "waits":
      sink.u8(WAITS_TAG)
      writeWait(message.wait, sink)
      writeItems(message.for, sink, writeTxnId)
      break
    case "probe":
      sink.u8(PROBE_TAG)
      writeItems(message.path, sink, writeWait)
      writeTxnId(message.to, sink)
      break
    default:
      unreachable(message)
  }
}

/** What follows the tag. Turns the reader `failed` when the bytes are no message. */
export function readGatewayMessage(tag: number, reader: ByteReader): GatewayMessage {
  switch (tag) {
    case ASK_TAG:
      return { type: "ask", request: readRequest(reader) }
    case ANSWER_TAG:
      return { type: "answer", nonce: reader.uint(), reply: readReply(reader) }
    case WAITS_TAG:
      return { type: "waits", wait: readWait(reader), for: readItems(reader, 17, readTxnId) }
    default:
      return { type: "probe", path: readItems(reader, WAIT_BYTES_MIN, readWait), to: readTxnId(reader) }
  }
}

export function writeWait(wait: Wait, sink: Sink): void {
  writeTxnId(wait.txn, sink)
  sink.uint(wait.tenant)
  sink.uint(wait.rangeId)
  sink.uint(wait.ticket)
}

export function readWait(reader: ByteReader): Wait {
  return { txn: readTxnId(reader), tenant: reader.uint(), rangeId: reader.uint(), ticket: reader.uint() }
}
