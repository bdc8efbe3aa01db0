import { join, parse } from "node:path"
import type { Command } from "commander"
import {
  JOBS_MAX,
  parseDuration,
  parseInteger,
  parseShard,
  parseStrategy,
  RUNS_MAX,
  type Shard,
} from "../arguments.ts"
import { buildId, orreryVersion } from "../build-id.ts"
import { DEFAULT_CAMPAIGN } from "../campaign/default-campaign.ts"
import type { Scenario, Strategy } from "#sim"
import { loadEngine, type Engine } from "../campaign/engine.ts"
import { diversityOf } from "../campaign/diversity.ts"
import { explainFailures } from "../campaign/failures.ts"
import { Journal, journalKey } from "../campaign/journal.ts"
import { runCampaign, type CampaignWatch, type RunRecord } from "../campaign/run.ts"
import { defaultShares, jobCount, roundLength, type Job, type Selection } from "../campaign/schedule.ts"
import { runSession } from "../campaign/session.ts"
import { Steering } from "../campaign/steering.ts"
import { addCounts, countRun, makeReport, rowOf } from "../campaign/tally.ts"
import { didYouMean, UsageError } from "../errors.ts"
import { writeTextFile } from "../files.ts"
import type { Host } from "../host.ts"
import { startProgress, type Progress } from "../progress.ts"
import { publish, type OutputOptions } from "../report/output.ts"
import { shellWord } from "../report/shell-word.ts"

type RunOptions = {
  readonly seed?: number
  readonly seeds?: number
  readonly from?: number
  readonly for?: number
  readonly jobs?: number
  readonly shard?: Shard
  readonly verify?: true
  readonly json?: string
  readonly junit?: string
  readonly history?: string
  readonly report?: string
  readonly shrink: boolean
  readonly capsules: string
  readonly journal?: string
  readonly strategy?: Strategy
  readonly corpus?: string
  readonly quiet?: true
}

const CAPSULES = join(".orrery", "capsules")

export function addRun(sim: Command, host: Host, end: (code: number) => void): void {
  sim
    .command("run")
    .summary("run scenarios over seeds")
    .description(
      "Runs scenarios over seeds, with faults and every check on. Without names: the default campaign over all\n" +
        "scenarios, always the same seeds, two to three minutes on 2 cores.",
    )
    .argument("[scenario...]", "names, as `orrery sim list` shows them")
    .option("--seed <n>", "one seed", (text) => parseInteger("--seed", text, 0, Number.MAX_SAFE_INTEGER))
    .option("--seeds <n>", "this many seeds of each scenario; without names, this many runs in all", (text) =>
      parseInteger("--seeds", text, 1, RUNS_MAX),
    )
    .option("--from <n>", "the first seed (1)", (text) =>
      parseInteger("--from", text, 0, Number.MAX_SAFE_INTEGER),
    )
    .option("--for <duration>", "start no further run after 90s, 10m, 1h30m", (text) =>
      parseDuration("--for", text),
    )
    .option("--jobs <n>", "worker threads (one for each core)", (text) =>
      parseInteger("--jobs", text, 1, JOBS_MAX),
    )
    .option("--shard <i/n>", "part i of n, counted from 1", (text) => parseShard("--shard", text))
    .option("--verify", "run every seed again in a new worker and compare the traces")
    .option("--json <file>", "results as one JSON object; - is standard output")
    .option("--junit <file>", "results as JUnit XML")
    .option("--history <file>", "what clients asked and heard, as JSON lines; a file for each run")
    .option("--report <file>", "results as one HTML page")
    .option("--strategy <name>", "how runs are planned: swarm, priority, guided, portfolio (swarm)", (text) =>
      parseStrategy("--strategy", text),
    )
    .option("--corpus <file>", "go on from what an earlier guided search kept here, and keep it")
    .option("--no-shrink", "keep failing plans as they were drawn")
    .option("--capsules <dir>", "where failures are kept", CAPSULES)
    .option("--journal <dir>", "go on with the campaign whose journal is here, or begin it")
    .option("-q, --quiet", "no progress")
    .action(async (names: readonly string[], options: RunOptions) => end(await run(host, names, options)))
}

