import { mkdirSync, mkdtempSync, rmSync } from "node:fs"
import { join } from "node:path"
import { writeHistory, type Found, type Plan } from "#sim"
import { writeTextFile } from "../files.ts"
import { RealCluster } from "./cluster.ts"
import { realFaults } from "./faults.ts"
import {
  FAILOVER_MAX_MS,
  FAILOVER_P95_MS,
  killLeaders,
  killPlanMs,
  killSchedule,
  lostAppends,
  percentiles,
  writesAgain,
  type Failover,
} from "./kill-leader.ts"
import { drawRealPlan, QUIET_MS } from "./plan.ts"
import { replayAll, type Replayed } from "./recordings.ts"
import { runReal, type RealResult } from "./run.ts"
import type { RealWorld } from "./world.ts"

export type RealOptions = {
  readonly nodes: number
  readonly firstSeed: number
  readonly seeds: number
  /** Of one run, its quiet end included. */
  readonly durationMs: number
  /** Start no further run after this; null is no bound. */
  readonly wallMsMax: number | null
  /** Null: faults from the seed. */
  readonly killLeader: number | null
  readonly workload: string | null
  /** Every boot of every node records itself into a folder of its own there, below one for each seed. */
  readonly record: string | null
  /** Run what was recorded again when the cluster has ended; a recording that parts fails its run. */
  readonly replays: boolean
  /** Where clusters live, a folder each; those of runs that pass are removed. It is there already. */
  readonly directory: string
}

/** One run and where to look at it. */
export type RealRecord = {
  readonly seed: number
  readonly result: RealResult
  readonly failovers: FailoverSummary | null
  /** Null when nothing was run again. */
  readonly replays: readonly Replayed[] | null
  /** History, logs and data of a run that did not pass; null when it did. */
  readonly kept: string | null
}

type Told = Pick<RealRecord, "result" | "failovers">

export type FailoverSummary = {
  readonly kills: number
  readonly acknowledged: number
  readonly lost: number
  /** Milliseconds from the kill: until another store leads, and until a write that began after it was acknowledged. */
  readonly leader: readonly (number | null)[]
  readonly writes: readonly (number | null)[]
}

export interface RealWatch {
  note(text: string): void
  finished(record: RealRecord): void
}

/** One run a seed, each on a new cluster: what a history may begin with is an empty store. */
export async function runRealCampaign(
  world: RealWorld,
  options: RealOptions,
  watch: RealWatch,
  cut: AbortSignal,
): Promise<readonly RealRecord[]> {
  const startedAt = performance.now()
  const records: RealRecord[] = []
  for (let index = 0; index < options.seeds && !cut.aborted; index++) {
    const isLate = options.wallMsMax !== null && performance.now() - startedAt >= options.wallMsMax
    if (isLate && records.length > 0) break
    const record = await runSeed(world, options, options.firstSeed + index, watch, cut)
    if (record === null) break
    records.push(record)
    watch.finished(record)
  }
  return records
}

/** Null when it was cut short: then it counts as never started. */
async function runSeed(
  world: RealWorld,
  options: RealOptions,
  seed: number,
  watch: RealWatch,
  cut: AbortSignal,
): Promise<RealRecord | null> {
  const directory = mkdtempSync(join(options.directory, `seed-${seed}-`))
  let passes = false
  try {
    watch.note(`seed ${seed}: making a cluster of ${options.nodes}`)
    const made = await world.make(join(directory, "cluster"), options.nodes)
    const door = world.door(made.client)
    const record = options.record === null ? null : join(options.record, `${seed}`)
    if (record !== null) mkdirSync(record, { recursive: true })
    const { layout, ranges } = made
    const cluster = await RealCluster.open({ layout, door, commandOf: world.commandOf(record) })
    let told: Told
    try {
      await cluster.startAll()
      await cluster.mustBeReady()
      const plan = planOf(options, seed, ranges)
      watch.note(`seed ${seed}: ${plan.workload.kind}, ${plan.workload.ops.length} operations`)
      told = await runPlan(plan, options, cluster, door, cut)
    } finally {
      await door.close()
      await cluster.close()
    }
    if (!told.result.isWhole && told.result.verdict !== "invalid") return null
    // Nodes write their recordings to the end as they end.
    const replays = record === null || !options.replays ? null : await replayed(record, seed, watch)
    const result = replays === null ? told.result : reproduced(told.result, replays)
    passes = result.verdict === "valid"
    if (!passes) writeTextFile(join(directory, "history.jsonl"), writeHistory(result.history))
    return { seed, ...told, result, replays, kept: passes ? null : directory }
  } finally {
    // Of a run that did not pass everything stays: history, logs, data.
    if (passes || cut.aborted) rmSync(directory, { recursive: true, force: true })
  }
}

