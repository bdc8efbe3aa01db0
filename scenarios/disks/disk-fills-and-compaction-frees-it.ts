import { scenario, type Scenario } from "#sim"

const SECOND = 1_000_000

/** Nobody brings a larger disk: what is in a checkpoint makes room for what comes. */
export const main: Scenario = scenario({
  name: "disk-fills-and-compaction-frees-it",
  about:
    "Disks hold so many bytes and no more. Logs fill them, writes are refused and deletes taken; a checkpoint lets the log go that it contains, and writes go on though no disk has grown.",
  cluster: {
    stores: [3, 5],
    ranges: [1, 2],
    tenants: 1,
    timing: { tokenTtlUs: 20 * SECOND },
    // Left to itself no store would checkpoint before its disk is full.
    limits: { segmentBytesFirst: 8_192, segmentBytesMax: 32_768, checkpointLogBytes: 1 << 20 },
  },
  workload: { kinds: ["register", "counter", "set"], operations: [700, 1_000] },
  faults: {
    swarm: ["crash", "partition"],
    activations: [1, 2],
    script: [
      {
        kind: "diskQuota",
        stores: "all",
        atUs: [0, SECOND],
        forUs: 60 * SECOND,
        args: { bytes: [28_000, 56_000] },
      },
      {
        kind: "diskQuota",
        stores: "any",
        atUs: [SECOND, 10 * SECOND],
        forUs: 60 * SECOND,
        args: { bytes: [16_000, 40_000] },
        times: [1, 2],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["wal.diskFull", "range.diskFull.refused", "range.diskFull.deletes", "wal.madeRoom"],
})
