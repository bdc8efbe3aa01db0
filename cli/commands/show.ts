import type { Command } from "commander"
import { parseInteger } from "../arguments.ts"
import { loadEngine, type Plan } from "../campaign/engine.ts"
import { DEFAULT_CAMPAIGN } from "../campaign/default-campaign.ts"
import type { Host } from "../host.ts"
import { count, instant } from "../report/format.ts"
import { paintFor, type Paint } from "../report/paint.ts"
import { faultRow, opRow, type ScheduleRow } from "../report/plan-lines.ts"
import { textTable } from "../report/table.ts"
import { findScenario } from "./run.ts"

const OPERATIONS_SHOWN = 20

export function addShow(sim: Command, host: Host, end: (code: number) => void): void {
  sim
    .command("show")
    .summary("what a seed draws")
    .description("Shows the plan that a seed draws: cluster, phases, faults, operations. Nothing is run.")
    .argument("<scenario>")
    .option(
      "--seed <n>",
      "the seed",
      (text) => parseInteger("--seed", text, 0, Number.MAX_SAFE_INTEGER),
      DEFAULT_CAMPAIGN.firstSeed,
    )
    .option("--all", `every operation, not the first ${OPERATIONS_SHOWN}`)
    .option("--json", "the whole plan as JSON")
    .action(
      async (name: string, options: { readonly seed: number; readonly all?: true; readonly json?: true }) => {
        const engine = await loadEngine(host.engineUrl)
        const plan = engine.drawPlan(findScenario(engine.scenarios, name), options.seed)
        const paint = paintFor(host.stdout, host.env)
        host.stdout.write(
          options.json === true
            ? `${JSON.stringify(plan, null, 1)}\n`
            : planText(plan, options.all === true, paint),
        )
        end(0)
      },
    )
}

function planText(plan: Plan, showsAll: boolean, paint: Paint): string {
  const { cluster, workload, phases, host } = plan
  const lengthUs = phases.rounds * (phases.faultsUs + phases.quietUs)
  const facts = [
    ["scenario", `${plan.scenario}, seed ${plan.seed}, builds ${plan.builds.join(", ")}`],
    [
      "cluster",
      `${cluster.stores} stores, ${cluster.spares} spares, tenants ${cluster.tenants.join(", ")}, ${cluster.ranges.length} ranges`,
    ],
    [
      "phases",
      `${phases.rounds} × (${instant(phases.faultsUs)} with faults, ${instant(phases.quietUs)} quiet): ${instant(lengthUs)} in all`,
    ],
    [
      "host",
      `messages as ${host.transport}, latency from ${ms(host.latencyUsMin)}, mean ${ms(host.latencyUsMean)}, sync from ${ms(host.syncUsMin)}, mean ${ms(host.syncUsMean)}, turn up to ${ms(host.turnUsMax)}`,
    ],
    ["workload", `${workload.kind}: ${workload.clients} clients, ${count(workload.ops.length)} operations`],
    ["timing", settings(cluster.config.timing)],
    ["limits", settings(cluster.config.limits)],
  ]
  const shown = showsAll ? workload.ops : workload.ops.slice(0, OPERATIONS_SHOWN)
  const blocks = [
    textTable(["", ""], facts, [], paint).trimStart(),
    textTable(
      ["at", "until", "fault", "stores | peers", "details"],
      plan.faults.map((fault) => cellsOf(faultRow(fault))),
      [0, 1],
      paint,
    ),
    textTable(
      ["at", "operation", "by", "details"],
      shown.map((op) => cellsOf(opRow(op)).toSpliced(1, 1)),
      [0],
      paint,
    ),
  ]
  const left = workload.ops.length - shown.length
  if (left > 0) blocks.push(paint.dim(`… and ${count(left)} more operations (--all)`))
  return `${blocks.join("\n\n")}\n`
}

function cellsOf(row: ScheduleRow): readonly string[] {
  return [instant(row.at), row.until > row.at ? instant(row.until) : "", row.what, row.where, row.details]
}

function ms(microseconds: number): string {
  return `${microseconds / 1_000} ms`
}

function settings(record: Readonly<Record<string, unknown>>): string {
  return Object.entries(record)
    .map(([name, value]) => `${name}=${String(value)}`)
    .join(" ")
    .replaceAll(/(.{1,100})(?: |$)/g, "$1\n")
    .trimEnd()
}
