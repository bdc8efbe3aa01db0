import { existsSync } from "node:fs"
import { join } from "node:path"
import { setImmediate as nextTurn } from "node:timers/promises"
import { fileURLToPath } from "node:url"
import type { Command } from "commander"
import { parseDuration, parseInteger } from "../arguments.ts"
import { buildId, orreryVersion } from "../build-id.ts"
import { EnvironmentError, EXIT, UsageError } from "../errors.ts"
import { readJsonFile, writeTextFile } from "../files.ts"
import type { Host } from "../host.ts"
import { brief, count, duration } from "../report/format.ts"
import { paintFor } from "../report/paint.ts"
import { shellWord } from "../report/shell-word.ts"
import { textTable } from "../report/table.ts"
import {
  DEFAULT_SCOPE,
  DEVIATIONS,
  EVENTS_MAX,
  exploration,
  kernelBuild,
  OPERATIONS_MAX,
  parseSchedule,
  replaySchedule,
  STORES_MAX,
  storyText,
  writeSchedule,
  type Choice,
  type Explored,
  type ExploreProgress,
  type Replayed,
  type ScheduleFile,
  type Scope,
} from "#sim"

/** What `test/zoo/explore.ts` of a checkout exports: the same over a kernel with a planted bug. */
export type ExploreModule = {
  readonly exploreMutant: (
    id: string,
    scope: Scope,
    wallMsMax: number | null,
    onProgress: (progress: ExploreProgress) => void,
  ) => Promise<Explored>
  readonly replayMutant: (id: string, scope: Scope, choices: readonly Choice[]) => Promise<Replayed>
}

type Options = {
  readonly stores?: number
  readonly from?: string
  readonly operations?: Scope["operations"]
  readonly events?: number
  readonly ticks?: number
  readonly deviations?: number
  readonly delays?: number | "all"
  readonly gathers?: number
  readonly drops?: number
  readonly duplicates?: number
  readonly crashes?: number
  readonly cuts?: number
  readonly lapses?: number
  readonly seed?: number
  readonly for?: number
  readonly mutant?: string
  readonly replay?: string
  readonly out?: string
  readonly json?: string
  readonly quiet?: true
}

const CHECKOUT_MODULE = new URL("../../test/zoo/explore.ts", import.meta.url)
const STORY_LINES_MAX = 40
/** Between two lines of progress; on a terminal the line is redrawn. */
const LINE_MS = 10_000
const REDRAW_MS = 500

export function addExplore(sim: Command, host: Host, end: (code: number) => void): void {
  const bound = (flag: string, max: number) => (text: string) => parseInteger(flag, text, 0, max)
  const command = sim
    .command("explore")
    .summary("every schedule of a small scope")
    .description(
      "Tries every order in which things can happen to one range on a few stores, within bounds: the real kernel, and after each\n" +
        "step the oracles of a campaign. Schedules with few deviations from the plain order come first. What is found is\n" +
        "written as a schedule that --replay takes.",
    )
    .option("--stores <n>", `1 to ${STORES_MAX} (${DEFAULT_SCOPE.stores})`, (text) =>
      parseInteger("--stores", text, 1, STORES_MAX),
    )
    .option("--from <moment>", "start, or leader: where schedules begin (leader)")
    .option(
      "--operations <list>",
      "what clients ask, such as put,get,put; none for nothing (put,get)",
      parseOperations,
    )
    .option(
      "--events <n>",
      `longest schedule, in steps (${DEFAULT_SCOPE.events})`,
      bound("--events", EVENTS_MAX),
    )
    .option("--depth <n>", "the same", bound("--depth", EVENTS_MAX))
    .option(
      "--ticks <n>",
      `timers that fire in a schedule (${DEFAULT_SCOPE.ticks})`,
      bound("--ticks", EVENTS_MAX),
    )
    .option(
      "--deviations <n>",
      `from the plain order in a schedule, of all kinds (${DEFAULT_SCOPE.deviations})`,
      bound("--deviations", EVENTS_MAX),
    )
    .option("--delays <n>", "things that happen later than they could; all: in any order", parseDelays)
  const kinds: Readonly<Record<Exclude<(typeof DEVIATIONS)[number], "delays">, string>> = {
    gathers: "inputs that wait for another's turn",
    drops: "frames that are lost",
    duplicates: "frames that arrive twice",
    crashes: "losses of power",
    cuts: "stores that are cut off",
    lapses: "silences longer than any lease",
  }
  for (const [kind, about] of Object.entries(kinds))
    command.option(
      `--${kind} <n>`,
      `${about} (${DEFAULT_SCOPE[kind as keyof typeof kinds]})`,
      bound(`--${kind}`, EVENTS_MAX),
    )
  command
    .option("--seed <n>", "of what the kernels draw (1)", bound("--seed", Number.MAX_SAFE_INTEGER))
    .option("--for <duration>", "stop after 90s, 10m, 1h30m", (text) => parseDuration("--for", text))
    .option("--mutant <id>", "over a kernel with this bug of the zoo (needs a checkout)")
    .option("--replay <file>", "one schedule again")
    .option("--out <file>", "where a schedule that breaks something is written")
    .option("--json <file>", "the result as JSON; - for standard output")
    .option("-q, --quiet", "no progress")
    .action(async (options: Options & { readonly depth?: number }) => {
      end(
        options.replay === undefined
          ? await exploreScope(host, options, scopeOf(options))
          : await replay(host, options.replay),
      )
    })
}

