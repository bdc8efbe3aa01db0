import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** S0: what a cluster costs that nobody asks anything. */
export const main: Scenario = scenario({
  name: "idle",
  about: "Five stores, one range, no client and no fault for a minute. One leader, and it stays.",
  cluster: { stores: 5, spares: 0, ranges: 1, tenants: 1, replicas: 5 },
  workload: { kinds: ["register"], clients: 1, operations: 0, keys: 1 },
  faults: {},
  phases: { rounds: 1, faultsUs: 30 * SECOND, quietUs: 30 * SECOND },
  smallBecause: "it measures idleness: S0 of the reference",
})
