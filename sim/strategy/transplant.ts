import { CLIENT_IDS_FROM } from "../plan/catalogue.ts"
import type { Plan, PlanFault, PlanPhases } from "../plan/plan.ts"

const SECOND = 1_000_000

/** A faults part of a run: in it a swarm draws, and nothing a mutation moves leaves it. */
export type Part = { readonly from: number; readonly until: number }

/** The faults part in whose round this moment lies. */
export function partOf({ rounds, faultsUs, quietUs }: PlanPhases, at: number): Part {
  const round = Math.min(rounds - 1, Math.floor(at / (faultsUs + quietUs)))
  const start = round * (faultsUs + quietUs)
  return { from: start + Math.min(SECOND, Math.floor(faultsUs / 8)), until: start + faultsUs }
}

export function inPart(at: number, { from, until }: Part): number {
  return Math.min(until, Math.max(from, at))
}

/** As long as before, and over when its part is. */
export function moved(fault: PlanFault, at: number, { until }: Part): PlanFault {
  return { ...fault, at, until: Math.min(until, at + fault.until - fault.at) }
}

/**
 * Faults of one plan where another has its stores, clients, groups and parts: ids go round where there are fewer, times are
 * those since the beginning of a part. One that has nobody left to strike stays behind.
 */
export function transplanted(
  faults: readonly PlanFault[],
  from: Pick<Plan, "cluster" | "phases">,
  to: Pick<Plan, "cluster" | "phases" | "workload">,
): readonly PlanFault[] {
  return faults.flatMap((fault) => {
    const target = targetIn(fault, from, to)
    return target === null ? [] : [{ ...timeIn(fault, from.phases, to.phases), target }]
  })
}

function timeIn(fault: PlanFault, from: PlanPhases, to: PlanPhases): PlanFault {
  const before = from.faultsUs + from.quietUs
  const round = Math.floor(fault.at / before) % to.rounds
  const start = round * (to.faultsUs + to.quietUs)
  const offset = fault.at % before
  // Later than the other part lasts: as far into it as it was.
  const since = offset < to.faultsUs ? offset : Math.floor((offset * to.faultsUs) / before)
  const part = partOf(to, start)
  return moved(fault, inPart(start + since, part), part)
}

function targetIn(
  { kind, target }: PlanFault,
  from: Pick<Plan, "cluster">,
  to: Pick<Plan, "cluster" | "workload">,
): PlanFault["target"] | null {
  const idsIn = (ids: readonly number[]): readonly number[] => {
    const mapped = ids.flatMap((id) => {
      if (id >= CLIENT_IDS_FROM) {
        const { clients } = to.workload
        return clients === 0 ? [] : [CLIENT_IDS_FROM + ((id - CLIENT_IDS_FROM) % clients)]
      }
      const spare = id - from.cluster.stores
      if (spare > 0 && to.cluster.spares > 0)
        return [to.cluster.stores + 1 + ((spare - 1) % to.cluster.spares)]
      return [1 + ((id - 1) % to.cluster.stores)]
    })
    return [...new Set(mapped)].sort((a, b) => a - b)
  }
  const place = from.cluster.ranges.findIndex(({ descriptor }) => descriptor.groupId === target.group)
  const range = to.cluster.ranges[Math.max(0, place) % to.cluster.ranges.length]
  const group = target.group === 0 ? 0 : (range?.descriptor.groupId ?? 0)
  const stores = idsIn(target.stores)
  const overlaps = target.stores.some((id) => target.peers.includes(id))
  const peers = idsIn(target.peers).filter((id) => overlaps || !stores.includes(id))
  // An empty list would mean something else than those who are not there.
  if (target.stores.length > 0 && stores.length === 0) return null
  if (target.peers.length > 0 && peers.length === 0) return null
  if (kind === "swapDisks" && stores.length < Math.min(2, target.stores.length)) return null
  return { ...target, stores, peers, group }
}
