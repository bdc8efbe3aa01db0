import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** Leadership handed on as fast as it can be, also to stores that are not ready for it. */
export const main: Scenario = scenario({
  name: "transfer-storm",
  about:
    "Leadership is handed from store to store many times a second, some of them slow or cut off. Reads and writes go on, and none is served by two leaders.",
  cluster: { stores: [3, 5], ranges: [1, 2] },
  faults: {
    swarm: ["partition", "slowDisk", "delay"],
    activations: [1, 4],
    script: [
      { kind: "transferLeader", stores: "any", atUs: [0, 19 * SECOND], forUs: SECOND, times: [20, 40] },
    ],
  },
  phases: { rounds: 2 },
  marks: ["raft.transfer.campaign"],
})
