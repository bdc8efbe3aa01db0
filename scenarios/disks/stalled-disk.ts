import { scenario, type Scenario } from "#sim"

const MS = 1_000
const SECOND = 1_000_000

/** A disk that answers nothing looks like a healthy store to everyone who only pings it. */
export const main: Scenario = scenario({
  name: "stalled-disk",
  about:
    "Disks of leaders and followers stop answering for seconds, then go on. Nothing is acknowledged meanwhile that rests on them alone.",
  cluster: { stores: [3, 5] },
  faults: {
    script: [
      {
        kind: "stalledDisk",
        stores: "leader",
        atUs: [SECOND, 18 * SECOND],
        forUs: [SECOND, 6 * SECOND],
        times: [2, 4],
      },
      {
        kind: "stalledDisk",
        stores: "any",
        atUs: [SECOND, 18 * SECOND],
        forUs: [SECOND, 6 * SECOND],
        times: [1, 3],
      },
      {
        kind: "crash",
        stores: "any",
        atUs: [5 * SECOND, 18 * SECOND],
        forUs: SECOND,
        args: { restartUs: [50 * MS, SECOND], powerLoss: 1 },
        times: [0, 2],
      },
    ],
  },
  phases: { rounds: 2 },
  marks: ["raft.election.timedOut"],
})
