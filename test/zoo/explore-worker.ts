import { parentPort, workerData } from "node:worker_threads"
import type { Choice, Explored, ExploreProgress, Replayed, Scope } from "#sim"
import { loadMutant } from "./load.ts"
import { mutantOf } from "./mutants.ts"
import type { Probe } from "./patch.ts"

export type ExploreTask = {
  readonly mutant: string
  readonly scope: Scope
  readonly wallMsMax: number | null
} & ({ readonly type: "explore" } | { readonly type: "replay"; readonly choices: readonly Choice[] })

export type ExploreReport =
  | { readonly type: "loaded"; readonly probe: Probe }
  | { readonly type: "progress"; readonly progress: ExploreProgress }
  | { readonly type: "explored"; readonly explored: Explored }
  | { readonly type: "replayed"; readonly replayed: Replayed }

const task = workerData as ExploreTask
const { sim, probe } = await loadMutant(mutantOf(task.mutant))
report({ type: "loaded", probe })
const build = sim.kernelBuild
if (task.type === "replay") {
  report({ type: "replayed", replayed: sim.replaySchedule(task.scope, task.choices, build) })
} else {
  const stopAt = task.wallMsMax === null ? Infinity : performance.now() + task.wallMsMax
  const shouldStop = (progress: ExploreProgress): boolean => {
    report({ type: "progress", progress })
    return performance.now() >= stopAt
  }
  report({ type: "explored", explored: sim.explore(task.scope, { build, shouldStop }) })
}

function report(message: ExploreReport): void {
  parentPort?.postMessage(message)
}
