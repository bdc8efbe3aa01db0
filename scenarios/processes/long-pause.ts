import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000
const MINUTE = 60 * SECOND

/** A machine is suspended for up to an hour and goes on as if nothing had been. Heartbeats are slow, so that an hour is cheap. */
export const main: Scenario = scenario({
  name: "long-pause",
  about:
    "Stores stand still for minutes up to an hour, alone, as leaders and all at once, and go on with the memory they had. Nobody who slept serves what has changed meanwhile.",
  cluster: {
    stores: [3, 5],
    spares: 0,
    ranges: 1,
    tenants: 1,
    timing: { heartbeatUs: SECOND, electionUsMin: 8 * SECOND, electionUsMax: 14 * SECOND },
  },
  workload: { kinds: ["register", "append"], clients: [3, 5], operations: [500, 700] },
  faults: {
    swarm: ["pause", "crash", "partition"],
    activations: [2, 4],
    script: [
      {
        kind: "pause",
        stores: "leader",
        atUs: [MINUTE, 50 * MINUTE],
        forUs: [MINUTE, 20 * MINUTE],
        times: [1, 3],
      },
      { kind: "pause", stores: "any", atUs: [MINUTE, 20 * MINUTE], forUs: [20 * MINUTE, 60 * MINUTE] },
      { kind: "pause", stores: "all", atUs: [30 * MINUTE, 60 * MINUTE], forUs: [MINUTE, 60 * MINUTE] },
    ],
  },
  phases: { rounds: 1, faultsUs: 80 * MINUTE, quietUs: 3 * MINUTE },
})
