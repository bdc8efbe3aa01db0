import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A file system that keeps the bytes of a file and forgets how many they were. */
export const main: Scenario = scenario({
  name: "short-file",
  about:
    "Power is lost, and the log ends in the middle of its last write, because the file does. The rest of the cluster is well and tells the store what it promised.",
  cluster: { stores: [3, 5], ranges: 1, tenants: 1 },
  workload: { operations: [600, 1_000] },
  faults: {
    script: [
      {
        kind: "shortFile",
        stores: [1],
        atUs: [4 * SECOND, 5 * SECOND],
        forUs: SECOND,
        args: { restartUs: [50 * MS, 500 * MS] },
      },
      {
        kind: "shortFile",
        stores: [1],
        atUs: [14 * SECOND, 16 * SECOND],
        forUs: SECOND,
        args: { restartUs: [50 * MS, 500 * MS] },
      },
    ],
  },
  phases: { rounds: 3 },
  marks: ["wal.recovered.tornShort"],
})
