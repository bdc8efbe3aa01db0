import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** The end of a log is gone, nobody remembers where it was, and a vote is asked for at once. */
export const main: Scenario = scenario({
  name: "unsure-voter",
  about:
    "A store that was cut off is behind. While the leader is down another one cannot read the end of its log, nor the slot beside it that would say where that was. It knows neither what it promised nor to whom, so it gives no vote, though nobody is elected without it.",
  cluster: { stores: 3, spares: 0, ranges: 1, tenants: 1 },
  workload: { operations: [1_000, 1_500] },
  faults: {
    script: [
      { kind: "partition", stores: [3], peers: "others", atUs: [2 * SECOND, 3 * SECOND], forUs: 5 * SECOND },
      {
        kind: "readError",
        stores: [1],
        atUs: 4 * SECOND,
        forUs: [8 * SECOND, 10 * SECOND],
        args: { zone: 2, system: 0, sectors: 8 },
      },
      {
        kind: "readError",
        stores: [1],
        atUs: 4 * SECOND,
        forUs: [8 * SECOND, 10 * SECOND],
        args: { zone: 1, system: 0, sectors: 1_000 },
        times: [1, 3],
      },
      {
        kind: "crash",
        stores: "leader",
        atUs: [6_300 * MS, 6_500 * MS],
        forUs: [7 * SECOND, 9 * SECOND],
        args: { restartUs: [7 * SECOND, 9 * SECOND], powerLoss: 0 },
      },
      {
        kind: "crash",
        stores: [1],
        atUs: [6_500 * MS, 6_700 * MS],
        forUs: SECOND,
        args: { restartUs: [20 * MS, 200 * MS], powerLoss: [0, 1] },
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["wal.recovered.unreadableSector"],
})
