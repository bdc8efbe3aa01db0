import { buildId, orreryVersion } from "../build-id.ts"
import { makeReport } from "../campaign/tally.ts"
import { count, duration, percent, wrap } from "../report/format.ts"
import type { CampaignFacts, Failure, Report, ResultRow } from "../report/model.ts"
import type { Paint } from "../report/paint.ts"
import { textTable } from "../report/table.ts"
import type { RealRecord } from "./campaign.ts"
import { percentiles, type Percentiles } from "./kill-leader.ts"
import type { Replayed } from "./recordings.ts"

const TEXT_WIDTH = 100
const NO_CURVES = { marks: [], faults: [], steps: [] }

/** The object of `sim run --json`, of runs that had no trace: their events are none, and each second is one. */
export function realReport(
  records: readonly RealRecord[],
  facts: Omit<CampaignFacts, "isDefault" | "shardCount" | "shards" | "verified" | "jobs" | "journal">,
): Report {
  const name = records[0]?.result.plan.scenario ?? "real"
  const about =
    records.length === 0 ? "" : "The same clients and checks, with processes and sockets below them."
  const report = makeReport({
    version: orreryVersion(),
    build: buildId(),
    results: records.map(rowOf),
    scenarios: [{ name, about, declaredMarks: [], marks: {}, markRuns: {}, cells: {} }],
    markRules: [],
    failures: records.flatMap((record) => failureOf(record, facts.command)),
    diversity: NO_CURVES,
    campaign: { ...facts, isDefault: false, shardCount: 1, shards: [1], verified: 0, jobs: 1, journal: null },
  })
  const { totals } = report
  const runs = `${count(totals.runs)} ${totals.runs === 1 ? "run" : "runs"} on real processes`
  const failed = totals.invalid === 0 ? "no failure" : `${count(totals.invalid)} failed`
  const unknown = totals.unknown === 0 ? "" : `, ${count(totals.unknown)} without a verdict`
  const cut = facts.interrupted ? ", interrupted" : ""
  const took = duration(facts.elapsedSeconds)
  const headline = `${totals.verdict.toUpperCase()}: ${runs}, ${failed}${unknown}${cut}, in ${took}`
  return { ...report, totals: { ...totals, headline } }
}

function rowOf({ seed, result, kept }: RealRecord): ResultRow {
  const seconds = Math.round(result.wallMs) / 1_000
  return {
    scenario: result.plan.scenario,
    seed,
    verdict: result.verdict,
    oracle: result.found?.oracle ?? null,
    traceHash: "",
    events: 0,
    simulatedSeconds: seconds,
    wallSeconds: seconds,
    faults: result.faults,
    operations: result.operations,
    capsule: kept,
    class: "within",
    message: result.found?.message ?? null,
  }
}

function failureOf({ seed, result, kept }: RealRecord, command: string): readonly Failure[] {
  if (result.found === null) return []
  const { oracle, message } = result.found
  return [
    {
      scenario: result.plan.scenario,
      seed,
      oracle,
      signature: `${oracle}+${seed}`,
      count: 1,
      before: 0,
      seeds: [{ scenario: result.plan.scenario, seed }],
      message,
      class: "within",
      event: 0,
      capsule: kept,
      regression: null,
      replay: command.replaceAll(/ --seeds? \d+/g, "") + ` --seed ${seed}`,
      schedule: [],
      shrunk: "",
    },
  ]
}

/** For a terminal or a log; its last line is the verdict. */
export function realText(report: Report, records: readonly RealRecord[], paint: Paint): string {
  const { totals } = report
  const blocks = []
  if (records.length > 0) blocks.push(runTable(records, paint))
  const faults = faultTable(report, paint)
  if (faults !== null) blocks.push(faults)
  for (const record of records) {
    if (record.failovers !== null) blocks.push(failoverText(record, paint))
    if (record.replays !== null) blocks.push(replayText(record.seed, record.replays, paint))
    if (record.result.verdict !== "valid") blocks.push(failureText(record, paint))
  }
  blocks.push(...totals.problems.map(({ message }) => paint.red(`✗ ${message}`)))
  const colour = totals.verdict === "pass" ? paint.green : paint.red
  return `${[...blocks, colour(paint.bold(totals.headline))].join("\n\n")}\n`
}

