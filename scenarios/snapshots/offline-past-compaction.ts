import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** Who slept through the log comes back by a snapshot, however little of it the network lets through. */
export const main: Scenario = scenario({
  name: "offline-past-compaction",
  about:
    "A follower is away until its leader's log no longer reaches back to it, and comes back over lossy links. A snapshot in many small chunks brings it up, and the log that follows is still there when it has arrived.",
  cluster: {
    stores: [3, 5],
    ranges: [1, 2],
    tenants: 1,
    limits: {
      logKeepEntries: 4,
      checkpointLogBytes: 4_096,
      snapshotChunkBytes: 256,
      snapshotBytesPerSecond: 32_768,
      snapshotsSendingMax: 1,
    },
  },
  faults: {
    swarm: ["drop", "duplicate", "delay", "partition"],
    activations: [2, 6],
    script: [
      { kind: "pause", stores: [1], atUs: [SECOND, 2 * SECOND], forUs: [6 * SECOND, 9 * SECOND] },
      {
        kind: "crash",
        stores: [2],
        atUs: [10 * SECOND, 12 * SECOND],
        forUs: [5 * SECOND, 7 * SECOND],
        args: { restartUs: [5 * SECOND, 7 * SECOND], powerLoss: [0, 1] },
      },
    ],
  },
  phases: { rounds: 2 },
  marks: [
    "raft.snapshot.switched",
    "raft.snapshot.throttled",
    "raft.snapshot.queued",
    "raft.snapshot.logHeld",
  ],
})
