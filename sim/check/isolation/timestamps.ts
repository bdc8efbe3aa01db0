import { type Columns, SNAPSHOT } from "./columns.ts"
import { ANTI, type Edges, WR, WW } from "./edges.ts"
import type { Findings } from "./findings.ts"
import { nameOf } from "./words-for.ts"

/**
 * Snapshot isolation by the timestamps a store gave (Adya 1999, G-SI). What a SNAPSHOT transaction read or replaced was
 * committed when its snapshot was taken (else G-SIa), and what it was to miss was not (else G-SIb).
 *
 * Both are looked at edge by edge, which is enough: a longer cycle of one anti-dependency with start-ordered steps
 * has each of them in the order of time, so its two ends alone contradict each other.
 */
export function checkTimestamps(columns: Columns, edges: Edges, findings: Findings): void {
  const { transactions, level, count, startTs, commitTs } = columns
  if (!startTs.some((ts, t) => !Number.isNaN(ts) && level[t] === SNAPSHOT)) return
  for (let edge = 0; edge < edges.count; edge++) {
    const kind = edges.kind[edge]!
    const [from, to, key] = [edges.from[edge]!, edges.to[edge]!, edges.key[edge]!]
    if (from >= count || to >= count) continue
    if ((kind & (WW | WR)) !== 0 && level[to] === SNAPSHOT) {
      // What is not known is neither above nor below.
      if (!(commitTs[from]! > startTs[to]!)) continue
      findings.note("G-SIa", () => ({
        pattern: kind === WW ? "lost update" : null,
        transactions: [transactions[from]!.id, transactions[to]!.id],
        lines: [
          `${nameOf(columns, to)} ${kind === WW ? "replaced" : "read"} in ${columns.keys[key]!} what ${nameOf(columns, from)} wrote, committed at ${commitTs[from]!}; its snapshot is of ${startTs[to]!}, before that.`,
        ],
      }))
    } else if ((kind & ANTI) !== 0 && level[from] === SNAPSHOT) {
      if (!(commitTs[to]! <= startTs[from]!)) continue
      findings.note("G-SIb", () => ({
        pattern: null,
        transactions: [transactions[from]!.id, transactions[to]!.id],
        lines: [
          `${nameOf(columns, from)} did not see in ${columns.keys[key]!} what ${nameOf(columns, to)} wrote, committed at ${commitTs[to]!}; its snapshot is of ${startTs[from]!}.`,
        ],
      }))
    }
  }
}
