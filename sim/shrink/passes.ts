import { DEFAULT_LIMITS, DEFAULT_TIMING, type Limits, type Timing } from "#kernel"
import { CLIENT_IDS_FROM } from "../plan/catalogue.ts"
import type { Plan, PlanFault, PlanPhases } from "../plan/plan.ts"

/** What shrinking asks of any plan, whoever runs it. */
export type PlanLike = {
  readonly cluster: { readonly stores: number }
  readonly phases: PlanPhases
  readonly faults: readonly PlanFault[]
  readonly workload: { readonly clients: number; readonly ops: readonly OpLike[] }
}

export type OpLike = { readonly id: number; readonly at: number; readonly client: number }

export function withFaults<P extends PlanLike>(plan: P, faults: readonly PlanFault[]): P {
  return { ...plan, faults }
}

export function withOps<P extends PlanLike>(plan: P, ops: P["workload"]["ops"]): P {
  return { ...plan, workload: { ...plan.workload, ops } }
}

/** Clients that ask anything. */
export function askingClients(plan: PlanLike): readonly number[] {
  return [...new Set(plan.workload.ops.map((op) => op.client))].sort((a, b) => a - b)
}

/** What comes after `at` is left out: it cannot have caused what was seen then. */
export function upTo<P extends PlanLike>(plan: P, at: number): P {
  const ops = plan.workload.ops.filter((op) => op.at <= at)
  return withFaults(
    withOps(plan, ops),
    plan.faults.filter((fault) => fault.at <= at),
  )
}

/** The plan with these of its stores alone, by index. */
export function withStores(plan: Plan, indices: readonly number[]): Plan | null {
  let left: Plan | null = plan
  for (let store = plan.cluster.stores; store > 0 && left !== null; store--)
    if (!indices.includes(store - 1)) left = withoutStore(left, store)
  return left
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
  const used = askingClients(plan)
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

/** One setting fewer to think about, each a plan of its own. */
export function plainer(plan: Plan): readonly Plan[] {
  const { cluster, host } = plan
  const { timing, limits } = cluster.config
  const plans: Plan[] = []
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
  const plans: Plan[] = []
  for (const checkpointLogBytes of [1_024, 4_096]) {
    for (const logKeepEntries of [1, 8]) {
      const tight = atMost(limits, {
        segmentBytesFirst: 8_192,
        segmentBytesMax: 8_192,
        checkpointLogBytes,
        logKeepEntries,
      })
      if (!sameNumbers(tight, limits))
        plans.push({ ...plan, cluster: { ...cluster, config: { timing, limits: tight } } })
    }
  }
  return plans
}

function atMost(limits: Limits, bounds: Partial<Limits>): Limits {
  const least = { ...limits }
  for (const [name, bound] of Object.entries(bounds) as [keyof Limits, number][])
    least[name] = Math.min(bound, limits[name])
  return least
}

function sameNumbers<T extends object>(a: T, b: T): boolean {
  return (Object.keys(b) as (keyof T)[]).every((name) => a[name] === b[name])
}
