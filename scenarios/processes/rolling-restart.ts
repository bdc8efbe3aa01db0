import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** What an upgrade does to a cluster: each store is told, hands over what it leads, and is started anew. */
export const main: Scenario = scenario({
  name: "rolling-restart",
  about:
    "Stores are told to drain and started anew, one after the other and sometimes two at once, while links and disks are slow and members die. Nothing acknowledged is lost, and who is to be stopped hands over what it leads.",
  cluster: { stores: [3, 5], ranges: [2, 6] },
  faults: {
    swarm: ["partition", "delay", "slowDisk", "crash", "transferLeader", "reload"],
    activations: [2, 6],
    script: [1, 2, 3].map((store) => ({
      kind: "drain" as const,
      stores: [store],
      atUs: [(4 * store - 2) * SECOND, (4 * store + 3) * SECOND] as const,
      forUs: [500 * MS, 3 * SECOND] as const,
      args: { restartUs: [50 * MS, 2 * SECOND] as const },
    })),
  },
  phases: { rounds: 2 },
  marks: ["node.drain.left", "raft.transfer.campaign", "raft.transfer.highWater"],
})
