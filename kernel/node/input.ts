import type { Incarnation, Lsn, Mono, StoreId, VolumeId, Wall } from "../ids.ts"
import type { TxnRequest } from "../gateway/client.ts"
import type { AdminRequest, KvRequest } from "../range/request.ts"
import type { PeerMessage } from "./peer-message.ts"

/** Every input carries both clocks, stamped by the host when it hands the input over. */
export type Stamp = { readonly mono: Mono; readonly wall: Wall }

/** What a volume holds is named by its incarnation, as what a store holds is by the store's. */
export type VolumeLife = { readonly volume: VolumeId; readonly incarnation: Incarnation }

/** Who speaks to whom, on every frame between stores. */
export type FrameHeader = {
  readonly version: number
  readonly cluster: string
  readonly fromStore: StoreId
  readonly toStore: StoreId
  readonly fromIncarnation: Incarnation
  readonly fromBoot: number
  /** 53 bits drawn by the process that speaks: two processes under one boot differ in it. */
  readonly fromNonce: number
  /** Volumes of the sender whose life is not the store's own: they were lost since. Ascending. */
  readonly volumes: readonly VolumeLife[]
  readonly configEpoch: number
  /** The sender's wall clock when the frame left. */
  readonly wall: Wall
}

/** What one store released to another at one moment, in emission order. */
export type Frame = { readonly header: FrameHeader; readonly messages: readonly PeerMessage[] }

export type Input = Stamp &
  (
    | { readonly type: "wake" }
    | { readonly type: "frame"; readonly frame: Frame }
    | { readonly type: "request"; readonly session: number; readonly request: KvRequest }
    | { readonly type: "admin"; readonly session: number; readonly request: AdminRequest }
    /** What a session asks about its transactions: coordinated here, whatever store leads the ranges. */
    | { readonly type: "txn"; readonly session: number; readonly request: TxnRequest }
    /** Every frame of this volume's log up to and including `lsn` is on disk. */
    | { readonly type: "appendSynced"; readonly volume: VolumeId; readonly lsn: Lsn }
    | { readonly type: "appendFailed"; readonly volume: VolumeId; readonly lsn: Lsn }
    | { readonly type: "segmentCreated"; readonly volume: VolumeId; readonly segment: number }
    | {
        readonly type: "segmentRefused"
        readonly volume: VolumeId
        readonly segment: number
        readonly code: "diskFull"
      }
    | { readonly type: "checkpointSynced"; readonly volume: VolumeId; readonly checkpoint: number }
    | {
        readonly type: "checkpointRefused"
        readonly volume: VolumeId
        readonly checkpoint: number
        readonly code: "diskFull"
      }
    | { readonly type: "checkpointFailed"; readonly volume: VolumeId; readonly checkpoint: number }
    /** This store is to be stopped: it hands over what it leads, and takes nothing new. Once asked for, it stands. */
    | { readonly type: "drain" }
    /** The host has handed over what it had: the kernel frames log batches here and nowhere else. */
    | { readonly type: "turnEnded" }
  )
