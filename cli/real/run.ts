import { LOGICAL_PER_MS } from "#kernel"
import {
  checkQuiet,
  classify,
  finalReads,
  judgeHistory,
  quietAt,
  runUs,
  underWayUs,
  type Found,
  type Operation,
  type Plan,
  type PlanOp,
  type QuietStore,
} from "#sim"
import type { FaultCount, OperationCount } from "../report/model.ts"
import { RealClients, type Heard } from "./clients.ts"
import { leaderIn, type RealCluster } from "./cluster.ts"
import type { ClusterDoor } from "./door.ts"
import { FaultDriver, type RealFault } from "./faults.ts"

/** What came of one run against a real cluster. */
export type RealResult = {
  readonly plan: Plan
  readonly verdict: "valid" | "invalid" | "unknown"
  readonly found: Found | null
  readonly operations: OperationCount
  readonly faults: Readonly<Record<string, FaultCount>>
  readonly history: readonly Operation[]
  readonly wallMs: number
  /** False when it was cut short: then nothing was judged. */
  readonly isWhole: boolean
}

export type RealRun = {
  readonly plan: Plan
  readonly faults: readonly RealFault[]
  readonly cluster: RealCluster
  readonly door: ClusterDoor
  readonly cut: AbortSignal
  /** Goes on beside the clients while the faults part lasts, and tells what it found. */
  readonly beside?: (clients: RealClients) => Promise<void>
}

/**
 * One run: the simulator's clients against real processes, faults until the quiet part begins, then the simulator's
 * judges on what was heard, on how the cluster stands at the end, and on every node that died by itself.
 */
export async function runReal(run: RealRun): Promise<RealResult> {
  const { plan, cluster, door, cut } = run
  const startedAt = performance.now()
  const wallStartUs = Date.now() * 1_000
  const reads = finalReads(plan)
  const clients = new RealClients(plan, [...plan.workload.ops, ...reads], door)
  const driver = new FaultDriver(cluster)
  const hearing = clients.run(cut)
  driver.schedule(run.faults)
  const beside = run.beside?.(clients)
  const calm = Promise.all([calmDown(plan, driver, clients, cut), beside]).then(() => clients.now)
  const looked = calm.then(async (calmSince) => ({
    calmSince,
    logEnds: await lookAtLogs(plan, cluster, clients, cut),
  }))
  // Whatever it throws is thrown below, once the clients have come to their end.
  looked.catch(() => {})
  const heard = await hearing
  const { calmSince, logEnds } = await looked
  const result = {
    plan,
    operations: countsOf(heard),
    faults: driver.counts(),
    history: heard.history,
    isWhole: heard.isWhole,
  }
  const died = deathOf(cluster)
  if (died !== null) return { ...result, ...verdictOf(died), wallMs: performance.now() - startedAt }
  if (!heard.isWhole) return { ...result, ...verdictOf("unknown"), wallMs: performance.now() - startedAt }
  const stores = await quietStores(cluster)
  const broken = checkQuiet({
    now: heard.endedAt,
    event: 0,
    calmSince,
    timing: plan.cluster.config.timing,
    stores,
    logEnds,
    // Nobody looked before: who lacks something has no excuse.
    appliedAgo: new Map(),
    requests: heard.waited.filter(({ sentAt }) => sentAt >= calmSince),
  })
  const found = broken ?? judge(plan, heard, reads, wallStartUs)
  return { ...result, ...verdictOf(found), wallMs: performance.now() - startedAt }
}

function judge(
  plan: Plan,
  heard: Heard,
  reads: readonly PlanOp[],
  wallStartUs: number,
): Found | "unknown" | null {
  return judgeHistory(plan, heard.history, heard.timeline, {
    runClass: classify(plan),
    reads,
    trueTimeOf: (commitTs) => Math.floor(commitTs / LOGICAL_PER_MS) * 1_000 - wallStartUs,
    stepsMax: null,
  })
}

function verdictOf(found: Found | "unknown" | null): Pick<RealResult, "verdict" | "found"> {
  if (found === "unknown") return { verdict: "unknown", found: null }
  return found === null ? { verdict: "valid", found: null } : { verdict: "invalid", found }
}

function countsOf({ clients }: Heard): OperationCount {
  const { invoked, ok, fail, info } = clients
  return { invoked, ok, fail, info }
}

/** A node stops by itself when it finds that it must not go on; on a machine whose disk is whole it never must. */
function deathOf({ deaths }: RealCluster): Found | null {
  const [first] = deaths
  if (first === undefined) return null
  const { code, signal } = first.exit
  const how = signal === null ? `with code ${code}` : `by ${signal}`
  return {
    oracle: "REAL-node-died",
    message: `Store ${first.store} ended ${how}, by itself; its log is ${first.log}`,
  }
}

/** Waits for the quiet part, heals, and says when that was done. */
async function calmDown(
  plan: Plan,
  driver: FaultDriver,
  clients: RealClients,
  cut: AbortSignal,
): Promise<number> {
  await clients.until(quietAt(plan.phases, 0), cut)
  await driver.heal()
  return clients.now
}

/** Where leaders' logs end shortly before the end of the run. */
async function lookAtLogs(
  plan: Plan,
  cluster: RealCluster,
  clients: RealClients,
  cut: AbortSignal,
): Promise<ReadonlyMap<number, number>> {
  await clients.until(runUs(plan.phases) - underWayUs(plan.cluster.config.timing), cut)
  if (cut.aborted) return new Map()
  const reports = await cluster.reports()
  const ends = new Map<number, number>()
  for (const { descriptor } of plan.cluster.ranges) {
    const leader = leaderIn(reports, descriptor.groupId)
    if (leader !== null) ends.set(descriptor.groupId, leader.lastIndex)
  }
  return ends
}

async function quietStores(cluster: RealCluster): Promise<readonly QuietStore[]> {
  const reports = await cluster.reports()
  return cluster.stores.map((store) => {
    const report = reports.get(store) ?? null
    // One that runs and does not say how it is, is not there for anybody.
    return { store, up: report !== null, downBy: null, groups: report?.groups ?? [], inbox: 0, held: 0 }
  })
}
