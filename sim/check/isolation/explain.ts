import type { Columns } from "./columns.ts"
import type { Cycle, Step } from "./cycles.ts"
import { ANTI, PROCESS, PRW, REAL_TIME, RW, WR, WW } from "./edges.ts"
import type { Finding } from "./findings.ts"
import { nameOf, readText, writeText } from "./words-for.ts"

/** A cycle in plain words: who must have come before whom, and the operations that say so. */

const STEP_LINES_MAX = 10

export function explainCycle(columns: Columns, cycle: Cycle): Finding {
  const { steps } = cycle
  const names = steps.map(({ from }) => nameOf(columns, from))
  const pattern = patternOf(cycle)
  const shown = steps.length > STEP_LINES_MAX ? STEP_LINES_MAX - 1 : steps.length
  const lines = [
    `${cycle.name}${cycle.variant}${pattern === null ? "" : ` (${pattern})`}: ${names.slice(0, STEP_LINES_MAX).join(" → ")}${names.length > STEP_LINES_MAX ? " → …" : ""} → ${names[0]!}, each before the next.`,
  ]
  for (let i = 0; i < shown; i++) {
    lines.push(`${stepText(columns, steps[i]!, steps[(i + 1) % steps.length]!.from)}.`)
  }
  if (shown < steps.length) lines.push(`And ${steps.length - shown} more like these.`)
  return {
    anomaly: `${cycle.name}${cycle.variant}`,
    pattern,
    transactions: steps.map(({ from }) => columns.transactions[from]!.id),
    lines,
  }
}

/** What this shape is called beside its class. */
function patternOf({ steps }: Cycle): string | null {
  const kinds = steps.map(({ kind }) => kind)
  const count = (mask: number): number => kinds.filter((kind) => (kind & mask) !== 0).length
  if (count(REAL_TIME) === 1 && steps.length === 2 && count(ANTI) === 1) return "stale read"
  if (count(PROCESS) === 1 && steps.length === 2 && count(ANTI) === 1) return "stale read in its own process"
  if (count(REAL_TIME | PROCESS) > 0) return null
  if (count(WW) === steps.length) return "dirty write"
  if (count(ANTI) === 0) return "circular information flow"
  if (steps.length === 2) return pairPattern(steps[0]!, steps[1]!, kinds)
  const isFork = steps.length === 4 && count(ANTI) === 2 && count(WR) === 2
  if (isFork && ((kinds[0]! & ANTI) !== 0) === ((kinds[2]! & ANTI) !== 0)) return "long fork"
  return null
}

function pairPattern(a: Step, b: Step, kinds: readonly number[]): string | null {
  if ((a.kind & b.kind & RW) !== 0) return a.key === b.key ? "lost update" : "write skew"
  if ((a.kind & ANTI) !== 0 && (b.kind & ANTI) !== 0) return "write skew through a predicate"
  if (kinds.includes(WW)) return a.key === b.key ? "lost update" : null
  if (kinds.includes(WR)) {
    if (a.key === b.key) return "non-repeatable read"
    return kinds.includes(PRW) ? "read skew through a predicate" : "read skew"
  }
  return null
}

function stepText(columns: Columns, { from, kind, key }: Step, to: number): string {
  const [a, b] = [nameOf(columns, from), nameOf(columns, to)]
  const { transactions } = columns
  if (kind === REAL_TIME) {
    return `${a} ended at ${transactions[from]!.completedAt}, before ${b} began at ${transactions[to]!.invokedAt}`
  }
  if (kind === PROCESS) return `process ${transactions[from]!.process} ran ${a}, then ${b}`
  const name = columns.keys[key]!
  const isList = columns.keyHoldsList[key] === 1
  switch (kind) {
    case WW:
      return `${a} ${writeText(columns, from, key)}, and ${b} ${writeText(columns, to, key)} ${isList ? "behind it" : "over it"}`
    case WR:
      return `${a} ${writeText(columns, from, key)}, and ${b} ${readText(columns, to, key)}`
    case RW:
      return `${a} ${readText(columns, from, key)}, and ${b} ${writeText(columns, to, key)} after that version`
    default:
      return `${a} ${scanText(columns, from, name)}, and ${b} ${writeText(columns, to, key)}`
  }
}

function scanText(columns: Columns, transaction: number, name: string): string {
  for (const op of columns.transactions[transaction]!.ops) {
    if (op.f !== "scan" || !(op.start <= name && name < op.end)) continue
    if (op.rows.every((row) => row[0] !== name))
      return `scanned [${op.start}, ${op.end}) and found no ${name}`
  }
  return `found no ${name}`
}
