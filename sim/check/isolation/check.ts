import { columnsOf, SNAPSHOT } from "./columns.ts"
import { findCycles } from "./cycles.ts"
import { addDependencies } from "./dependencies.ts"
import { Edges, Helpers } from "./edges.ts"
import { explainCycle } from "./explain.ts"
import { type Finding, Findings } from "./findings.ts"
import type { Level, Transaction } from "./history.ts"
import { checkInternal } from "./internal.ts"
import { orderLists, placeUnread } from "./lists.ts"
import { addProcessOrder, addRealTime, inOrderOfBegin } from "./orders.ts"
import { placeWrites, resolveRegisters } from "./registers.ts"
import { checkTimestamps } from "./timestamps.ts"
import { Versions } from "./versions.ts"
import { Writes } from "./writes.ts"

/**
 * Whether a history of transactions kept what its levels promise: no cycle of dependencies that they forbid, nothing
 * aborted, intermediate or made up that was read.
 *
 * | level         | forbids                                                                              |
 * | ------------- | ------------------------------------------------------------------------------------ |
 * | readCommitted | garbage, internal, G0, G1a, G1b, G1c                                                 |
 * | snapshot      | these, lost updates, G-single, G-nonadjacent; with timestamps G-SIa and G-SIb        |
 * | serializable  | these, G2-item, G2                                                                   |
 *
 * `order` says what else was promised: that each process sees what it did before (strong session), or that everybody
 * sees what was over before he began (strict). Then the same cycles with such steps in them are forbidden too.
 *
 * Where transactions of several levels meet, a cycle is forbidden unless it has a READ COMMITTED transaction that should
 * have come before the writer of what it missed, or a SNAPSHOT one between two anti-dependencies (ADR 0049).
 *
 * Never accused: a history that has an explanation. Not found: what depends on an order of versions that was never seen.
 * Of lists that is the order of appends that nobody read; of registers, that of writes by transactions which had not read
 * the key, unless commit timestamps say it, and which version a read of nothing saw where keys are deleted.
 *
 * Method: Adya (1999), Kingsbury and Alvaro (2020).
 */
export type Isolation = {
  /** `unknown`: nothing wrong was found, but some values do not tell who wrote them. */
  readonly verdict: "valid" | "invalid" | "unknown"
  /** One of each anomaly, the worst first. */
  readonly findings: readonly Finding[]
  /** Reads of which the version could not be told. */
  readonly unresolved: number
  readonly edges: number
}

export type IsolationOptions = {
  /** Judge all transactions by this level, whatever they were promised. */
  readonly level?: Level
  readonly order: "none" | "process" | "realTime"
}

export function checkIsolation(history: readonly Transaction[], options: IsolationOptions): Isolation {
  const columns = columnsOf(history, options.level ?? null)
  const writes = new Writes(columns)
  const versions = new Versions(columns, writes)
  const findings = new Findings()
  checkInternal(columns, writes, findings)
  orderLists(versions, findings)
  const readBefore = resolveRegisters(versions, findings)
  const { from, records } = writes.byKey(columns.keys.length)
  for (let key = 0; key < columns.keys.length; key++) {
    if (writes.keyIsAmbiguous[key] === 1) continue
    if (columns.keyHoldsList[key] === 1) placeUnread(versions, key, records, from[key]!, from[key + 1]!)
    else placeWrites(versions, key, records, from[key]!, from[key + 1]!, readBefore)
  }

  const edges = new Edges(columns.opCount + columns.count * 4)
  const helpers = new Helpers(columns.count)
  addDependencies(versions, edges, helpers, findings)
  checkTimestamps(columns, edges, findings)
  if (options.order !== "none") {
    const begins = inOrderOfBegin(columns)
    addProcessOrder(columns, begins, versions.committed, edges)
    if (options.order === "realTime") addRealTime(columns, begins, versions.committed, edges, helpers)
  }
  const cycles = findCycles({
    edges,
    vertexCount: helpers.next,
    transactionCount: columns.count,
    isSplit: (transaction) => columns.level[transaction] === SNAPSHOT,
  })
  for (const cycle of cycles) {
    findings.note(`${cycle.name}${cycle.variant}`, () => explainCycle(columns, cycle))
  }
  const list = findings.list()
  const isAmbiguous = writes.keyIsAmbiguous.includes(1)
  return {
    verdict: list.length > 0 ? "invalid" : isAmbiguous ? "unknown" : "valid",
    findings: list,
    unresolved: versions.unresolved,
    edges: edges.count,
  }
}
