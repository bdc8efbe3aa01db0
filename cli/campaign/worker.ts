import { parentPort, workerData } from "node:worker_threads"
import { messageOf, unreachable } from "../errors.ts"
import type { Plan, RunResult, Sighting } from "#sim"
import { loadEngine, WHOLE_RUN, type Engine } from "./engine.ts"
import {
  failedResult,
  ORACLE,
  type FromWorker,
  type ToWorker,
  type WorkerAnswer,
  type WorkerTask,
} from "./message.ts"
import { Traps, type Trapped } from "./traps.ts"

// One thread that runs one task at a time under traps. Its modules are its own: a new worker has loaded
// everything afresh, which is what `--verify` rests on.

const traps = new Traps()

function settle(outcome: Trapped<RunResult>, scenario: string, seed: number): RunResult {
  switch (outcome.type) {
    case "returned":
      return outcome.value
    case "leaked": {
      const where = leakSite(outcome.stack)
      return failedResult(
        scenario,
        seed,
        ORACLE.leak,
        `The run asked for ${outcome.name}, whose answer is not in the plan${where}`,
      )
    }
    case "threw":
      return failedResult(scenario, seed, ORACLE.threw, `The simulator threw: ${describe(outcome.thrown)}`)
    default:
      return unreachable(outcome)
  }
}

function describe(thrown: unknown): string {
  const site = thrown instanceof Error ? leakSite(thrown.stack ?? "") : ""
  return `${messageOf(thrown)}${site}`
}

/** ` (at sim/world.ts:12:3)`: the first frame that is neither the trap nor Node. */
function leakSite(stack: string): string {
  for (const line of stack.split("\n").slice(1)) {
    const match = /(?:file:\/\/)?(\/[^\s()]+:\d+:\d+)/.exec(line)
    if (match !== null && !/\/campaign\/traps\.[jt]s:/.test(line)) return ` (at ${match[1] ?? ""})`
  }
  return ""
}

function timed(
  work: () => Trapped<RunResult>,
  scenario: string,
  seed: number,
): { result: RunResult; wallMs: number } {
  const startedAt = performance.now()
  const outcome = work()
  const wallMs = performance.now() - startedAt
  return { result: settle(outcome, scenario, seed), wallMs }
}

function answerResult(
  engine: Engine,
  timedResult: { result: RunResult; wallMs: number },
  keep: { checkpoints: boolean; history: boolean; lines: readonly string[] },
  sighting: Sighting | null = null,
): WorkerAnswer {
  const { result, wallMs } = timedResult
  const history = keep.history ? engine.writeHistory(result.history) : null
  const keepCheckpoints = keep.checkpoints || result.verdict === "invalid"
  const light = { ...result, history: [], checkpoints: keepCheckpoints ? result.checkpoints : [] }
  return { type: "result", result: light, wallMs, history, lines: keep.lines, sighting }
}

function perform(engine: Engine, task: WorkerTask): WorkerAnswer {
  switch (task.type) {
    case "run": {
      const scenario = engine.scenarios.find((candidate) => candidate.name === task.scenario)
      if (scenario === undefined) return { type: "threw", message: `There is no scenario ${task.scenario}` }
      const { keepCheckpoints, keepHistory, planned } = task
      let sighting: Sighting | null = null
      const runPlanned = (plan: Plan): RunResult => {
        const seen = engine.simulateSighted(plan)
        sighting = seen.sighting
        return seen.result
      }
      const run = timed(
        () =>
          traps.around(() =>
            planned === null
              ? engine.simulate(engine.drawPlan(scenario, task.seed), WHOLE_RUN)
              : runPlanned(planned),
          ),
        task.scenario,
        task.seed,
      )
      const keep = { checkpoints: keepCheckpoints, history: keepHistory, lines: [] }
      return answerResult(engine, run, keep, sighting)
    }
    case "simulate": {
      const { plan, untilEvent, trace, keepHistory } = task
      const lines: string[] = []
      const tell = (line: string): void => {
        lines.push(line)
      }
      const run = timed(
        () => traps.around(() => engine.simulate(plan, { untilEvent, trace, tell })),
        plan.scenario,
        plan.seed,
      )
      return answerResult(engine, run, { checkpoints: true, history: keepHistory, lines })
    }
    case "try": {
      const outcome = traps.around(() => engine.failureOf(task.plan, task.until))
      // One that throws or asks the machine fails by another check than the one that is sought.
      return { type: "tried", seen: outcome.type === "returned" ? outcome.value : null }
    }
    default:
      return unreachable(task)
  }
}

if (parentPort === null) throw new Error("This file is the body of a worker thread")
const port = parentPort
const { engineUrl } = workerData as { readonly engineUrl: string }
const engine = await loadEngine(engineUrl)
const send = (message: FromWorker): void => port.postMessage(message)

port.on("message", (request: ToWorker) => {
  const { id } = request
  let answer: WorkerAnswer
  try {
    answer = perform(engine, request.task)
  } catch (thrown) {
    answer = { type: "threw", message: describe(thrown) }
  }
  send({ id, type: "answer", answer })
})

send({ type: "ready" })
