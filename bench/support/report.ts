/** How every benchmark times itself and says what it found. */
import { readFileSync } from "node:fs"
import os from "node:os"

export type Row = Readonly<Record<string, string | number>>

export type Report = {
  /** The file's place under bench/, without its ending. */
  readonly bench: string
  readonly question: string
  /** Rows by name, all with the same columns. */
  readonly rows: Readonly<Record<string, Row>>
  readonly notes: readonly string[]
}

/** What a figure depends on besides the code. */
function machineFacts(): Readonly<Record<string, string | number>> {
  const cpus = os.cpus()
  return {
    cpu: cpus[0]?.model ?? "unknown",
    cores: cpus.length,
    memoryGiB: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.platform()} ${os.arch()}`,
    node: process.version,
    v8: process.versions.v8,
    // Above the number of cores others compete for caches and turbo: CPU time then reads too high.
    load1m: Math.round(os.loadavg()[0]! * 10) / 10,
  }
}

export function printReport(report: Report): void {
  const machine = machineFacts()
  if (process.argv.includes("--json")) {
    console.log(JSON.stringify({ ...report, machine }))
    return
  }
  console.log(`${report.bench}: ${report.question}`)
  console.table(report.rows)
  for (const note of report.notes) console.log(note)
  console.log(
    Object.entries(machine)
      .map(([name, value]) => `${name} ${value}`)
      .join(" · "),
  )
}

/** CPU seconds of this thread: what others on a shared machine take does not count, nor do helper threads. */
export function cpuSeconds(): number {
  const used = process.threadCpuUsage()
  return (used.user + used.system) / 1e6
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[sorted.length >> 1] ?? Number.NaN
}

/** Three significant digits, so that a table does not claim more than a run can tell. */
export function about(value: number): number {
  return Number(value.toPrecision(3))
}

type OptionValue = number | string | boolean
type Widened<Value> = Value extends number ? number : Value extends string ? string : boolean

/**
 * What a bench is told on its command line: `--name value` for every name, with what it is unless said; `--name` for one
 * that is not so unless said; and `--json`. With `--help` this prints the head comment of `file` and ends the process; with
 * anything unknown it says so and ends it with 2, so that nobody waits for a measurement that was not asked for. Call it
 * before anything is started.
 */
export function benchOptions<Defaults extends Readonly<Record<string, OptionValue>>>(
  file: string,
  defaults: Defaults,
): { readonly [Name in keyof Defaults]: Widened<Defaults[Name]> } {
  const told: Record<string, OptionValue> = { ...defaults }
  const refuse = (why: string): never => {
    console.error(`${why}. It says how it is asked with --help.`)
    process.exit(2)
  }
  const words = process.argv.slice(2)
  if (words.includes("--help")) {
    console.log(headComment(file))
    process.exit(0)
  }
  for (let at = 0; at < words.length; at++) {
    const word = words[at]!
    const [name, given] = word.replace(/^--/, "").split("=", 2) as [string, string?]
    const otherwise = Object.hasOwn(defaults, name) ? defaults[name] : undefined
    if (word === "--json") continue
    if (!word.startsWith("--") || otherwise === undefined) return refuse(`There is no option ${word}`)
    if (typeof otherwise === "boolean") {
      if (given !== undefined) return refuse(`--${name} takes no value`)
      told[name] = true
      continue
    }
    const value = given ?? words[++at]
    if (value === undefined) return refuse(`--${name} takes a value`)
    if (typeof otherwise === "number" && !/^\d+(\.\d+)?$/.test(value))
      return refuse(`--${name} takes a number, and "${value}" is none`)
    told[name] = typeof otherwise === "number" ? Number(value) : value
  }
  return told as { readonly [Name in keyof Defaults]: Widened<Defaults[Name]> }
}

/** The first doc comment of a file, without its stars. */
function headComment(file: string): string {
  const comment = /\/\*\*([^]*?)\*\//.exec(readFileSync(file, "utf8"))?.[1]
  if (comment === undefined) throw new Error(`${file} does not say what it measures`)
  return comment
    .split("\n")
    .map((line) => line.replace(/^\s*\* ?/, "").trimEnd())
    .join("\n")
    .trim()
}
