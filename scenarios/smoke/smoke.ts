import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** The smallest run that still elects, writes, loses its leader and heals: seconds, for every save of a file. */
export const main: Scenario = scenario({
  name: "smoke",
  about: "Three stores, one range, one crash of the leader. Elects a leader twice and loses nothing.",
  cluster: { stores: 3, spares: 0, ranges: 1, tenants: 1, replicas: 3 },
  workload: { kinds: ["register"], clients: 3, operations: 60, keys: 2 },
  faults: {
    script: [
      {
        kind: "crash",
        stores: "leader",
        atUs: [2 * SECOND, 3 * SECOND],
        forUs: SECOND,
        args: { restartUs: SECOND, powerLoss: 1 },
      },
    ],
  },
  phases: { rounds: 1, faultsUs: 5 * SECOND, quietUs: 18 * SECOND },
  marks: ["raft.election.timedOut"],
  smallBecause: "it must end before its reader looks up",
})
