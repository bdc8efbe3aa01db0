import assert from "node:assert/strict"
import { Worker } from "node:worker_threads"
import type { Plan, Strategy } from "#sim"
import type { Mutant } from "./mutant.ts"
import { expectedProbe } from "./patch.ts"
import type { PlanSize, Report, Task } from "./worker.ts"

/** One look for one mutant: from one seed on, up to the first that shows it. */
export type Window = {
  readonly from: number
  /** How many seeds it took, the last one included; as many as were run when it was not found. */
  readonly seeds: number
  /** The intended oracle that fired on the last of them, saying what; null when none did. */
  readonly found: Find | null
  /** The first of them on which anything fired, of the mutant's making; 0: none. */
  readonly firstSeed: number
  /** Seeds on which something else spoke first, by what spoke. */
  readonly others: Readonly<Record<string, number>>
  /** Seeds that say nothing, since the shipped kernel fails there too. */
  readonly void: readonly number[]
  readonly wallSeconds: number
  /** Of one core, in the threads that ran the mutant. */
  readonly cpuSeconds: number
  /** Of the kernel sources that ran. */
  readonly hash: string
}

export type Find = {
  readonly oracle: string
  readonly seed: number
  readonly message: string
  /** What ran, where the seed alone does not say it. */
  readonly plan?: Plan
}

/** What was left of the first plan that failed. */
export type Shrinking = {
  readonly seed: number
  readonly oracle: string
  readonly before: PlanSize
  readonly after: PlanSize
  readonly runs: number
  readonly minimal: boolean
  readonly wallSeconds: number
}

/** A seed takes about a second. One that takes so long will not end: the mutant livelocks faster than time goes on. */
const SEED_WALL_MS_MAX = 60_000

/** Counted among what spoke first when a seed had to be given up. */
const HUNG = "hung"

/** The one that knows of no mutant, and that all are measured by. */
export const UNHINTED: string = "campaign"

/** What shrinking may take: §5 of the issue asks for less. */
export const SHRINK_WALL_MS_MAX = 60_000
const SHRINK_RUNS_MAX = 3_000

export type HuntOptions = {
  readonly scenario: string
  /** How the plans of the seeds are come by; a swarm unless it says. */
  readonly strategy?: Strategy
  readonly onSeed?: (seed: number) => void
  /** Asked between two seeds; what is broken off is as if it had never been begun. */
  readonly shouldStop?: () => boolean
}

/**
 * Runs a mutant over seeds in order, up to the first on which an intended oracle fires and the shipped kernel is clean.
 * Null when it was told to stop before.
 */
export async function hunt(
  mutant: Mutant,
  from: number,
  count: number,
  options: HuntOptions = { scenario: UNHINTED },
): Promise<Window | null> {
  const { scenario, strategy = "swarm", onSeed, shouldStop } = options
  const started = performance.now()
  const others: Record<string, number> = {}
  const voided: number[] = []
  let found: Window["found"] = null
  let firstSeed = 0
  let cpuSeconds = 0
  let hash = ""
  let next = from
  while (found === null && next < from + count) {
    const seeds = { from: next, count: from + count - next }
    // A search that learns begins anew with the thread, after a seed that hung or says nothing.
    const task: Task = { type: "run", mutant: mutant.id, scenario, seeds, until: mutant.oracles, strategy }
    let candidate: Window["found"] = null
    let cpuMs = 0
    const outcome = await run(task, (report) => {
      if (report.type === "loaded") {
        assert.deepEqual(
          report.probe,
          expectedProbe(mutant.edits, report.probe.files),
          `${mutant.id} is not what was loaded`,
        )
        assert.notEqual(report.probe.hash, expectedProbe([], report.probe.files).hash)
        hash = report.probe.hash
      } else if (report.type === "ran") {
        next = report.seed + 1
        cpuMs = report.cpuMs
        onSeed?.(report.seed)
        const { oracle, seed, message, plan } = report
        if (oracle !== null) {
          if (mutant.oracles.includes(oracle))
            candidate = { oracle, seed, message: message ?? "", ...(plan === null ? {} : { plan }) }
          else {
            others[oracle] = (others[oracle] ?? 0) + 1
            firstSeed ||= seed
          }
        }
      }
      return shouldStop?.() === true && candidate === null
    })
    if (outcome === "stopped") return null
    cpuSeconds += cpuMs / 1_000
    if (outcome === "hung") {
      cpuSeconds += SEED_WALL_MS_MAX / 1_000
      others[HUNG] = (others[HUNG] ?? 0) + 1
      firstSeed ||= next
      next++
    }
    if (candidate !== null) found = await confirmed(candidate, voided, scenario)
  }
  firstSeed ||= found?.seed ?? 0
  const wallSeconds = (performance.now() - started) / 1_000
  return { from, seeds: next - from, found, firstSeed, others, void: voided, wallSeconds, cpuSeconds, hash }
}

