import type { Command } from "commander"
import { parseInteger } from "../arguments.ts"
import type { Plan, PlanTable } from "#sim"
import { loadEngine } from "../campaign/engine.ts"
import { DEFAULT_CAMPAIGN } from "../campaign/default-campaign.ts"
import type { Host } from "../host.ts"
import { count, instant } from "../report/format.ts"
import { paintFor, type Paint } from "../report/paint.ts"
import { opRow } from "../report/plan-lines.ts"
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
            ? engine.writePlan(plan)
            : planText(plan, engine.explainPlan(plan), options.all === true, paint),
        )
        end(0)
      },
    )
}

/** The plan's own tables, then its operations. */
function planText(plan: Plan, tables: readonly PlanTable[], showsAll: boolean, paint: Paint): string {
  const blocks = tables.map(
    ({ title, columns, rows }) => `${paint.bold(title)}\n${textTable(columns, rows, [], paint)}`,
  )
  const { ops } = plan.workload
  const shown = showsAll ? ops : ops.slice(0, OPERATIONS_SHOWN)
  const rows = shown.map(opRow).map(({ at, what, where, details }) => [instant(at), what, where, details])
  blocks.push(`${paint.bold("Operations")}\n${textTable(["at", "what", "where", "how"], rows, [0], paint)}`)
  const left = ops.length - shown.length
  if (left > 0) blocks.push(paint.dim(`… and ${count(left)} more operations (--all)`))
  return `${blocks.join("\n\n")}\n`
}
