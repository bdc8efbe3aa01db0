import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** Members come and go while the network is cut: any two quorums that ever committed must overlap. */
export const main: Scenario = scenario({
  name: "churn",
  about:
    "Replicas are added, promoted and removed while partitions and crashes strike. No change loses an entry, forks a group or leaves it without a leader.",
  cluster: { stores: [5, 7], spares: [1, 2], ranges: [1, 2], replicas: 3 },
  faults: {
    swarm: ["partition", "crash", "drop"],
    activations: [3, 6],
    script: [
      {
        kind: "addVoter",
        stores: "any",
        atUs: [0, 18 * SECOND],
        forUs: [4 * SECOND, 10 * SECOND],
        times: [2, 4],
      },
      {
        kind: "addLearner",
        stores: "any",
        atUs: [0, 18 * SECOND],
        forUs: [4 * SECOND, 10 * SECOND],
        times: [0, 2],
      },
      {
        kind: "removeReplica",
        stores: "any",
        atUs: [4 * SECOND, 18 * SECOND],
        forUs: [4 * SECOND, 10 * SECOND],
        times: [1, 3],
      },
      {
        kind: "transferLeader",
        stores: "any",
        atUs: [0, 18 * SECOND],
        forUs: [SECOND, 3 * SECOND],
        times: [0, 3],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["raft.membership.leftJoint", "raft.membership.promoted", "raft.membership.toldRemoved"],
})
