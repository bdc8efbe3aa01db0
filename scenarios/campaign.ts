import { scenario, type Scenario } from "#sim"

/** The default campaign: clusters of every shape, everything that can go wrong. */
export const main: Scenario = scenario({
  name: "campaign",
  about:
    "Clusters of three to seven stores under every fault there is. Nothing acknowledged is lost, nobody reads the past, and when the faults are lifted the cluster heals by itself.",
  faults: { swarm: "all" },
  marks: [
    "raft.election.won",
    "raft.term.stepDown",
    "raft.log.overwritten",
    "raft.snapshot.installed",
    "wal.segment.rotated",
  ],
})
