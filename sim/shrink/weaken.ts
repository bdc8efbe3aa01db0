import { FAULTS } from "../plan/catalogue.ts"
import type { FaultKind, PlanFault, PlanOp } from "../plan/plan.ts"

/** Arguments that say which, not how much; and room, of which less is worse. */
const PLACES: ReadonlySet<string> = new Set(["zone", "reach", "order", "bytes", "by"])
/** Shorter than this tells nobody more. */
export const SHORTEST_US = 20_000

type Args = PlanFault["args"]
type Milder = { readonly kind: FaultKind; readonly args: (args: Args) => Args }

function as(kind: FaultKind, args: (given: Args) => Args = () => ({})): Milder {
  return { kind, args }
}

function keeping(...names: readonly string[]): (args: Args) => Args {
  return (args) => Object.fromEntries(Object.entries(args).filter(([name]) => names.includes(name)))
}

const AWAY: Milder = as("crash", (args) => ({ ...keeping("restartUs")(args), powerLoss: 0 }))
const POWER_LOSS: Milder = as("crash", (args) => ({ ...keeping("restartUs")(args), powerLoss: 1 }))
const SPOT: (args: Args) => Args = keeping("zone", "system", "sectors")

/**
 * The kinds that take less than this one, the mildest first: what is told of another kind is easier to believe, and what is
 * not milder in kind is still made shorter, rarer and fewer. A kind without a row does not compile. No kind
 * comes back to itself.
 */
export const MILDER: Readonly<Record<FaultKind, readonly Milder[]>> = {
  // What does not come at all was not wrong, and a link that is out is plainer than one that comes and goes.
  partition: [],
  drop: [],
  duplicate: [],
  delay: [],
  corrupt: [as("drop", keeping("ratioPpm", "oneWay"))],
  capacity: [],
  clog: [],
  flap: [as("partition", keeping("oneWay"))],
  misroute: [as("drop", keeping("ratioPpm", "oneWay"))],
  swizzle: [as("clog", () => ({ oneWay: 0 }))],
  hold: [as("clog", keeping("oneWay"))],
  // Streams of one order, whoever they are, are plainer than an order of them.
  prioritize: [
    as("delay", ({ slowestUs = 0, oneWay = 0 }) => ({
      minUs: slowestUs,
      meanUs: 0,
      tailPpm: 0,
      tailUs: 0,
      oneWay,
    })),
  ],
  replayOld: [],
  // A process that stands still for a while loses less than one that starts again.
  crash: [as("pause")],
  crashLoop: [as("crash", keeping("restartUs", "powerLoss"))],
  pause: [],
  slowProcess: [],
  zombie: [AWAY],
  drain: [AWAY],
  syncError: [AWAY],
  diskFull: [],
  diskQuota: [],
  slowDisk: [],
  stalledDisk: [],
  lyingSync: [as("renameNotDurable")],
  renameNotDurable: [],
  // What a disk says it cannot read is milder than what it reads wrong.
  readError: [],
  latentSector: [],
  bitRot: [as("latentSector", (args) => ({ ...keeping("zone", "system")(args), sectors: 1 }))],
  misdirectedWrite: [],
  misdirectedRead: [as("readError", SPOT)],
  staleRead: [as("readError", SPOT)],
  liveReadError: [],
  // What was lost matters, or only that the store was away.
  diskLoss: [AWAY, as("volumeLoss", keeping("restartUs"))],
  volumeLoss: [AWAY],
  swapDisks: [],
  oldImage: [AWAY],
  fileLoss: [AWAY],
  shortFile: [AWAY, POWER_LOSS],
  earlierVolume: [AWAY, as("volumeLoss", keeping("restartUs"))],
  laterFormat: [],
  recoverGroup: [],
  clockOffset: [],
  clockDrift: [],
  clockStep: [],
  clockFreeze: [],
  clockSmear: [as("clockOffset", keeping("offsetUs"))],
  clockSine: [as("clockOffset", ({ amplitudeUs = 0 }) => ({ offsetUs: amplitudeUs }))],
  clockBackAtBoot: [],
  clockFarFuture: [],
  monoDrift: [],
  timerSkew: [],
  addVoter: [as("addLearner")],
  addLearner: [],
  removeReplica: [],
  transferLeader: [],
  replaceReplica: [as("addLearner"), as("addVoter")],
  topologyStorm: [],
  rebalanceStorm: [as("topologyStorm", keeping("changes", "periodUs"))],
  // Among one store, a majority that dies is that one.
  quorumLoss: [as("crash", keeping("restartUs", "powerLoss"))],
  windowOfOne: [],
  appendOfOne: [],
  electionSoonest: [],
  electionLatest: [],
  queueOfOne: [],
  checkpointAlways: [],
  segmentsSmallest: [],
  keepNoEntries: [],
  reload: [],
}

