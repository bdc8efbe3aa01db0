import { parentPort, workerData } from "node:worker_threads"
import type { PlanSize, ZooReport, ZooShrunk, ZooTask } from "../../bench/support/zoo-shrinks.ts"
import type { Plan } from "#sim"
import { loadMutant } from "./load.ts"
import { mutantOf } from "./mutants.ts"

// A thread with one mutant: it finds the first seed that fails as intended, and shrinks that under the mutant.

const task = workerData as ZooTask
const mutant = mutantOf(task.mutant)
const { sim, scenarioOf } = await loadMutant(mutant)
const scenario = scenarioOf(task.scenario)
if (mutant === null || scenario === null) throw new Error(`There is no ${task.mutant} or ${task.scenario}`)
const report: ZooReport = { type: "shrunk", shrunk: firstShrunk() }
parentPort?.postMessage(report)

function firstShrunk(): ZooShrunk | null {
  const { from, count } = task.seeds
  for (let seed = from; seed < from + count; seed++) {
    const plan = sim.drawPlan(scenario!, seed)
    const oracle = sim.simulate(plan, { hash: false }).violation?.oracle
    if (oracle !== undefined && mutant!.oracles.includes(oracle)) return shrunkFrom(plan)
  }
  return null
}

function shrunkFrom(plan: Plan): ZooShrunk {
  const startedAt = performance.now()
  const used = process.threadCpuUsage()
  const cpuMs = (): number => {
    const { user, system } = process.threadCpuUsage(used)
    return (user + system) / 1_000
  }
  const shrunk = sim.shrinkFailure(plan, {
    runsMax: task.runsMax,
    shouldStop: () => cpuMs() >= task.cpuMsMax,
  })
  const { violation } = shrunk?.result ?? { violation: null }
  if (shrunk === null || violation === null) throw new Error(`${task.mutant} is lost by being shrunk`)
  const cpuSeconds = cpuMs() / 1_000
  const wallSeconds = (performance.now() - startedAt) / 1_000
  const run = (candidate: Plan): string | null =>
    sim.simulate(candidate, { hash: false }).violation?.oracle ?? null
  const { oracle, message } = violation
  return {
    seed: plan.seed,
    oracle,
    message,
    before: planSize(plan),
    after: planSize(shrunk.plan),
    runs: shrunk.runs,
    cpuSeconds,
    wallSeconds,
    minimal: shrunk.minimal,
    superfluous: sim.superfluous(shrunk.plan, oracle, run).map(({ what, id }) => `${what} ${id}`),
    signature: sim.signatureOf(shrunk.plan, violation),
    plan: shrunk.plan,
  }
}

function planSize({ faults, workload, cluster }: Plan): PlanSize {
  return {
    faults: faults.length,
    operations: workload.ops.length,
    stores: cluster.stores,
    ranges: cluster.ranges.length,
    clients: workload.clients,
  }
}
