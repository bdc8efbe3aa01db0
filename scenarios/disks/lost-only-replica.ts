import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A range without a second replica, no backup, and an operator who accepts the loss. */
export const main: Scenario = scenario({
  name: "lost-only-replica",
  about:
    "The log and the checkpoint of the only replica of a range rot. It refuses by name whatever is tried, also where not even its own name is left, until its operator says to go on without what is lost; an order that is given again does nothing.",
  cluster: {
    stores: [1, 1],
    tenants: [1, 1],
    ranges: [1, 1],
    limits: { checkpointLogBytes: 8_192, logKeepEntries: 16 },
  },
  workload: { kinds: ["register", "set", "counter"], clients: [2, 4], operations: [500, 800] },
  faults: {
    swarm: ["slowDisk", "pause", "reload"],
    activations: [1, 2],
    script: [
      {
        kind: "bitRot",
        stores: [1],
        atUs: [5 * SECOND, 7 * SECOND],
        forUs: 0,
        args: { zone: [1, 3], system: 0 },
        times: [2, 4],
      },
      {
        kind: "crash",
        stores: [1],
        atUs: [8 * SECOND, 9 * SECOND],
        forUs: SECOND,
        args: { restartUs: [20 * MS, 300 * MS], powerLoss: [0, 1] },
      },
      {
        kind: "recoverGroup",
        stores: [1],
        atUs: [11 * SECOND, 17 * SECOND],
        forUs: 0,
        args: { generation: [1, 2], restartUs: [50 * MS, 500 * MS] },
        times: [2, 5],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["node.volume.forgetful", "node.group.recovered", "node.recover.refused", "range.refounded"],
})
