import { disturbersOf, harmOf, isSafe, type DamageGround } from "../faults/disk-atlas.ts"
import { CLIENT_IDS_FROM } from "./catalogue.ts"
import type { PlanFault } from "./plan.ts"
import { targetStores } from "./swarm-ground.ts"

/** A campaign's run has at least so many. */
const FAULTS_MIN = 5

/**
 * Leaves a calm around every fault after which a store may not know what it promised: such a one is within
 * the model only while a leader is there to notice. What would disturb it goes, or itself where that is
 * more than half of all there is. Of a plan that would have too few left, some become reloads, which
 * disturb nobody.
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
  if (faults.length === ground.faults.length) return faults
  const lacking = Math.max(0, Math.min(FAULTS_MIN, ground.faults.length) - faults.length)
  const gone = ground.faults.filter((fault) => !faults.includes(fault)).slice(0, lacking)
  return renumbered([...faults, ...gone.map(reloadFor)])
}

/** Ids follow the order of time. */
export function renumbered(faults: readonly PlanFault[]): readonly PlanFault[] {
  return faults
    .toSorted((a, b) => a.at - b.at || a.id - b.id)
    .map((fault, index) => ({ ...fault, id: index + 1 }))
}

/** What stands in the place of a fault that a plan cannot bear. */
export function reloadFor({ id, at, target }: PlanFault): PlanFault {
  const store = target.stores.find((struck) => struck < CLIENT_IDS_FROM) ?? 1
  return { id, at, until: at, kind: "reload", target: targetStores([store], []), args: {} }
}
