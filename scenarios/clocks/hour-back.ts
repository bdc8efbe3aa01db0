import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** Far beyond the bound a store fences itself; timestamps it has issued are never issued again. */
export const main: Scenario = scenario({
  name: "hour-back",
  about:
    "A clock steps back an hour, another one an hour ahead. The stores concerned refuse rather than lie, and the order of commits stays the order of time.",
  cluster: { stores: [3, 5] },
  workload: { kinds: ["register", "counter"] },
  faults: {
    script: [
      {
        kind: "clockStep",
        stores: "leader",
        atUs: [SECOND, 8 * SECOND],
        forUs: 0,
        args: { offsetUs: -3_600 * SECOND },
      },
      {
        kind: "clockStep",
        stores: "any",
        atUs: [8 * SECOND, 16 * SECOND],
        forUs: 0,
        args: { offsetUs: 3_600 * SECOND },
      },
      {
        kind: "crash",
        stores: "leader",
        atUs: [2 * SECOND, 18 * SECOND],
        forUs: SECOND,
        args: { restartUs: [50 * MS, SECOND], powerLoss: [0, 1] },
        times: [1, 3],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["clock.fenced", "clock.unfenced"],
})
