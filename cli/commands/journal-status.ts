import type { Command } from "commander"
import { buildId } from "../build-id.ts"
import { loadEngine } from "../campaign/engine.ts"
import { readJournal } from "../campaign/journal.ts"
import { reportOfJournal } from "../campaign/journal-report.ts"
import type { Host } from "../host.ts"
import { reportJson } from "../report/json.ts"
import { paintFor } from "../report/paint.ts"
import { reportText } from "../report/table.ts"

/** `orrery sim status`. */
export function addJournalStatus(sim: Command, host: Host, end: (code: number) => void): void {
  sim
    .command("status")
    .summary("how far a campaign of several sessions is")
    .description(
      "Reports what the sessions of `orrery sim run --journal` came to so far, also while one goes on, and the line that\n" +
        "goes on with it. The exit code is the campaign's.",
    )
    .argument("<journal>", "the folder of the journal")
    .option("--json", "the report as one JSON object")
    .action(async (folder: string, options: { readonly json?: true }) => {
      const { state } = readJournal(folder)
      const { scenarios, marks: markRules } = await loadEngine(host.engineUrl)
      const report = reportOfJournal({
        folder,
        state,
        scenarios,
        markRules,
        failures: [],
        interrupted: false,
        jobs: 0,
      })
      if (options.json === true) host.stdout.write(reportJson(report))
      else host.stdout.write(reportText(report, [], paintFor(host.stdout, host.env)))
      const build = buildId()
      if (state.key.build !== build)
        host.stderr.write(`These runs are of build ${state.key.build}; this is build ${build}\n`)
      end(report.totals.exitCode)
    })
}
