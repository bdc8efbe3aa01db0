import { writeFileSync } from "node:fs"
import { availableParallelism } from "node:os"
import { parseArgs } from "node:util"
import { hunt, UNHINTED, type Hunt } from "./hunt.ts"
import { mutatedText } from "./load.ts"
import type { Mutant } from "./mutant.ts"
import { MUTANTS, mutantOf } from "./mutants.ts"

const USAGE =
  "node test/zoo/run.ts [--mutant ID]… [--seeds 1000] [--from N] [--jobs N] [--scenario NAME] [--json FILE]"

type Options = {
  readonly mutants: readonly Mutant[]
  readonly seeds: number
  readonly from: number
  readonly jobs: number
  /** Another one than the campaign is a hint: what it finds is not what tier A asks for. */
  readonly scenario: string
  readonly json: string | null
}

function optionsOf(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      mutant: { type: "string", multiple: true },
      seeds: { type: "string" },
      from: { type: "string" },
      jobs: { type: "string" },
      scenario: { type: "string" },
      json: { type: "string" },
    },
  })
  const mutants = (values.mutant ?? []).map((id) => {
    const known = mutantOf(id)
    if (known !== null) return known
    throw new Error(`There is no mutant "${id}": ${MUTANTS.map((mutant) => mutant.id).join(", ")}`)
  })
  // Before a long hunt ends at a patch that no longer fits.
  for (const mutant of MUTANTS) for (const { file } of mutant.edits) mutatedText(mutant, file)
  return {
    mutants: mutants.length === 0 ? MUTANTS : mutants,
    seeds: whole("--seeds", values.seeds, 1_000),
    from: whole("--from", values.from, 1),
    jobs: whole("--jobs", values.jobs, availableParallelism()),
    scenario: values.scenario ?? UNHINTED,
    json: values.json ?? null,
  }
}

function whole(name: string, text: string | undefined, fallback: number): number {
  if (text === undefined) return fallback
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new Error(`${name} is a whole number from 1 on, not "${text}"`)
  return Number(text)
}

/** Every mutant at its turn, `jobs` at a time; results in the order of the catalogue. */
async function huntAll({ mutants, seeds, from, jobs, scenario }: Options): Promise<readonly Hunt[]> {
  const started = performance.now()
  const results: (Hunt | undefined)[] = mutants.map(() => undefined)
  const at = new Map<string, number>()
  let taken = 0
  let done = 0
  const show = (): void => {
    if (!process.stderr.isTTY) return
    const running = [...at].map(([id, seed]) => `${id} seed ${seed}`).join(" · ")
    const seconds = ((performance.now() - started) / 1_000).toFixed(0)
    process.stderr.write(`\r\u001b[K${done}/${mutants.length} mutants · ${seconds} s · ${running}`)
  }
  const work = async (): Promise<void> => {
    for (let index = taken++; index < mutants.length; index = taken++) {
      const mutant = mutants[index]!
      const onSeed = (seed: number): void => {
        at.set(mutant.id, seed)
        show()
      }
      const result = await hunt(mutant, from, seeds, onSeed, scenario)
      results[index] = result
      at.delete(mutant.id)
      done++
      if (!process.stderr.isTTY) process.stderr.write(`${done}/${mutants.length} ${lineOf(result)}\n`)
    }
  }
  await Promise.all(Array.from({ length: Math.min(jobs, mutants.length) }, work))
  if (process.stderr.isTTY) process.stderr.write("\r\u001b[K")
  return results.filter((result) => result !== undefined)
}

function lineOf({ mutant, found, seeds }: Hunt): string {
  return `${mutant.id} ${found === null ? `not caught within ${seeds} seeds` : `${found.oracle} on seed ${found.seed}`}`
}

const COLUMNS = ["id", "break", "intended oracle", "fired", "seeds", "other first", "wall s"] as const

function tableOf(results: readonly Hunt[]): string {
  const rows = results.map(({ mutant, found, seeds, others, wallSeconds }) => {
    const spoke = Object.entries(others).sort(([a], [b]) => (a < b ? -1 : 1))
    const first = spoke.map(([oracle, count]) => `${count} ${oracle}`).join(", ")
    const fired = found?.oracle ?? "none"
    return [
      mutant.id,
      mutant.title,
      mutant.oracles[0],
      fired,
      String(seeds),
      first || "0",
      wallSeconds.toFixed(1),
    ]
  })
  const lines = [COLUMNS, COLUMNS.map(() => "---"), ...rows]
  const widths = COLUMNS.map((_, i) => Math.max(...lines.map((line) => line[i]!.length)))
  return lines.map((line) => `| ${line.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`).join("\n")
}

async function main(): Promise<number> {
  let options: Options
  try {
    options = optionsOf(process.argv.slice(2))
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${USAGE}\n`)
    return 2
  }
  const results = await huntAll(options)
  process.stdout.write(`${tableOf(results)}\n`)
  for (const { mutant, void: voided } of results) {
    if (voided.length > 0) {
      process.stdout.write(
        `${mutant.id}: not counted, the shipped kernel fails there too: seeds ${voided.join(", ")}\n`,
      )
    }
  }
  const caught = results.filter(({ found }) => found !== null).length
  process.stdout.write(
    `${caught} of ${results.length} caught within ${options.seeds} seeds from ${options.from} of ${options.scenario}\n`,
  )
  if (options.json !== null) {
    const json = {
      version: 1,
      scenario: options.scenario,
      from: options.from,
      seeds: options.seeds,
      results: results.map(({ mutant: { id, tier, title, oracles }, ...rest }) => ({
        id,
        tier,
        title,
        oracles,
        ...rest,
      })),
    }
    writeFileSync(options.json, `${JSON.stringify(json, null, 2)}\n`)
  }
  return caught === results.length ? 0 : 1
}

process.exitCode = await main()
