import { isQuiet, quietAfter } from "../phases.ts"
import { FAULTS } from "../plan/catalogue.ts"
import type { FaultKind, Plan, PlanFault } from "../plan/plan.ts"
import { endOf } from "./catalogue.ts"

/** What of a plan says whose disk is damaged when. */
export type DamageGround = Pick<Plan, "cluster" | "phases" | "faults">

/**
 * What damage to its disk makes of a store. One that *notices* has lost something and knows it: it is silent
 * where it cannot be sure. One that *forgets* may have promised what it no longer knows of, and takes what it
 * reads for the truth.
 */
type Harm = "notices" | "forgets"

const HARM: Readonly<Partial<Record<FaultKind, Harm>>> = {
  readError: "notices",
  latentSector: "notices",
  bitRot: "notices",
  liveReadError: "notices",
  diskLoss: "notices",
  volumeLoss: "notices",
  lyingSync: "forgets",
  renameNotDurable: "forgets",
  misdirectedWrite: "forgets",
  oldImage: "forgets",
  // Frames were written behind the file that is lost, and a volume that was lost has another life when it is back.
  fileLoss: "notices",
  earlierVolume: "notices",
  // Shorter than it was promised to be is just what a write that was under way leaves.
  shortFile: "forgets",
}
/** What lies on a disk until somebody reads it, which may be parts later: a log is read at a start and no sooner. */
const LATENT: ReadonlySet<FaultKind> = new Set(["latentSector", "bitRot", "misdirectedWrite"])
const LIES: ReadonlySet<FaultKind> = new Set(["lyingSync", "renameNotDurable"])
/** Zones: headers of segments; all frames of a log, and its last write. */
const HEADER = 0
const FRAMES: ReadonlySet<number | undefined> = new Set([1, 4])
const SECOND = 1_000_000
/** Before a store may forget, everyone else has had this long to catch up with what was committed. */
const CALM_BEFORE_US = 3 * SECOND
/** After it was back: one lease, in which it gives no vote, an election, and this much for a leader to repair it. */
const CALM_AFTER_US = 2 * SECOND

export function harmOf({ kind, args }: Pick<PlanFault, "kind" | "args">): Harm | null {
  // Frames that read as if they had not been written may be the last ones; anything else contradicts itself.
  if (kind === "staleRead" || kind === "misdirectedRead")
    return FRAMES.has(args["zone"]) || reachesFrames(args) ? "forgets" : "notices"
  return HARM[kind] ?? null
}

/** Sectors that begin in the header of a segment go on in its frames. */
function reachesFrames({ zone, sectors = 1 }: PlanFault["args"]): boolean {
  return zone === HEADER && sectors > 1
}

/** In some part more members of a group are damaged than it can bear: it may halt, and must not lie. */
export function isOverwhelmed(ground: DamageGround): boolean {
  const { cluster, phases } = ground
  const damaging = ground.faults.filter(
    (fault) => harmOf(fault) !== null && !isQuiet(phases, fault.at) && !isHarmless(ground, fault),
  )
  const moves = ground.faults.some(({ kind }) => MOVES.has(kind) || kind.endsWith("Storm"))
  for (const { descriptor, configuration } of cluster.ranges) {
    const voters = configuration.voters.map((voter) => voter.store)
    const bearable = Math.floor((voters.length - 1) / 2)
    // Replicas that come and go may be anywhere, and leave a group of three, or of fewer where one is taken away for good.
    const left = Math.max(1, voters.length - removalsOf(ground, descriptor.groupId))
    const most = moves ? Math.min(Math.floor((left - 1) / 2), 1) : bearable
    for (let round = 0; round < phases.rounds; round++) {
      const inRound = damaging.filter((fault) => {
        const at = roundOf(ground, fault)
        return at === round || (at < round && LATENT.has(fault.kind))
      })
      const known = new Set<number>()
      let unknown = 0
      for (const fault of inRound) {
        const { role, group } = fault.target
        if (role === "stores") for (const store of machinesOf(ground, fault)) known.add(store)
        else unknown += role === "leader" || group !== descriptor.groupId ? 1 : voters.length - 1
      }
      const members = moves ? known.size : voters.filter((store) => known.has(store)).length
      if (members + unknown > most) return true
    }
  }
  return false
}

/** Whether it may leave a group without one of its voters for a while. A storm may do so to any group. */
export function takesVoters({ kind }: Pick<PlanFault, "kind">): boolean {
  return kind === "removeReplica" || kind === "replaceReplica" || kind.endsWith("Storm")
}

function removalsOf({ faults }: DamageGround, group: number): number {
  let removals = 0
  for (const fault of faults) {
    const { kind, target } = fault
    if (takesVoters(fault) && (target.group === group || kind.endsWith("Storm")))
      removals += Math.max(1, target.stores.length)
  }
  return removals
}

