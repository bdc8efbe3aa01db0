import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A drive that loses its power with its cache, and answers with what was there before. */
export const main: Scenario = scenario({
  name: "stale-tail",
  about:
    "The end of a log reads once as it was before its last writes, and later as it is. The store goes on from what it read; what comes to light again is not mistaken for what was written in its place.",
  cluster: {
    stores: [3, 5],
    ranges: 1,
    tenants: 1,
    limits: { segmentBytesFirst: 8_192, segmentBytesMax: 8_192 },
  },
  workload: { operations: [1_500, 2_500] },
  faults: {
    script: [
      {
        kind: "staleRead",
        stores: [1],
        atUs: [4 * SECOND, 16 * SECOND],
        forUs: [SECOND, 2 * SECOND],
        args: { zone: 1, system: 0, sectors: [4, 16] },
        times: [8, 14],
      },
      {
        kind: "crash",
        stores: [1],
        atUs: [4 * SECOND, 17 * SECOND],
        forUs: SECOND,
        args: { restartUs: [20 * MS, 300 * MS], powerLoss: 1 },
        times: [10, 16],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: [
    "wal.recovered.rewound",
    "wal.recovered.lsnBackwards",
    "wal.recovered.chainBreak",
    "wal.recovered.witnessed",
  ],
})
