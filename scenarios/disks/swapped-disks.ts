import { scenario, type Scenario } from "#sim"

/** Two disks, two slots, one technician. */
export const main: Scenario = scenario({
  name: "swapped-disks",
  about:
    "Two stores start with each other's disks. Both stop with a name instead of speaking as the other, and go on when the disks are back.",
  cluster: { stores: [3, 5], ranges: [1, 3] },
  faults: { swarm: ["swapDisks", "crash", "drop"], activations: [3, 6] },
  phases: { rounds: 2 },
})
