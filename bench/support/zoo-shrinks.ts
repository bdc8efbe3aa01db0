/** Failures of the bug zoo, made small: each in a thread that has loaded the mutant. */
import { Worker } from "node:worker_threads"
import type { Plan } from "#sim"

export type ZooTask = {
  readonly mutant: string
  readonly scenario: string
  /** The first of these that an intended oracle names is shrunk. */
  readonly seeds: { readonly from: number; readonly count: number }
  readonly runsMax: number
  /** The bound of the search, in CPU time of its thread: others on the machine must not cut it short. */
  readonly cpuMsMax: number
}

export type PlanSize = {
  readonly faults: number
  readonly operations: number
  readonly stores: number
  readonly ranges: number
  readonly clients: number
}

export type ZooShrunk = {
  readonly seed: number
  readonly oracle: string
  readonly message: string
  readonly before: PlanSize
  readonly after: PlanSize
  readonly runs: number
  readonly cpuSeconds: number
  readonly wallSeconds: number
  /** What the search says. */
  readonly minimal: boolean
  /** Faults and operations that can be left out one at a time all the same: tried afterwards, in whole runs. */
  readonly superfluous: readonly string[]
  readonly signature: string
  readonly plan: Plan
}

export type ZooReport = { readonly type: "shrunk"; readonly shrunk: ZooShrunk | null }

const WORKER = new URL("../../test/zoo/shrink-worker.ts", import.meta.url)
const WALL_MS_MAX = 1_800_000

/** Null when none of the seeds is named by an intended oracle. */
export async function shrinkMutant(task: ZooTask): Promise<ZooShrunk | null> {
  // Without what this process was started with: a test runner has loaders of its own.
  const worker = new Worker(WORKER, { workerData: task, execArgv: [], env: {} })
  let watchdog: NodeJS.Timeout | undefined
  try {
    return await new Promise((resolve, reject) => {
      watchdog = setTimeout(() => reject(new Error(`The search of ${task.mutant} does not end`)), WALL_MS_MAX)
      worker.on("error", reject)
      worker.on("exit", (code) => reject(new Error(`The worker of ${task.mutant} left with ${code}`)))
      worker.on("message", ({ shrunk }: ZooReport) => resolve(shrunk))
    })
  } finally {
    clearTimeout(watchdog)
    await worker.terminate()
  }
}
