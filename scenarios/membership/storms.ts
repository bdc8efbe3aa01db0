import { scenario, type Scenario } from "#sim"

/** Changes asked faster than they can be made, of every group, while majorities die. */
export const main: Scenario = scenario({
  name: "storms",
  about:
    "Members are added, replaced, promoted and removed in storms, and majorities die in the middle of it. No group forks, forgets or is left behind.",
  cluster: { stores: [5, 7], spares: [1, 2], ranges: [1, 4], replicas: 3 },
  faults: {
    swarm: ["topologyStorm", "rebalanceStorm", "replaceReplica", "quorumLoss", "crash"],
    activations: [10, 18],
  },
  marks: [
    "raft.membership.leftJoint",
    "raft.membership.promoted",
    "raft.membership.replicaCreated",
    "raft.membership.toldRemoved",
  ],
})
