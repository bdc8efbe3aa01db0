import { harmOf, isOverwhelmed, takesVoters, type DamageGround } from "../faults/disk-atlas.ts"
import { reloadFor, renumbered } from "./calm.ts"
import type { PlanFault } from "./plan.ts"

/**
 * Leaves no group with more damaged members than it can bear: a group that lacks a voter for a moment bears
 * less. What goes first is the damage, or where `keepsDamage` what takes voters away; the last drawn before
 * the others. In the place of each comes a reload, which disturbs nobody.
 */
export function borne(ground: DamageGround, keepsDamage: boolean): readonly PlanFault[] {
  let faults = ground.faults
  const takers = faults.filter(takesVoters)
  const damages = faults.filter((fault) => harmOf(fault) !== null)
  const order = keepsDamage ? [...takers, ...damages.toReversed()] : damages.toReversed()
  for (const goes of order) {
    if (!isOverwhelmed({ ...ground, faults })) break
    faults = faults.map((fault) => (fault.id === goes.id ? reloadFor(fault) : fault))
  }
  return faults === ground.faults ? faults : renumbered(faults)
}
