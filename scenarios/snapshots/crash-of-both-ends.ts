import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A snapshot that is interrupted again and again, on whichever side, and by new leaders. */
export const main: Scenario = scenario({
  name: "crash-of-both-ends",
  about:
    "A store that needs a snapshot dies over and over while it receives it, and so does whoever sends it. It has its old state or the new one, never a part of either, and goes on where it stopped.",
  cluster: {
    stores: [3, 5],
    ranges: 1,
    tenants: 1,
    limits: {
      logKeepEntries: 4,
      checkpointLogBytes: 1_024,
      snapshotChunkBytes: 256,
      snapshotWindowChunks: 2,
      snapshotBytesPerSecond: 8_192,
    },
  },
  // What lists grow to would not pass in time.
  workload: { kinds: ["register", "counter"] },
  faults: {
    script: [
      {
        kind: "crash",
        stores: [1],
        atUs: [SECOND, 2 * SECOND],
        forUs: [5 * SECOND, 7 * SECOND],
        args: { restartUs: [5 * SECOND, 7 * SECOND], powerLoss: [0, 1] },
      },
      {
        kind: "crashLoop",
        stores: [1],
        atUs: [8 * SECOND, 10 * SECOND],
        forUs: 10 * SECOND,
        args: {
          times: [3, 8],
          upUs: [300 * MS, 2 * SECOND],
          restartUs: [20 * MS, 500 * MS],
          powerLoss: [0, 1],
        },
      },
      {
        kind: "crash",
        stores: "leader",
        atUs: [8 * SECOND, 16 * SECOND],
        forUs: SECOND,
        args: { restartUs: [50 * MS, SECOND], powerLoss: [0, 1] },
        times: [0, 2],
      },
      {
        kind: "transferLeader",
        stores: "any",
        atUs: [8 * SECOND, 16 * SECOND],
        forUs: SECOND,
        times: [0, 3],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["raft.snapshot.switched", "raft.snapshot.resumed", "raft.snapshot.superseded"],
})
