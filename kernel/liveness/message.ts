import type { Incarnation, Mono, VolumeId, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"

/**
 * From one store to another, for all groups at once: asks for support and says what support is given.
 * Numbers of the asker are handed back by the supporter, so that the asker can count from when it asked.
 */
export type StoreHeartbeat = {
  readonly type: "storeHeartbeat"
  /** Rises whenever the sender gives up the support it had: older support ends with it. From 1 in each boot. */
  readonly life: number
  /** False: the sender wants no support for now. */
  readonly asks: boolean
  readonly sentMono: Mono
  readonly sentWall: Wall
  /** The unbroken stretch of support that the sender gives to the receiver, numbered in its boot; 0: none. */
  readonly epoch: number
  /** Whose heartbeat the sender heard last, and that one's own stamps; zeros when it heard none. */
  readonly ofIncarnation: Incarnation
  readonly ofBoot: number
  readonly ofLife: number
  readonly askedMono: Mono
  readonly askedWall: Wall
  /** Microseconds for which the sender has had that heartbeat: the way back and forth took the rest. */
  readonly heldUs: number
  /** Volumes of the sender that their disk gives no more room, ascending: nobody else should lead there. */
  readonly full: readonly VolumeId[]
}

/**
 * Frames of a later boot than yours, of this same incarnation, were heard before, or of another process under the same
 * boot. Either this answers a process that is gone, or your disk is an old image.
 */
export type Outdated = {
  readonly type: "outdated"
  /** The process that was heard: its disk's incarnation, its boot and the nonce it drew. */
  readonly incarnation: Incarnation
  readonly boot: number
  readonly nonce: number
}

/** From one store to another, of no group. */
export type StoreMessage = StoreHeartbeat | Outdated

/** They stand where a message of a group has a tag of its own. */
const HEARTBEAT_TAG = 11
const OUTDATED_TAG = 24
/** Nearly every heartbeat says this. */
export const NONE_FULL: readonly VolumeId[] = []

export function isStoreTag(tag: number): boolean {
  return tag === HEARTBEAT_TAG || tag === OUTDATED_TAG
}

export function writeStoreMessage(message: StoreMessage, sink: Sink): void {
  if (message.type === "outdated") {
    sink.u8(OUTDATED_TAG)
    sink.uint(message.incarnation)
    sink.uint(message.boot)
    sink.uint(message.nonce)
    return
  }
  sink.u8(HEARTBEAT_TAG)
  sink.uint(message.life)
  sink.bool(message.asks)
  sink.uint(message.sentMono)
  sink.uint(message.sentWall)
  sink.uint(message.epoch)
  sink.uint(message.ofIncarnation)
  sink.uint(message.ofBoot)
  sink.uint(message.ofLife)
  sink.uint(message.askedMono)
  sink.uint(message.askedWall)
  sink.uint(message.heldUs)
  sink.uint(message.full.length)
  for (const volume of message.full) sink.uint(volume)
}

/** What follows the tag. Turns the reader `failed` when the bytes are no message. */
export function readStoreMessage(tag: number, reader: ByteReader): StoreMessage {
  if (tag === OUTDATED_TAG) {
    return { type: "outdated", incarnation: reader.uint(), boot: reader.uint(), nonce: reader.uint() }
  }
  return {
    type: "storeHeartbeat",
    life: reader.uint(),
    asks: reader.bool(),
    sentMono: reader.uint(),
    sentWall: reader.uint(),
    epoch: reader.uint(),
    ofIncarnation: reader.uint(),
    ofBoot: reader.uint(),
    ofLife: reader.uint(),
    askedMono: reader.uint(),
    askedWall: reader.uint(),
    heldUs: reader.uint(),
    full: readVolumes(reader),
  }
}

function readVolumes(reader: ByteReader): readonly VolumeId[] {
  const count = reader.count()
  if (count === 0) return NONE_FULL
  const volumes: VolumeId[] = []
  for (let left = count; left > 0; left--) volumes.push(reader.uint())
  return volumes
}
