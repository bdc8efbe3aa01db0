/** The table of online oracles, and the list of checkers a run starts with. */
import type { FaultKind, Plan } from "../plan/plan.ts"
import { classify, promisesLiveness } from "../faults/atlas.ts"
import { forgetfulStores } from "../faults/disk-atlas.ts"
import type { OnlineChecker } from "./checker.ts"
import { LeaseChecker } from "./leases.ts"
import { SnapshotLogChecker } from "./snapshots.ts"
import { LivelockChecker } from "./liveness.ts"
import { AppendSizeChecker } from "./resources.ts"
import { SafetyChecker } from "./safety.ts"
import type { FrameItems } from "./wal.ts"

export type Oracle = {
  /** Stable: reports, capsules and the zoo name it. */
  readonly id: string
  readonly promises: string
  /** What a run that passes has not shown. */
  readonly notVerified: string
}

const SILENT = "A change the kernel makes and does not tell of."

export const ORACLES: readonly Oracle[] = [
  {
    id: "RAFT-election-safety",
    promises: "A group has at most one leader in a term, over the whole run.",
    notVerified: "Leaders that act without saying that they lead.",
  },
  {
    id: "RAFT-one-vote",
    promises: "A replica votes for at most one candidate in a term, over restarts.",
    notVerified: "Votes that were lost in a crash before they left the store: they bind nobody.",
  },
  {
    id: "RAFT-monotonic-term",
    promises:
      "A replica's term never falls in a boot, nor over a restart below one it has claimed anything in.",
    notVerified: "Terms named only in refusals, which may be sent before they are durable.",
  },
  {
    id: "RAFT-monotonic-commit",
    promises: "A replica's commit index never falls in a boot.",
    notVerified: "Anything across a restart: the commit index is not durable.",
  },
  {
    id: "RAFT-monotonic-applied",
    promises: "A replica's applied index never falls in a boot, not even by a snapshot.",
    notVerified: "Across a restart: HASH-applied-with-data does.",
  },
  {
    id: "RAFT-log-matching",
    promises:
      "Entries of equal index and term are equal and follow equal entries; terms never fall along a log; a log has no hole, loses nothing that no new entry contradicts, and ends where its owner says.",
    notVerified: "Entries below the oldest durable checkpoint of the group. " + SILENT,
  },
  {
    id: "RAFT-leader-append-only",
    promises: "A leader never replaces or drops an entry of its log.",
    notVerified: SILENT,
  },
  {
    id: "RAFT-leader-completeness",
    promises:
      "An entry committed in a term is in the log of every leader of a later one, at once and for good.",
    notVerified: "Entries the leader has compacted: HASH-replicas-agree covers their effect.",
  },
  {
    id: "RAFT-state-machine-safety",
    promises:
      "One committed entry an index, for ever, over all replicas; nobody commits what no leader committed, applies what it has not committed, or drops what it has.",
    notVerified: "That the state machine did with an entry what it says: HASH-replicas-agree.",
  },
  {
    id: "RAFT-commit-quorum",
    promises:
      "What a leader commits is of its own term and on the disks of a majority of each half of its configuration.",
    notVerified: "Commits of an index that an earlier leader had committed already.",
  },
  {
    id: "RAFT-config-overlap",
    promises:
      "Voters change only through a joint configuration, one change at a time; a configuration entry means one configuration to all; a snapshot brings it along.",
    notVerified: "Which configuration an election was counted by: RAFT-election-safety covers the outcome.",
  },
  {
    id: "RAFT-vote-durable",
    promises: "A vote that leaves a store, its own candidacy included, is on its disk.",
    notVerified: "Pre-votes and refusals, which bind nobody.",
  },
  {
    id: "RAFT-ack-durable",
    promises:
      "What an acknowledgement names (term, entries, snapshot) is on the disk when it leaves the store, and is not dropped in that term.",
    notVerified: "Acknowledgements that leave after their store has heard of a newer term.",
  },
  {
    id: "RAFT-snapshot-log",
    promises:
      "While a snapshot is being sent, what follows it stays in its sender's log, unless the sender gives it up.",
    notVerified:
      "Transfers that have paused for two heartbeats, and whether one that was given up had to be.",
  },
  {
    id: "LEASE-disjoint",
    promises:
      "In true time nobody is elected while an earlier leader could serve a read alone, and nobody serves one by a lease once another was elected.",
    notVerified: "Leases that nobody reads by and that end before the next election.",
  },
  {
    id: "WAL-recoverable",
    promises:
      "Every frame synced before a crash is in the log a boot recovers, and no boot takes what a crash left for damage.",
    notVerified: "Runs whose plan damages synced bytes. The frame's content: WAL-release, WAL-no-invention.",
  },
  {
    id: "WAL-no-invention",
    promises: "A boot recovers no frame and no entry that was never appended.",
    notVerified: "Records other than entries, terms and votes. Runs whose plan damages synced bytes.",
  },
  {
    id: "WAL-one-frame",
    promises: "A volume has at most one unsynced append.",
    notVerified: "The order in which a host really writes.",
  },
  {
    id: "WAL-release",
    promises:
      "After a boot every replica has the term, vote and entries its disk held, whatever was released.",
    notVerified:
      "Entries a durable checkpoint contains. Replicas that boot as `recovering`, and stores that forget and cannot know.",
  },
  {
    id: "IDENT-name",
    promises:
      "A replica whose memory is gone (a boot of its store did not speak of it) never says a word again, unless a later boot has all of it.",
    notVerified: "Stores that forget and cannot know: lying disks, old images.",
  },
  {
    id: "IDENT-damaged",
    promises:
      "A damaged replica, until it is repaired, does not campaign, gives no vote and confirms no leader where a vote of it was lost, votes for no log shorter than the one it had, and acknowledges nothing that is missing.",
    notVerified: "Pre-votes, which bind nobody. Damage its store cannot notice.",
  },
  {
    id: "HASH-replicas-agree",
    promises:
      "At equal applied index all replicas of a group report equal state, after replay or snapshot as well.",
    notVerified: "Indexes at which only one replica stopped. That the incremental hash is that of the data.",
  },
  {
    id: "HASH-applied-with-data",
    promises: "A boot starts from the applied index and the state of one and the same durable checkpoint.",
    notVerified: "State at an index no replica reported before.",
  },
  {
    id: "HASH-scrub",
    promises:
      "What a read, a start or a scrub found damaged in the state of a replica is repaired by the end of quiet.",
    notVerified: "Damage nobody has come upon by then, and replicas outside of the configuration.",
  },
  {
    id: "LIVE-store-up",
    promises: "At the end of quiet every store runs that the plan does not keep down.",
    notVerified: "Stores beyond what the plan's class promises: the world gives the reason.",
  },
  {
    id: "LIVE-leader",
    promises: "A group with a quorum has one leader, whom nobody has left behind, once quiet has settled.",
    notVerified:
      "Quiet parts shorter than the settling time (excuse tooShort), groups without quorum (noQuorum).",
  },
  {
    id: "LIVE-progress",
    promises: "Every request sent in settled quiet gets its last answer within its deadline.",
    notVerified: "What the answer says: the history checkers do. Abandoned requests.",
  },
  {
    id: "LIVE-converge",
    promises:
      "By the end of quiet all members have applied what is committed, but for requests under way, and queues are empty.",
    notVerified: "Replicas that were removed, and those that still come forward fast (excuse comingForward).",
  },
  {
    id: "LIVE-no-livelock",
    promises:
      "In settled quiet terms stop rising, messages are in proportion to heartbeats and requests, and no store wakes for ever at one instant.",
    notVerified:
      "Slow livelocks: under 500 needless messages a second, or under three elections a quiet part.",
  },
  {
    id: "RES-inbox",
    promises: "A store's inbox is bounded.",
    notVerified: "Between two looks of the world.",
  },
  {
    id: "RES-held",
    promises: "Effects that wait for a barrier are bounded.",
    notVerified: "Between two looks of the world.",
  },
  { id: "RES-timers", promises: "A store leaks no timers.", notVerified: "Between two looks of the world." },
  {
    id: "RES-requests",
    promises: "A group holds no more requests than `requestsMax`.",
    notVerified: "Between two looks of the world.",
  },
  {
    id: "RES-log",
    promises: "A log in memory is bounded by `logKeepEntries` and `checkpointLogBytes`.",
    notVerified: "Its bytes: entries are counted as if each were as small as can be.",
  },
  {
    id: "RES-append-bytes",
    promises: "An append of several entries carries at most `appendBytesMax` of them.",
    notVerified: "The windows: what is in flight is not seen from outside.",
  },
]