function parseOperations(text: string): Scope["operations"] {
  const names = text === "none" ? [] : text.split(",")
  if (names.length > OPERATIONS_MAX)
    throw new UsageError(`--operations: at most ${OPERATIONS_MAX}, and there are ${names.length}`)
  return names.map((name) => {
    if (name !== "put" && name !== "get")
      throw new UsageError(`--operations: "${name}" is neither put nor get`)
    return name
  })
}

/** Not null for all: to commander that is no value. */
function parseDelays(text: string): number | "all" {
  return text === "all" ? text : parseInteger("--delays", text, 0, EVENTS_MAX)
}

function scopeOf(options: Options & { readonly depth?: number }): Scope {
  const { from = DEFAULT_SCOPE.from, depth } = options
  if (from !== "start" && from !== "leader")
    throw new UsageError(`--from: "${from}" is neither start nor leader`)
  const given: Record<string, unknown> = { ...options, from, events: options.events ?? depth }
  if (options.delays === "all") given["delays"] = null
  const known = Object.keys(DEFAULT_SCOPE).filter((name) => given[name] !== undefined)
  return { ...DEFAULT_SCOPE, ...Object.fromEntries(known.map((name) => [name, given[name]])) }
}

async function exploreScope(host: Host, options: Options, scope: Scope): Promise<number> {
  const startedAt = performance.now()
  const wallMsMax = options.for ?? null
  const mutant = options.mutant ?? null
  const onProgress = progressOf(host, options.quiet === true)
  const explored =
    mutant === null
      ? await exploreHere(host, scope, wallMsMax, onProgress)
      : await (await loadZoo()).exploreMutant(mutant, scope, wallMsMax, onProgress)
  const seconds = (performance.now() - startedAt) / 1_000
  const path = explored.violation === null ? null : writeFound(explored, mutant, options.out)
  const people = options.json === "-" ? host.stderr : host.stdout
  people.write(`${tableText(host, explored, seconds)}\n`)
  if (explored.violation !== null) {
    const { schedule } = explored.violation
    const again = await replayed(mutant, scope, schedule)
    people.write(`\n${storyText(again.story, STORY_LINES_MAX).join("\n")}\n`)
  }
  people.write(`\n${verdictText(host, explored, path)}\n`)
  if (options.json !== undefined) writeJson(host, options.json, explored, mutant, seconds, path)
  return explored.violation === null ? EXIT.pass : EXIT.failed
}

/** An interrupt ends it like its time: what was found out by then is told. */
async function exploreHere(
  host: Host,
  scope: Scope,
  wallMsMax: number | null,
  onProgress: (progress: ExploreProgress) => void,
): Promise<Explored> {
  const stopAt = wallMsMax === null ? Infinity : performance.now() + wallMsMax
  let isInterrupted = false
  const stopListening = host.onInterrupt(() => {
    isInterrupted = true
  })
  const steps = exploration(scope, { build: kernelBuild })
  let step = steps.next()
  while (step.done !== true) {
    onProgress(step.value)
    await nextTurn()
    step = steps.next(isInterrupted || performance.now() >= stopAt)
  }
  stopListening()
  return step.value
}

function progressOf(host: Host, isQuiet: boolean): (progress: ExploreProgress) => void {
  const isTerminal = host.stderr.isTTY === true
  const startedAt = performance.now()
  let saidAt = startedAt
  let before = 0
  let earlier = 0
  return ({ deviations, states, depth, frontier }) => {
    if (states < before) earlier += before
    before = states
    const now = performance.now()
    if (isQuiet || now - saidAt < (isTerminal ? REDRAW_MS : LINE_MS)) return
    saidAt = now
    const rate = ((earlier + states) * 1_000) / (now - startedAt)
    const figures = `${count(states)} states  ${brief(rate)}/s  depth ${depth}  frontier ${count(frontier)}`
    const text = `${deviations} deviations: ${figures}`
    host.stderr.write(isTerminal ? `\r\u001b[K${text}` : `${text}\n`)
  }
}

