import type { FrozenOverlay } from "../engine/overlay.ts"
import type { FatalCode } from "../errors.ts"
import { unreachable } from "../lib/invariant.ts"
import type { Lsn, Mono, StoreId, VolumeId } from "../ids.ts"
import type { AdminReply, KvReply } from "../range/request.ts"
import type { TxnReply } from "../gateway/client.ts"
import type { Observation } from "./observation.ts"
import type { PeerMessage } from "./peer-message.ts"

/** The effect waits until this volume's log is durable up to `lsn`. */
export type Barrier = { readonly volume: VolumeId; readonly lsn: Lsn }

/** `liveness` never waits behind the others; `bulk` yields to them. */
export type Lane = "liveness" | "raft" | "bulk"

/** What a host carries out, in order. It decides nothing. */
export type Effect =
  | {
      readonly type: "send"
      readonly to: StoreId
      readonly lane: Lane
      readonly message: PeerMessage
      readonly barrier: Barrier | null
    }
  | {
      readonly type: "reply"
      readonly session: number
      readonly reply: KvReply
      readonly barrier: Barrier | null
    }
  | {
      readonly type: "adminReply"
      readonly session: number
      readonly reply: AdminReply
      readonly barrier: Barrier | null
    }
  | {
      readonly type: "txnReply"
      readonly session: number
      readonly reply: TxnReply
      readonly barrier: Barrier | null
    }
  /** Write `bytes` at `offset` of `segment`, sync, then `appendSynced`. One at a time for each volume. */
  | {
      readonly type: "append"
      readonly volume: VolumeId
      readonly lsn: Lsn
      readonly segment: number
      readonly offset: number
      readonly bytes: Uint8Array
    }
  /** A new zeroed file of `sizeBytes` that begins with `header`, synced together with its directory. */
  | {
      readonly type: "createSegment"
      readonly volume: VolumeId
      readonly segment: number
      readonly sizeBytes: number
      readonly header: Uint8Array
    }
  /** Segments before this one are no longer needed. */
  | { readonly type: "releaseSegments"; readonly volume: VolumeId; readonly below: number }
  /** Replace the side slot of this volume; no one waits for it. */
  | { readonly type: "writeWitness"; readonly volume: VolumeId; readonly bytes: Uint8Array }
  /** Write these changes to the base and sync, once `barrier` is met; then `checkpointSynced`. */
  | {
      readonly type: "checkpoint"
      readonly volume: VolumeId
      readonly checkpoint: number
      readonly changes: FrozenOverlay
      readonly barrier: Barrier | null
    }
  /** Replaces the wake-up asked for before. Null: none. */
  | { readonly type: "wakeAt"; readonly mono: Mono | null }
  /** Stop this store, and say why. Nothing after it is carried out. */
  | { readonly type: "fatal"; readonly code: FatalCode; readonly detail: string }
  /** For people: outside the trace hash. */
  | { readonly type: "observe"; readonly observation: Observation }

/** What a host has to wait for before it carries this out; null: nothing. */
export function barrierOf(effect: Effect): Barrier | null {
  switch (effect.type) {
    case "send":
    case "reply":
    case "adminReply":
    case "txnReply":
    case "checkpoint":
      return effect.barrier
    case "append":
    case "createSegment":
    case "releaseSegments":
    case "writeWitness":
    case "wakeAt":
    case "fatal":
    case "observe":
      return null
    default:
      return unreachable(effect)
  }
}
