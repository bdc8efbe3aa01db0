import { scenario, type Scenario } from "#sim"

/** The night's dead disk, and the empty one that the technician puts in. */
export const main: Scenario = scenario({
  name: "replaced-disk",
  about:
    "The whole disk of one store is replaced by an empty one. Nobody votes with an old name and an empty memory, and every group gets its third copy back by itself.",
  cluster: { stores: [3, 5], ranges: [1, 6] },
  faults: { swarm: ["diskLoss", "crash", "partition", "delay", "transferLeader"], activations: [4, 8] },
  phases: { rounds: 2 },
  marks: ["raft.membership.lost", "raft.membership.voterReplaced"],
})
