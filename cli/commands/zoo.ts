import { existsSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import type { Command } from "commander"
import { JOBS_MAX, parseDuration, parseInteger, parseStrategy, RUNS_MAX } from "../arguments.ts"
import type { Strategy } from "#sim"
import { EnvironmentError } from "../errors.ts"
import type { Host } from "../host.ts"

export type ZooOptions = {
  /** Ids; none: all of them. */
  readonly mutants: readonly string[]
  readonly scenario: string
  /** How the plans of the seeds are come by. */
  readonly strategy: Strategy
  readonly from: number
  /** Of one window. */
  readonly seeds: number
  readonly windows: number
  readonly wallMsMax: number | null
  readonly jobs: number
  readonly shrink: boolean
  /** What the hunt goes on from and writes to. */
  readonly json: string
  /** Takes nothing of it over. */
  readonly isFresh: boolean
  readonly report: string | null
  /** Earlier results that must not be better. */
  readonly against: string | null
  readonly isQuiet: boolean
}

/** What `test/zoo/zoo.ts` of a checkout exports. */
export type ZooModule = {
  readonly runZoo: (options: ZooOptions, host: Host) => Promise<number>
}

/** The zoo lives with the tests, since it is source edits of the kernel: a package has neither. */
const CHECKOUT_MODULE = new URL("../../test/zoo/zoo.ts", import.meta.url)

export function addZoo(sim: Command, host: Host, end: (code: number) => void): void {
  const mutants: string[] = []
  sim
    .command("zoo")
    .summary("planted bugs, and how soon each is found")
    .description(
      "Plants bugs that real systems had in the kernel, one at a time, and runs the default campaign, which knows\n" +
        "nothing of them, until the oracle meant for each fires. Goes on where the last one with the same build and\n" +
        "file stopped. Needs a checkout.",
    )
    .option("--mutant <id>", "only this one; may be said several times", (id) => void mutants.push(id))
    .option("--for <duration>", "begin no further seed after 90s, 10m, 1h30m", (text) =>
      parseDuration("--for", text),
    )
    .option("--seeds <n>", "give one up after this many seeds (1000)", (text) =>
      parseInteger("--seeds", text, 1, RUNS_MAX),
    )
    .option("--windows <n>", "find each so often, from one seed on to the next (3)", (text) =>
      parseInteger("--windows", text, 1, 1_000),
    )
    .option("--from <n>", "the first seed (1)", (text) =>
      parseInteger("--from", text, 0, Number.MAX_SAFE_INTEGER),
    )
    .option("--jobs <n>", "mutants hunted at once (one for each core)", (text) =>
      parseInteger("--jobs", text, 1, JOBS_MAX),
    )
    .option(
      "--scenario <name>",
      "another one than the campaign: a hint, which proves the oracle alone",
      "campaign",
    )
    .option("--strategy <name>", "how runs are planned: swarm, priority, guided, portfolio (swarm)", (text) =>
      parseStrategy("--strategy", text),
    )
    .option("--no-shrink", "leave the failing plans as they were drawn")
    .option("--json <file>", "results, and what to go on from", join(".orrery", "zoo.json"))
    .option("--fresh", "begin anew, whatever the results hold")
    .option("--report <file>", "results as one HTML page, with the plot")
    .option("--against <file>", "fail if a bug is found less often than in these results (p < 0.01)")
    .option("-q, --quiet", "no progress")
    .action(async (options: RawOptions) => {
      const { runZoo } = await loadZoo()
      end(
        await runZoo(
          {
            mutants,
            scenario: options.scenario,
            strategy: options.strategy ?? "swarm",
            from: options.from ?? 1,
            seeds: options.seeds ?? 1_000,
            windows: options.windows ?? 3,
            wallMsMax: options.for ?? null,
            jobs: options.jobs ?? host.cores,
            shrink: options.shrink,
            json: options.json,
            isFresh: options.fresh === true,
            report: options.report ?? null,
            against: options.against ?? null,
            isQuiet: options.quiet === true,
          },
          host,
        ),
      )
    })
}

type RawOptions = {
  readonly for?: number
  readonly seeds?: number
  readonly windows?: number
  readonly from?: number
  readonly jobs?: number
  readonly scenario: string
  readonly strategy?: Strategy
  readonly shrink: boolean
  readonly json: string
  readonly fresh?: true
  readonly report?: string
  readonly against?: string
  readonly quiet?: true
}

/** `url` is where a checkout has it. */
export async function loadZoo(url: URL = CHECKOUT_MODULE): Promise<ZooModule> {
  if (!existsSync(fileURLToPath(url))) {
    throw new EnvironmentError(
      "The zoo needs a checkout: it is source edits of the kernel, and this package has no sources. " +
        "Clone the repository, then run `npx orrery sim zoo` in it",
    )
  }
  return (await import(url.href)) as ZooModule
}
