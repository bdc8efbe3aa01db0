import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A backup, a start after it, and then the backup again: it starts under the number of that start. */
export const main: Scenario = scenario({
  name: "same-boot-image",
  about:
    "An old image of a disk is put back after one more start than it knows of, so that it starts under a boot number its peers have heard before. They tell the two processes apart all the same, and take the store back under another name.",
  cluster: { stores: [3, 5], ranges: [1, 3] },
  faults: {
    swarm: ["reload"],
    activations: [4, 8],
    script: [
      {
        kind: "oldImage",
        stores: [1],
        atUs: [8 * SECOND, 9 * SECOND],
        forUs: [8 * SECOND, 9 * SECOND],
        args: { ageUs: [7 * SECOND, 8 * SECOND], restartUs: [50 * MS, 500 * MS] },
      },
      {
        kind: "crash",
        stores: [1],
        atUs: [10 * SECOND, 12 * SECOND],
        forUs: [50 * MS, SECOND],
        args: { restartUs: [50 * MS, SECOND], powerLoss: [0, 1] },
      },
    ],
  },
  marks: ["frame.otherProcess", "node.image.old", "raft.membership.replicaCreated"],
})
