import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** Nothing was wrong when the store started. */
export const main: Scenario = scenario({
  name: "unreadable-rows",
  about:
    "Sectors of a leader's base cannot be read any more while it runs: found by requests, by applying, by scrubs and by the chunks of the snapshot that somebody waits for. No answer and no chunk is made of what could not be read; the range refuses by name, another leads, and the state is replaced from a peer.",
  cluster: {
    stores: [3, 5],
    ranges: 1,
    tenants: 1,
    limits: {
      checkpointLogBytes: 1_024,
      logKeepEntries: 2,
      snapshotChunkBytes: 256,
      snapshotWindowChunks: 2,
      snapshotBytesPerSecond: 4_096,
    },
    timing: { scrubPeriodUs: 15 * SECOND },
  },
  workload: { kinds: ["register", "set", "counter"], operations: [600, 900] },
  faults: {
    swarm: ["partition", "keepNoEntries"],
    activations: [2, 5],
    script: [
      {
        kind: "crash",
        stores: [1],
        atUs: [SECOND, 3 * SECOND],
        forUs: [3 * SECOND, 4 * SECOND],
        args: { restartUs: [3 * SECOND, 4 * SECOND], powerLoss: [0, 1] },
      },
      {
        kind: "liveReadError",
        stores: "leader",
        atUs: [4 * SECOND, 7 * SECOND],
        forUs: [4 * SECOND, 10 * SECOND],
        args: { rows: [1, 10] },
      },
      {
        kind: "crash",
        stores: "follower",
        atUs: [3 * SECOND, 9 * SECOND],
        forUs: [2 * SECOND, 3 * SECOND],
        args: { restartUs: [2 * SECOND, 3 * SECOND], powerLoss: [0, 1] },
        times: [1, 2],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["raft.state.damaged", "raft.state.repaired"],
})
