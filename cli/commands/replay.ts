import { existsSync } from "node:fs"
import type { Command } from "commander"
import { parseInteger, parseWindow } from "../arguments.ts"
import { answerOf } from "../campaign/answer.ts"
import { compareTraces, firstDifference, tellDivergence } from "../campaign/compare.ts"
import { RUN_WALL_MS_MAX } from "../campaign/default-campaign.ts"
import type { Capsule, Plan, RunResult } from "#sim"
import { loadEngine, type Engine, type TraceWindow } from "../campaign/engine.ts"
import { ORACLE } from "../campaign/message.ts"
import { Pool, type TaskEnd } from "../campaign/pool.ts"
import { EnvironmentError, EXIT, messageOf, UsageError } from "../errors.ts"
import { readJsonFile, writeTextFile } from "../files.ts"
import type { Host } from "../host.ts"
import { count, duration, instant, wrap } from "../report/format.ts"
import { paintFor, type Paint } from "../report/paint.ts"
import { findScenario } from "./run.ts"

type ReplayOptions = {
  readonly seed?: number
  readonly until?: number
  readonly trace?: TraceWindow
  readonly verify?: true
  readonly history?: string
  readonly json?: true
}

/** What is run again: a plan, and what it is expected to show. */
type Subject = { readonly plan: Plan; readonly capsule: Capsule | null; readonly name: string }

export function addReplay(sim: Command, host: Host, end: (code: number) => void): void {
  sim
    .command("replay")
    .summary("one run again")
    .description(
      "Runs a capsule, a plan file or one seed of a scenario again. A capsule's run must show the same failure and\n" +
        "the same trace; what it does instead is said.",
    )
    .argument("<capsule or scenario>")
    .option("--seed <n>", "the seed of a scenario", (text) =>
      parseInteger("--seed", text, 0, Number.MAX_SAFE_INTEGER),
    )
    .option("--until <event>", "stop after this many kernel events", (text) =>
      parseInteger("--until", text, 1, Number.MAX_SAFE_INTEGER),
    )
    .option("--trace <from..to>", "tell these kernel events, a line each", (text) =>
      parseWindow("--trace", text),
    )
    .option("--verify", "run it twice more, each time in a new worker, and compare the traces")
    .option("--history <file>", "what clients asked and heard, as JSON lines")
    .option("--json", "the result as JSON")
    .action(async (what: string, options: ReplayOptions) => end(await replay(host, what, options)))
}

async function replay(host: Host, what: string, options: ReplayOptions): Promise<number> {
  const engine = await loadEngine(host.engineUrl)
  const subject = readSubject(engine, what, options.seed)
  const untilEvent = options.until ?? 0
  const task = {
    type: "simulate",
    plan: subject.plan,
    untilEvent,
    trace: options.trace ?? null,
    keepHistory: options.history !== undefined,
  } as const
  const pool = new Pool(host.engineUrl, 0)
  const stopListening = host.onInterrupt(() => pool.close())
  try {
    const first = resultOf(await pool.performFresh(task, RUN_WALL_MS_MAX))
    if (options.history !== undefined && first.history !== null) writeTextFile(options.history, first.history)
    // Standard output is the object alone when that was asked for.
    const people = options.json === true ? host.stderr : host.stdout
    for (const line of first.lines) people.write(`${line}\n`)
    const second = options.verify === true ? resultOf(await pool.performFresh(task, RUN_WALL_MS_MAX)) : null
    return tell(host, subject, first.result, first.wallMs, second?.result ?? null, options)
  } finally {
    stopListening()
    pool.close()
  }
}

/** A file by its look or its being there, otherwise the name of a scenario. */
export function readSubject(engine: Engine, what: string, seed: number | undefined): Subject {
  const isFile =
    /[/\\]|\.json$/.test(what) || (existsSync(what) && !engine.scenarios.some(({ name }) => name === what))
  if (!isFile) {
    const scenario = findScenario(engine.scenarios, what)
    if (seed === undefined) throw new UsageError(`Which seed of ${what}? Say it by --seed`)
    return { plan: engine.drawPlan(scenario, seed), capsule: null, name: `${what} seed ${seed}` }
  }
  if (seed !== undefined) throw new UsageError("--seed goes with a scenario: a file has its own")
  return readSubjectFile(engine, what)
}

function readSubjectFile(engine: Engine, path: string): Subject {
  const json = readJsonFile(path)
  const machine = machineIn(json)
  if (machine !== null) {
    const how = "only the test that has it can run it, by `replay` of its system: see docs/library"
    throw new UsageError(`${path} is of the machine ${machine}: ${how}`)
  }
  // A plan edited by hand has a format and no oracle; everything else claims to be a capsule.
  const isPlan = typeof json === "object" && json !== null && "workload" in json && !("plan" in json)
  try {
    if (isPlan) return { plan: engine.parsePlan(json), capsule: null, name: path }
    const capsule = engine.parseCapsule(json)
    return { plan: capsule.plan, capsule, name: path }
  } catch (thrown) {
    throw new UsageError(`${path} is no ${isPlan ? "plan" : "capsule"}: ${messageOf(thrown)}`)
  }
}

/** The machine of somebody's own that a plan or a capsule is of; null for those of the kernel. */
function machineIn(json: unknown): string | null {
  const plan = isRecord(json) && "plan" in json ? json["plan"] : json
  const machine = isRecord(plan) ? plan["machine"] : null
  return isRecord(machine) ? String(machine["name"]) : null
}

