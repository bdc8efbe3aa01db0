import type { Command } from "commander"
import { writeHistory } from "#sim"
import { parseInteger, parseWindow } from "../arguments.ts"
import { loadEngine } from "../campaign/engine.ts"
import { EXIT, UsageError } from "../errors.ts"
import { writeTextFile } from "../files.ts"
import type { Host } from "../host.ts"
import { count } from "../report/format.ts"
import { readSubject } from "./replay.ts"

type ExportOptions = {
  readonly seed?: number
  readonly events?: { readonly from: number; readonly to: number }
  readonly shiviz?: string
  readonly edn?: string
  readonly history?: string
}

/** More than this ShiViz does not draw. */
const SHIVIZ_EVENTS_MAX = 100_000

export function addExport(sim: Command, host: Host, end: (code: number) => void): void {
  sim
    .command("export")
    .summary("one run for other tools")
    .description(
      "Runs a capsule, a plan file or one seed of a scenario, and writes what happened as other tools read it: its events\n" +
        "with vector clocks for ShiViz, what clients asked and heard for Jepsen's checkers and for anything that reads JSON.",
    )
    .argument("<capsule or scenario>")
    .option("--seed <n>", "the seed of a scenario", (text) =>
      parseInteger("--seed", text, 0, Number.MAX_SAFE_INTEGER),
    )
    .option("--shiviz <file>", "events with vector clocks")
    .option("--events <from..to>", "only these kernel events, for --shiviz", (text) =>
      parseWindow("--events", text),
    )
    .option("--edn <file>", "the history of the clients as EDN, a map a line")
    .option("--history <file>", "the same as JSON lines")
    .action(async (what: string, options: ExportOptions) => end(await exportRun(host, what, options)))
}

async function exportRun(host: Host, what: string, options: ExportOptions): Promise<number> {
  const { shiviz, edn, history } = options
  if (shiviz === undefined && edn === undefined && history === undefined)
    throw new UsageError("Nothing to export: say --shiviz, --edn or --history, each with a file")
  const engine = await loadEngine(host.engineUrl)
  const { plan } = readSubject(engine, what, options.seed)
  // Loaded here: the other commands do without.
  const { ednLines, runPlan, shivizLines } = await import("#view")
  const run = runPlan(plan)
  const { events } = run.result
  const told = (path: string, lines: readonly string[]): void => {
    writeTextFile(path, `${lines.join("\n")}\n`)
    host.stdout.write(`${path}: ${count(lines.length)} lines\n`)
  }
  if (shiviz !== undefined) {
    const window = options.events ?? { from: 1, to: events }
    const wanted = Math.min(window.to, events) - window.from + 1
    if (wanted < 1) throw new UsageError(`--events: the run has ${count(events)} events`)
    if (wanted > SHIVIZ_EVENTS_MAX)
      throw new UsageError(`--shiviz: ${count(wanted)} events are too many, say which by --events`)
    told(shiviz, shivizLines(run, window))
  }
  if (edn !== undefined) told(edn, ednLines(run.result.history))
  if (history !== undefined) told(history, writeHistory(run.result.history).trimEnd().split("\n"))
  return EXIT.pass
}