function replayed(record: string, seed: number, watch: RealWatch): Promise<readonly Replayed[]> {
  return replayAll(record, ({ directory, word, events }) => {
    watch.note(`seed ${seed}: ${directory}: ${word}, ${events} events`)
  })
}

/** A kernel that does not do the same again is the failure to look at first. */
function reproduced(result: RealResult, replays: readonly Replayed[]): RealResult {
  const parted = replays.find(({ word }) => word === "parted")
  if (parted === undefined) return result
  const message = `The recording ${parted.directory} does not replay: ${parted.detail}.`
  return { ...result, verdict: "invalid", found: { oracle: "REAL-replay", message } }
}

function planOf(
  options: RealOptions,
  seed: number,
  ranges: Parameters<typeof drawRealPlan>[0]["ranges"],
): Plan {
  const { nodes: stores, killLeader, workload } = options
  return drawRealPlan({
    stores,
    seed,
    ranges,
    durationMs: killLeader === null ? options.durationMs : killPlanMs(killLeader, QUIET_MS),
    // Lists say at their end which of their appends were lost.
    workload: killLeader === null ? workload : "append",
    hasFaults: killLeader === null,
  })
}

async function runPlan(
  plan: Plan,
  { killLeader }: RealOptions,
  cluster: RealCluster,
  door: Parameters<typeof runReal>[0]["door"],
  cut: AbortSignal,
): Promise<Told> {
  if (killLeader === null) {
    const result = await runReal({ plan, faults: realFaults(plan), cluster, door, cut })
    return { result, failovers: null }
  }
  let failovers: readonly Failover[] = []
  const beside = async (clients: Parameters<NonNullable<Parameters<typeof runReal>[0]["beside"]>>[0]) => {
    failovers = await killLeaders(clients, cluster, killSchedule(plan, killLeader), cut)
  }
  const result = await runReal({ plan, faults: [], cluster, door, cut, beside })
  const summary = {
    kills: failovers.length,
    ...lostAppends(result.history),
    leader: failovers.map(({ leaderMs }) => leaderMs),
    writes: writesAgain(failovers, result.history),
  }
  const faults = { crash: { applied: killLeader, effective: failovers.length } }
  return { result: judged({ ...result, faults }, summary, killLeader), failovers: summary }
}

/** What failover promises beside what every run does. */
function judged(result: RealResult, summary: FailoverSummary, killLeader: number): RealResult {
  if (result.verdict === "invalid" || !result.isWhole) return result
  const found = failoverFault(summary, killLeader)
  return found === null ? result : { ...result, verdict: "invalid", found }
}

export function failoverFault(summary: FailoverSummary, killLeader: number): Found | null {
  const { kills, lost, acknowledged, leader } = summary
  if (lost > 0) {
    return {
      oracle: "REAL-lost-writes",
      message: `${lost} of ${acknowledged} acknowledged appends are lost.`,
    }
  }
  if (kills < killLeader) {
    const message = `Only ${kills} of ${killLeader} kills came to pass: else the cluster was not whole, or had no leader, in time.`
    return { oracle: "REAL-failover", message }
  }
  const { p95, max } = percentiles(leader)
  if (p95 <= FAILOVER_P95_MS && max <= FAILOVER_MAX_MS) return null
  const message =
    `A new leader took ${Math.round(p95)} ms at the 95th percentile and ${Math.round(max)} ms at most; ` +
    `promised are ${FAILOVER_P95_MS} and ${FAILOVER_MAX_MS} ms.`
  return { oracle: "REAL-failover", message }
}
