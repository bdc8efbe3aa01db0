import { DEFAULT_LIMITS, DEFAULT_TIMING, type Limits, type Timing } from "#kernel"
import { CLIENT_IDS_FROM } from "../plan/catalogue.ts"
import type { Plan, PlanFault, PlanPhases } from "../plan/plan.ts"

/** What shrinking asks of any plan, whoever runs it. */
export type PlanLike = {
  readonly cluster: { readonly stores: number }
  readonly phases: PlanPhases
  readonly faults: readonly PlanFault[]
  readonly workload: {
    readonly clients: number
    readonly ops: readonly { readonly at: number; readonly client: number }[]
  }
}

/** The plan without one of its stores; those above it move down by one. Null when that leaves no plan. */
export function withoutStore(plan: Plan, store: number): Plan | null {
  const { cluster } = plan
  if (cluster.stores <= 1) return null
  const moved = (id: number): number => (id > store && id < CLIENT_IDS_FROM ? id - 1 : id)
  const others = (ids: readonly number[]): readonly number[] => ids.filter((id) => id !== store).map(moved)
  const ranges = cluster.ranges.map(({ descriptor, configuration }) => ({
    descriptor,
    configuration: {
      ...configuration,
      voters: configuration.voters
        .filter((voter) => voter.store !== store)
        .map((voter) => ({ ...voter, store: moved(voter.store) })),
    },
  }))
  if (ranges.some(({ configuration }) => configuration.voters.length === 0)) return null
  const faults: PlanFault[] = []
  for (const fault of plan.faults) {
    const { target } = fault
    const stores = others(target.stores)
    const peers = others(target.peers)
    // An empty list would mean something else than "these, without that one".
    if (target.stores.length > 0 && stores.length === 0) continue
    if (target.peers.length > 0 && peers.length === 0) continue
    faults.push({ ...fault, target: { ...target, stores, peers } })
  }
  return { ...plan, cluster: { ...cluster, stores: cluster.stores - 1, ranges }, faults }
}

/** The plan without the last spare. */
export function withoutSpare(plan: Plan): Plan | null {
  const { cluster } = plan
  if (cluster.spares === 0) return null
  const last = cluster.stores + cluster.spares
  const faults = plan.faults.filter(
    ({ target }) => !target.stores.includes(last) && !target.peers.includes(last),
  )
  return { ...plan, cluster: { ...cluster, spares: cluster.spares - 1 }, faults }
}

/** The plan without one range, what is asked of it, and what strikes its group. */
export function withoutRange(plan: Plan, range: number): Plan | null {
  const { cluster, workload } = plan
  const ranges = cluster.ranges.filter(({ descriptor }) => descriptor.rangeId !== range)
  if (ranges.length === 0 || ranges.length === cluster.ranges.length) return null
  const groups = new Set(ranges.map(({ descriptor }) => descriptor.groupId))
  return {
    ...plan,
    cluster: {
      ...cluster,
      ranges,
      tenants: cluster.tenants.filter((tenant) => ranges.some((left) => left.descriptor.tenant === tenant)),
    },
    workload: { ...workload, ops: workload.ops.filter(({ op }) => op.range !== range) },
    faults: plan.faults.filter(({ target }) => target.group === 0 || groups.has(target.group)),
  }
}

/** Clients that ask nothing are forgotten; the others are numbered anew. */
export function withoutIdleClients<P extends PlanLike>(plan: P): P | null {
  const { workload } = plan
  const used = [...new Set(workload.ops.map((op) => op.client))].sort((a, b) => a - b)
  if (used.length === workload.clients) return null
  const ops = workload.ops.map((op) => ({ ...op, client: used.indexOf(op.client) }))
  const moved = (ids: readonly number[]): readonly number[] => {
    const left = ids.filter((id) => id < CLIENT_IDS_FROM || used.includes(id - CLIENT_IDS_FROM))
    return left.map((id) =>
      id < CLIENT_IDS_FROM ? id : CLIENT_IDS_FROM + used.indexOf(id - CLIENT_IDS_FROM),
    )
  }
  const faults: PlanFault[] = []
  for (const fault of plan.faults) {
    const { target } = fault
    const stores = moved(target.stores)
    const peers = moved(target.peers)
    if ((target.stores.length > 0 && stores.length === 0) || (target.peers.length > 0 && peers.length === 0))
      continue
    faults.push({ ...fault, target: { ...target, stores, peers } })
  }
  return { ...plan, workload: { ...workload, clients: used.length, ops }, faults }
}

/** One round and one setting fewer to think about, each a plan of its own. */
export function plainer(plan: Plan): readonly Plan[] {
  const { cluster, host, phases } = plan
  const { timing, limits } = cluster.config
  const plans: Plan[] = []
  if (phases.rounds > 1) plans.push({ ...plan, phases: { ...phases, rounds: phases.rounds - 1 } })
  if (host.transport !== "objects") plans.push({ ...plan, host: { ...host, transport: "objects" } })
  if (host.turnUsMax !== 0) plans.push({ ...plan, host: { ...host, turnUsMax: 0 } })
  const withTiming = (changed: Timing): Plan => ({
    ...plan,
    cluster: { ...cluster, config: { timing: changed, limits } },
  })
  const withLimits = (changed: Limits): Plan => ({
    ...plan,
    cluster: { ...cluster, config: { timing, limits: changed } },
  })
  if (!sameNumbers(timing, DEFAULT_TIMING)) plans.push(withTiming(DEFAULT_TIMING))
  if (!sameNumbers(limits, DEFAULT_LIMITS)) {
    plans.push(withLimits(DEFAULT_LIMITS))
    for (const name of Object.keys(DEFAULT_LIMITS) as (keyof Limits)[]) {
      if (limits[name] !== DEFAULT_LIMITS[name])
        plans.push(withLimits({ ...limits, [name]: DEFAULT_LIMITS[name] }))
    }
  }
  return plans
}

/**
 * Plans in which logs fill, are cut and are replaced by snapshots after a few entries: a failure that takes
 * a full log then takes fewer operations. The tightest first.
 */
export function tighter(plan: Plan): readonly Plan[] {
  const { cluster } = plan
  const { timing, limits } = cluster.config
  const withLimits = (changed: Partial<Limits>): Plan => {
    return { ...plan, cluster: { ...cluster, config: { timing, limits: { ...limits, ...changed } } } }
  }
  const segments = {
    segmentBytesFirst: Math.min(8_192, limits.segmentBytesFirst),
    segmentBytesMax: Math.min(8_192, limits.segmentBytesMax),
  }
  const plans: Plan[] = []
  for (const checkpointLogBytes of [1_024, 4_096]) {
    for (const logKeepEntries of [1, 8])
      plans.push(withLimits({ ...segments, checkpointLogBytes, logKeepEntries }))
  }
  return plans
}

function sameNumbers<T extends object>(a: T, b: T): boolean {
  return (Object.keys(b) as (keyof T)[]).every((name) => a[name] === b[name])
}
