import { scenario, type Scenario } from "#sim"

/** A leader in the minority accepts what it cannot commit: all of that must vanish or survive whole. */
export const main: Scenario = scenario({
  name: "minority-leader",
  about:
    "Clusters split into sides of changing size. Only a side with a majority acknowledges, and the log of the other gives way.",
  cluster: { stores: [3, 7], replicas: [3, 5] },
  faults: { swarm: ["partition", "flap", "clog"], activations: [8, 14] },
  marks: ["raft.append.overwritten", "raft.leader.lostQuorum"],
})
