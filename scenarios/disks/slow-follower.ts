import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** A follower far behind is brought up by a snapshot, while the others do not wait for it. */
export const main: Scenario = scenario({
  name: "slow-follower",
  about:
    "One follower's disk and process are a hundred times slower. The leader's window to it stays bounded, its log is cut, and a snapshot brings it back.",
  cluster: {
    stores: [3, 5],
    ranges: 1,
    tenants: 1,
    limits: { logKeepEntries: 8, checkpointLogBytes: 8_192, windowMessagesMax: 4 },
  },
  workload: { kinds: ["register", "append", "counter"], operations: [800, 1_200] },
  faults: {
    script: [
      {
        kind: "slowDisk",
        stores: "any",
        atUs: [SECOND, 3 * SECOND],
        forUs: [8 * SECOND, 16 * SECOND],
        args: { factor: [50, 500] },
      },
      {
        kind: "slowProcess",
        stores: "any",
        atUs: [SECOND, 10 * SECOND],
        forUs: [4 * SECOND, 8 * SECOND],
        args: { factor: [10, 100] },
      },
      { kind: "pause", stores: "any", atUs: [10 * SECOND, 14 * SECOND], forUs: [3 * SECOND, 8 * SECOND] },
    ],
  },
  phases: { rounds: 2 },
  marks: ["raft.snapshot.installed"],
})
