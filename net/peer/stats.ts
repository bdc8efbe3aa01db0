import type { Lane, StoreId } from "#kernel"

/** Why a connection, a stream or a frame was refused, or an attempt given up. Stable: docs/ERRORS.md. */
export type PeerErrorCode =
  | "handshakeFailed" // no TLS 1.3, no certificate, or one this cluster's authority did not sign
  | "notAStore" // the certificate was made for a client, or for nobody
  | "wrongCluster"
  | "wrongStore" // a frame or a certificate of another store than it should be
  | "unknownStore" // a store this node has no address of
  | "tooManyConnections"
  | "badFrame" // bytes that are not one whole frame of a version known here
  | "frameTooLarge"
  | "superseded" // the peer dialled anew
  | "connectTimeout"
  | "unavailable" // refused, reset, or silent for too long

export type Tally = { frames: number; bytes: number }

export type LaneStats = {
  readonly lane: Lane
  /** Frames leave. */
  readonly connected: boolean
  readonly connects: number
  readonly queued: Readonly<Tally>
  readonly sent: Readonly<Tally>
  /** Beyond the queue's bound, or with no connection. */
  readonly dropped: Readonly<Tally>
  /** The peer's own stream to us. */
  readonly receiving: boolean
  readonly received: Readonly<Tally>
  readonly lastError: { readonly code: PeerErrorCode; readonly detail: string } | null
}

export type PeerStats = { readonly store: StoreId; readonly lanes: readonly LaneStats[] }

export type PeerLinksStats = {
  readonly peers: readonly PeerStats[]
  /** Whom the listener turned away, by code. */
  readonly refused: Readonly<Partial<Record<PeerErrorCode, number>>>
  /** Frames for stores that have no address. */
  readonly unroutable: number
}

/** For the log. */
export type PeerEvent =
  | { readonly type: "connected"; readonly store: StoreId; readonly lane: Lane }
  | {
      readonly type: "disconnected"
      readonly store: StoreId
      readonly lane: Lane
      /** Whether it had been connected. */
      readonly wasConnected: boolean
      readonly code: PeerErrorCode
      readonly detail: string
    }
  | {
      readonly type: "refused"
      readonly store: StoreId | null
      readonly from: string
      readonly code: PeerErrorCode
      readonly detail: string
    }

export function addTo(tally: Tally, bytes: number): void {
  tally.frames++
  tally.bytes += bytes
}
