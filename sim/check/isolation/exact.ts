import { invariant, lowerBound } from "#kernel"
import type { Held, Level, Transaction, TxnOp, Value } from "./history.ts"
import { type KeyVersions, readPointOf, readWindow, type Version, versionsByKey } from "./version-log.ts"
import { heldText } from "./words-for.ts"

/**
 * The exact judge, where all versions are known with their commit timestamps, as of a store of ours: nothing is inferred.
 *
 * - The versions are what the transactions that took effect made, each of the one before it, all of a transaction or none.
 * - A SNAPSHOT transaction read what was newest at its `startTs`, and no key it changed has a version of another between
 *   that and its `commitTs` (first committer wins).
 * - A SERIALIZABLE one read what was newest at its `commitTs`, so that timestamps are a serial order. If it changed
 *   nothing, its `startTs` will do.
 * - A READ COMMITTED one read, each time, what was newest at some moment between the two.
 * - In real time, key by key: what was acknowledged before a transaction began, it does not miss, nor is its own put
 *   before that; and what begins after a transaction ended, that did not see.
 *
 * Own changes lie on top of what was read. Exact in this: a history is valid just when its timestamps are an
 * explanation of it. Cycles over several keys in real time are not looked for, which `checkIsolation` does.
 */
export type ExactAnomaly =
  /** A version that no transaction made which took effect, or not from the version before it. */
  | "strayVersion"
  /** What a transaction changed is there in part, or at more than one time. */
  | "tornCommit"
  /** Acknowledged, and not there. */
  | "lostWrite"
  /** Two versions of a key with one timestamp. */
  | "sameTimestamp"
  /** A read that is not what its transaction's read point shows. */
  | "wrongRead"
  /** A read that is right at the snapshot and no more at the commit, of a SERIALIZABLE transaction. */
  | "changedRead"
  /** Two transactions that changed a key were open at the same time, and both committed. */
  | "firstCommitterWins"
  /** The timestamps of a key contradict real time. */
  | "timestampOrder"

export type ExactFinding = {
  readonly anomaly: ExactAnomaly
  readonly transactions: readonly number[]
  readonly lines: readonly string[]
}

export type Validation = {
  /** `unknown`: nothing wrong was found, but some transactions have no timestamps to be judged by. */
  readonly verdict: "valid" | "invalid" | "unknown"
  /** The first of each anomaly. */
  readonly findings: readonly ExactFinding[]
  readonly unjudged: number
}

export type ValidationOptions = { readonly level?: Level; readonly order: "none" | "realTime" }

export function validateVersions(
  history: readonly Transaction[],
  versions: readonly Version[],
  options: ValidationOptions,
): Validation {
  const byId = new Map<number, Transaction>()
  for (const transaction of history) {
    invariant(!byId.has(transaction.id), () => `Cannot check: two transactions are called ${transaction.id}`)
    byId.set(transaction.id, transaction)
  }
  const judge = new Judge(byId, versionsByKey(versions, byId), options)
  judge.checkVersions()
  let unjudged = 0
  for (const transaction of history) {
    if (transaction.status === "ok" && !judge.checkTransaction(transaction)) unjudged++
  }
  const findings = [...judge.findings.values()]
  const verdict = findings.length > 0 ? "invalid" : unjudged > 0 ? "unknown" : "valid"
  return { verdict, findings, unjudged }
}

class Judge {
  readonly findings = new Map<ExactAnomaly, ExactFinding>()
  readonly #byId: ReadonlyMap<number, Transaction>
  readonly #byKey: ReadonlyMap<string, KeyVersions>
  readonly #sortedKeys: readonly string[]
  readonly #options: ValidationOptions

  constructor(
    byId: ReadonlyMap<number, Transaction>,
    byKey: ReadonlyMap<string, KeyVersions>,
    options: ValidationOptions,
  ) {
    this.#byId = byId
    this.#byKey = byKey
    this.#sortedKeys = [...byKey.keys()].sort()
    this.#options = options
  }

