import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** After a failed sync nobody knows what is on the disk: the store stops and recovers, it never tries again. */
export const main: Scenario = scenario({
  name: "sync-error",
  about:
    "Syncs of the leader fail. It stops without acknowledging what it could not make durable, and comes back from what recovery finds.",
  cluster: { stores: [3, 5] },
  faults: {
    swarm: ["crash", "slowDisk"],
    activations: [1, 3],
    script: [
      {
        kind: "syncError",
        stores: "leader",
        atUs: [SECOND, 18 * SECOND],
        forUs: 2 * SECOND,
        args: { restartUs: [50 * MS, 2 * SECOND] },
        times: [3, 6],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["raft.election.timedOut"],
})
