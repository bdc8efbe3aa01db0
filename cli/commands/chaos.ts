import { existsSync, mkdirSync, readdirSync } from "node:fs"
import { join, parse, resolve } from "node:path"
import type { Command } from "commander"
import { WORKLOADS, writeHistory } from "#sim"
import { parseDuration, parseInteger } from "../arguments.ts"
import { didYouMean, EXIT, UsageError } from "../errors.ts"
import { writeTextFile } from "../files.ts"
import type { Host } from "../host.ts"
import { runRealCampaign, type RealRecord } from "../real/campaign.ts"
import { recordingOf } from "../real/recordings.ts"
import { realReport, realText } from "../real/report.ts"
import type { RealWorld } from "../real/world.ts"
import { QUIET_MS } from "../real/plan.ts"
import { paintFor } from "../report/paint.ts"
import { reportJson } from "../report/json.ts"

type Options = {
  readonly real?: true
  readonly seed?: number
  readonly seeds?: number
  readonly for?: number
  readonly length: number
  readonly nodes: number
  readonly workload?: string
  readonly killLeader?: number
  readonly record?: string
  readonly replay?: true
  readonly json?: string
  readonly history?: string
  readonly keep: string
  readonly quiet?: true
}

const SEEDS_MAX = 100_000
const KILLS_MAX = 1_000
const NODES_MAX = 15
const LENGTH_MS = 60_000
/** Less than this would leave no room for faults before the quiet end. */
const LENGTH_MS_MIN: number = QUIET_MS + 5_000

export function addChaos(
  program: Command,
  host: Host,
  end: (code: number) => void,
  loadWorld: () => Promise<RealWorld>,
): void {
  program
    .command("chaos")
    .summary("the simulator's workloads and checks against real processes")
    .description(
      "Runs what the simulator's clients do against a cluster of real processes on this machine, with kill -9, SIGSTOP\n" +
        "and links that fail, and judges what they heard by the simulator's checks. Each seed has a cluster of its own.",
    )
    .option("--real", "real processes (required: `orrery sim run` is the simulator)")
    .option("--seed <n>", "one seed", (text) => parseInteger("--seed", text, 0, Number.MAX_SAFE_INTEGER))
    .option("--seeds <n>", "this many seeds, from 1 (1)", (text) =>
      parseInteger("--seeds", text, 1, SEEDS_MAX),
    )
    .option("--for <duration>", "start no further run after 90s, 10m, 1h30m", (text) =>
      parseDuration("--for", text),
    )
    .option(
      "--length <duration>",
      "of one run, with the quiet at its end",
      (text) => parseDuration("--length", text),
      LENGTH_MS,
    )
    .option("--nodes <n>", "stores", (text) => parseInteger("--nodes", text, 1, NODES_MAX), 3)
    .option("--workload <kind>", `one of ${WORKLOADS.map(({ kind }) => kind).join(", ")} (the seed's choice)`)
    .option("--kill-leader <n>", "no other faults than this many kill -9 of the leader", (text) =>
      parseInteger("--kill-leader", text, 1, KILLS_MAX),
    )
    .option("--record <dir>", "every node records its inputs, a folder for each boot")
    .option("--replay", "run every recording again: each hash in it must come out again")
    .option("--json <file>", "results as one JSON object; - is standard output")
    .option("--history <file>", "what clients asked and heard, as JSON lines; a file for each run")
    .option("--keep <dir>", "where clusters live, and stay when they fail", join(".orrery", "chaos"))
    .option("-q, --quiet", "no progress")
    .action(async (options: Options) => end(await chaos(host, options, loadWorld)))
}

