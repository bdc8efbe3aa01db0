import type { Scenario } from "#sim"
import { main as campaign } from "./campaign.ts"
import { main as smoke } from "./smoke/smoke.ts"
import { main as figure8 } from "./crashes/figure-8.ts"
import { main as powerLoss } from "./crashes/power-loss.ts"
import { main as crashLoop } from "./crashes/crash-loop.ts"
import { main as bridge } from "./partitions/bridge.ts"
import { main as deafLeader } from "./partitions/deaf-leader.ts"
import { main as minorityLeader } from "./partitions/minority-leader.ts"
import { main as leaseholderCutOff } from "./partitions/leaseholder-cut-off.ts"
import { main as lossyReordering } from "./network/lossy-reordering.ts"
import { main as diskFillsAndCompactionFreesIt } from "./disks/disk-fills-and-compaction-frees-it.ts"
import { main as diskFull } from "./disks/disk-full.ts"
import { main as bitRot } from "./disks/bit-rot.ts"
import { main as syncError } from "./disks/sync-error.ts"
import { main as stalledDisk } from "./disks/stalled-disk.ts"
import { main as slowFollower } from "./disks/slow-follower.ts"
import { main as offlinePastCompaction } from "./snapshots/offline-past-compaction.ts"
import { main as crashOfBothEnds } from "./snapshots/crash-of-both-ends.ts"
import { main as replacedDisk } from "./disks/replaced-disk.ts"
import { main as lostTenantVolume } from "./disks/lost-tenant-volume.ts"
import { main as swappedDisks } from "./disks/swapped-disks.ts"
import { main as rottenLog } from "./disks/rotten-log.ts"
import { main as tornLog } from "./disks/torn-log.ts"
import { main as staleTail } from "./disks/stale-tail.ts"
import { main as unreadableHeaders } from "./disks/unreadable-headers.ts"
import { main as lostFile } from "./disks/lost-file.ts"
import { main as shortFile } from "./disks/short-file.ts"
import { main as earlierLife } from "./disks/earlier-life.ts"
import { main as laterFormat } from "./disks/later-format.ts"
import { main as lostOnlyReplica } from "./disks/lost-only-replica.ts"
import { main as unsureVoter } from "./disks/unsure-voter.ts"
import { main as oldBackupRestored } from "./disks/old-backup-restored.ts"
import { main as sameBootImage } from "./disks/same-boot-image.ts"
import { main as unreadableRows } from "./disks/unreadable-rows.ts"
import { main as hourBack } from "./clocks/hour-back.ts"
import { main as beyondTheBound } from "./clocks/beyond-the-bound.ts"
import { main as drift } from "./clocks/drift.ts"
import { main as churn } from "./membership/churn.ts"
import { main as transferStorm } from "./membership/transfer-storm.ts"
import { main as lateDuplicates } from "./clients/late-duplicates.ts"
import { main as refusedWhole } from "./clients/refused-whole.ts"
import { main as storms } from "./membership/storms.ts"
import { main as zombies } from "./network/zombies.ts"
import { main as rollingRestart } from "./processes/rolling-restart.ts"
import { main as longPause } from "./processes/long-pause.ts"
import { main as rarePaths } from "./code/rare-paths.ts"
import { main as scale100 } from "./scale/scale-100.ts"
import { main as idle } from "./load/idle.ts"
import { main as quietThousand } from "./load/quiet-thousand.ts"
import { main as steady } from "./load/steady.ts"

/** Every scenario there is; the campaign first, it is what runs when none is named. */
export const SCENARIOS: readonly Scenario[] = [
  campaign,
  smoke,
  figure8,
  powerLoss,
  crashLoop,
  bridge,
  deafLeader,
  minorityLeader,
  leaseholderCutOff,
  lossyReordering,
  diskFull,
  diskFillsAndCompactionFreesIt,
  bitRot,
  syncError,
  stalledDisk,
  slowFollower,
  offlinePastCompaction,
  crashOfBothEnds,
  replacedDisk,
  lostTenantVolume,
  swappedDisks,
  rottenLog,
  tornLog,
  staleTail,
  unreadableHeaders,
  lostFile,
  shortFile,
  earlierLife,
  laterFormat,
  lostOnlyReplica,
  unsureVoter,
  oldBackupRestored,
  sameBootImage,
  unreadableRows,
  hourBack,
  beyondTheBound,
  drift,
  churn,
  transferStorm,
  lateDuplicates,
  refusedWhole,
  storms,
  zombies,
  rollingRestart,
  longPause,
  rarePaths,
  scale100,
  idle,
  quietThousand,
  steady,
]

export function scenarioOf(name: string): Scenario | null {
  return SCENARIOS.find((scenario) => scenario.name === name) ?? null
}
