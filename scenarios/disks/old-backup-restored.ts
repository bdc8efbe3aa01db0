import { scenario, type Scenario } from "#sim"

/** Someone means well, and puts yesterday's image of a disk back. */
export const main: Scenario = scenario({
  name: "old-backup-restored",
  about:
    "The disk of one store is an old image of itself. What it promised since then it does not know, but its peers do: they refuse it, and take it back under another name.",
  cluster: { stores: [3, 5], ranges: [1, 3] },
  faults: { swarm: ["oldImage", "slowDisk"], activations: [2, 4] },
  phases: { rounds: 2 },
  marks: ["raft.member.refused", "raft.membership.superseded"],
})
