import { scenario, type Scenario } from "#sim"

/** Bits turn over, sectors cannot be read: in the log, its headers, its witness, its checkpoint. */
export const main: Scenario = scenario({
  name: "rotten-log",
  about:
    "What one store has on its disk rots. Nothing that was acknowledged is cut away as if it had never been; the replica says what it may, and is repaired from its peers.",
  cluster: { stores: [3, 5], ranges: [1, 4] },
  faults: {
    swarm: ["bitRot", "latentSector", "readError", "crash", "crashLoop", "partition"],
    activations: [5, 10],
  },
  phases: { rounds: 2 },
  marks: ["wal.recovered.corruption", "raft.repair.asked", "raft.repair.done"],
})
