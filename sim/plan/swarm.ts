import type { Chance } from "./chance.ts"
import { weighted } from "./chance.ts"
import type { FaultKind } from "./plan.ts"
import { CLOCK_DRAWERS } from "./swarm-clock.ts"
import { DISK_DRAWERS } from "./swarm-disk.ts"
import { draftOf, type Drawers, type FaultSketch, type Ground } from "./swarm-ground.ts"
import { NETWORK_DRAWERS } from "./swarm-network.ts"
import { PROCESS_DRAWERS } from "./swarm-process.ts"
import { SWITCH_DRAWERS } from "./swarm-switch.ts"
import { TOPOLOGY_DRAWERS } from "./swarm-topology.ts"

/** How each kind is drawn. A kind that no family draws does not compile. */
const DRAWERS: Drawers<FaultKind> = {
  ...NETWORK_DRAWERS,
  ...PROCESS_DRAWERS,
  ...DISK_DRAWERS,
  ...CLOCK_DRAWERS,
  ...TOPOLOGY_DRAWERS,
  ...SWITCH_DRAWERS,
}

/**
 * What most often brings out a broken consensus is on in three runs of four, and then drawn so much more often: crashes come
 * with other faults too, a parting that outlasts a lease with nothing else.
 */
const OFTEN: ReadonlyMap<FaultKind, number> = new Map<FaultKind, number>([
  ["partition", 8],
  ["crash", 3],
])

/** On or off by a coin, then a weight of 1 to 100: what one run tries hard another never does. */
export function drawWeights(chance: Chance, kinds: readonly FaultKind[]): readonly number[] {
  const weights = kinds.map((kind): number => {
    const own = chance.of(kind)
    const often = OFTEN.get(kind)
    if (often !== undefined) return own.percent(75) ? often * own.between(1, 100) : 0
    return own.percent(50) ? own.between(1, 100) : 0
  })
  if (!weights.some((weight) => weight > 0)) weights[chance.below(kinds.length)] = 1
  return weights
}

/**
 * Draws activations one after the other. One of them may be several events, as a ring of majorities is,
 * or none, where the kind has no target left.
 */
export function drawSwarm(
  chance: Chance,
  ground: Ground,
  kinds: readonly FaultKind[],
  weights: readonly number[],
  activations: number,
): readonly FaultSketch[] {
  const sketches: FaultSketch[] = []
  for (let drawn = 0; drawn < activations; drawn++) {
    const own = chance.of(String(drawn))
    const kind = kinds[weighted(own, weights)]!
    const events = drawFault(own.of(kind), ground, kind)
    // A kind without a target gives its turn to one that always has some.
    sketches.push(...(events.length > 0 ? events : drawFault(own.of("instead"), ground, "crash")))
  }
  return sketches
}

/** One activation of this kind, as the swarm draws it. */
export function drawFault(chance: Chance, ground: Ground, kind: FaultKind): readonly FaultSketch[] {
  return DRAWERS[kind](draftOf(chance, ground), kind)
}
