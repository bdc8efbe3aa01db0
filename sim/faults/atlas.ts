import { isQuiet, quietAfter } from "../phases.ts"
import type { Plan, PlanFault } from "../plan/plan.ts"
import type { RunClass } from "../result.ts"
import { endOf } from "./catalogue.ts"

/**
 * The class of a run, decided from its plan before it runs.
 *
 * A member of a group is *damaged* when it may say something false of what it promised before: its disk
 * lost or changed durable bytes, or its clock is further from another's than the bound it relies on. A
 * member that is down, slow, cut off, paused, out of disk space or stopped by a failed sync is not
 * damaged: it says nothing, or nothing false.
 *
 * - **within the model**: at no moment more than f members of any group are damaged: every check.
 * - **beyond it but detectable**: damage that a correct store notices. Here: clocks whose pairwise spread
 *   passes `clockBoundUs`, which stores measure on each other and answer by fencing themselves.
 * - **undetectable**: damage of a majority that no store can notice (lying syncs, old images). No kind of
 *   fault of today does that; unsynced bytes that a power loss takes were never promised.
 *
 * What counts for clocks is the spread that a plan *may* produce: a fault that strikes "the leader" or
 * "the followers" may strike any store, at its full size or not at all.
 */
export function classify(plan: Plan): RunClass {
  return clockSpreadMax(plan) > plan.cluster.config.timing.clockBoundUs ? "detectable" : "within"
}

/** The largest difference in microseconds that any two clocks of the cluster may show during this plan. */
export function clockSpreadMax(plan: Plan): number {
  const storeCount = plan.cluster.stores + plan.cluster.spares
  const spans: Span[] = []
  for (const fault of plan.faults) {
    if (fault.kind.startsWith("clock") && !isQuiet(plan.phases, fault.at)) spans.push(spanOf(plan, fault))
  }
  // Offsets change evenly between beginnings and ends, so they are largest at one of those.
  const moments = spans.flatMap((span) => [span.fault.at, span.until]).sort((x, y) => x - y)
  let spreadMax = 0
  for (const moment of moments) {
    const low = Array.from({ length: storeCount }, () => 0)
    const high = Array.from({ length: storeCount }, () => 0)
    for (const { fault, until } of spans) {
      if (moment < fault.at || moment > until) continue
      const offset = offsetAt(fault, moment)
      const certain = fault.target.role === "stores"
      for (let index = 0; index < storeCount; index++) {
        if (certain && !fault.target.stores.includes(index + 1)) continue
        if (certain || offset < 0) low[index]! += offset
        if (certain || offset > 0) high[index]! += offset
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

function offsetAt(fault: PlanFault, at: number): number {
  const since = at - fault.at
  switch (fault.kind) {
    case "clockDrift":
      return Math.floor((since * (fault.args["ppm"] ?? 0)) / 1_000_000)
    case "clockFreeze":
      return -since
    default:
      return fault.args["offsetUs"] ?? 0
  }
}
