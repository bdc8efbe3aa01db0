import {
  isGatewayMessage,
  isGatewayTag,
  readGatewayMessage,
  writeGatewayMessage,
  type GatewayMessage,
} from "../gateway/message.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { isStoreTag, readStoreMessage, writeStoreMessage, type StoreMessage } from "../liveness/message.ts"
import { readTagged, writeMessage, type RaftMessage } from "../raft/message.ts"

/** What a frame carries: words of groups, words between stores, and words between their gateways. */
export type PeerMessage = RaftMessage | StoreMessage | GatewayMessage

/** The shortest: a tag, and two numbers. */
export const PEER_MESSAGE_BYTES_MIN = 3

/** Of no group. */
export function isStoreMessage(message: PeerMessage): message is StoreMessage | GatewayMessage {
  return message.type === "storeHeartbeat" || message.type === "outdated" || isGatewayMessage(message)
}

/** `whole` as in `writeMessage`. */
export function writePeerMessage(message: PeerMessage, sink: Sink, whole: boolean): void {
  if (isGatewayMessage(message)) writeGatewayMessage(message, sink)
  else if (isStoreMessage(message)) writeStoreMessage(message, sink)
  else writeMessage(message, sink, whole)
}

/** Turns the reader `failed` when the bytes are no message. */
export function readPeerMessage(reader: ByteReader): PeerMessage {
  const tag = reader.u8()
  if (isGatewayTag(tag)) return readGatewayMessage(tag, reader)
  return isStoreTag(tag) ? readStoreMessage(tag, reader) : readTagged(tag, reader)
}
