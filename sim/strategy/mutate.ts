import { classify } from "../faults/atlas.ts"
import { borne } from "../plan/bearable.ts"
import { calmed, renumbered } from "../plan/calm.ts"
import { FAULTS } from "../plan/catalogue.ts"
import { weighted, type Chance } from "../plan/chance.ts"
import { drawHost, drawPlan, drawWorkload } from "../plan/draw.ts"
import type { Plan, PlanFault } from "../plan/plan.ts"
import type { Scenario } from "../plan/scenario.ts"
import { firstFlaw } from "../plan/well-formed.ts"
import type { RunClass } from "../result.ts"
import { inPart, moved, partOf, transplanted } from "./transplant.ts"

const MS = 1_000
const SECOND = 1_000_000
/** More than any campaign draws, so that plans do not grow for ever. */
export const FAULTS_MAX = 64
/** Draws of a run are keyed by one of so many. */
const SEEDS = 0x1_0000_0000
/** Changes of one mutation: one, or two, or four … */
const CHANGES_OCTAVES = 2

const SEVERITY: Readonly<Record<RunClass, number>> = { within: 0, detectable: 1, undetectable: 2 }

type Ground = { readonly scenario: Scenario; readonly donor: Plan; readonly chance: Chance }
type Operator = { readonly weight: number; readonly change: (plan: Plan, ground: Ground) => Plan }

/** What may be changed in a plan. Each gives back a plan, the same one where there is nothing to change. */
const OPERATORS: readonly Operator[] = [
  { weight: 3, change: reseeded },
  { weight: 2, change: askedAnew },
  { weight: 4, change: withFaultMoved },
  { weight: 3, change: withFaultsTogether },
  { weight: 2, change: withFaultCopied },
  { weight: 1, change: withFaultsDropped },
  { weight: 2, change: withFaultPerturbed },
  { weight: 3, change: spliced },
  { weight: 1, change: withOtherSizes },
  { weight: 1, change: withOtherSettings },
]

/**
 * A plan near `parent`, with some of `donor` in it; null when what came out cannot run or is of a worse class than its
 * parent, so that a corpus never drifts out of the fault model.
 */
export function mutated(scenario: Scenario, parent: Plan, donor: Plan, chance: Chance): Plan | null {
  let plan = parent
  const changes = 1 << chance.of("changes").between(0, CHANGES_OCTAVES)
  for (let change = 0; change < changes; change++) {
    const own = chance.of(`change/${change}`)
    const operator =
      OPERATORS[
        weighted(
          own,
          OPERATORS.map(({ weight }) => weight),
        )
      ]!
    plan = operator.change(plan, { scenario, donor, chance: own.of("how") })
  }
  const bounded = withFaults(plan, fewer(plan.faults, chance.of("fewer")))
  return sound(bounded, classify(parent), chance.of("bears").percent(60))
}

/** The plan, or what is left of it when it is calmed; null when that does not help. */
function sound(plan: Plan, worst: RunClass, keepsDamage: boolean): Plan | null {
  const isSound = (candidate: Plan): boolean =>
    SEVERITY[classify(candidate)] <= SEVERITY[worst] && firstFlaw(candidate) === null
  if (isSound(plan)) return plan
  const faults = calmed({ ...plan, faults: borne(plan, keepsDamage) })
  const calm = withFaults(plan, faults)
  return isSound(calm) ? calm : null
}

function withFaults(plan: Plan, faults: readonly PlanFault[]): Plan {
  return { ...plan, faults: renumbered(faults) }
}

function fewer(faults: readonly PlanFault[], chance: Chance): readonly PlanFault[] {
  return faults.length <= FAULTS_MAX ? faults : chance.sample(faults, FAULTS_MAX)
}

/** The same plan, and other draws while it runs. */
function reseeded(plan: Plan, { chance }: Ground): Plan {
  return { ...plan, seed: chance.below(SEEDS) }
}

/** The same faults, and other clients. */
function askedAnew(plan: Plan, { scenario, chance }: Ground): Plan {
  return { ...plan, workload: drawWorkload(chance, scenario, plan.cluster, plan.phases, plan.faults) }
}

/** A clock that is moved to another part may be one that has a fault there: two of them add up. */
function isClock({ kind }: PlanFault): boolean {
  return FAULTS[kind].family === "clock"
}

function withFaultMoved(plan: Plan, { chance }: Ground): Plan {
  if (plan.faults.length === 0) return plan
  const fault = chance.pick(plan.faults)
  const part = partOf(plan.phases, isClock(fault) ? fault.at : chance.pick(plan.faults).at)
  // A little, or anywhere.
  const at = chance.percent(60)
    ? fault.at + (chance.percent(50) ? 1 : -1) * chance.spread(MS, 4 * SECOND)
    : chance.between(part.from, part.until)
  const own = partOf(plan.phases, fault.at)
  const to = isClock(fault) || chance.percent(70) ? own : part
  return replaced(plan, fault, moved(fault, inPart(at, to), to))
}