/**
 * A store may have forgotten what a majority stood on, and nobody was there to tell it: a commit rests on it
 * and one other; it forgets; a third that was cut off is elected with its vote while the other is away.
 */
export function isForgotten(ground: DamageGround): boolean {
  return ground.faults.some((fault) => {
    if (isQuiet(ground.phases, fault.at)) return false
    // What was promised is given up, by somebody who may: no promise is left to look at.
    if (fault.kind === "recoverGroup") return true
    return harmOf(fault) === "forgets" && !isSafe(ground, fault)
  })
}

/** Nobody is harmed by it, or it is alone and the rest is calm, so that a leader is there to notice. */
export function isSafe(ground: DamageGround, fault: PlanFault): boolean {
  return isHarmless(ground, fault) || disturbersOf(ground, fault)?.length === 0
}

/** Stores that may no longer know what they promised. */
export function forgetfulStores({ faults }: Pick<Plan, "faults">): ReadonlySet<number> {
  return new Set(faults.flatMap((fault) => (harmOf(fault) === "forgets" ? fault.target.stores : [])))
}

/**
 * Other faults that lie in the calm that this one needs, but for crashes of its own store alone, which show
 * what it did. Null when no calm would do: it strikes several stores, or nobody knows which.
 */
export function disturbersOf(ground: DamageGround, fault: PlanFault): readonly PlanFault[] | null {
  if (fault.target.role !== "stores" || fault.target.stores.length !== 1) return null
  const others = ground.faults.filter(
    (other) => other.id !== fault.id && FAULTS[other.kind].family !== "host",
  )
  const own = others.filter((other) => isOwnCrash(other, fault))
  const { leaseUs, electionUsMax } = ground.cluster.config.timing
  const after = leaseUs + electionUsMax + CALM_AFTER_US
  const from = fault.at - CALM_BEFORE_US
  let until = overAt(ground, fault) + after
  for (let grows = true; grows;) {
    grows = false
    for (const crash of own) {
      const end = overAt(ground, crash) + after
      if (crash.at >= fault.at && crash.at <= until && end > until) {
        until = end
        grows = true
      }
    }
  }
  return others.filter((other) => {
    if (own.includes(other) && other.at >= fault.at) return false
    return other.at <= until && overAt(ground, other) >= from
  })
}

/**
 * A lie that no power loss meets before the next quiet part is over, in which an honest sync makes it true.
 * Directories are made durable without anybody's asking as soon as it is lifted.
 */
function isHarmless(ground: DamageGround, fault: PlanFault): boolean {
  if (!LIES.has(fault.kind)) return false
  const until =
    fault.kind === "renameNotDurable"
      ? overAt(ground, fault)
      : quietAfter(ground.phases, fault.at) + ground.phases.quietUs
  return !ground.faults.some(
    (other) =>
      other.args["powerLoss"] === 1 &&
      other.at <= until &&
      overAt(ground, other) >= fault.at &&
      (other.target.role !== "stores" ||
        fault.target.role !== "stores" ||
        FAULTS[other.kind].family === "topology" ||
        other.target.stores.some((store) => fault.target.stores.includes(store))),
  )
}

const MOVES: ReadonlySet<string> = new Set(["addVoter", "addLearner", "removeReplica", "replaceReplica"])

function isOwnCrash(other: PlanFault, fault: PlanFault): boolean {
  if (other.kind !== "crash" && other.kind !== "crashLoop") return false
  const { role, stores } = other.target
  return role === "stores" && stores.length === 1 && stores[0] === fault.target.stores[0]
}

/** Stores whose disk it may be: those it names, and where disks were exchanged, those that have them. */
function machinesOf(ground: DamageGround, fault: PlanFault): ReadonlySet<number> {
  const stores = new Set(fault.target.stores)
  for (const { kind, target, at } of ground.faults) {
    if (kind !== "swapDisks" || roundOf(ground, { at }) !== roundOf(ground, fault)) continue
    const pair = [...target.stores, ...target.peers]
    if (target.role !== "stores" || pair.some((store) => stores.has(store)))
      for (const store of pair) stores.add(store)
  }
  return stores
}

function roundOf({ phases }: DamageGround, { at }: { readonly at: number }): number {
  return Math.floor(at / (phases.faultsUs + phases.quietUs))
}

/** When what it does to a store is over, at the latest with its part. */
function overAt({ phases }: DamageGround, fault: PlanFault): number {
  const { args, at } = fault
  const quiet = quietAfter(phases, at)
  const cycle = (args["restartUs"] ?? 0) + (args["upUs"] ?? 0)
  const acts = at + (args["ageUs"] ?? 0) + Math.max(1, args["times"] ?? 1) * cycle
  return Math.min(quiet, Math.max(endOf(fault) ?? quiet, acts))
}
