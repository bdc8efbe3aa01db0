import { FAULTS } from "../plan/catalogue.ts"
import { runUs } from "../phases.ts"
import type { PlanFault, PlanPhases } from "../plan/plan.ts"
import type { PlanLike } from "./passes.ts"
import { alternatives, forms, type Pass } from "./search.ts"
import { SHORTEST_US } from "./weaken.ts"

/** A time that ends in zeros is read at a glance. */
/** Parts of a run end at a multiple of this. */
const PLAIN_US = 100_000
const ROUND_US = [1_000_000, 100_000, 10_000, 1_000]

/** A gap that makes the run longer, and so every candidate that comes after. */
const LONG_GAP_US = 1_000_000
/** Where more happens, nobody reads it line by line: it would cost a run a line, several times. */
const MOMENTS_READ = 40

/** Less waiting: fewer and shorter parts, long gaps; when nothing gets smaller, short gaps too, and plain numbers. */
export function timePasses<P extends PlanLike>(): readonly Pass<P>[] {
  const read = (plan: P): number => {
    const moments = momentsOf(plan).length
    return moments > MOMENTS_READ ? 0 : moments
  }
  const finishing: readonly Pass<P>[] = [
    forms("short gaps", read, (plan, index) => closerPlans(plan, index, 1, LONG_GAP_US)),
    alternatives("round", (plan) => ROUND_US.map((unit) => retimed(plan, (at) => floorTo(at, unit)))),
    forms("round each", read, roundedMoments),
    forms("round arguments", (plan) => plan.faults.length, roundedArgs),
  ]
  return [
    alternatives("phases", shorterPlans),
    forms(
      "gaps",
      (plan) => momentsOf(plan).length,
      (plan, index) => closerPlans(plan, index, LONG_GAP_US, Infinity),
    ),
    ...finishing.map((pass): Pass<P> => ({ ...pass, isFinish: true })),
  ]
}

/** The same run with less waiting in it: a round fewer, an end that comes sooner, all in half the time. */
export function shorterPlans<P extends PlanLike>(plan: P): readonly P[] {
  const { phases } = plan
  const { rounds, faultsUs, quietUs } = phases
  const plans: P[] = []
  const withPhases = (changed: Partial<PlanPhases>): void => {
    plans.push({ ...plan, phases: { ...phases, ...changed } })
  }
  if (rounds > 1) {
    withPhases({ rounds: rounds - 1 })
    // As long as before, with one quiet part at its end.
    withPhases({ rounds: 1, faultsUs: runUs(phases) - quietUs })
  }
  // Nothing strikes in what comes after, and clients may go on in the quiet part.
  const last = momentsOf(plan).at(-1) ?? 0
  const end = Math.min(ceilTo(last + 1, PLAIN_US), ceilTo(faultsUs, PLAIN_US))
  if (rounds === 1 && end !== faultsUs) withPhases({ faultsUs: end })
  for (const part of [8, 2]) {
    const rest = ceilTo(quietUs / part, PLAIN_US)
    if (rest < quietUs) withPhases({ quietUs: rest })
  }
  if (faultsUs <= 2 * SHORTEST_US) return plans
  const saved = faultsUs - Math.floor(faultsUs / 2)
  // Times move with the start of their round; what lay in the second half comes in the first.
  const round = faultsUs + quietUs
  const moved = (at: number): number => {
    const number = Math.min(rounds - 1, Math.floor(at / round))
    const within = at - number * round
    const halved = within < faultsUs ? Math.floor(within / 2) : within - saved
    return number * (round - saved) + halved
  }
  const halved = retimed(plan, moved)
  if (halved !== null) plans.push({ ...halved, phases: { ...phases, faultsUs: faultsUs - saved } })
  return plans
}

/** The moments at which something begins or ends, from the first on, each once. */
function momentsOf({ faults, workload }: PlanLike): readonly number[] {
  const moments = new Set(workload.ops.map((op) => op.at))
  for (const { at, until } of faults) moments.add(at).add(until)
  return [...moments].sort((a, b) => a - b)
}

/** Everything from one moment on comes sooner: at once after what is before it, or by a part of the time between. */
function closerPlans<P extends PlanLike>(
  plan: P,
  index: number,
  gapMin: number,
  gapBelow: number,
): readonly (P | null)[] {
  const { phases } = plan
  const moments = momentsOf(plan)
  const moment = moments[index] ?? 0
  const gap = moment - (moments[index - 1] ?? 0)
  // With several rounds a time is as much of its round as of the run.
  if (phases.rounds > 1 || gap < gapMin || gap >= gapBelow) return []
  return [1, 7 / 8, 1 / 2].map((share) => {
    const saved = Math.floor(gap * share)
    if (saved < (share === 1 ? 1 : SHORTEST_US / 2)) return null
    const closer = retimed(plan, (at) => (at >= moment ? at - saved : at))
    if (closer === null || moment >= phases.faultsUs) return closer
    return { ...closer, phases: { ...phases, faultsUs: Math.max(SHORTEST_US, phases.faultsUs - saved) } }
  })
}

/** Everything that happens at one moment happens at a rounder one. */
function roundedMoments<P extends PlanLike>(plan: P, index: number): readonly (P | null)[] {
  const moment = momentsOf(plan)[index] ?? 0
  return ROUND_US.map((unit) => retimed(plan, (at) => (at === moment ? floorTo(at, unit) : at)))
}

function roundedArgs<P extends PlanLike>(plan: P, index: number): readonly (P | null)[] {
  const fault = plan.faults[index]
  if (fault === undefined) return []
  return ROUND_US.map((unit) => {
    const rounder = roundedFault(fault, unit)
    return rounder === null ? null : { ...plan, faults: plan.faults.with(index, rounder) }
  })
}

/** The fault with every time among its arguments cut to this unit, where that leaves anything; null when it changes nothing. */
function roundedFault(fault: PlanFault, unit: number): PlanFault | null {
  const args: Record<string, number> = { ...fault.args }
  let changed = false
  for (const [name, [min]] of Object.entries(FAULTS[fault.kind].args)) {
    const value = args[name]
    if (value === undefined || !name.endsWith("Us")) continue
    const rounder = Math.trunc(value / unit) * unit
    if (rounder === value || rounder === 0 || rounder < min) continue
    args[name] = rounder
    changed = true
  }
  return changed ? { ...fault, args } : null
}

/** The plan with its times moved, none of them past another; null when that changes nothing. */
function retimed<P extends PlanLike>(plan: P, moved: (at: number) => number): P | null {
  let changed = false
  const move = (at: number): number => {
    const to = moved(at)
    changed ||= to !== at
    return to
  }
  const ops = plan.workload.ops.map((op) => ({ ...op, at: move(op.at) }))
  const faults = plan.faults.map((fault) => ({ ...fault, at: move(fault.at), until: move(fault.until) }))
  return changed ? { ...plan, workload: { ...plan.workload, ops }, faults } : null
}

function ceilTo(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit
}

function floorTo(value: number, unit: number): number {
  return Math.floor(value / unit) * unit
}
