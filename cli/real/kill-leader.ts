import type { Operation, Plan } from "#sim"
import type { RealClients } from "./clients.ts"
import { leaderIn, type RealCluster } from "./cluster.ts"

const SECOND = 1_000_000
/** From one kill to the next: an election, the restart, and a while of three; on a busy machine a start alone takes two. */
const KILL_PERIOD_US = 10 * SECOND
/** So long the cluster has been whole again before the next kill: with one store still away it is another fault. */
const WHOLE_MS = 2_000
/** The first one comes when the clients have got going. */
const FIRST_KILL_US = 3 * SECOND
/** The one that was killed comes back this long after. */
const RESTART_MS = 500
const LOOK_MS = 10
const LOOK_WHOLE_MS = 100
/** Entries a replica may be behind its leader: some are always under way. */
const BEHIND_MAX = 25
const REPORT_MS = 250
/** Longer than this nobody waits for a new leader, or for those that were killed: the run has failed by then. */
const PATIENCE_MS = 30_000

/** What a cluster promises when its leader dies. DESIGN §5. */
export const FAILOVER_P95_MS = 4_000
export const FAILOVER_MAX_MS = 5_000

/** One kill -9 of the leader. */
export type Failover = {
  /** Microseconds since the start of the run. */
  readonly at: number
  readonly store: number
  readonly term: number
  /** Until another store said that it leads; null when none did. */
  readonly leaderMs: number | null
}

export type KillSchedule = {
  readonly group: number
  readonly kills: number
  /** Of the run; and from one kill to the next. */
  readonly firstUs: number
  readonly periodUs: number
}

/**
 * Kills whoever leads the group, again and again, each time when its period begins or, if it is not then, when the cluster
 * is whole again. After the last period none comes any more: the clients are about to end.
 */
export async function killLeaders(
  clients: RealClients,
  cluster: RealCluster,
  { group, kills, firstUs, periodUs }: KillSchedule,
  cut: AbortSignal,
): Promise<readonly Failover[]> {
  const failovers: Failover[] = []
  for (let index = 0; index < kills; index++) {
    if (!(await clients.until(firstUs + index * periodUs, cut))) break
    if (index > 0) await untilWhole(cluster, group, cut)
    if (cut.aborted || (index > 0 && clients.now > firstUs + kills * periodUs)) break
    const leader = await leaderOf(cluster, group, cut)
    // The kill before this one has left nobody: its failover says so, and there is nobody to kill.
    if (leader === null) continue
    const at = clients.now
    const killedAt = performance.now()
    await cluster.kill(leader.store)
    const leaderMs = await newLeader(cluster, group, leader.term, killedAt)
    failovers.push({ at, store: leader.store, term: leader.term, leaderMs })
    await new Promise((resolve) => setTimeout(resolve, RESTART_MS))
    await cluster.start(leader.store)
  }
  return failovers
}

/** Whoever leads: one look may miss it, since a busy store answers late. Null when nobody does for as long as anyone waits. */
async function leaderOf(
  cluster: RealCluster,
  group: number,
  cut: AbortSignal,
): Promise<ReturnType<typeof leaderIn>> {
  const endAt = performance.now() + PATIENCE_MS
  while (!cut.aborted && performance.now() < endAt) {
    const leader = leaderIn(await cluster.reports(REPORT_MS), group)
    if (leader !== null) return leader
    await new Promise((resolve) => setTimeout(resolve, LOOK_WHOLE_MS))
  }
  return null
}

/** Waits until all stores hold the group as its leader does, and have done so for a while. */
async function untilWhole(cluster: RealCluster, group: number, cut: AbortSignal): Promise<void> {
  const endAt = performance.now() + PATIENCE_MS
  let since: number | null = null
  while (!cut.aborted && performance.now() < endAt) {
    const now = performance.now()
    since = isWhole(await cluster.reports(REPORT_MS), group) ? (since ?? now) : null
    if (since !== null && now - since >= WHOLE_MS) return
    await new Promise((resolve) => setTimeout(resolve, LOOK_WHOLE_MS))
  }
}

/** Everybody answers, and nobody is a second's worth of entries behind who leads. */
function isWhole(reports: Awaited<ReturnType<RealCluster["reports"]>>, group: number): boolean {
  const leader = leaderIn(reports, group)
  if (leader === null) return false
  return [...reports.values()].every((report) => {
    const status = report?.groups.find((one) => one.group === group)
    return status?.state === "whole" && status.appliedIndex + BEHIND_MAX >= leader.lastIndex
  })
}

async function newLeader(
  cluster: RealCluster,
  group: number,
  term: number,
  since: number,
): Promise<number | null> {
  while (performance.now() - since < PATIENCE_MS) {
    const leader = leaderIn(await cluster.reports(REPORT_MS), group)
    if (leader !== null && leader.term > term) return performance.now() - since
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
  return null
}

/** Milliseconds from each kill to the end of the first write that began after it and was acknowledged. */
export function writesAgain(
  failovers: readonly Failover[],
  history: readonly Operation[],
): readonly (number | null)[] {
  return failovers.map(({ at }) => {
    let first = Number.POSITIVE_INFINITY
    for (const { invokedAt, endedAt, outcome, request } of history) {
      const writes = request.some((op) => op.type !== "get" && op.type !== "scan")
      if (writes && outcome === "ok" && invokedAt >= at) first = Math.min(first, endedAt)
    }
    return first === Number.POSITIVE_INFINITY ? null : (first - at) / 1_000
  })
}

/**
 * Appends that were acknowledged and that the last reads of their lists do not show, of all that were acknowledged. A
 * list that was not read at the end counts with none of its elements.
 */
export function lostAppends(history: readonly Operation[]): {
  readonly acknowledged: number
  readonly lost: number
} {
  const lists = new Map<string, { value: string; endedAt: number }>()
  for (const { request, results, invokedAt } of history) {
    request.forEach((op, index) => {
      const result = results?.[index]
      if (op.type !== "get" || result?.type !== "value") return
      const known = lists.get(op.key)
      if (known === undefined || invokedAt >= known.endedAt)
        lists.set(op.key, { value: result.value ?? "", endedAt: invokedAt })
    })
  }
  let acknowledged = 0
  let lost = 0
  for (const { request, outcome } of history) {
    if (outcome !== "ok") continue
    for (const op of request) {
      if (op.type !== "append") continue
      acknowledged++
      // Elements end with a mark and do not hold it, so one found is that one, from the start of an element on.
      const value = lists.get(op.key)?.value ?? ""
      if (!value.startsWith(op.value) && !value.includes(`;${op.value}`)) lost++
    }
  }
  return { acknowledged, lost }
}

/** How long a plan for so many kills lasts, its quiet end included. */
export function killPlanMs(kills: number, quietMs: number): number {
  return (FIRST_KILL_US + kills * KILL_PERIOD_US) / 1_000 + quietMs
}

export type Percentiles = { readonly p50: number; readonly p95: number; readonly max: number }

/** By the nearest rank; one that never came counts as endless. */
export function percentiles(samples: readonly (number | null)[]): Percentiles {
  const sorted = samples.map((ms) => ms ?? Number.POSITIVE_INFINITY).sort((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN
  return { p50: at(0.5), p95: at(0.95), max: at(1) }
}

/** As `--kill-leader` has it, for the group that all keys of such a plan are in. */
export function killSchedule(plan: Plan, kills: number): KillSchedule {
  const { groupId } = plan.cluster.ranges[0]!.descriptor
  return { group: groupId, kills, firstUs: FIRST_KILL_US, periodUs: KILL_PERIOD_US }
}
