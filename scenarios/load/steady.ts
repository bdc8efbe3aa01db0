import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** S1: twenty operations a second on five stores under the whole swarm: what speed is measured with. */
export const main: Scenario = scenario({
  name: "steady",
  about: "Five stores, one range, twenty operations a second, every fault there is, every check on.",
  cluster: { stores: 5, spares: 0, ranges: 1, tenants: 1, replicas: 5 },
  workload: { kinds: [], clients: 8, operations: 1_200, keys: 8 },
  faults: { swarm: "all" },
  phases: { rounds: 1, faultsUs: 45 * SECOND, quietUs: 20 * SECOND },
  marks: ["raft.election.timedOut"],
})
