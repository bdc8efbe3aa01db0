import type { Command } from "commander"
import { mergeDiversity } from "../campaign/diversity.ts"
import { addCounts, makeReport, type ScenarioFacts } from "../campaign/tally.ts"
import { UsageError } from "../errors.ts"
import { readJsonFile } from "../files.ts"
import type { Host } from "../host.ts"
import { parseReport } from "../report/json.ts"
import type { CampaignFacts, Failure, Report } from "../report/model.ts"
import { publish } from "../report/output.ts"

type MergeOptions = { readonly json?: string; readonly junit?: string; readonly report?: string }
type Part = { readonly path: string; readonly report: Report }

export function addMerge(sim: Command, host: Host, end: (code: number) => void): void {
  sim
    .command("merge")
    .summary("shards put together")
    .description(
      "Puts JSON reports of one campaign together: the same tables, the same verdict, the same exit code.",
    )
    .argument("<json...>")
    .option("--json <file>", "the whole as one JSON object; - is standard output")
    .option("--junit <file>", "as JUnit XML")
    .option("--report <file>", "as one HTML page")
    .action((paths: readonly string[], options: MergeOptions) => {
      const report = mergeReports(
        paths.map((path) => ({ path, report: parseReport(path, readJsonFile(path)) })),
      )
      publish(host, report, {
        json: options.json ?? null,
        junit: options.junit ?? null,
        html: options.report ?? null,
      })
      end(report.totals.exitCode)
    })
}

/** Parts in any order; each run in exactly one of them, all of one build. */
export function mergeReports(parts: readonly Part[]): Report {
  const [first, ...others] = parts
  if (first === undefined) throw new UsageError("There is nothing to merge")
  for (const { path, report } of others) {
    if (report.build !== first.report.build) {
      throw new UsageError(
        `${path} is of build ${report.build} and ${first.path} of ${first.report.build}: their runs are not comparable`,
      )
    }
  }
  for (const { path, report } of parts) {
    if (report.totals.campaign.journal === null) continue
    throw new UsageError(
      `${path} was made with a journal and holds sums, not every run: there is no telling what would count twice`,
    )
  }
  refuseOverlap(parts)
  return makeReport({
    version: first.report.version,
    build: first.report.build,
    results: parts.flatMap(({ report }) => report.results),
    scenarios: mergeScenarios(parts),
    // The parts are of one build, so that they have one catalogue.
    markRules: first.report.totals.marks,
    failures: mergeFailures(parts.flatMap(({ report }) => report.totals.failures)),
    diversity: mergeDiversity(parts.map(({ report }) => report.totals.diversity)),
    campaign: mergeCampaigns(parts),
  })
}

/** What several shards found is one failure, told as the first of them tells it. */
function mergeFailures(failures: readonly Failure[]): readonly Failure[] {
  const groups = Map.groupBy(failures, ({ signature }) => signature)
  return [...groups.values()].flatMap(([first, ...others]) => {
    if (first === undefined) return []
    const told = first.shrunk === "" ? (others.find(({ shrunk }) => shrunk !== "") ?? first) : first
    const all = [first, ...others]
    return [
      {
        ...told,
        count: sum(all.map((failure) => failure.count)),
        before: sum(all.map((failure) => failure.before)),
        seeds: all.flatMap(({ seeds }) => seeds),
      },
    ]
  })
}

function refuseOverlap(parts: readonly Part[]): void {
  const owners = new Map<string, string>()
  for (const { path, report } of parts) {
    for (const { scenario, seed } of report.results) {
      const run = `${scenario} seed ${seed}`
      const owner = owners.get(run)
      if (owner !== undefined)
        throw new UsageError(`${run} is in ${owner} and in ${path}: it would count twice`)
      owners.set(run, path)
    }
  }
}

function mergeScenarios(parts: readonly Part[]): readonly ScenarioFacts[] {
  const found = new Map<
    string,
    {
      about: string
      declaredMarks: readonly string[]
      marks: Map<string, number>
      markRuns: Map<string, number>
      cells: Map<string, number>
    }
  >()
  for (const { report } of parts) {
    for (const { name, about, declaredMarks, marks, markRuns, cells } of report.totals.scenarios) {
      const facts = found.get(name) ?? {
        about,
        declaredMarks,
        marks: new Map<string, number>(),
        markRuns: new Map<string, number>(),
        cells: new Map<string, number>(),
      }
      addCounts(facts.marks, marks)
      addCounts(facts.markRuns, markRuns)
      addCounts(facts.cells, cells)
      found.set(name, facts)
    }
  }
  return [...found].map(([name, facts]) => ({
    name,
    ...facts,
    marks: Object.fromEntries(facts.marks),
    markRuns: Object.fromEntries(facts.markRuns),
    cells: Object.fromEntries(facts.cells),
  }))
}

/** Shards of one campaign stay shards of it; any other reports are parts that someone chose to add up. */
function mergeCampaigns(parts: readonly Part[]): CampaignFacts {
  const facts = parts.map(({ report }) => report.totals.campaign)
  const [first, ...others] = facts
  if (first === undefined) throw new UsageError("There is nothing to merge")
  const isOneCampaign = others.every(
    (other) =>
      other.shardCount === first.shardCount &&
      other.runsPlanned === first.runsPlanned &&
      other.firstSeed === first.firstSeed &&
      other.isDefault === first.isDefault,
  )
  const shards = [...new Set(facts.flatMap((campaign) => campaign.shards))].sort((a, b) => a - b)
  return {
    isDefault: facts.every((campaign) => campaign.isDefault),
    runsPlanned: isOneCampaign ? first.runsPlanned : null,
    firstSeed: Math.min(...facts.map((campaign) => campaign.firstSeed)),
    shardCount: isOneCampaign ? first.shardCount : 1,
    shards: isOneCampaign ? shards : [1],
    interrupted: facts.some((campaign) => campaign.interrupted),
    verified: sum(facts.map((campaign) => campaign.verified)),
    jobs: sum(facts.map((campaign) => campaign.jobs)),
    // Shards run beside each other: the whole took as long as the slowest.
    elapsedSeconds: Math.max(...facts.map((campaign) => campaign.elapsedSeconds)),
    command: first.command.replace(/ --shard \S+/, ""),
    journal: null,
  }
}

function sum(values: readonly number[]): number {
  let total = 0
  for (const value of values) total += value
  return total
}
