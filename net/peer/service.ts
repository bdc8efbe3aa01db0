import type { Lane } from "#kernel"

// The service in gRPC's terms: one client stream a lane, whose messages are one or more frames, end to end, as docs/formats/frame.md has them.
// There is no schema beside that one: gRPC carries bytes it does not look into.

export const LANES: readonly Lane[] = ["liveness", "raft", "bulk"]

const PATHS: Readonly<Record<Lane, string>> = {
  liveness: "/orrery.peer.v1.Peer/Liveness",
  raft: "/orrery.peer.v1.Peer/Raft",
  bulk: "/orrery.peer.v1.Peer/Bulk",
}

export function pathOf(lane: Lane): string {
  return PATHS[lane]
}

/** Both ways: bytes are bytes. */
export function opaque(bytes: Buffer): Buffer {
  return bytes
}
