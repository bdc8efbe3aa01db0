import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A leader that cannot know that it was replaced may not read alone any more by the time it was. */
export const main: Scenario = scenario({
  name: "leaseholder-cut-off",
  about:
    "The leader is cut off from the other stores, but not from clients, again and again, and members are started again meanwhile. It stops reading alone before anyone else is elected, and its followers stop answering for it.",
  cluster: { stores: [3, 5] },
  workload: { kinds: ["register"], operations: [700, 1_000] },
  faults: {
    script: [
      {
        kind: "partition",
        stores: "leader",
        atUs: [2 * SECOND, 36 * SECOND],
        forUs: [500 * MS, 8 * SECOND],
        times: [4, 7],
      },
      {
        kind: "crash",
        stores: "any",
        atUs: [2 * SECOND, 36 * SECOND],
        forUs: SECOND,
        args: { restartUs: [20 * MS, 300 * MS], powerLoss: [0, 1] },
        times: [2, 5],
      },
    ],
  },
  marks: ["raft.lease.promiseEnded", "raft.vote.bound", "range.read.timeline", "raft.leader.lostQuorum"],
})
