import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A leader with a lease reads alone: its clock is all that tells it when to stop. */
export const main: Scenario = scenario({
  name: "beyond-the-bound",
  about:
    "The clock of a leader jumps, or starts wrong, by more than clocks may differ, and somebody is cut off meanwhile. The store fences itself and gives up its leases; nobody reads what others have replaced.",
  cluster: { stores: [3, 5] },
  workload: { kinds: ["register"] },
  faults: {
    script: [
      {
        kind: "clockStep",
        stores: "leader",
        atUs: [2 * SECOND, 30 * SECOND],
        forUs: 0,
        args: { offsetUs: [-3_600 * SECOND, -SECOND] },
        times: [1, 3],
      },
      {
        kind: "clockStep",
        stores: "leader",
        atUs: [2 * SECOND, 30 * SECOND],
        forUs: 0,
        args: { offsetUs: [SECOND, 3_600 * SECOND] },
        times: [1, 3],
      },
      {
        kind: "partition",
        stores: "leader",
        atUs: [SECOND, 34 * SECOND],
        forUs: [SECOND, 6 * SECOND],
        times: [2, 4],
      },
      {
        kind: "crash",
        stores: "any",
        atUs: [2 * SECOND, 34 * SECOND],
        forUs: SECOND,
        args: { restartUs: [50 * MS, SECOND], powerLoss: [0, 1] },
        times: [1, 3],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["clock.fenced", "clock.unfenced", "liveness.withdrawn", "raft.leader.fenced"],
})