function runTable(records: readonly RealRecord[], paint: Paint): string {
  const head = "seed workload verdict ok fail info acked faults effective wall".split(" ")
  const rows = records.map(({ seed, result }) => {
    const { operations, verdict } = result
    const sums = Object.values(result.faults)
    const colour = verdict === "valid" ? paint.green : verdict === "unknown" ? paint.yellow : paint.red
    return [
      `${seed}`,
      result.plan.workload.kind,
      colour(verdict),
      count(operations.ok),
      count(operations.fail),
      count(operations.info),
      percent(operations.ok, operations.invoked),
      count(sums.reduce((sum, { applied }) => sum + applied, 0)),
      count(sums.reduce((sum, { effective }) => sum + effective, 0)),
      duration(result.wallMs / 1_000),
    ]
  })
  return textTable(head, rows, [0, 3, 4, 5, 6, 7, 8, 9], paint)
}

/** The kinds that came. */
function faultTable({ totals }: Report, paint: Paint): string | null {
  const rows = Object.entries(totals.faults)
    .filter(([, { applied }]) => applied > 0)
    .map(([kind, { applied, effective }]) => [kind, count(applied), count(effective)])
  return rows.length === 0 ? null : textTable(["fault", "applied", "effective"], rows, [1, 2], paint)
}

function failoverText({ seed, failovers }: RealRecord, paint: Paint): string {
  const { kills, acknowledged, lost, leader, writes } = failovers!
  const row = (name: string, { p50, p95, max }: Percentiles): readonly string[] => [
    name,
    ms(p50),
    ms(p95),
    ms(max),
  ]
  const rows = [row("new leader", percentiles(leader)), row("write acknowledged", percentiles(writes))]
  const table = textTable([`seed ${seed}: ms after kill -9`, "p50", "p95", "max"], rows, [1, 2, 3], paint)
  const told = `${count(kills)} kills of the leader, ${count(lost)} of ${count(acknowledged)} acknowledged appends lost`
  return `${table}\n${lost === 0 ? told : paint.red(told)}`
}

function replayText(seed: number, replays: readonly Replayed[], paint: Paint): string {
  const of = (word: Replayed["word"]): number => replays.filter((replayed) => replayed.word === word).length
  const sum = (what: "events" | "hashes"): number => replays.reduce((total, one) => total + one[what], 0)
  const nothing = of("nothing") === 0 ? "" : `, ${count(of("nothing"))} ended before the first hash`
  const told =
    `seed ${seed}: ${count(of("same"))} of ${count(replays.length)} recordings replay to the same hash${nothing}` +
    ` (${count(sum("events"))} events, ${count(sum("hashes"))} hashes)`
  const parted = replays
    .filter(({ word }) => word === "parted")
    .map(({ directory, detail }) => paint.red(`  ${directory}: ${detail}`))
  return [parted.length === 0 ? told : paint.red(told), ...parted].join("\n")
}

function ms(value: number): string {
  return Number.isFinite(value) ? count(value) : "never"
}

function failureText({ seed, result, kept }: RealRecord, paint: Paint): string {
  const { found } = result
  const lines =
    found === null
      ? [paint.yellow(`seed ${seed}: no verdict, the checks ran out of budget`)]
      : [
          paint.red(paint.bold(`✗ seed ${seed}  ${found.oracle}`)),
          ...found.message
            .split("\n")
            .flatMap((line) => wrap(line, TEXT_WIDTH))
            .slice(0, 24)
            .map((line) => `  ${line}`),
        ]
  return [...lines, ...(kept === null ? [] : [`  kept     ${kept}`])].join("\n")
}
