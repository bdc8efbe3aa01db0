import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A cable that comes loose: for some seconds the beginning of files cannot be read, and then it can again. */
export const main: Scenario = scenario({
  name: "unreadable-headers",
  about:
    "Where the logs of one store say whose they are nothing can be read for a while, and it starts again and again. What it cannot name it begins anew under another name, and when the old one is readable again it is not taken for its own.",
  cluster: { stores: [3, 5], ranges: [1, 3] },
  faults: {
    swarm: ["partition", "drop", "slowDisk"],
    activations: [1, 3],
    script: [
      {
        kind: "readError",
        stores: [1],
        atUs: [2 * SECOND, 6 * SECOND],
        forUs: [6 * SECOND, 10 * SECOND],
        args: { zone: 0, system: 0, sectors: [8, 16] },
        times: [10, 20],
      },
      {
        kind: "readError",
        stores: [1],
        atUs: [2 * SECOND, 6 * SECOND],
        forUs: [6 * SECOND, 10 * SECOND],
        args: { zone: 2, system: 0, sectors: 8 },
        times: [0, 6],
      },
      {
        kind: "crashLoop",
        stores: [1],
        atUs: [6 * SECOND, 16 * SECOND],
        forUs: [SECOND, 3 * SECOND],
        args: { times: [3, 6], upUs: [MS, 100 * MS], restartUs: [20 * MS, 300 * MS], powerLoss: [0, 1] },
        times: [2, 4],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["wal.recovered.unreadableSegment", "wal.recovered.unreadableIdentity"],
})
