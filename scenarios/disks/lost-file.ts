import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A check of the file system after a crash moves away what it cannot place. */
export const main: Scenario = scenario({
  name: "lost-file",
  about:
    "One file is gone from the middle of a log. Nobody can say what was in it, so the volume begins again under another name.",
  cluster: {
    stores: [3, 5],
    ranges: [1, 3],
    limits: { segmentBytesFirst: 8_192, segmentBytesMax: 8_192 },
  },
  workload: { operations: [800, 1_200] },
  faults: {
    swarm: ["partition", "drop", "slowDisk"],
    activations: [1, 3],
    script: [
      {
        kind: "fileLoss",
        stores: [1],
        atUs: [4 * SECOND, 16 * SECOND],
        forUs: SECOND,
        args: { restartUs: [50 * MS, 500 * MS] },
        times: [1, 4],
      },
      {
        kind: "crash",
        stores: [1],
        atUs: [6 * SECOND, 18 * SECOND],
        forUs: SECOND,
        args: { restartUs: [20 * MS, 300 * MS], powerLoss: [0, 1] },
        times: [4, 8],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["wal.recovered.missingSegment", "wal.recovered.newIncarnation"],
})