function isRecord(json: unknown): json is Record<string, unknown> {
  return typeof json === "object" && json !== null
}

export function readCapsule(engine: Engine, path: string): Capsule {
  const { capsule } = readSubjectFile(engine, path)
  if (capsule === null) throw new UsageError(`${path} is a plan without a failure, not a capsule`)
  return capsule
}

function resultOf(end: TaskEnd): {
  readonly result: RunResult
  readonly wallMs: number
  readonly history: string | null
  readonly lines: readonly string[]
} {
  const answer = answerOf(end)
  if (answer.type === "result") return answer
  throw new EnvironmentError(
    answer.type === "threw" ? answer.message : "The worker answered another question",
  )
}

type Outcome = { readonly code: number; readonly lines: readonly string[]; readonly word: string }

function tell(
  host: Host,
  subject: Subject,
  result: RunResult,
  wallMs: number,
  second: RunResult | null,
  options: ReplayOptions,
): number {
  const isPart = options.until !== undefined
  const outcome = isDivergent(result, second) ?? judge(subject.capsule, result, isPart)
  if (options.json === true) {
    const shown = { ...result, checkpoints: undefined, history: undefined }
    host.stdout.write(
      `${JSON.stringify({ replay: outcome.word, capsule: expectedOf(subject.capsule, result), ...shown, wallSeconds: wallMs / 1_000 }, null, 1)}\n`,
    )
    return outcome.code
  }
  const paint = paintFor(host.stdout, host.env)
  host.stdout.write(`${runText(subject, result, wallMs, isPart, second !== null, paint)}\n`)
  const colour = outcome.code === EXIT.pass ? paint.green : paint.red
  host.stdout.write(`${outcome.lines.map((line, index) => (index === 0 ? colour(line) : line)).join("\n")}\n`)
  return outcome.code
}

/** What the capsule was caught with, beside what the run shows now. */
function expectedOf(capsule: Capsule | null, result: RunResult): object | null {
  if (capsule === null) return null
  const { oracle, message, traceHash, version } = capsule
  return { version, oracle, message, traceHash, sameTrace: traceHash === result.traceHash }
}

function runText(
  subject: Subject,
  result: RunResult,
  wallMs: number,
  isPart: boolean,
  isVerified: boolean,
  paint: Paint,
): string {
  const { violation, operations } = result
  const lines = [
    `${paint.bold(subject.name)}  ${result.verdict}${isPart ? " so far" : ""}`,
    `  trace ${result.traceHash}  state ${result.stateHash}${isVerified ? "  (run twice)" : ""}`,
    `  ${count(result.events)} events, ${instant(result.simulatedUs)} simulated in ${duration(wallMs / 1_000)}, class ${result.runClass}`,
    `  ${count(operations.ok)} ok, ${count(operations.fail)} fail, ${count(operations.info)} info of ${count(operations.invoked)} operations`,
  ]
  if (violation !== null) {
    lines.push(
      `  ${paint.red(violation.oracle)} at ${instant(violation.at)}, after event ${count(violation.event)}`,
    )
    lines.push(...wrap(violation.message, 100).map((line) => `    ${line}`))
  }
  return lines.join("\n")
}

function isDivergent(first: RunResult, second: RunResult | null): Outcome | null {
  if (first.violation?.oracle === ORACLE.leak) {
    return {
      code: EXIT.nondeterministic,
      word: "nondeterministic",
      lines: ["Not deterministic: the run asked the machine."],
    }
  }
  const divergence = second === null ? null : compareTraces(first, second)
  if (divergence === null) return null
  const lines = [`Not deterministic: two workers gave two traces, ${tellDivergence(divergence)}.`]
  return { code: EXIT.nondeterministic, word: "nondeterministic", lines }
}

function judge(capsule: Capsule | null, result: RunResult, isPart: boolean): Outcome {
  const oracle = result.violation?.oracle ?? null
  const code = result.verdict === "valid" ? EXIT.pass : EXIT.failed
  if (isPart)
    return {
      code,
      word: "partial",
      lines: ["Stopped where you asked: nothing is said about what comes after."],
    }
  if (capsule === null) {
    const words = { valid: "Passes.", invalid: "Fails.", unknown: "No verdict: a checker ran out of budget." }
    return { code, word: result.verdict, lines: [words[result.verdict]] }
  }
  const isSameTrace = result.traceHash === capsule.traceHash
  const { checkpoint, after } = firstDifference(capsule.checkpoints, result.checkpoints)
  const place =
    checkpoint === null
      ? `after event ${count(after)}`
      : `at checkpoint ${checkpoint}, after event ${count(after)}`
  const trace = isSameTrace
    ? "The trace is the capsule's."
    : `The trace is not the capsule's (${capsule.traceHash}): it parts ${place}. Another build, or a plan edited since; --verify tells.`
  if (oracle === capsule.oracle)
    return { code, word: "fails", lines: ["Still fails, by the same check.", trace] }
  if (oracle === null && result.verdict === "valid")
    return { code, word: "passes", lines: [`Passes: ${capsule.oracle} is no longer seen.`, trace] }
  if (oracle === null)
    return { code, word: "unknown", lines: ["No verdict: a checker ran out of budget.", trace] }
  return {
    code,
    word: "fails differently",
    lines: [`Fails differently: the capsule's check was ${capsule.oracle}.`, trace],
  }
}
