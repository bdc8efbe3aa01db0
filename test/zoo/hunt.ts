import assert from "node:assert/strict"
import { Worker } from "node:worker_threads"
import { expectedProbe } from "./load.ts"
import type { Mutant } from "./mutant.ts"
import type { Report, Task } from "./worker.ts"

export type Hunt = {
  readonly mutant: Mutant
  /** The intended oracle that fired, on which seed, saying what; null when none did. */
  readonly found: { readonly oracle: string; readonly seed: number; readonly message: string } | null
  /** Seeds it took, the last one included. */
  readonly seeds: number
  /** Seeds on which something else spoke first, by what spoke. */
  readonly others: Readonly<Record<string, number>>
  /** Seeds that say nothing, since the shipped kernel fails there too. */
  readonly void: readonly number[]
  readonly wallSeconds: number
  /** Of the kernel sources that ran. */
  readonly hash: string
}

/** A seed takes about a second. One that takes so long will not end: the mutant livelocks faster than time goes on. */
const SEED_WALL_MS_MAX = 60_000

/** Counted among what spoke first when a seed had to be given up. */
const HUNG = "hung"

/** The one that knows of no mutant, and that all of tier A are measured by. */
export const UNHINTED: string = "campaign"

/** Runs a mutant over seeds in order, up to the first on which an intended oracle fires and the shipped kernel is clean. */
export async function hunt(
  mutant: Mutant,
  from: number,
  count: number,
  onSeed: (seed: number) => void = () => undefined,
  scenario: string = UNHINTED,
): Promise<Hunt> {
  const started = performance.now()
  const others: Record<string, number> = {}
  const voided: number[] = []
  let found: Hunt["found"] = null
  let hash = ""
  let next = from
  while (found === null && next < from + count) {
    const task: Task = {
      mutant: mutant.id,
      scenario,
      seeds: { from: next, count: from + count - next },
      until: mutant.oracles,
    }
    let candidate: Hunt["found"] = null
    const outcome = await run(task, (report) => {
      if (report.type === "loaded") {
        assert.deepEqual(
          report.probe,
          expectedProbe(mutant, report.probe.files),
          `${mutant.id} is not what was loaded`,
        )
        assert.notEqual(report.probe.hash, expectedProbe(null, report.probe.files).hash)
        hash = report.probe.hash
      } else if (report.type === "ran") {
        next = report.seed + 1
        onSeed(report.seed)
        const { oracle, seed, message } = report
        if (oracle === null) return
        if (mutant.oracles.includes(oracle)) candidate = { oracle, seed, message: message ?? "" }
        else others[oracle] = (others[oracle] ?? 0) + 1
      }
    })
    if (outcome === "hung") {
      others[HUNG] = (others[HUNG] ?? 0) + 1
      next++
    }
    if (candidate !== null) found = await confirmed(candidate, voided, scenario)
  }
  return {
    mutant,
    found,
    seeds: next - from,
    others,
    void: voided,
    wallSeconds: (performance.now() - started) / 1_000,
    hash,
  }
}

/** The bug is the mutant's only if the shipped kernel has it not. */
async function confirmed(
  candidate: NonNullable<Hunt["found"]>,
  voided: number[],
  scenario: string,
): Promise<Hunt["found"]> {
  const clean = await pureFailures([candidate.seed], scenario)
  if (clean.length === 0) return candidate
  voided.push(candidate.seed)
  return null
}

/** Of these seeds, those on which the shipped kernel fails, with what it says. */
export async function pureFailures(
  seeds: readonly number[],
  scenario: string = UNHINTED,
): Promise<readonly string[]> {
  const failures: string[] = []
  await run({ mutant: null, scenario, seeds, until: [] }, (report) => {
    if (report.type === "loaded") assert.deepEqual(report.probe, expectedProbe(null, report.probe.files))
    if (report.type === "ran" && report.oracle !== null) {
      failures.push(`${report.seed} ${report.oracle}: ${report.message}`)
    }
  })
  return failures
}

/** One worker, one kernel: what it reports, and whether it came to its end. */
export async function run(task: Task, onReport: (report: Report) => void): Promise<"done" | "hung"> {
  // Without what this process was started with: a test runner has loaders of its own.
  const worker = new Worker(new URL("./worker.ts", import.meta.url), {
    workerData: task,
    execArgv: [],
    env: {},
  })
  let watchdog: NodeJS.Timeout | undefined
  try {
    return await new Promise<"done" | "hung">((resolve, reject) => {
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
          onReport(report)
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
