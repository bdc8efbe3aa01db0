import { scenario, type Scenario } from "#sim"

/** One directory is deleted by mistake; the store goes on with the others. */
export const main: Scenario = scenario({
  name: "lost-tenant-volume",
  about:
    "A tenant's volume of one store is gone. Its replicas speak no more under their old names; their groups miss them, name others and bring them up, without an operator.",
  cluster: { stores: [3, 5], ranges: [1, 4], tenants: [1, 2] },
  faults: { swarm: ["volumeLoss", "crash", "partition", "drop", "slowDisk"], activations: [4, 8] },
  phases: { rounds: 2 },
  marks: ["node.volume.lost", "raft.membership.voterReplaced"],
})
