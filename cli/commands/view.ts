import { statSync } from "node:fs"
import { parse, join } from "node:path"
import type { Command } from "commander"
import { parseInteger } from "../arguments.ts"
import { buildId, orreryVersion } from "../build-id.ts"
import { loadEngine } from "../campaign/engine.ts"
import { writeTextFile } from "../files.ts"
import type { Host } from "../host.ts"
import { pageText } from "../page/page-text.ts"
import { readSubject } from "./replay.ts"
import { EXIT } from "../errors.ts"

type ViewOptions = { readonly seed?: number; readonly out?: string }

export function addView(sim: Command, host: Host, end: (code: number) => void): void {
  sim
    .command("view")
    .summary("one run as a page")
    .description(
      "Writes one HTML file that holds the kernel and the simulator and runs the plan again in the page: offline,\n" +
        "with time going forwards and backwards. What is edited there runs there, and gives the trace it gives here.",
    )
    .argument("<capsule or scenario>")
    .option("--seed <n>", "the seed of a scenario", (text) =>
      parseInteger("--seed", text, 0, Number.MAX_SAFE_INTEGER),
    )
    .option("--out <file>", "where to write it; otherwise beside the capsule")
    .action(async (what: string, options: ViewOptions) => end(await view(host, what, options)))
}

async function view(host: Host, what: string, options: ViewOptions): Promise<number> {
  const engine = await loadEngine(host.engineUrl)
  const { plan, capsule, name } = readSubject(engine, what, options.seed)
  const out = options.out ?? defaultOut(what, options.seed)
  const text = await pageText({
    name,
    plan,
    recordings: [],
    expected:
      capsule === null
        ? null
        : {
            oracle: capsule.oracle,
            message: capsule.message,
            traceHash: capsule.traceHash,
            command: capsule.command,
            version: capsule.version,
          },
    version: orreryVersion(),
    build: buildId(),
  })
  writeTextFile(out, text)
  host.stdout.write(
    `${out}  (${Math.ceil(statSync(out).size / 1_024)} KiB): open it in a browser, offline if you like\n`,
  )
  return EXIT.pass
}

function defaultOut(what: string, seed: number | undefined): string {
  if (seed !== undefined) return `${what}-${seed}.html`
  const { dir, name } = parse(what)
  return join(dir, `${name}.html`)
}
