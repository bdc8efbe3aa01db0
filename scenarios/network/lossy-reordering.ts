import { scenario, type Scenario } from "#sim"

/** What a datagram network does to messages that Raft allows it to do. */
export const main: Scenario = scenario({
  name: "lossy-reordering",
  about:
    "Messages are lost, repeated, delayed past each other, corrupted and sent to the wrong store. Stale ones change nothing.",
  faults: { swarm: ["drop", "duplicate", "delay", "corrupt", "misroute", "capacity"], activations: [8, 16] },
  marks: ["raft.append.rejected"],
})
