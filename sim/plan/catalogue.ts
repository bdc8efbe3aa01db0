import type { FaultKind } from "./plan.ts"

/** What a kind of fault is, for everyone who reads, draws, checks or weakens one. */
export type FaultForm = {
  readonly family: "network" | "process" | "disk" | "clock" | "topology" | "switch" | "host"
  /** Names of its arguments and the least and most of each. */
  readonly args: Readonly<Record<string, readonly [min: number, max: number]>>
  /** It lasts from `at` to `until`; otherwise both are the same instant. */
  readonly lasting: boolean
}

const FLAG = [0, 1] as const
const RATIO = [0, 1_000_000] as const
const ANY_US = [0, 3_600_000_000] as const
/** 0 segment header, 1 frames, 2 side slot, 3 checkpoint, 4 the last write of a log. */
const ZONE = [0, 4] as const
const SECTORS = [1, 1_000] as const
/** A hundred years, and still a safe integer when added to the time of day. */
const CENTURY_US = 3_155_760_000_000_000
const OFFSET_US = [-7_200_000_000, 7_200_000_000] as const

const SWITCH: FaultForm = { family: "switch", args: {}, lasting: true }

/** The one table of faults. A kind without a row does not compile. */
export const FAULTS: Readonly<Record<FaultKind, FaultForm>> = {
  partition: { family: "network", args: { oneWay: FLAG }, lasting: true },
  drop: { family: "network", args: { ratioPpm: RATIO, oneWay: FLAG }, lasting: true },
  duplicate: { family: "network", args: { ratioPpm: RATIO, oneWay: FLAG }, lasting: true },
  delay: {
    family: "network",
    args: { minUs: ANY_US, meanUs: ANY_US, tailPpm: RATIO, tailUs: ANY_US, oneWay: FLAG },
    lasting: true,
  },
  corrupt: { family: "network", args: { ratioPpm: RATIO, oneWay: FLAG }, lasting: true },
  capacity: { family: "network", args: { messages: [1, 1_000], oneWay: FLAG }, lasting: true },
  clog: { family: "network", args: { oneWay: FLAG }, lasting: true },
  flap: { family: "network", args: { upUs: ANY_US, downUs: ANY_US, oneWay: FLAG }, lasting: true },
  misroute: { family: "network", args: { ratioPpm: RATIO, oneWay: FLAG }, lasting: true },
  swizzle: { family: "network", args: {}, lasting: true },
  hold: { family: "network", args: { periodUs: ANY_US, order: [0, 2], oneWay: FLAG }, lasting: true },
  prioritize: {
    family: "network",
    args: { by: [0, 2], slowestUs: ANY_US, changes: [0, 100], oneWay: FLAG },
    lasting: true,
  },
  replayOld: { family: "network", args: { messages: [1, 1_000], afterUs: ANY_US }, lasting: true },
  crash: { family: "process", args: { restartUs: ANY_US, powerLoss: FLAG }, lasting: true },
  crashLoop: {
    family: "process",
    args: { times: [1, 100], upUs: ANY_US, restartUs: ANY_US, powerLoss: FLAG },
    lasting: true,
  },
  drain: { family: "process", args: { restartUs: ANY_US }, lasting: true },
  pause: { family: "process", args: {}, lasting: true },
  slowProcess: { family: "process", args: { factor: [1, 1_000] }, lasting: true },
  zombie: { family: "process", args: { restartUs: ANY_US, hearsPpm: RATIO }, lasting: true },
  syncError: { family: "disk", args: { restartUs: ANY_US, checkpoint: FLAG }, lasting: true },
  diskFull: { family: "disk", args: {}, lasting: true },
  diskQuota: { family: "disk", args: { bytes: [0, 1 << 30] }, lasting: true },
  slowDisk: { family: "disk", args: { factor: [1, 1_000] }, lasting: true },
  stalledDisk: { family: "disk", args: {}, lasting: true },
  lyingSync: { family: "disk", args: {}, lasting: true },
  renameNotDurable: { family: "disk", args: {}, lasting: true },
  readError: { family: "disk", args: { zone: ZONE, system: FLAG, sectors: SECTORS }, lasting: true },
  latentSector: { family: "disk", args: { zone: ZONE, system: FLAG, sectors: SECTORS }, lasting: false },
  bitRot: { family: "disk", args: { zone: ZONE, system: FLAG }, lasting: false },
  misdirectedWrite: { family: "disk", args: { reach: [0, 2] }, lasting: true },
  misdirectedRead: { family: "disk", args: { zone: ZONE, system: FLAG, sectors: SECTORS }, lasting: true },
  staleRead: { family: "disk", args: { zone: ZONE, system: FLAG, sectors: SECTORS }, lasting: true },
  diskLoss: { family: "disk", args: { restartUs: ANY_US }, lasting: true },
  volumeLoss: { family: "disk", args: { restartUs: ANY_US }, lasting: true },
  swapDisks: { family: "disk", args: {}, lasting: true },
  oldImage: { family: "disk", args: { ageUs: ANY_US, restartUs: ANY_US }, lasting: true },
  fileLoss: { family: "disk", args: { restartUs: ANY_US }, lasting: true },
  shortFile: { family: "disk", args: { restartUs: ANY_US }, lasting: true },
  earlierVolume: { family: "disk", args: { ageUs: ANY_US, restartUs: ANY_US }, lasting: true },
  laterFormat: { family: "disk", args: { system: FLAG }, lasting: true },
  liveReadError: { family: "disk", args: { rows: [1, 1_000] }, lasting: true },
  clockOffset: { family: "clock", args: { offsetUs: OFFSET_US }, lasting: true },
  clockDrift: { family: "clock", args: { ppm: [-100_000, 100_000] }, lasting: true },
  clockStep: { family: "clock", args: { offsetUs: OFFSET_US }, lasting: false },
  clockFreeze: { family: "clock", args: { mono: FLAG }, lasting: true },
  clockSmear: { family: "clock", args: { offsetUs: OFFSET_US, overUs: ANY_US }, lasting: true },
  clockSine: { family: "clock", args: { amplitudeUs: ANY_US, periodUs: ANY_US }, lasting: true },
  clockBackAtBoot: { family: "clock", args: { offsetUs: OFFSET_US }, lasting: true },
  clockFarFuture: { family: "clock", args: { aheadUs: [0, CENTURY_US] }, lasting: true },
  monoDrift: { family: "clock", args: { ppm: [-100_000, 100_000] }, lasting: true },
  timerSkew: { family: "clock", args: { earlyUs: ANY_US, lateUs: ANY_US }, lasting: true },
  addVoter: { family: "topology", args: {}, lasting: true },
  addLearner: { family: "topology", args: {}, lasting: true },
  removeReplica: { family: "topology", args: {}, lasting: true },
  transferLeader: { family: "topology", args: {}, lasting: true },
  replaceReplica: { family: "topology", args: {}, lasting: true },
  topologyStorm: { family: "topology", args: { changes: [1, 1_000], periodUs: ANY_US }, lasting: true },
  rebalanceStorm: { family: "topology", args: { changes: [1, 1_000], periodUs: ANY_US }, lasting: true },
  quorumLoss: { family: "topology", args: { restartUs: ANY_US, powerLoss: FLAG }, lasting: true },
  windowOfOne: SWITCH,
  appendOfOne: SWITCH,
  electionSoonest: SWITCH,
  electionLatest: SWITCH,
  queueOfOne: SWITCH,
  checkpointAlways: SWITCH,
  segmentsSmallest: SWITCH,
  keepNoEntries: SWITCH,
  reload: { family: "host", args: {}, lasting: false },
  recoverGroup: { family: "host", args: { generation: [1, 1_000], restartUs: ANY_US }, lasting: false },
}

