import type { ByteReader, Sink } from "../lib/bytes.ts"
import {
  readStoreMessage,
  STORE_HEARTBEAT_TAG,
  writeStoreMessage,
  type StoreMessage,
} from "../liveness/message.ts"
import { readTagged, writeMessage, type RaftMessage } from "../raft/message.ts"

/** What a frame carries: words of groups, and words between stores. */
export type PeerMessage = RaftMessage | StoreMessage

/** `whole` as in `writeMessage`. */
export function writePeerMessage(message: PeerMessage, sink: Sink, whole: boolean): void {
  if (message.type === "storeHeartbeat") writeStoreMessage(message, sink)
  else writeMessage(message, sink, whole)
}

/** Turns the reader `failed` when the bytes are no message. */
export function readPeerMessage(reader: ByteReader): PeerMessage {
  const tag = reader.u8()
  return tag === STORE_HEARTBEAT_TAG ? readStoreMessage(reader) : readTagged(tag, reader)
}
