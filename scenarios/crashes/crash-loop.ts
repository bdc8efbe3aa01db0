import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A store that dies again before it has caught up must not hold the others back. */
export const main: Scenario = scenario({
  name: "crash-loop",
  about:
    "One store dies over and over, up for less and less time, while the others go on. It rejoins whole when it is let.",
  cluster: { stores: [3, 5], ranges: [1, 2] },
  faults: {
    swarm: ["drop", "delay", "slowDisk"],
    activations: [1, 4],
    script: [
      {
        kind: "crashLoop",
        stores: "any",
        atUs: [SECOND, 10 * SECOND],
        forUs: 15 * SECOND,
        args: { times: [4, 10], upUs: [20 * MS, SECOND], restartUs: [20 * MS, 500 * MS], powerLoss: [0, 1] },
        times: [1, 2],
      },
      {
        kind: "crash",
        stores: "leader",
        atUs: [5 * SECOND, 15 * SECOND],
        forUs: SECOND,
        args: { restartUs: [50 * MS, SECOND], powerLoss: 1 },
        times: [2, 4],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["raft.append.rejected"],
})
