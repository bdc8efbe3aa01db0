import type { RunClass } from "../result.ts"
import type { Plan, PlanFault } from "./plan.ts"

/**
 * The class of a run, decided before it starts. Of the faults there are so far only clocks can leave the
 * model: a store whose clock deviates by more than half the bound may be further than the bound from
 * another one. Losing what was never synced, at any number of stores, is within it.
 */
export function classOf(plan: Plan): RunClass {
  const room = clockRoomUs(plan.cluster.config.timing.clockBoundUs)
  const round = plan.phases.faultsUs + plan.phases.quietUs
  const deviations = new Map<string, number>()
  for (const fault of plan.faults) {
    const deviation = deviationUs(fault)
    if (deviation === 0) continue
    // Who leads is not known yet, so a leader's deviation adds to that of every store.
    const struck = fault.target.role === "stores" ? fault.target.stores : storesOf(plan)
    for (const store of struck) {
      const place = `${Math.floor(fault.at / round)}/${store}`
      const sum = (deviations.get(place) ?? 0) + deviation
      if (sum > room) return "detectable"
      deviations.set(place, sum)
    }
  }
  return "within"
}

/** How far a clock may be from the true time so that any two stay within the bound, with some for what drifts. */
export function clockRoomUs(clockBoundUs: number): number {
  return Math.floor((clockBoundUs * 9) / 20)
}

function deviationUs(fault: PlanFault): number {
  const lastedUs = fault.until - fault.at
  if (fault.kind === "clockOffset" || fault.kind === "clockStep") return Math.abs(fault.args["offsetUs"] ?? 0)
  if (fault.kind === "clockDrift") return Math.ceil((lastedUs * Math.abs(fault.args["ppm"] ?? 0)) / 1_000_000)
  // One that stands still falls behind by as long as it stands.
  return fault.kind === "clockFreeze" ? lastedUs : 0
}

function storesOf(plan: Plan): readonly number[] {
  return Array.from({ length: plan.cluster.stores + plan.cluster.spares }, (_, index) => index + 1)
}