async function chaos(host: Host, options: Options, loadWorld: () => Promise<RealWorld>): Promise<number> {
  check(options)
  const firstSeed = options.seed ?? 1
  const seeds =
    options.seed !== undefined ? 1 : (options.seeds ?? (options.for === undefined ? 1 : SEEDS_MAX))
  const world = await loadWorld()
  mkdirSync(options.keep, { recursive: true })
  const cut = new AbortController()
  const forget = host.onInterrupt(() => {
    host.stderr.write("Interrupted: ending the cluster; once more ends at once\n")
    cut.abort()
  })
  const startedAt = performance.now()
  let records: readonly RealRecord[]
  try {
    const { nodes, length: durationMs, workload = null, killLeader = null } = options
    const record = options.record === undefined ? null : resolve(options.record)
    const replays = options.replay === true
    const bounds = { nodes, firstSeed, seeds, durationMs, workload, killLeader, record, replays }
    const watch = {
      note: (text: string): void => void (options.quiet === true || host.stderr.write(`${text}\n`)),
      finished: (done: RealRecord): void => {
        if (options.history !== undefined) writeOne(options.history, seeds === 1, done)
        if (options.quiet !== true) host.stderr.write(`seed ${done.seed}: ${done.result.verdict}\n`)
      },
    }
    const places = { wallMsMax: options.for ?? null, directory: options.keep }
    records = await runRealCampaign(world, { ...bounds, ...places }, watch, cut.signal)
  } finally {
    forget()
  }
  const report = realReport(records, {
    runsPlanned: options.for === undefined ? seeds : null,
    firstSeed,
    interrupted: cut.signal.aborted,
    elapsedSeconds: Math.round(performance.now() - startedAt) / 1_000,
    command: commandLine(options),
  })
  const people = options.json === "-" ? host.stderr : host.stdout
  people.write(realText(report, records, paintFor(people, host.env)))
  if (options.record !== undefined && options.replay !== true)
    people.write(
      `Recordings: npx orrery replay ${join(options.record, "SEED", recordingOf("STORE", "BOOT"))}\n`,
    )
  if (options.json === "-") host.stdout.write(reportJson(report))
  else if (options.json !== undefined) writeTextFile(options.json, reportJson(report))
  return cut.signal.aborted && report.totals.exitCode === EXIT.pass
    ? EXIT.environment
    : report.totals.exitCode
}

function check(options: Options): void {
  if (options.real !== true)
    throw new UsageError("chaos needs --real; the same faults in the simulator are `orrery sim run`")
  if (options.seed !== undefined && options.seeds !== undefined)
    throw new UsageError("--seed is one seed and does not go with --seeds")
  if (options.replay === true && options.record === undefined)
    throw new UsageError("--replay runs again what --record wrote, and needs it")
  if (options.record !== undefined && existsSync(options.record) && readdirSync(options.record).length > 0)
    throw new UsageError(`--record: ${options.record} is not empty`)
  if (options.length < LENGTH_MS_MIN)
    throw new UsageError(`--length: a run needs ${LENGTH_MS_MIN / 1_000}s at least, most of it quiet`)
  if (options.workload !== undefined && options.killLeader !== undefined)
    throw new UsageError("--kill-leader has a workload of its own and does not go with --workload")
  const kinds = WORKLOADS.map(({ kind }) => kind)
  if (options.workload !== undefined && !kinds.includes(options.workload))
    throw new UsageError(`There is no workload "${options.workload}"${didYouMean(options.workload, kinds)}`)
}

/** One run writes the file named; of several, each writes `name.<scenario>.<seed>.ext` beside it. */
function writeOne(path: string, isOne: boolean, { seed, result }: RealRecord): void {
  const { dir, name, ext } = parse(path)
  const own = isOne ? path : join(dir, `${name}.${result.plan.scenario}.${seed}${ext}`)
  writeTextFile(own, writeHistory(result.history))
}

/** What to type for the same runs, without where their results went. */
function commandLine(options: Options): string {
  const words = ["npx orrery chaos --real"]
  if (options.seed !== undefined) words.push(`--seed ${options.seed}`)
  if (options.seeds !== undefined) words.push(`--seeds ${options.seeds}`)
  if (options.length !== LENGTH_MS) words.push(`--length ${options.length}ms`)
  if (options.nodes !== 3) words.push(`--nodes ${options.nodes}`)
  if (options.workload !== undefined) words.push(`--workload ${options.workload}`)
  if (options.killLeader !== undefined) words.push(`--kill-leader ${options.killLeader}`)
  return words.join(" ")
}
