import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** Rows that rot at rest are found, never served, and brought back from a peer. */
export const main: Scenario = scenario({
  name: "bit-rot",
  about:
    "Bits of one store's checkpoints turn over between two starts. Its replicas name what they lost, serve nothing, and are whole again before the end.",
  cluster: { stores: [3, 5], limits: { checkpointLogBytes: 4_096, logKeepEntries: 4 } },
  workload: { kinds: ["register", "append", "set", "counter"], operations: [400, 800] },
  faults: {
    swarm: ["partition", "drop", "reload"],
    activations: [1, 3],
    script: [
      {
        kind: "bitRot",
        stores: [1],
        atUs: [2 * SECOND, 19 * SECOND],
        forUs: 0,
        args: { zone: 3, system: 0 },
        times: [4, 10],
      },
      {
        kind: "crash",
        stores: [1],
        atUs: [3 * SECOND, 20 * SECOND],
        forUs: SECOND,
        args: { restartUs: [20 * MS, 800 * MS], powerLoss: [0, 1] },
        times: [3, 8],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["range.state.openedDamaged", "raft.state.asked", "raft.state.repaired", "range.repair.differs"],
})
