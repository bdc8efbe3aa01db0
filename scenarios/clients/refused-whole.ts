import { scenario, type Scenario } from "#sim"

/** Requests of many steps: what one of them finds or says refuses all of them, and a repeat is told the same. */
export const main: Scenario = scenario({
  name: "refused-whole",
  about:
    "Requests of several steps read what they have just written. Where one step cannot be done nothing of its request is, on no replica and in no repeat, whoever leads by then.",
  cluster: { stores: [3, 5] },
  workload: { kinds: ["steps"], keys: [2, 24] },
  faults: {
    swarm: ["partition", "duplicate", "delay", "crash", "pause", "transferLeader", "reload"],
    activations: [6, 12],
  },
  marks: ["range.token.repeated"],
})