/** The bug is the mutant's only if the shipped kernel has it not. */
async function confirmed(
  candidate: NonNullable<Window["found"]>,
  voided: number[],
  scenario: string,
): Promise<Window["found"]> {
  const clean = await pureFailures([candidate.seed], scenario, candidate.plan)
  if (clean.length === 0) return candidate
  voided.push(candidate.seed)
  return null
}

/** Of these seeds, those on which the shipped kernel fails, with what it says. */
export async function pureFailures(
  seeds: readonly number[],
  scenario: string = UNHINTED,
  /** What was run under the first of them, where the seed alone does not say it. */
  plan: Plan | null = null,
): Promise<readonly string[]> {
  const failures: string[] = []
  const task: Task =
    plan === null
      ? { type: "run", mutant: null, scenario, seeds, until: [] }
      : { type: "replay", mutant: null, scenario, seed: seeds[0] ?? plan.seed, plan }
  await run(task, (report) => {
    if (report.type === "loaded") assert.deepEqual(report.probe, expectedProbe([], report.probe.files))
    if (report.type === "ran" && report.oracle !== null) {
      failures.push(`${report.seed} ${report.oracle}: ${report.message}`)
    }
    return false
  })
  return failures
}

/** The plan of a seed that showed the mutant, made small; null when that hung. */
export async function shrinkFound(
  mutant: Mutant,
  { seed, plan = null }: { readonly seed: number; readonly plan?: Plan | null },
  scenario: string,
  onRuns: (runs: number) => void = () => undefined,
): Promise<Shrinking | null> {
  const started = performance.now()
  const limits = { runsMax: SHRINK_RUNS_MAX, wallMsMax: SHRINK_WALL_MS_MAX }
  const results: Shrinking[] = []
  await run({ type: "shrink", mutant: mutant.id, scenario, seed, plan, ...limits }, (report) => {
    if (report.type === "shrinking") onRuns(report.runs)
    if (report.type === "shrunk" && report.oracle !== null) {
      const { oracle, before, after, runs, minimal } = report
      const wallSeconds = (performance.now() - started) / 1_000
      results.push({ seed, oracle, before, after, runs, minimal, wallSeconds })
    }
    return false
  })
  return results[0] ?? null
}

/** One worker, one kernel: what it reports, and how it came to its end. `onReport` may ask it to stop. */
export async function run(
  task: Task,
  onReport: (report: Report) => boolean,
): Promise<"done" | "stopped" | "hung"> {
  // Without what this process was started with: a test runner has loaders of its own.
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    workerData: task,
    execArgv: [],
    env: {},
  })
  let watchdog: NodeJS.Timeout | undefined
  try {
    return await new Promise<"done" | "stopped" | "hung">((resolve, reject) => {
      const watch = (): void => {
        clearTimeout(watchdog)
        watchdog = setTimeout(() => resolve("hung"), SEED_WALL_MS_MAX)
      }
      watch()
      worker.on("error", reject)
      worker.on("exit", (code) =>
        reject(new Error(`The worker of ${task.mutant} left with ${code} before its end`)),
      )
      worker.on("message", (report: Report) => {
        watch()
        if (report.type === "done") return resolve("done")
        try {
          if (onReport(report)) resolve("stopped")
        } catch (error) {
          reject(error)
        }
      })
    })
  } finally {
    clearTimeout(watchdog)
    await worker.terminate()
  }
}