/** Whether a fault may change or take bytes a sync had confirmed. A new kind does not compile until decided. */
const DAMAGES_SYNCED: Readonly<Record<FaultKind, boolean>> = {
  partition: false,
  drop: false,
  duplicate: false,
  delay: false,
  corrupt: false,
  capacity: false,
  clog: false,
  flap: false,
  misroute: false,
  swizzle: false,
  hold: false,
  prioritize: false,
  replayOld: false,
  crash: false,
  crashLoop: false,
  pause: false,
  slowProcess: false,
  zombie: false,
  syncError: false,
  diskFull: false,
  diskQuota: false,
  slowDisk: false,
  stalledDisk: false,
  drain: false,
  lyingSync: true,
  renameNotDurable: true,
  readError: true,
  latentSector: true,
  bitRot: true,
  misdirectedWrite: true,
  misdirectedRead: true,
  staleRead: true,
  diskLoss: true,
  volumeLoss: true,
  swapDisks: true,
  oldImage: true,
  fileLoss: true,
  shortFile: true,
  earlierVolume: true,
  laterFormat: true,
  liveReadError: true,
  clockOffset: false,
  clockDrift: false,
  clockStep: false,
  clockFreeze: false,
  clockSmear: false,
  clockSine: false,
  clockBackAtBoot: false,
  clockFarFuture: false,
  monoDrift: false,
  timerSkew: false,
  addVoter: false,
  addLearner: false,
  removeReplica: false,
  transferLeader: false,
  replaceReplica: false,
  topologyStorm: false,
  rebalanceStorm: false,
  quorumLoss: false,
  windowOfOne: false,
  appendOfOne: false,
  electionSoonest: false,
  electionLatest: false,
  queueOfOne: false,
  checkpointAlways: false,
  segmentsSmallest: false,
  keepNoEntries: false,
  reload: false,
  recoverGroup: false,
}

/** The online checkers of one run, fresh. `itemsOf` reads the items of a frame's bytes, as the kernel writes it. */
export function onlineCheckers(plan: Plan, itemsOf: FrameItems): OnlineChecker[] {
  const { ranges, config, stores } = plan.cluster
  const checkers: OnlineChecker[] = [new AppendSizeChecker(config.limits)]
  // Where stores may forget what they promised, and none can know, no promise over time is left to look at.
  if (classify(plan) === "undetectable") return checkers
  checkers.push(
    new SafetyChecker({
      births: ranges,
      itemsOf,
      damagesSynced: plan.faults.some((fault) => DAMAGES_SYNCED[fault.kind]),
      forgetful: forgetfulStores(plan),
    }),
    new LeaseChecker(),
    new SnapshotLogChecker(itemsOf, plan.cluster.config.timing.heartbeatUs),
  )
  if (!promisesLiveness(plan)) return checkers
  const groups = ranges.map(({ descriptor }) => ({ group: descriptor.groupId, replicas: stores }))
  checkers.push(new LivelockChecker(plan.phases, config.timing, groups))
  return checkers
}
