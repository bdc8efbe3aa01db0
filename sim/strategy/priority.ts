import { classify } from "../faults/atlas.ts"
import { disturbersOf, harmOf, isSafe } from "../faults/disk-atlas.ts"
import { renumbered } from "../plan/calm.ts"
import { Chance } from "../plan/chance.ts"
import type { FaultKind, PlanFault, PlanPhases } from "../plan/plan.ts"
import type { Plan } from "../plan/plan.ts"
import { drawPriorities } from "../plan/swarm-network.ts"
import { targetStores } from "../plan/swarm-ground.ts"

const SECOND = 1_000_000
/** An order lasts at least so long, and at most until its part ends. */
const ORDER_US_MIN = 2 * SECOND

/** Kinds that put messages late at random: in their place come priorities. */
const RANDOM_TIMING: ReadonlySet<FaultKind> = new Set<FaultKind>(["delay", "capacity", "hold"])

/** What priorities are laid over: a plan of the kernel's or of other machines. */
type Timed = {
  readonly scenario: string
  readonly seed: number
  readonly cluster: { readonly stores: number }
  readonly faults: readonly PlanFault[]
  readonly phases: PlanPhases
}

/**
 * The plan with an order among its messages in place of what delays them at random: from the beginning of each faults
 * part to its end one order after the other. Everything else goes wrong as it would.
 */
export function withPriorities<P extends Timed>(plan: P): P {
  const chance = new Chance(`${plan.scenario}/${plan.seed}/priority`)
  const stores = Array.from({ length: plan.cluster.stores }, (_, index) => index + 1)
  const left = plan.faults.filter(({ kind }) => !RANDOM_TIMING.has(kind))
  const orders: PlanFault[] = []
  let id = left.reduce((most, fault) => Math.max(most, fault.id), 0)
  for (let round = 0; round < plan.phases.rounds; round++) {
    const own = chance.of(`round/${round}`)
    const end = round * (plan.phases.faultsUs + plan.phases.quietUs) + plan.phases.faultsUs
    const lastsUs = own.of("span").spread(ORDER_US_MIN, Math.max(ORDER_US_MIN, plan.phases.faultsUs))
    for (let at = end - plan.phases.faultsUs, turn = 0; at < end; at += lastsUs, turn++) {
      const args = drawPriorities(own.of(`args/${turn}`), own.of(`by/${turn}`))
      orders.push({
        id: ++id,
        at,
        until: Math.min(at + lastsUs, end),
        kind: "prioritize",
        target: targetStores(stores, stores),
        args,
      })
    }
  }
  return { ...plan, faults: renumbered([...left, ...orders]) }
}

/** As `withPriorities`, and no order where a store that may forget needs calm: the class stays what it was. */
export function prioritized(plan: Plan): Plan {
  const whole = withPriorities(plan)
  let faults = whole.faults
  for (const fault of whole.faults) {
    if (harmOf(fault) !== "forgets" || isSafe({ ...whole, faults }, fault)) continue
    const disturbers = disturbersOf({ ...whole, faults }, fault) ?? []
    faults = faults.filter((other) => other.kind !== "prioritize" || !disturbers.includes(other))
  }
  const calm = faults.length === whole.faults.length ? whole : { ...whole, faults: renumbered(faults) }
  return classify(calm) === classify(plan) ? calm : plan
}