async function run(host: Host, names: readonly string[], options: RunOptions): Promise<number> {
  const engine = await loadEngine(host.engineUrl)
  const scenarios = chooseScenarios(engine.scenarios, names)
  const selection = select(scenarios, names.length === 0, options)
  const runs = jobCount(selection)
  if (runs === 0)
    throw new UsageError(
      `--shard: nothing is left for part ${selection.shard?.index ?? 1} of ${selection.runs ?? 0} runs`,
    )
  const steering = steeringOf(engine, options)
  if (options.journal !== undefined) {
    if (steering !== null)
      throw new UsageError(
        `--journal: it knows which seeds ran, which says nothing of the strategy ${steering.strategy}`,
      )
    return runWithJournal(host, engine, options.journal, scenarios, selection, names, options)
  }
  const lanes = Math.min(options.jobs ?? host.cores, JOBS_MAX, runs ?? JOBS_MAX)

  const progress = startProgress(host, runs, options.for ?? null, options.quiet === true)
  const watched = tellingInterrupts(host, progress)
  const marks = new Map(scenarios.map((scenario) => [scenario.name, new Map<string, number>()]))
  const markRuns = new Map(scenarios.map((scenario) => [scenario.name, new Map<string, number>()]))
  const cells = new Map(scenarios.map((scenario) => [scenario.name, new Map<string, number>()]))
  const watch: CampaignWatch = {
    keepsRecords: true,
    finished(record) {
      addCounts(marks.get(record.job.scenario) ?? new Map(), record.result.marks)
      countRun(markRuns.get(record.job.scenario) ?? new Map(), record.result.marks)
      addCounts(cells.get(record.job.scenario) ?? new Map(), record.result.cells)
      progress.finished(record)
    },
    ...(options.history === undefined ? {} : { history: historyWriter(options.history, runs === 1) }),
  }
  let records: readonly RunRecord[]
  let failures
  let campaign
  try {
    const bounds = {
      selection,
      lanes,
      wallMsMax: options.for ?? null,
      verify: options.verify === true,
      isDone: null,
      steering,
    }
    campaign = await runCampaign(watched, bounds, watch)
    steering?.save()
    records = campaign.records
    const shrink = options.shrink && !campaign.interrupted
    const failureOptions = { shrink, lanes, capsules: options.capsules, known: [] }
    failures = await explainFailures(watched, engine, records, failureOptions, (text) => progress.note(text))
  } finally {
    progress.stop()
  }

  const capsules = new Map(
    failures.flatMap(({ seeds, capsule }) =>
      seeds.map(({ scenario, seed }) => [`${scenario}\n${seed}`, capsule] as const),
    ),
  )
  const report = makeReport({
    version: orreryVersion(),
    build: buildId(),
    results: records.map((record) =>
      rowOf(record, capsules.get(`${record.job.scenario}\n${record.job.seed}`) ?? null),
    ),
    scenarios: scenarios.map((scenario) => ({
      name: scenario.name,
      about: scenario.about,
      declaredMarks: scenario.marks ?? [],
      marks: Object.fromEntries(marks.get(scenario.name) ?? []),
      markRuns: Object.fromEntries(markRuns.get(scenario.name) ?? []),
      cells: Object.fromEntries(cells.get(scenario.name) ?? []),
    })),
    markRules: engine.marks,
    failures,
    diversity: diversityOf(
      records.map(({ job, result }) => ({ index: job.index, signature: result.signature })),
    ),
    campaign: {
      // What a whole default campaign must show is what a swarm must.
      isDefault: names.length === 0 && steering === null,
      runsPlanned: selection.runs,
      firstSeed: selection.firstSeed,
      shardCount: selection.shard?.count ?? 1,
      shards: [selection.shard?.index ?? 1],
      interrupted: campaign.interrupted,
      verified: records.filter((record) => record.verified).length,
      jobs: lanes,
      elapsedSeconds: Math.round(campaign.wallMs) / 1_000,
      command: commandLine(names, options),
      journal: null,
    },
  })
  publish(host, report, outputsOf(options))
  return report.totals.exitCode
}

/** Goes on where the journal ends, or begins it. */
async function runWithJournal(
  host: Host,
  engine: Engine,
  folder: string,
  scenarios: readonly Scenario[],
  selection: Selection,
  names: readonly string[],
  options: RunOptions,
): Promise<number> {
  const key = journalKey({ ...selection, isDefault: names.length === 0 })
  const start = { command: commandLine(names, options), runs: selection.runs }
  const journal = await Journal.open(folder, key, start, options.verify === true)
  let report
  try {
    const runs = jobCount(selection)
    const left = runs === null ? null : runs - journal.state.done.size
    const lanes = Math.max(1, Math.min(options.jobs ?? host.cores, JOBS_MAX, left ?? JOBS_MAX))
    const progress = startProgress(host, left, options.for ?? null, options.quiet === true)
    try {
      report = await runSession(
        tellingInterrupts(host, progress),
        engine,
        journal,
        {
          scenarios,
          campaign: {
            selection,
            lanes,
            wallMsMax: options.for ?? null,
            verify: options.verify === true,
            steering: null,
          },
          failures: { shrink: options.shrink, lanes, capsules: options.capsules },
        },
        {
          finished: (record) => progress.finished(record),
          ...(options.history === undefined ? {} : { history: historyWriter(options.history, runs === 1) }),
        },
        (text) => progress.note(text),
      )
    } finally {
      progress.stop()
    }
  } finally {
    await journal.close()
  }
  publish(host, report, outputsOf(options))
  return report.totals.exitCode
}

