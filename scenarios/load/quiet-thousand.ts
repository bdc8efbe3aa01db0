import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** What groups cost in which nothing happens: nothing. */
export const main: Scenario = scenario({
  name: "quiet-thousand",
  about:
    "A thousand groups on five stores, and a handful of requests to some of them. The others rest: stores speak to each other once a second, whatever the number of groups. A store that is started again finds all of them.",
  cluster: { stores: 5, spares: 0, ranges: 1_000, tenants: 1, replicas: 3 },
  workload: { kinds: ["register"], clients: 4, operations: 60, keys: 1 },
  faults: {
    script: [
      {
        kind: "crash",
        stores: "any",
        atUs: [15 * SECOND, 16 * SECOND],
        forUs: SECOND,
        args: { restartUs: SECOND, powerLoss: 0 },
      },
    ],
  },
  phases: { rounds: 1, faultsUs: 20 * SECOND, quietUs: 30 * SECOND },
  marks: ["raft.leader.rests", "raft.lease.promiseEnded"],
  smallBecause: "a thousand groups are elected, and elected again, in each run",
})