/**
 * Milder forms of one fault in a cluster of so many stores, the mildest first: another kind, fewer stores, a shorter
 * time, less of it.
 */
export function weakerFaults(fault: PlanFault, stores: number): readonly PlanFault[] {
  return [...milderKinds(fault), ...fewerTargets(fault, stores), ...shorterTimes(fault), ...lesserArgs(fault)]
}

function milderKinds(fault: PlanFault): readonly PlanFault[] {
  const { at, until, kind, args, target } = fault
  const { family } = FAULTS[kind]
  if (kind === "quorumLoss" && target.stores.length > 1) return []
  return MILDER[kind].map((milder) => {
    const next: PlanFault = {
      ...fault,
      kind: milder.kind,
      until: FAULTS[milder.kind].lasting ? until : at,
      args: milder.args(args),
    }
    const left = FAULTS[milder.kind].family === family ? target : { ...target, group: 0 }
    // One that asks for a replica names the store it goes to and nobody else.
    if (family === "topology") return { ...next, target: { ...left, peers: [] } }
    return { ...next, target: left }
  })
}

function fewerTargets(fault: PlanFault, stores: number): readonly PlanFault[] {
  const { target } = fault
  if (target.role === "followers") {
    // All followers, whoever they are: one of them, by name.
    const named = Array.from({ length: stores }, (_, index) => [index + 1])
    return named.map((one) => ({ ...fault, target: { ...target, role: "stores", stores: one } }))
  }
  // A change of membership is asked of those it names, and two disks are swapped, not one.
  const isPair = fault.kind === "swapDisks"
  if (isPair || (FAULTS[fault.kind].family === "topology" && !isOfMany(fault.kind))) return []
  const weaker: PlanFault[] = []
  for (const name of ["stores", "peers"] as const) {
    const ids = target[name]
    if (ids.length < 2) continue
    // One alone first, then one fewer.
    if (ids.length > 2) for (const id of ids) weaker.push({ ...fault, target: { ...target, [name]: [id] } })
    for (const id of ids) {
      const others = ids.filter((other) => other !== id)
      weaker.push({ ...fault, target: { ...target, [name]: others } })
    }
  }
  return weaker
}

function isOfMany(kind: FaultKind): boolean {
  return kind === "topologyStorm" || kind === "rebalanceStorm" || kind === "quorumLoss"
}

function shorterTimes(fault: PlanFault): readonly PlanFault[] {
  const { at, until, kind } = fault
  const lasts = until - at
  if (!FAULTS[kind].lasting || lasts <= SHORTEST_US) return []
  const weaker: PlanFault[] = []
  for (const part of [16, 2]) {
    const rest = Math.max(SHORTEST_US, Math.floor(lasts / part))
    if (rest >= lasts) continue
    weaker.push({ ...fault, until: at + rest }, { ...fault, at: until - rest })
  }
  return weaker
}

function lesserArgs(fault: PlanFault): readonly PlanFault[] {
  const { kind, args } = fault
  const weaker: PlanFault[] = []
  for (const [name, [min, max]] of Object.entries(FAULTS[kind].args)) {
    const value = args[name]
    if (value === undefined || PLACES.has(name)) continue
    if (min === 0 && max === 1) {
      // A link that is out one way is out less.
      const lesser = name === "oneWay" ? 1 : 0
      if (value !== lesser) weaker.push({ ...fault, args: { ...args, [name]: lesser } })
      continue
    }
    if (name.endsWith("Us") && Math.abs(value) <= SHORTEST_US) continue
    for (const part of [16, 2]) {
      const less = Math.trunc(value / part)
      // How often or how mild a thing is may start above 0.
      if (less !== value && less !== 0 && less >= min) {
        weaker.push({ ...fault, args: { ...args, [name]: less } })
      }
    }
  }
  return weaker
}

/** Plainer forms of one operation. */
export function weakerOps(op: PlanOp): readonly PlanOp[] {
  const weaker: PlanOp[] = []
  const { ops, copies, abandoned, read } = op.op
  if (copies > 1) weaker.push({ ...op, op: { ...op.op, copies: 1 } })
  if (abandoned) weaker.push({ ...op, op: { ...op.op, abandoned: false } })
  if (read === "timeline") weaker.push({ ...op, op: { ...op.op, read: "strong" } })
  if (ops.length > 1)
    for (const step of ops)
      weaker.push({ ...op, op: { ...op.op, ops: ops.filter((other) => other !== step) } })
  return weaker
}
