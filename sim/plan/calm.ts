import { disturbersOf, harmOf, isSafe, type DamageGround } from "../faults/disk-atlas.ts"
import type { PlanFault } from "./plan.ts"

/** A campaign's run has at least so many. */
const FAULTS_MIN = 5

/**
 * Leaves a calm around every fault after which a store may not know what it promised: such a one is within
 * the model only while a leader is there to notice. What would disturb it goes, or itself where that is
 * more than half of all there is.
 */
export function calmed(ground: DamageGround): readonly PlanFault[] {
  let faults = ground.faults
  for (const fault of ground.faults) {
    if (harmOf(fault) !== "forgets" || !faults.includes(fault)) continue
    const now = { ...ground, faults }
    if (isSafe(now, fault)) continue
    const disturbers = disturbersOf(now, fault)
    const left = disturbers === null ? 0 : faults.length - disturbers.length
    const goes = left < Math.max(FAULTS_MIN, Math.ceil(faults.length / 2)) ? [fault] : disturbers!
    faults = faults.filter((other) => !goes.includes(other))
  }
  return faults.length === ground.faults.length
    ? faults
    : faults.map((fault, index) => ({ ...fault, id: index + 1 }))
}
