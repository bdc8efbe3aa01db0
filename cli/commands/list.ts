import type { Command } from "commander"
import { loadEngine } from "../campaign/engine.ts"
import type { Host } from "../host.ts"
import { paintFor } from "../report/paint.ts"
import { wrap } from "../report/format.ts"
import { textTable } from "../report/table.ts"

export function addList(sim: Command, host: Host, end: (code: number) => void): void {
  sim
    .command("list")
    .summary("the scenarios there are")
    .description("Shows every scenario: what it tries, and the marks its seeds must reach.")
    .option("--json", "as JSON")
    .action(async (options: { readonly json?: true }) => {
      const { scenarios } = await loadEngine(host.engineUrl)
      if (options.json === true) {
        const rows = scenarios.map(({ name, about, marks }) => ({ name, about, marks: marks ?? [] }))
        host.stdout.write(`${JSON.stringify(rows, null, 1)}\n`)
      } else {
        const width = Math.max(40, Math.min(72, (host.stdout.columns ?? 130) - 52))
        const rows = scenarios.map(({ name, about, marks }) => [
          name,
          wrap(about, width).join("\n"),
          (marks ?? []).join("\n"),
        ])
        host.stdout.write(
          `${textTable(["scenario", "about", "marks"], rows, [], paintFor(host.stdout, host.env))}\n`,
        )
      }
      end(0)
    })
}
