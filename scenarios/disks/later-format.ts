import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** A newer build was tried on one store, and taken back. */
export const main: Scenario = scenario({
  name: "later-format",
  about:
    "The newer build began a log file with a header that the older one does not know. The older one stops and says so rather than read it as damage, and goes on where it was when the header is its own again.",
  cluster: { stores: [3, 5], ranges: [1, 3] },
  workload: { kinds: ["register", "append"], clients: [3, 5], operations: [500, 700] },
  faults: {
    swarm: ["partition", "drop", "crash"],
    activations: [1, 3],
    script: [
      {
        kind: "laterFormat",
        stores: "any",
        atUs: [3 * SECOND, 14 * SECOND],
        forUs: [SECOND, 5 * SECOND],
        args: { system: [0, 1] },
        times: [1, 3],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["wal.recovered.unknownFormat"],
})
