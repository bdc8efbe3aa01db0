import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** Power fails again and again while slow disks are in the middle of a write. */
export const main: Scenario = scenario({
  name: "torn-log",
  about:
    "Slow disks and small segments: whenever the power fails, some write or some new file is under way. What was not synced is cut off wherever it tore, and nothing else is.",
  cluster: { stores: [3, 5], limits: { segmentBytesFirst: 8_192, segmentBytesMax: 8_192 } },
  workload: { operations: [600, 1_000] },
  faults: {
    swarm: ["partition", "appendOfOne"],
    activations: [1, 2],
    script: [
      {
        kind: "slowDisk",
        stores: "all",
        atUs: [0, 2 * SECOND],
        forUs: [12 * SECOND, 18 * SECOND],
        args: { factor: [80, 250] },
      },
      {
        kind: "crash",
        stores: "any",
        atUs: [3 * SECOND, 18 * SECOND],
        forUs: SECOND,
        args: { restartUs: [50 * MS, 500 * MS], powerLoss: 1 },
        times: [16, 24],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["wal.recovered.tornZeroSector", "wal.recovered.emptySegment", "wal.recovered.continued"],
})
