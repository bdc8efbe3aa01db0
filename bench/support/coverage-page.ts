/** docs/COVERAGE.md, as `bench/sim/coverage.ts --page` writes it. */
import { percentText, type FolderCoverage, type Missed } from "./kernel-coverage.ts"
import type { Unreached } from "./unreached.ts"

export type Measured = {
  readonly command: string
  readonly commit: string
  readonly node: string
  /** Seeds of the default campaign, and capsules of regressions. */
  readonly runs: number
  readonly capsules: number
  readonly folders: readonly FolderCoverage[]
  readonly unreached: readonly Unreached[]
}

export function coveragePage(measured: Measured): string {
  const { command, commit, node, runs, capsules, folders, unreached } = measured
  const rows = folders.map((row) => [
    row.folder === "all" ? "**all**" : `\`${row.folder}\``,
    `${row.files}`,
    `${row.code}`,
    `${row.code - row.reached}`,
    `${percentText(row.reached, row.code)} %`,
    `${percentText(row.functionsReached, row.functions)} %`,
    `${percentText(row.linesReached, row.lines)} %`,
  ])
  const head = ["folder", "files", "lines of code", "missed", "reached", "functions", "all lines, by c8"]
  return `# What simulation reaches of the kernel

Lines of \`kernel/\` that were run by simulation alone, no test having a part in it: ${runs} seeds of the default campaign, which has
every named scenario in it, and the ${capsules} capsules of \`scenarios/regressions\`. Written by

\`\`\`
${command} --page docs/COVERAGE.md
\`\`\`

at commit ${commit} with Node ${node}. V8 counts in the process and in each of its worker threads, and writes down the counts of a thread that is
ended too; [c8](https://github.com/bcoe/c8) puts them together. A _line of code_ is one on which something can be run: c8 itself takes comments and types
for lines that were reached, so its figure is told beside ours. The command ends with 1 below 95 % of the lines of code. It
excludes nothing.

${table(head, rows)}

## What is not reached, and why

${unreached.map(sectionOf).join("\n\n")}
`
}

function sectionOf({ reason, lines }: Unreached): string {
  const title = reason === "" ? "Nobody has said why yet." : reason
  const places = [...Map.groupBy(lines, ({ path, within }) => `${path}\n${within}`)].map(
    ([place, missed]) => {
      const [path, within] = place.split("\n") as [string, string]
      return [`\`${path}\``, within === "" ? "" : `\`${within}\``, spans(missed)]
    },
  )
  return `**${lines.length} lines.** ${title}\n\n${table(["file", "in", "lines"], places)}`
}

/** \`12, 30–34\`. */
function spans(missed: readonly Missed[]): string {
  const parts: { from: number; to: number }[] = []
  for (const { line } of missed) {
    const last = parts.at(-1)
    if (last !== undefined && line === last.to + 1) last.to = line
    else parts.push({ from: line, to: line })
  }
  return parts.map(({ from, to }) => (from === to ? `${from}` : `${from}–${to}`)).join(", ")
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n")
}
