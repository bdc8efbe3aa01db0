import { parentPort, workerData } from "node:worker_threads"
import { loadMutant, type Probe } from "./load.ts"
import { mutantOf } from "./mutants.ts"

/** `mutant` null is the shipped kernel. It runs the seeds in order up to the first that ends with one of `until`. */
export type Task = {
  readonly mutant: string | null
  /** By name. */
  readonly scenario: string
  readonly seeds: readonly number[] | { readonly from: number; readonly count: number }
  readonly until: readonly string[]
}

export type Report =
  | { readonly type: "loaded"; readonly probe: Probe }
  /** Oracle and message are null when nothing was found. */
  | {
      readonly type: "ran"
      readonly seed: number
      readonly oracle: string | null
      readonly message: string | null
      readonly events: number
    }
  | { readonly type: "done" }

const task = workerData as Task
const mutant = task.mutant === null ? null : mutantOf(task.mutant)
const { sim, scenarioOf, probe } = await loadMutant(mutant)
const scenario = scenarioOf(task.scenario)
if (scenario === null) throw new Error(`There is no scenario "${task.scenario}"`)
report({ type: "loaded", probe })
for (const seed of seedsOf(task.seeds)) {
  const { violation, events } = sim.simulate(sim.drawPlan(scenario, seed))
  const oracle = violation?.oracle ?? null
  report({ type: "ran", seed, oracle, message: violation?.message ?? null, events })
  if (oracle !== null && task.until.includes(oracle)) break
}
report({ type: "done" })

function report(message: Report): void {
  parentPort?.postMessage(message)
}

function* seedsOf(seeds: Task["seeds"]): Generator<number> {
  if ("count" in seeds) for (let seed = seeds.from; seed < seeds.from + seeds.count; seed++) yield seed
  else yield* seeds
}
