import type { Lane } from "#kernel"

/**
 * One frame on the wire. An entry carries a request of 4 MiB and, with a token, an outcome of 4 MiB; small operations
 * and keys of zero bytes grow to a few times their size when they are encoded. Four times both is room enough.
 */
export const FRAME_BYTES_MAX: number = 32 << 20

/** A frame of several messages beyond this leaves in parts: a receiver holds one in memory at a time for each stream. */
export const FRAME_BYTES_SPLIT: number = 1 << 20

/**
 * Small frames that waited for the one before them leave together, up to this: gRPC writes one message after the other,
 * each with a record of TLS and a system call of its own.
 */
export const BATCH_BYTES: number = 64 << 10

type LaneBound = { readonly frames: number; readonly bytes: number; readonly drops: "oldest" | "newest" }

/**
 * What waits for a peer that does not take it. A heartbeat makes the one before it worthless, so of liveness the oldest
 * goes. The others lose the newest: appends and chunks follow one another, and what is behind a gap is refused anyway.
 * `raft` holds twice what the kernel has in flight to one store (`peerBytesMax`), `bulk` twice the chunks of all
 * snapshots it may send at once.
 */
export const LANE_BOUNDS: Readonly<Record<Lane, LaneBound>> = {
  liveness: { frames: 64, bytes: 256 << 10, drops: "oldest" },
  raft: { frames: 16_384, bytes: 32 << 20, drops: "newest" },
  bulk: { frames: 1_024, bytes: 8 << 20, drops: "newest" },
}

/** From the first packet of an attempt to the peer's word that it takes frames. */
export const CONNECT_MS = 2_000
export const HANDSHAKE_MS = 3_000

/** A peer that does not answer a ping is gone 2.5 s after its last word: less than a support of 3 s lasts. */
export const KEEPALIVE_MS = 1_000
export const KEEPALIVE_TIMEOUT_MS = 1_500

export const BACKOFF_MS_MIN = 50
export const BACKOFF_MS_MAX = 2_000
/** A connection that lasted as long was a good one: the next failure is a first one again. */
export const STEADY_MS = 1_000

/** Connections of strangers and of peers that dial anew before their old ones are noticed to be gone. */
export const SPARE_CONNECTIONS = 64
export const STREAMS_MAX = 8

/**
 * What a peer may have sent that was not read here, on `raft` and on `bulk`: more than the kernel has in flight to one
 * follower, and than 64 MiB/s of chunks are in 50 ms.
 */
export const WINDOW_BYTES: number = 4 << 20