/** Clients have ids from here on in the lists of a target: client 0 is 1000. */
export const CLIENT_IDS_FROM = 1_000

/**
 * Not drawn by "all". A clock in the far future takes a run out of the fault model: it is drawn only where a plan is to
 * leave it. What an operator does and accepts, what people and file systems do to single files, and errors of a store
 * that runs are for scenarios that name them, and so is a quota: how much is little depends on the sizes of segments and
 * on what is written. Priorities of messages are a strategy's (`../strategy/priority.ts`).
 */
const ONLY_BY_NAME: ReadonlySet<FaultKind> = new Set<FaultKind>([
  "prioritize",
  "drain",
  "clockFarFuture",
  "diskQuota",
  "fileLoss",
  "shortFile",
  "earlierVolume",
  "laterFormat",
  "liveReadError",
  "recoverGroup",
])

export const FAULT_KINDS: readonly FaultKind[] = Object.keys(FAULTS) as FaultKind[]

/** What a swarm of "all" draws from, and so the default campaign. */
export const SWARM_KINDS: readonly FaultKind[] = FAULT_KINDS.filter((kind) => !ONLY_BY_NAME.has(kind))

export const SWITCH_KINDS: readonly FaultKind[] = FAULT_KINDS.filter(
  (kind) => FAULTS[kind].family === "switch",
)