  #note(anomaly: ExactAnomaly, transactions: readonly number[], lines: () => readonly string[]): void {
    if (!this.findings.has(anomaly)) this.findings.set(anomaly, { anomaly, transactions, lines: lines() })
  }

  /** Whether the versions are what the transactions made. */
  checkVersions(): void {
    const made = new Map<number, { count: number; commitTs: number }>()
    for (const [key, { versions }] of this.#byKey) {
      for (let i = 0; i < versions.length; i++) this.#checkVersion(key, versions, i, made)
    }
    for (const transaction of this.#byId.values()) {
      const changed = changedKeys(transaction.ops).size
      const found = made.get(transaction.id)?.count ?? 0
      if (found === changed || transaction.status === "fail") continue
      if (found === 0 && transaction.status === "info") continue
      const anomaly = found === 0 ? "lostWrite" : "tornCommit"
      this.#note(anomaly, [transaction.id], () => [
        `T${transaction.id} changed ${changed} keys and has ${found} versions.`,
      ])
    }
  }

  #checkVersion(
    key: string,
    versions: readonly Version[],
    i: number,
    made: Map<number, { count: number; commitTs: number }>,
  ): void {
    const version = versions[i]!
    const { transaction: id, commitTs } = version
    const by = this.#byId.get(id)
    const text = (): string => `${key} = ${heldText(version.value)} of ${commitTs}, by T${id}`
    if (by === undefined || by.status === "fail") {
      const why = by === undefined ? "nobody knows that transaction" : "that transaction failed"
      this.#note("strayVersion", [id], () => [`There is a version ${text()}, and ${why}.`])
      return
    }
    const before = i > 0 ? versions[i - 1]! : null
    if (before?.commitTs === commitTs) {
      this.#note("sameTimestamp", [before.transaction, id], () => [
        `There are two versions of ${key} of ${commitTs}, by T${before.transaction} and by T${id}.`,
      ])
    }
    const known = made.get(id)
    if (known === undefined) made.set(id, { count: 1, commitTs })
    else known.count++
    if ((known?.commitTs ?? commitTs) !== commitTs || (by.commitTs ?? commitTs) !== commitTs) {
      this.#note("tornCommit", [id], () => [
        `T${id} committed at ${by.commitTs ?? known?.commitTs}, and made ${text()}.`,
      ])
    }
    if (!same(version.value, heldAfter(by.ops, key, before?.value ?? null))) {
      this.#note("strayVersion", [id], () => [
        `There is a version ${text()}, which is not what that makes of ${heldText(before?.value ?? null)}.`,
      ])
    }
    if (this.#options.order === "realTime") {
      const later = this.#byKey.get(key)!.earliestEndFrom[i + 1]!
      if (later < by.invokedAt) {
        this.#note("timestampOrder", [id], () => [
          `T${id} began at ${by.invokedAt} and made ${text()}; there is a later version that was acknowledged at ${later}.`,
        ])
      }
    }
  }

  /** False if the transaction has no timestamps to be judged by. */
  checkTransaction(transaction: Transaction): boolean {
    const level = this.#options.level ?? transaction.level
    const point = readPointOf(transaction, level)
    if (point === null && level !== "readCommitted") return false
    if (level === "snapshot") this.#checkFirstCommitter(transaction)
    const own = new Map<string, TxnOp[]>()
    for (const op of transaction.ops) {
      if (op.f === "append" || op.f === "write") {
        const before = own.get(op.key)
        if (before === undefined) own.set(op.key, [op])
        else before.push(op)
      } else if (op.f === "read") this.#checkRead(transaction, level, point, op.key, op.value, own)
      else this.#checkScan(transaction, level, point, op, own)
    }
    return true
  }

  #checkScan(
    transaction: Transaction,
    level: Level,
    point: number | null,
    { start, end, rows }: TxnOp & { readonly f: "scan" },
    own: ReadonlyMap<string, readonly TxnOp[]>,
  ): void {
    const found = new Map<string, Held>(rows)
    for (const [key, held] of rows) this.#checkRead(transaction, level, point, key, held, own)
    const from = lowerBound(this.#sortedKeys, start)
    for (let i = from; i < this.#sortedKeys.length && this.#sortedKeys[i]! < end; i++) {
      const key = this.#sortedKeys[i]!
      if (!found.has(key)) this.#checkRead(transaction, level, point, key, null, own)
    }
  }

  #checkRead(
    transaction: Transaction,
    level: Level,
    point: number | null,
    key: string,
    heard: Held,
    own: ReadonlyMap<string, readonly TxnOp[]>,
  ): void {
    const log = this.#byKey.get(key)
    const changes = own.get(key) ?? []
    const shows = (index: number): boolean =>
      same(heard, heldAfter(changes, key, index < 0 ? null : log!.versions[index]!.value))
    const [first, last] = readWindow(log, transaction, level, point)
    // Of several that show the same, the oldest: what began later can then not have been needed for it.
    let seen = first
    while (seen <= last && !shows(seen)) seen++
    if (seen > last) {
      const isStale = level === "serializable" && transaction.startTs !== null
      const at = isStale ? readWindow(log, transaction, "snapshot", transaction.startTs)[1] : -2
      const anomaly = at >= -1 && at < last && shows(at) ? "changedRead" : "wrongRead"
      this.#note(anomaly, [transaction.id], () => this.#readLines(transaction, key, heard, log, last, shows))
      return
    }
    if (this.#options.order !== "realTime" || log === undefined || changes.length > 0) return
    const missed = log.earliestEndFrom[seen + 1]!
    const latest = log.latestBeginTo[seen + 1]!
    if (level !== "readCommitted" && missed < transaction.invokedAt) {
      this.#note("timestampOrder", [transaction.id], () => [
        `T${transaction.id} began at ${transaction.invokedAt} and read ${key} = ${heldText(heard)}; a later version was acknowledged at ${missed}.`,
      ])
    } else if (latest > transaction.completedAt) {
      this.#note("timestampOrder", [transaction.id], () => [
        `T${transaction.id} ended at ${transaction.completedAt} and read ${key} = ${heldText(heard)}, which rests on a version of a transaction that began at ${latest}.`,
      ])
    }
  }

  #readLines(
    transaction: Transaction,
    key: string,
    heard: Held,
    log: KeyVersions | undefined,
    last: number,
    shows: (index: number) => boolean,
  ): readonly string[] {
    const versions = log?.versions ?? []
    const right = last < 0 ? null : versions[last]!
    const { startTs, commitTs } = transaction
    const lines = [
      `T${transaction.id} (${transaction.level}, snapshot of ${startTs ?? "?"}, committed at ${commitTs ?? "?"}) read ${key} = ${heldText(heard)}.`,
      right === null
        ? `Nothing of ${key} was committed then.`
        : `Newest then was ${heldText(right.value)} of ${right.commitTs}, by T${right.transaction}.`,
    ]
    const where = versions.findIndex((_, index) => shows(index))
    const other = where < 0 ? (shows(-1) ? null : undefined) : versions[where]!
    if (other === undefined) lines.push("No version of it shows that: it was never committed.")
    else if (other === null) lines.push("That is how it was before anybody changed it.")
    else lines.push(`That is the version of ${other.commitTs}, by T${other.transaction}.`)
    return lines
  }

  #checkFirstCommitter(transaction: Transaction): void {
    const { startTs, commitTs, id } = transaction
    if (startTs === null || commitTs === null) return
    for (const key of changedKeys(transaction.ops)) {
      const log = this.#byKey.get(key)
      if (log === undefined) continue
      const last = log.lastAt(commitTs, id)
      const other = last < 0 ? null : log.versions[last]!
      if (other === null || other.commitTs <= startTs) continue
      this.#note("firstCommitterWins", [other.transaction, id], () => [
        `T${id} changed ${key} on a snapshot of ${startTs}, and committed at ${commitTs}.`,
        `T${other.transaction} had changed it at ${other.commitTs}, in between: one of the two had to abort.`,
      ])
    }
  }
}

function changedKeys(ops: readonly TxnOp[]): ReadonlySet<string> {
  const keys = new Set<string>()
  for (const op of ops) if (op.f === "append" || op.f === "write") keys.add(op.key)
  return keys
}

/** What the key holds when the changes among `ops` have been made to it. */
function heldAfter(ops: readonly TxnOp[], key: string, before: Held): Held {
  let held = before
  for (const op of ops) {
    if (op.f === "append" && op.key === key) held = [...listOf(held), op.value]
    else if (op.f === "write" && op.key === key) held = op.value
  }
  return held
}

function listOf(held: Held): readonly Value[] {
  return held !== null && typeof held === "object" ? held : []
}

/** An empty list is an absent one. */
function same(a: Held, b: Held): boolean {
  if (a === b) return true
  if ((a !== null && typeof a !== "object") || (b !== null && typeof b !== "object")) return false
  const [x, y] = [listOf(a), listOf(b)]
  if (x.length !== y.length) return false
  for (let i = 0; i < x.length; i++) if (x[i] !== y[i]) return false
  return true
}
