import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** A hundred stores in one run: few operations and slow heartbeats, so that it stays cheap. */
export const main: Scenario = scenario({
  name: "scale-100",
  about:
    "A hundred stores hold thirty-two ranges while stores crash, lose each other and hand replicas on. Every promise that holds for three holds for a hundred.",
  cluster: {
    stores: 100,
    spares: 0,
    ranges: 32,
    tenants: 4,
    replicas: [3, 5],
    timing: { heartbeatUs: SECOND, electionUsMin: 3 * SECOND, electionUsMax: 5 * SECOND },
  },
  workload: { kinds: ["register", "set"], clients: [8, 12], operations: [100, 150], keys: [1, 2] },
  faults: {
    swarm: ["partition", "crash", "rebalanceStorm", "quorumLoss", "swizzle"],
    activations: [5, 10],
  },
  phases: { rounds: 1, faultsUs: 20 * SECOND, quietUs: 45 * SECOND },
  smallBecause: "it is about the size of the cluster: a hundred operations find every range",
})
