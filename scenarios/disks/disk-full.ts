import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** No room for a new segment is no reason to lie, to fork or to stay down. */
export const main: Scenario = scenario({
  name: "disk-full",
  about:
    "The leader's disk is full when its log needs a new segment. It refuses what makes a range larger, takes deletes, hands over to a store that has room, and goes on when space returns.",
  cluster: {
    stores: [3, 5],
    limits: { segmentBytesFirst: 8_192, segmentBytesMax: 8_192, checkpointLogBytes: 8_192 },
  },
  workload: { kinds: ["register", "append", "set"], operations: [700, 1_000] },
  faults: {
    swarm: ["crash", "partition"],
    activations: [1, 3],
    script: [
      {
        kind: "diskFull",
        stores: "leader",
        atUs: [SECOND, 18 * SECOND],
        forUs: [2 * SECOND, 6 * SECOND],
        times: [2, 4],
      },
      {
        kind: "diskFull",
        stores: "minority",
        atUs: [SECOND, 18 * SECOND],
        forUs: [2 * SECOND, 6 * SECOND],
        times: [1, 2],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: [
    "wal.diskFull",
    "range.diskFull.refused",
    "range.diskFull.deletes",
    "wal.spaceReturned",
    "node.handOver.asked",
    "node.handOver.nobodyHasRoom",
  ],
})