/** One fault begins just before, with or just after another one. */
function withFaultsTogether(plan: Plan, { chance }: Ground): Plan {
  if (plan.faults.length < 2) return plan
  const fault = chance.pick(plan.faults)
  const other = chance.pick(plan.faults)
  const part = partOf(plan.phases, other.at)
  if (isClock(fault) && partOf(plan.phases, fault.at).from !== part.from) return plan
  const anchor = chance.percent(50) ? other.at : other.until
  const at = anchor + (chance.percent(70) ? 1 : -1) * chance.spread(MS, SECOND)
  return replaced(plan, fault, moved(fault, inPart(at, part), part))
}

function withFaultCopied(plan: Plan, { chance }: Ground): Plan {
  const candidates = plan.faults.filter((fault) => !isClock(fault))
  if (candidates.length === 0) return plan
  const fault = chance.pick(candidates)
  const part = partOf(plan.phases, chance.pick(plan.faults).at)
  const copy = moved(fault, chance.between(part.from, part.until), part)
  return withFaults(plan, [...plan.faults, { ...copy, id: plan.faults.length + 1 }])
}

function withFaultsDropped(plan: Plan, { chance }: Ground): Plan {
  const count = chance.spread(1, Math.max(1, plan.faults.length >> 2))
  return withFaults(plan, chance.sample(plan.faults, Math.max(1, plan.faults.length - count)))
}

/** Longer or shorter, or more or less of it. Clocks are as far apart as they may be. */
function withFaultPerturbed(plan: Plan, { chance }: Ground): Plan {
  const candidates = plan.faults.filter((fault) => !isClock(fault))
  if (candidates.length === 0) return plan
  const fault = chance.pick(candidates)
  const scaled = (value: number): number =>
    chance.percent(50) ? Math.floor(value / chance.between(2, 4)) : value * chance.between(2, 4)
  const names = Object.keys(fault.args)
  if (names.length === 0 || chance.percent(50)) {
    if (fault.until === fault.at) return plan
    const { until } = partOf(plan.phases, fault.at)
    const end = Math.min(until, fault.at + Math.max(MS, scaled(fault.until - fault.at)))
    return replaced(plan, fault, { ...fault, until: Math.max(fault.at, end) })
  }
  const name = chance.pick(names)
  const [min, max] = FAULTS[fault.kind].args[name]!
  const before = fault.args[name]!
  // What says which, and not how much, is drawn anew.
  const after = max - min <= 4 ? chance.between(min, max) : Math.min(max, Math.max(min, 1, scaled(before)))
  const isTime = name.endsWith("Us")
  const args = { ...fault.args, [name]: isTime ? Math.min(after, Math.max(before, 8 * SECOND)) : after }
  return replaced(plan, fault, { ...fault, args })
}

/** Some faults of another plan, one after the other, in the place of as many or beside all. */
function spliced(plan: Plan, { donor, chance }: Ground): Plan {
  const theirs = donor.faults.filter((fault) => !isClock(fault))
  if (theirs.length === 0) return plan
  const first = chance.below(theirs.length)
  const count = chance.spread(1, Math.max(1, theirs.length))
  const taken = transplanted(theirs.slice(first, first + count), donor, plan)
  const own = chance.percent(50) ? plan.faults : chance.sample(plan.faults, plan.faults.length - taken.length)
  return withFaults(plan, [...own, ...taken.map((fault, index) => ({ ...fault, id: 1_000 + index }))])
}

/** The same faults in a cluster of other sizes and settings, as another seed draws it. */
function withOtherSizes(plan: Plan, { scenario, chance }: Ground): Plan {
  const other = drawPlan(scenario, chance.below(SEEDS))
  const theirs = plan.faults.filter((fault) => !isClock(fault))
  const faults = [...other.faults.filter(isClock), ...transplanted(theirs, plan, other)]
  const numbered = renumbered(faults.map((fault, index) => ({ ...fault, id: index + 1 })))
  const workload = drawWorkload(chance.of("workload"), scenario, other.cluster, other.phases, numbered)
  return { ...other, faults: numbered, workload }
}

/** Other limits of the kernel, or another host. */
function withOtherSettings(plan: Plan, { scenario, chance }: Ground): Plan {
  if (chance.percent(50)) return { ...plan, host: drawHost(chance.of("host"), scenario) }
  const { limits } = drawPlan(scenario, chance.below(SEEDS)).cluster.config
  return { ...plan, cluster: { ...plan.cluster, config: { ...plan.cluster.config, limits } } }
}

function replaced(plan: Plan, old: PlanFault, by: PlanFault): Plan {
  return withFaults(
    plan,
    plan.faults.map((fault) => (fault === old ? by : fault)),
  )
}