/** The bar goes before the second Ctrl-C can leave the terminal without a cursor. */
function tellingInterrupts(host: Host, progress: Progress): Host {
  return {
    ...host,
    onInterrupt: (heard) =>
      host.onInterrupt(() => {
        progress.stop()
        host.stderr.write("Interrupted: the runs under way may finish; once more ends at once\n")
        heard()
      }),
  }
}

function outputsOf({ json, junit, report }: RunOptions): OutputOptions {
  return { json: json ?? null, junit: junit ?? null, html: report ?? null }
}

/** Null for a swarm, which needs none. */
function steeringOf(engine: Engine, { strategy = "swarm", corpus }: RunOptions): Steering | null {
  const isLearnt = strategy === "guided" || strategy === "portfolio"
  if (corpus !== undefined && !isLearnt)
    throw new UsageError(`--corpus: the strategy ${strategy} learns nothing that could be kept`)
  return strategy === "swarm" ? null : new Steering(engine, strategy, corpus ?? null)
}

function chooseScenarios(scenarios: readonly Scenario[], names: readonly string[]): readonly Scenario[] {
  if (names.length === 0) return scenarios
  const wanted = new Set(names.map((name) => findScenario(scenarios, name)))
  return scenarios.filter((scenario) => wanted.has(scenario))
}

/** The scenario of this name, or one line with the nearest one. */
export function findScenario(scenarios: readonly Scenario[], name: string): Scenario {
  const found = scenarios.find((scenario) => scenario.name === name)
  if (found !== undefined) return found
  const known = scenarios.map((scenario) => scenario.name)
  const hint = didYouMean(name, known)
  throw new UsageError(
    `There is no scenario "${name}"${hint === "" ? "; `orrery sim list` shows them all" : hint}`,
  )
}

function select(scenarios: readonly Scenario[], isDefault: boolean, options: RunOptions): Selection {
  if (options.seed !== undefined) {
    const other = options.seeds !== undefined ? "--seeds" : options.from !== undefined ? "--from" : null
    if (other !== null) throw new UsageError(`--seed is one seed and does not go with ${other}`)
  }
  const names = scenarios.map((scenario) => scenario.name)
  const isWeighted = isDefault && options.seed === undefined
  const shares = isWeighted ? defaultShares(names) : names.map((scenario) => ({ scenario, weight: 1 }))
  const firstSeed = options.seed ?? options.from ?? DEFAULT_CAMPAIGN.firstSeed
  const runs = runCount(shares.length, roundLength(shares), isWeighted, options)
  if (runs !== null && runs > RUNS_MAX)
    throw new UsageError(`--seeds: ${runs} runs are more than ${RUNS_MAX}`)
  if (runs !== null && !Number.isSafeInteger(firstSeed + runs))
    throw new UsageError(`--from: the last seed would be larger than ${Number.MAX_SAFE_INTEGER}`)
  return { shares, firstSeed, runs, shard: options.shard ?? null }
}

/** Runs of all shards together; null when only `--for` bounds them. */
function runCount(
  scenarioCount: number,
  round: number,
  isWeighted: boolean,
  options: RunOptions,
): number | null {
  if (options.seed !== undefined) return scenarioCount
  if (options.seeds !== undefined) return isWeighted ? options.seeds : options.seeds * scenarioCount
  return options.for === undefined ? round * DEFAULT_CAMPAIGN.rounds : null
}

/** One run writes the file named; of several, each writes `name.<scenario>.<seed>.ext` beside it. */
function historyWriter(path: string, isOne: boolean): (job: Job, lines: string) => void {
  const { dir, name, ext } = parse(path)
  return (job, lines) => {
    writeTextFile(isOne ? path : join(dir, `${name}.${job.scenario}.${job.seed}${ext}`), lines)
  }
}

/** What to type for the same runs, without where their results went. */
function commandLine(names: readonly string[], options: RunOptions): string {
  const words = ["npx orrery sim run", ...names.map(shellWord)]
  if (options.seed !== undefined) words.push(`--seed ${options.seed}`)
  if (options.from !== undefined) words.push(`--from ${options.from}`)
  if (options.seeds !== undefined) words.push(`--seeds ${options.seeds}`)
  if (options.for !== undefined) words.push(`--for ${options.for}ms`)
  if (options.shard !== undefined) words.push(`--shard ${options.shard.index}/${options.shard.count}`)
  if (options.strategy !== undefined) words.push(`--strategy ${options.strategy}`)
  if (options.corpus !== undefined) words.push(`--corpus ${shellWord(options.corpus)}`)
  if (options.verify === true) words.push("--verify")
  if (options.journal !== undefined) {
    // This line is typed again to go on, and then it matters how it goes on.
    if (options.jobs !== undefined) words.push(`--jobs ${options.jobs}`)
    if (!options.shrink) words.push("--no-shrink")
    if (options.capsules !== CAPSULES) words.push(`--capsules ${shellWord(options.capsules)}`)
    words.push(`--journal ${shellWord(options.journal)}`)
  }
  return words.join(" ")
}
