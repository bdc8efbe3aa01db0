import type { FaultKind } from "../plan/plan.ts"
import { atRest, lie, liveReadError, loss, misdirectedWrite, misread, oldImage, swapDisks } from "./damage.ts"
import { clockFarFuture, clockFault, timerSkew } from "./clock.ts"
import { diskFull, diskQuota, slowDisk, stalledDisk, syncError } from "./disk.ts"
import { earlierVolume, fileLoss, laterFormat, shortFile } from "./files.ts"
import { hold, swizzle } from "./hold.ts"
import { linkFault } from "./link.ts"
import { drain } from "./drain.ts"
import { crash, crashLoop, pause, reload, slowProcess } from "./process.ts"
import { recoverGroup } from "./operator.ts"
import type { FaultKindActions } from "./stage.ts"
import { replayOld, zombie } from "./stale.ts"
import { quorumLoss, topologyStorm } from "./storm.ts"
import { switchFault } from "./switch.ts"
import { topologyFault } from "./topology.ts"

/** Every kind of fault a plan may name. A kind without a row does not compile. */
export const CATALOGUE: Readonly<Record<FaultKind, FaultKindActions>> = {
  partition: linkFault,
  drop: linkFault,
  duplicate: linkFault,
  delay: linkFault,
  corrupt: linkFault,
  capacity: linkFault,
  clog: linkFault,
  flap: linkFault,
  misroute: linkFault,
  prioritize: linkFault,
  swizzle,
  hold,
  replayOld,
  crash,
  crashLoop,
  drain,
  pause,
  slowProcess,
  zombie,
  syncError,
  diskFull,
  diskQuota,
  slowDisk,
  stalledDisk,
  lyingSync: lie,
  renameNotDurable: lie,
  readError: misread,
  latentSector: atRest,
  bitRot: atRest,
  misdirectedWrite,
  misdirectedRead: misread,
  staleRead: misread,
  diskLoss: loss,
  volumeLoss: loss,
  swapDisks,
  oldImage,
  fileLoss,
  shortFile,
  earlierVolume,
  laterFormat,
  liveReadError,
  clockOffset: clockFault,
  clockDrift: clockFault,
  clockStep: clockFault,
  clockFreeze: clockFault,
  clockSmear: clockFault,
  clockSine: clockFault,
  clockBackAtBoot: clockFault,
  clockFarFuture,
  monoDrift: clockFault,
  timerSkew,
  addVoter: topologyFault,
  addLearner: topologyFault,
  removeReplica: topologyFault,
  transferLeader: topologyFault,
  replaceReplica: topologyFault,
  topologyStorm,
  rebalanceStorm: topologyStorm,
  quorumLoss,
  windowOfOne: switchFault("windowOfOne"),
  appendOfOne: switchFault("appendOfOne"),
  electionSoonest: switchFault("electionSoonest"),
  electionLatest: switchFault("electionLatest"),
  queueOfOne: switchFault("queueOfOne"),
  checkpointAlways: switchFault("checkpointAlways"),
  segmentsSmallest: switchFault("segmentsSmallest"),
  keepNoEntries: switchFault("keepNoEntries"),
  reload,
  recoverGroup,
}

/**
 * Kinds that go on after their moment, when the plan gives them no duration, until the next quiet part:
 * they wait for their chance, or leave a clock changed.
 */
const LASTING: ReadonlySet<FaultKind> = new Set([
  "clockStep",
  "syncError",
  "addVoter",
  "addLearner",
  "removeReplica",
  "transferLeader",
  "replaceReplica",
])

/** When a fault ends by itself; null when only a quiet part ends it. */
export function endOf(fault: {
  readonly kind: FaultKind
  readonly at: number
  readonly until: number
}): number | null {
  return fault.until <= fault.at && LASTING.has(fault.kind) ? null : fault.until
}
