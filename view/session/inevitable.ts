import { Chance, quietAt, simulate, type KernelBuild, type Plan, type PlanFault } from "#sim"
import { editPlan } from "./edit.ts"

/** Of so many runs that are the failing one up to this moment, and other after it, so many fail by the same check. */
export type Likelihood = { readonly at: number; readonly failed: number; readonly runs: number }

export type InevitableOptions = {
  readonly build?: KernelBuild
  /** Moments that are tried, from the start up to where the failure rests. */
  readonly moments?: number
  readonly runsEach?: number
  readonly onProgress?: (done: number, of: number) => void
}

const MOMENTS = 12
const RUNS_EACH = 6
/** How far what is still to come is moved. */
const SHIFT_US = 500_000

/**
 * When a failure became inevitable: for each of some moments, how likely the run fails however it goes on from there. What
 * has begun by then stays as it is; operations and faults to come are moved a little, at random, and messages between stores
 * take other times. A step up is where to look for the cause.
 */
export function likelihoods(
  plan: Plan,
  oracle: string,
  until: number,
  options: InevitableOptions = {},
): readonly Likelihood[] {
  const moments = options.moments ?? MOMENTS
  const runs = options.runsEach ?? RUNS_EACH
  const found: Likelihood[] = []
  for (let index = 0; index < moments; index++) {
    // Closer together the nearer the end is: that is where it is decided, as a rule.
    const left = (moments - 1 - index) / (moments - 1)
    const at = Math.floor(until * (1 - left * left))
    let failed = 0
    for (let variant = 1; variant <= runs; variant++) {
      options.onProgress?.(index * runs + variant - 1, moments * runs)
      const other = otherFrom(plan, at, variant)
      const { violation } = simulate(other, options.build === undefined ? {} : { build: options.build })
      if (violation?.oracle === oracle) failed++
    }
    found.push({ at, failed, runs })
  }
  return found
}

/** The plan with another future from this moment on; each variant has one of its own, the same every time. */
export function otherFrom(plan: Plan, at: number, variant: number): Plan {
  const chance = new Chance(`suffix ${plan.seed} ${variant}`)
  const shifted = (time: number): number => Math.max(at + 1, time + chance.between(-SHIFT_US, SHIFT_US))
  const ops = plan.workload.ops.map((op) => (op.at <= at ? op : { ...op, at: shifted(op.at) }))
  const faults = plan.faults.map((fault) => {
    if (fault.at <= at) return fault
    const start = shifted(fault.at)
    const length = fault.until - fault.at
    return { ...fault, at: start, until: start + Math.floor((length * chance.between(50, 150)) / 100) }
  })
  const json = {
    ...plan,
    workload: { ...plan.workload, ops },
    faults: [...faults, ...jitter(plan, at, variant)],
  }
  const other = editPlan(plan, { type: "plan", json: JSON.parse(JSON.stringify(json)) })
  // Every change above keeps a plan a plan.
  if (typeof other === "string") throw new Error(other)
  return other
}

/** A delay of every message between stores, as long as they take anyway, until the next quiet part. */
function jitter(plan: Plan, at: number, variant: number): readonly PlanFault[] {
  const { phases, cluster, host, faults } = plan
  const rounds = Array.from({ length: phases.rounds }, (_, round) => quietAt(phases, round))
  const until = rounds.find((quiet) => quiet > at + 1)
  if (until === undefined || until - phases.faultsUs > at + 1) return []
  const stores = Array.from({ length: cluster.stores + cluster.spares }, (_, index) => index + 1)
  const id = faults.reduce((most, fault) => Math.max(most, fault.id), 0) + variant
  const args = { minUs: 0, meanUs: Math.max(1, host.latencyUsMean), tailPpm: 0, tailUs: 0 }
  const target = { role: "stores", stores, peers: [], group: 0 } as const
  return [{ id, at: at + 1, until, kind: "delay", target, args }]
}
