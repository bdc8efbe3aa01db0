import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** A leader that is heard but hears nobody must notice by itself that it leads no one. */
export const main: Scenario = scenario({
  name: "deaf-leader",
  about:
    "The leader's links fail in one direction. One that hears no majority stops serving, and no read shows what a newer leader has overwritten.",
  cluster: { stores: [3, 5], spares: 0, ranges: [1, 2] },
  workload: { kinds: ["register", "append"] },
  faults: {
    script: [
      {
        kind: "partition",
        stores: "leader",
        atUs: [SECOND, 18 * SECOND],
        forUs: [2 * SECOND, 6 * SECOND],
        args: { oneWay: 1 },
        times: [2, 4],
      },
      {
        kind: "partition",
        stores: "follower",
        atUs: [SECOND, 18 * SECOND],
        forUs: [2 * SECOND, 5 * SECOND],
        args: { oneWay: 1 },
        times: [1, 3],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["raft.leader.lostQuorum"],
})
