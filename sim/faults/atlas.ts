import { smearedUs } from "../env/clock.ts"
import { isQuiet, quietAfter } from "../phases.ts"
import type { Plan, PlanFault } from "../plan/plan.ts"
import type { RunClass } from "../result.ts"
import { endOf } from "./catalogue.ts"
import { isForgotten, isOverwhelmed } from "./disk-atlas.ts"

/**
 * The class of a run, decided from its plan before it runs.
 *
 * A member of a group is *damaged* when it may say something false of what it promised before: its disk
 * lost or changed durable bytes, or its clock is further from another's than the bound it relies on. A
 * member that is down, slow, cut off, paused, out of disk space or stopped by a failed sync is not
 * damaged: it says nothing, or nothing false.
 *
 * - **within the model**: at no moment more than f members of any group are damaged, and of those that
 *   forget without noticing at most one, while the rest is calm: every check.
 * - **beyond it but detectable**: damage that a correct store notices. Clocks whose pairwise spread passes
 *   `clockBoundUs`, which stores measure on each other and answer by fencing themselves; more than f disks
 *   that lost something and know it, which a group answers by standing still.
 * - **undetectable**: stores that no longer know what they promised and cannot notice (lying syncs, old
 *   images), where nobody may be there to tell them. Unsynced bytes that a power loss takes were never
 *   promised.
 *
 * A disk counts as damaged from its fault until the next quiet part is over: to repair itself a store needs
 * its peers. Two stores with each other's disks stop by name, which damages nobody. `disk-atlas.ts` has the
 * rules for disks.
 *
 * What counts for clocks is the spread that a plan *may* produce: a fault that strikes "the leader" or
 * "the followers" may strike any store, at its full size or not at all.
 */
export function classify(plan: Plan): RunClass {
  if (isForgotten(plan)) return "undetectable"
  const areClocksApart = clockSpreadMax(plan) > plan.cluster.config.timing.clockBoundUs
  return areClocksApart || isOverwhelmed(plan) ? "detectable" : "within"
}

/** What a cluster promises that a plan damages so: to be there when it is quiet, besides not to lie. */
export function promisesLiveness(plan: Plan): boolean {
  return !isForgotten(plan) && !isOverwhelmed(plan)
}

/** The largest difference in microseconds that any two clocks of the cluster may show during this plan. */
export function clockSpreadMax(plan: Plan): number {
  const storeCount = plan.cluster.stores + plan.cluster.spares
  const spans: Span[] = []
  for (const fault of plan.faults) {
    if (fault.kind.startsWith("clock") && !isQuiet(plan.phases, fault.at)) spans.push(spanOf(plan, fault))
  }
  // Offsets change evenly between beginnings and ends, so they are largest at one of those.
  const moments = spans.flatMap((span) => [...momentsOf(span)]).sort((x, y) => x - y)
  let spreadMax = 0
  for (const moment of moments) {
    const low = Array.from({ length: storeCount }, () => 0)
    const high = Array.from({ length: storeCount }, () => 0)
    for (const { fault, until } of spans) {
      if (moment < fault.at || moment > until) continue
      const [least, most] = offsetsAt(fault, moment)
      const certain = fault.target.role === "stores"
      for (let index = 0; index < storeCount; index++) {
        if (certain && !fault.target.stores.includes(index + 1)) continue
        low[index]! += certain ? least : Math.min(0, least)
        high[index]! += certain ? most : Math.max(0, most)
      }
    }
    for (let i = 0; i < storeCount; i++) {
      for (let j = 0; j < storeCount; j++) if (i !== j) spreadMax = Math.max(spreadMax, high[i]! - low[j]!)
    }
  }
  return spreadMax
}

type Span = { readonly fault: PlanFault; readonly until: number }

function spanOf(plan: Plan, fault: PlanFault): Span {
  const quiet = quietAfter(plan.phases, fault.at)
  return { fault, until: Math.min(endOf(fault) ?? quiet, quiet) }
}

/** A smear that has come to its end bends there. */
function momentsOf({ fault, until }: Span): readonly number[] {
  const bend = fault.at + (fault.args["overUs"] ?? 0)
  return fault.kind === "clockSmear" && bend < until ? [fault.at, bend, until] : [fault.at, until]
}

/** The least and the most that the clock of a store it strikes may be ahead by, in microseconds. */
function offsetsAt(fault: PlanFault, at: number): readonly [least: number, most: number] {
  const { args, kind } = fault
  const since = at - fault.at
  const exactly = (offset: number): readonly [number, number] => [offset, offset]
  switch (kind) {
    case "clockDrift":
      return exactly(Math.floor((since * (args["ppm"] ?? 0)) / 1_000_000))
    case "clockFreeze":
      return exactly(-since)
    case "clockSmear":
      return exactly(smearedUs(args["offsetUs"] ?? 0, args["overUs"] ?? 0, since))
    case "clockSine":
      // Where it stands between two moments of the plan is not looked at: anywhere.
      return [-(args["amplitudeUs"] ?? 0), args["amplitudeUs"] ?? 0]
    case "clockBackAtBoot": {
      // From a start on that may never come.
      const offset = args["offsetUs"] ?? 0
      return [Math.min(0, offset), Math.max(0, offset)]
    }
    case "clockFarFuture":
      // What its peers are told is what they must be able to live with.
      return exactly(args["aheadUs"] ?? 0)
    default:
      return exactly(args["offsetUs"] ?? 0)
  }
}
