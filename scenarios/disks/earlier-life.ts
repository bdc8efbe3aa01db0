import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A directory that was lost, was begun anew, and is found again. */
export const main: Scenario = scenario({
  name: "earlier-life",
  about:
    "A tenant's directory is gone, and the store goes on with an empty one, then somebody puts the first back in its place. It is whole, and of a life that is over: the store begins a third one and takes nothing from the first, whenever it dies in between.",
  cluster: {
    stores: [3, 5],
    ranges: [1, 3],
    limits: { segmentBytesFirst: 8_192, segmentBytesMax: 8_192 },
  },
  faults: {
    swarm: ["partition", "drop"],
    activations: [1, 3],
    script: [
      {
        kind: "earlierVolume",
        stores: [1],
        atUs: [3 * SECOND, 8 * SECOND],
        forUs: [6 * SECOND, 9 * SECOND],
        args: { ageUs: [500 * MS, 5 * SECOND], restartUs: [50 * MS, 500 * MS] },
        times: [1, 3],
      },
      {
        kind: "slowDisk",
        stores: [1],
        atUs: [SECOND, 3 * SECOND],
        forUs: [14 * SECOND, 16 * SECOND],
        args: { factor: [5, 40] },
      },
      {
        kind: "crashLoop",
        stores: [1],
        atUs: [4 * SECOND, 13 * SECOND],
        forUs: [2 * SECOND, 4 * SECOND],
        args: {
          times: [4, 8],
          upUs: [5 * MS, 250 * MS],
          restartUs: [20 * MS, 100 * MS],
          powerLoss: [0, 1],
        },
        times: [4, 7],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["wal.recovered.otherLife", "wal.recovered.earlierLife"],
})
