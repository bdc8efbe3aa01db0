import { count, duration } from "./format.ts"
import type { Totals } from "./model.ts"
import type { Paint } from "./paint.ts"
import { shellWord } from "./shell-word.ts"

/** How far a campaign of several sessions is, what it took, and the line that goes on with it; empty of any other. */
export function journalText({ campaign, simulatedSeconds, failures, invalid }: Totals, paint: Paint): string {
  const { journal, verified, elapsedSeconds, command } = campaign
  if (journal === null) return ""
  const { done, left, unbroken, intervals, sessions, cpuSeconds, unlisted } = journal
  const goal = left === null ? many(done, "run") : `${count(done)} of ${many(done + left, "run")}`
  const gaps =
    intervals > 1 ? `, the first ${count(unbroken)} without a gap (${count(intervals)} intervals)` : ""
  const kinds = invalid === 0 ? "" : ` (${many(failures.length, "kind")})`
  const more = unlisted === 0 ? "" : `, ${count(unlisted)} of them without their seeds`
  return [
    `journal   ${shellWord(journal.folder)}: ${goal}${gaps}, ${many(sessions, "session")}`,
    `          ${many(invalid, "failure")}${kinds}${more}, ${many(verified, "double run")}`,
    `          ${duration(simulatedSeconds)} simulated in ${duration(elapsedSeconds)} of wall time and ${duration(cpuSeconds)} of CPU`,
    left === 0
      ? `continue  all are made; the same line with more --seeds goes on`
      : `continue  ${paint.cyan(command)}`,
  ].join("\n")
}

function many(amount: number, what: string): string {
  return `${count(amount)} ${what}${amount === 1 ? "" : "s"}`
}
