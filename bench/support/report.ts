/** How every benchmark times itself and says what it found. */
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

/** `--name value` as a whole number. */
export function numberOption(name: string, otherwise: number): number {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? otherwise : Number(process.argv[at + 1])
}

/** `--name value`. */
export function textOption(name: string, otherwise: string): string {
  const at = process.argv.indexOf(`--${name}`)
  return at < 0 ? otherwise : (process.argv[at + 1] ?? otherwise)
}
