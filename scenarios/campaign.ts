import { scenario, type Scenario } from "#sim"

/** The default campaign: clusters of every shape, everything that can go wrong. */
export const main: Scenario = scenario({
  name: "campaign",
  about:
    "Clusters of three to seven stores under every fault there is. Nothing acknowledged is lost, nobody reads the past, and when the faults are lifted the cluster heals by itself.",
  faults: { swarm: "all" },
  marks: [
    "raft.election.timedOut",
    "raft.append.overwritten",
    "raft.append.rejected",
    "raft.snapshot.installed",
    "raft.snapshot.throttled",
    "raft.snapshot.switched",
    "raft.leader.lostQuorum",
    "raft.leader.rests",
    "raft.lease.promiseEnded",
    "raft.vote.bound",
    "liveness.withdrawn",
    "range.read.timeline",
    "raft.window.full",
    "raft.window.storeFull",
    "raft.membership.leftJoint",
    "raft.membership.promoted",
    "raft.transfer.campaign",
    "range.token.repeated",
    "clock.fenced",
    "wal.diskFull",
  ],
})
