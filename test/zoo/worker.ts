import { parentPort, workerData } from "node:worker_threads"
import { loadMutant } from "./load.ts"
import { mutantOf } from "./mutants.ts"
import type { Probe } from "./patch.ts"
import type { Lesson, Plan, RunResult, Strategy } from "#sim"

/** `mutant` null is the shipped kernel. */
export type Task = {
  readonly mutant: string | null
  /** By name. */
  readonly scenario: string
} & (
  | {
      /** Runs the seeds in order, up to the first that ends with one of `until`. */
      readonly type: "run"
      readonly seeds: readonly number[] | { readonly from: number; readonly count: number }
      readonly until: readonly string[]
      /** A swarm unless it says. */
      readonly strategy?: Strategy
    }
  /** Runs this plan. */
  | { readonly type: "replay"; readonly seed: number; readonly plan: Plan }
  /** Makes the plan of this seed as small as it gets, by the oracle that it fails. */
  | {
      readonly type: "shrink"
      readonly seed: number
      /** What was run under this seed; null is what the scenario draws from it. */
      readonly plan: Plan | null
      readonly runsMax: number
      readonly wallMsMax: number
    }
)

/** How much a plan asks for. */
export type PlanSize = { readonly faults: number; readonly operations: number; readonly stores: number }

export type Report =
  | { readonly type: "loaded"; readonly probe: Probe }
  /** Oracle and message are null when nothing was found. */
  | {
      readonly type: "ran"
      readonly seed: number
      readonly oracle: string | null
      readonly message: string | null
      readonly events: number
      /** What this thread has used by now, in milliseconds of one core: unlike the wall, no matter what else runs. */
      readonly cpuMs: number
      /** What failed, where the seed alone does not say it. */
      readonly plan: Plan | null
    }
  | { readonly type: "shrinking"; readonly runs: number }
  | {
      readonly type: "shrunk"
      readonly oracle: string | null
      readonly before: PlanSize
      readonly after: PlanSize
      readonly runs: number
      /** Without any one of its parts it no longer fails: tried, each of them. */
      readonly minimal: boolean
    }
  | { readonly type: "done" }

const task = workerData as Task
const mutant = task.mutant === null ? null : mutantOf(task.mutant)
const { sim, scenarioOf, probe } = await loadMutant(mutant)
const scenario = scenarioOf(task.scenario)
if (scenario === null) throw new Error(`There is no scenario "${task.scenario}"`)
report({ type: "loaded", probe })
switch (task.type) {
  case "shrink": {
    shrinkPlan(task.plan ?? sim.drawPlan(scenario, task.seed), task)
    break
  }
  case "replay": {
    tellRun(task.seed, sim.simulate(task.plan), null)
    break
  }
  case "run": {
    hunt(task)
    break
  }
}
report({ type: "done" })

/** Runs the seeds as their strategy plans them; a mutant is found when one of `until` fires. */
function hunt({ seeds, until, strategy = "swarm" }: Extract<Task, { type: "run" }>): void {
  if (scenario === null) return
  const strategist = new sim.Strategist(strategy, scenario)
  let lessons: Lesson[] = []
  for (const seed of seedsOf(seeds)) {
    const plan = strategist.plan(seed)
    const { result, sighting } = strategist.isBlind
      ? { result: sim.simulate(plan), sighting: sim.NOTHING_SEEN }
      : sim.simulateSighted(plan)
    const oracle = result.violation?.oracle ?? null
    const isFound = oracle !== null && until.includes(oracle)
    tellRun(seed, result, isFound && strategy !== "swarm" ? plan : null)
    if (isFound) return
    lessons.push({ plan, result, sighting })
    if (lessons.length < sim.GENERATION) continue
    strategist.learn(lessons)
    lessons = []
  }
}

function tellRun(seed: number, { violation, events }: RunResult, plan: Plan | null): void {
  const oracle = violation?.oracle ?? null
  report({ type: "ran", seed, oracle, message: violation?.message ?? null, events, cpuMs: cpuMs(), plan })
}

function shrinkPlan(plan: Plan, { runsMax, wallMsMax }: Extract<Task, { type: "shrink" }>): void {
  const stopAt = performance.now() + wallMsMax
  let runs = 0
  const shrunk = sim.shrinkFailure(plan, {
    runsMax,
    shouldStop: () => performance.now() >= stopAt,
    onProgress: () => report({ type: "shrinking", runs: ++runs }),
  })
  report({
    type: "shrunk",
    oracle: shrunk?.result.violation?.oracle ?? null,
    before: sizeOf(plan),
    after: sizeOf(shrunk?.plan ?? plan),
    runs: shrunk?.runs ?? 0,
    minimal: shrunk?.minimal ?? false,
  })
}

function cpuMs(): number {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

function report(message: Report): void {
  parentPort?.postMessage(message)
}

function sizeOf(plan: ReturnType<typeof sim.drawPlan>): PlanSize {
  return { faults: plan.faults.length, operations: plan.workload.ops.length, stores: plan.cluster.stores }
}

function* seedsOf(
  seeds: readonly number[] | { readonly from: number; readonly count: number },
): Generator<number> {
  if ("count" in seeds) for (let seed = seeds.from; seed < seeds.from + seeds.count; seed++) yield seed
  else yield* seeds
}
