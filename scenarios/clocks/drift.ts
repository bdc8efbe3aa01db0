import { scenario, type Scenario } from "#sim"

/** Clocks that disagree as much as they may: nothing at all may be noticed. */
export const main: Scenario = scenario({
  name: "drift",
  about:
    "Clocks drift, step, stand still and differ, always within the bound. Leaders change hands between fast clocks and slow ones, and no read goes back.",
  faults: {
    swarm: [
      "clockDrift",
      "clockOffset",
      "clockFreeze",
      "clockStep",
      "clockSmear",
      "clockSine",
      "clockBackAtBoot",
      "timerSkew",
      "crash",
      "transferLeader",
    ],
    activations: [8, 14],
  },
})
