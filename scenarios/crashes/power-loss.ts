import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** Everything that was synced is there again, and only that. */
export const main: Scenario = scenario({
  name: "power-loss",
  about:
    "Every store loses power in the same instant, several times over. What was acknowledged was durable on a majority, so all of it comes back.",
  cluster: { stores: [3, 5], ranges: [1, 3] },
  workload: { kinds: [] },
  faults: {
    swarm: ["slowDisk", "drop", "delay"],
    activations: [1, 4],
    script: [
      {
        kind: "crash",
        stores: "all",
        atUs: [SECOND, 20 * SECOND],
        forUs: 2 * SECOND,
        args: { restartUs: [10 * MS, 2 * SECOND], powerLoss: 1 },
        times: [3, 6],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["raft.election.timedOut"],
})
