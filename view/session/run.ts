import { kernelBuild, simulate, type KernelBuild, type Plan, type RunResult } from "#sim"
import type { Life } from "./life.ts"
import { Recorder } from "./recorder.ts"
import { Rewinder } from "./rewind.ts"

/** What ran, what came of it, and all that is needed to stand at any of its events again. */
export type Run = {
  /** Null for what real nodes recorded: nobody planned it, and nobody judged it. */
  readonly plan: Plan | null
  readonly result: RunResult | null
  readonly recorder: Recorder
  readonly rewinder: Rewinder
}

export type PlannedRun = Run & { readonly plan: Plan; readonly result: RunResult }

export type RunOptions = {
  readonly build?: KernelBuild
  readonly onProgress?: (events: number, now: number) => void
  /** Ends the run after about so many events. */
  readonly eventsMax?: number
}

/** Runs the plan and follows it. The run is the one that `simulate` gives without anybody looking. */
export function runPlan(plan: Plan, options: RunOptions = {}): PlannedRun {
  const { cluster, workload } = plan
  const lanes = { storeCount: cluster.stores + cluster.spares, clientCount: workload.clients }
  const recorder = new Recorder(lanes, options.build ?? kernelBuild, options.onProgress ?? (() => {}))
  const { eventsMax } = options
  const result = simulate(plan, {
    build: recorder.build,
    onTrace: recorder,
    ...(eventsMax === undefined ? {} : { eventsMax }),
  })
  return { plan, result, recorder, rewinder: new Rewinder(recorder.inputs) }
}

/** The process of a store after an event, and how many steps it had taken; null while the store is down. */
export function processAt(
  run: Run,
  store: number,
  event: number,
): { readonly life: Life; readonly step: number } | null {
  const { allLives, turnovers } = run.recorder
  const last = turnovers.findLast((turnover) => turnover.store === store && turnover.event <= event)
  if (last === undefined || last.what !== "started") return null
  const life = allLives.findLast((each) => each.store === store && each.after <= event)
  return life === undefined ? null : { life, step: life.stepsUpTo(event) }
}

/** Events are counted from 1; 0 is before the first. */
export function eventAt(run: Run, time: number): number {
  return run.recorder.times.countUpTo(time)
}

export function timeOf(run: Run, event: number): number {
  const { recorder } = run
  return event <= 0 ? 0 : recorder.times.at(Math.min(event, recorder.events) - 1)
}