function tableText(host: Host, explored: Explored, seconds: number): string {
  const { scope, states, transitions, duplicates, deepest, storeStates, kernelSteps } = explored
  const bounds = DEVIATIONS.map((kind) => `${scope[kind] ?? "all"} ${kind}`).join(", ")
  const depth = `${count(deepest)} events`
  const rows = [
    ["scope", `${scope.stores} stores from ${scope.from}, ${scope.operations.join(" ") || "no operations"}`],
    ["bounds", `${scope.deviations} deviations (${bounds})`],
    ["", `${scope.ticks} ticks, ${scope.events} events, seed ${scope.seed}`],
    ["states", count(states)],
    ["transitions", count(transitions)],
    ["duplicates cut", count(duplicates)],
    ["deepest", depth],
    ["of single stores", `${count(storeStates)} states, ${count(kernelSteps)} steps of hosts`],
    ["time", `${duration(seconds)}, ${brief(states / seconds)} states/s`],
    ["violations", explored.violation === null ? "0" : "1"],
    ["complete", completeText(explored)],
  ]
  const clear = host.stderr.isTTY === true ? "\r\u001b[K" : ""
  if (clear !== "") host.stderr.write(clear)
  return textTable(["", ""], rows, [], paintFor(host.stdout, host.env)).trimStart()
}

function completeText({ completeTo, cutBy, scope }: Explored): string {
  if (cutBy === null) return `yes: every schedule of the scope`
  const done = completeTo < 0 ? "nothing" : `every schedule with at most ${completeTo} deviations`
  const by = {
    events: `--events ${scope.events}`,
    time: "--for or an interrupt",
    violation: "what was found",
  }[cutBy]
  return `no: ${done}; cut by ${by}`
}

function verdictText(host: Host, { violation }: Explored, path: string | null): string {
  const paint = paintFor(host.stdout, host.env)
  if (violation === null) return paint.green("✓ no promise was broken")
  const replayLine = `replay  npx orrery sim explore --replay ${shellWord(path ?? "")}`
  return `${paint.red(`✗ ${violation.oracle}`)}\n${violation.message}\n${replayLine}`
}

function writeFound(explored: Explored, mutant: string | null, out: string | undefined): string {
  const { scope, violation } = explored
  const { oracle, message, schedule } = violation!
  const path = out ?? join(".orrery", "explore", `${mutant ?? "kernel"}-${oracle}.json`)
  const file: ScheduleFile = {
    schedule: 1,
    version: orreryVersion(),
    mutant,
    oracle,
    message,
    scope,
    choices: schedule,
  }
  writeTextFile(path, writeSchedule(file))
  return path
}

function writeJson(
  host: Host,
  path: string,
  explored: Explored,
  mutant: string | null,
  wallSeconds: number,
  file: string | null,
): void {
  const { violation, names: _, ...figures } = explored
  const found =
    violation === null ? null : { ...violation, schedule: file, events: violation.schedule.length }
  const verdict = violation === null ? "valid" : "invalid"
  const head = { version: orreryVersion(), build: buildId(), mutant, verdict, wallSeconds }
  const text = `${JSON.stringify({ ...head, ...figures, violation: found }, null, 1)}\n`
  if (path === "-") host.stdout.write(text)
  else writeTextFile(path, text)
}

async function replay(host: Host, path: string): Promise<number> {
  const file = parseSchedule(readJsonFile(path))
  if ("type" in file) throw new UsageError(`${path} is no schedule: ${file.message}`)
  const { story, found, refusedAt } = await replayed(file.mutant, file.scope, file.choices)
  host.stdout.write(`${storyText(story, STORY_LINES_MAX).join("\n")}\n\n`)
  const paint = paintFor(host.stdout, host.env)
  if (refusedAt !== null) {
    host.stdout.write(
      `${paint.red(`✗ choice ${refusedAt} means nothing here: the kernel does something else by now`)}\n`,
    )
    return EXIT.failed
  }
  if (found === null) {
    host.stdout.write(`${paint.green(`✓ no promise was broken; it was ${file.oracle}`)}\n`)
    return EXIT.pass
  }
  host.stdout.write(`${paint.red(`✗ ${found.oracle}`)}\n${found.message}\n`)
  return EXIT.failed
}

async function replayed(mutant: string | null, scope: Scope, choices: readonly Choice[]): Promise<Replayed> {
  return mutant === null
    ? replaySchedule(scope, choices, kernelBuild)
    : await (await loadZoo()).replayMutant(mutant, scope, choices)
}

async function loadZoo(): Promise<ExploreModule> {
  if (!existsSync(fileURLToPath(CHECKOUT_MODULE))) {
    throw new EnvironmentError(
      "--mutant needs a checkout: bugs are source edits, and this package has no sources",
    )
  }
  return (await import(CHECKOUT_MODULE.href)) as ExploreModule
}
