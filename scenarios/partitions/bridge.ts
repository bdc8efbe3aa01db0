import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/**
 * Two halves that do not hear each other and one store between them that hears both: without pre-vote and
 * check-quorum either half unseats the other's leader for ever.
 */
export const main: Scenario = scenario({
  name: "bridge",
  about:
    "Five stores in two pairs that hear each other only through the fifth, now both ways, now one. Someone leads, and the terms stand still.",
  cluster: { stores: 5, spares: 0, ranges: [1, 2], replicas: 5 },
  faults: {
    script: [
      {
        kind: "partition",
        stores: [1, 2],
        peers: [4, 5],
        atUs: [SECOND, 4 * SECOND],
        forUs: [8 * SECOND, 14 * SECOND],
        args: { oneWay: [0, 1] },
      },
      {
        kind: "partition",
        stores: [2, 3],
        peers: [1, 5],
        atUs: [10 * SECOND, 14 * SECOND],
        forUs: [4 * SECOND, 8 * SECOND],
        args: { oneWay: [0, 1] },
      },
      {
        kind: "partition",
        stores: "leader",
        peers: "any",
        atUs: [2 * SECOND, 16 * SECOND],
        forUs: [SECOND, 4 * SECOND],
        args: { oneWay: [0, 1] },
        times: [2, 4],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["raft.vote.leaderFresh"],
})
