import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** The end of a log is gone, nobody remembers where it was, and a vote is asked for at once. */
export const main: Scenario = scenario({
  name: "unsure-voter",
  about:
    "One of three stores cannot read the end of its log, nor the slot beside it that would say where that was, while the leader is down. It knows neither what it promised nor to whom, so it gives no vote, though nobody is elected without it.",
  cluster: { stores: 3, spares: 0, ranges: 1, tenants: 1 },
  faults: {
    script: [
      {
        kind: "readError",
        stores: [1],
        atUs: [4 * SECOND, 5 * SECOND],
        forUs: [8 * SECOND, 10 * SECOND],
        args: { zone: 2, system: 0, sectors: 8 },
      },
      {
        kind: "readError",
        stores: [1],
        atUs: [4 * SECOND, 5 * SECOND],
        forUs: [8 * SECOND, 10 * SECOND],
        args: { zone: 1, system: 0, sectors: 1_000 },
        times: [1, 3],
      },
      {
        kind: "crash",
        stores: "leader",
        atUs: [5 * SECOND, 6 * SECOND],
        forUs: [6 * SECOND, 8 * SECOND],
        args: { restartUs: [6 * SECOND, 8 * SECOND], powerLoss: 0 },
      },
      {
        kind: "crash",
        stores: [1],
        atUs: [5_500 * MS, 6_500 * MS],
        forUs: SECOND,
        args: { restartUs: [20 * MS, 200 * MS], powerLoss: [0, 1] },
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["wal.recovered.unreadableSector"],
})
