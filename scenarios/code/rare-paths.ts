import { SWITCH_KINDS, scenario, type Scenario } from "#sim"

/** Switches in the code make rare paths usual ones: small windows, early elections, snapshots for everybody. */
export const main: Scenario = scenario({
  name: "rare-paths",
  about:
    "The kernel itself is told to do what it seldom does: one entry an append, checkpoints at once, no log kept for those behind. It is slower, and keeps every promise.",
  faults: {
    swarm: [...SWITCH_KINDS, "crash", "partition", "addVoter", "stalledDisk"],
    activations: [14, 24],
  },
  marks: ["raft.window.full", "raft.snapshot.needed", "raft.snapshot.installed"],
})
