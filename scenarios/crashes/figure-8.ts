import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/**
 * Figure 8 of the Raft paper: a leader replicates to a minority, dies, another takes over and dies too, and
 * the first comes back with a later term. Its old entry may be on a majority and still be overwritten, so
 * counting replicas must not commit it.
 */
export const main: Scenario = scenario({
  name: "figure-8",
  about:
    "Leaders of five die or are cut off in turn while their last entries are on a minority. An entry of an old term is never committed by counting its copies.",
  cluster: {
    stores: 5,
    spares: 0,
    ranges: 1,
    tenants: 1,
    replicas: 5,
    timing: { electionUsMin: 600_000, electionUsMax: 1_000_000 },
  },
  workload: { kinds: ["append", "register"], clients: [4, 6], operations: [300, 500], keys: [1, 3] },
  faults: {
    script: [
      // Cut off with one follower: new entries reach it and no one else.
      {
        kind: "partition",
        stores: "leader",
        peers: "any",
        atUs: [0, 24 * SECOND],
        forUs: [500 * MS, 3 * SECOND],
        times: [4, 8],
      },
      {
        kind: "partition",
        stores: "majority",
        atUs: [0, 24 * SECOND],
        forUs: [500 * MS, 2 * SECOND],
        times: [3, 6],
      },
      {
        kind: "crash",
        stores: "leader",
        atUs: [0, 24 * SECOND],
        forUs: SECOND,
        args: { restartUs: [50 * MS, 3 * SECOND], powerLoss: [0, 1] },
        times: [6, 12],
      },
    ],
  },
  phases: { rounds: 1, faultsUs: 26 * SECOND, quietUs: 14 * SECOND },
  marks: ["raft.append.overwritten"],
  smallBecause: "the dance of leaders is dense: forty seconds hold a dozen of them",
})
