import type { Held, Level, Transaction } from "./history.ts"

/** What `key` held from `commitTs` on, by the id of the transaction that committed it; `null` is deleted. */
export type Version = {
  readonly key: string
  readonly commitTs: number
  readonly value: Held
  readonly transaction: number
}

/** All versions of one key by time. */
export class KeyVersions {
  readonly versions: readonly Version[]
  /** `[i]`: when the first of the writers of versions `i` and later had ended; never is infinite. */
  readonly earliestEndFrom: Float64Array
  /** `[i]`: when the last of the writers of versions before `i` began. */
  readonly latestBeginTo: Float64Array

  constructor(versions: readonly Version[], byId: ReadonlyMap<number, Transaction>) {
    this.versions = versions
    const count = versions.length
    this.earliestEndFrom = new Float64Array(count + 1).fill(Infinity)
    this.latestBeginTo = new Float64Array(count + 1).fill(-Infinity)
    for (let i = count - 1; i >= 0; i--) {
      const by = byId.get(versions[i]!.transaction)
      const end = by?.status === "ok" ? by.completedAt : Infinity
      this.earliestEndFrom[i] = Math.min(end, this.earliestEndFrom[i + 1]!)
    }
    for (let i = 0; i < count; i++) {
      const begin = byId.get(versions[i]!.transaction)?.invokedAt ?? -Infinity
      this.latestBeginTo[i + 1] = Math.max(begin, this.latestBeginTo[i]!)
    }
  }

  /** The newest version whose timestamp is not above `ts` and whose writer is not `except`; -1 if there is none. */
  lastAt(ts: number, except: number): number {
    let low = 0
    let high = this.versions.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.versions[middle]!.commitTs <= ts) low = middle + 1
      else high = middle
    }
    let index = low - 1
    while (index >= 0 && this.versions[index]!.transaction === except) index--
    return index
  }
}

export function versionsByKey(
  versions: readonly Version[],
  byId: ReadonlyMap<number, Transaction>,
): ReadonlyMap<string, KeyVersions> {
  const lists = new Map<string, Version[]>()
  for (const version of versions) {
    const list = lists.get(version.key)
    if (list === undefined) lists.set(version.key, [version])
    else list.push(version)
  }
  const logs = new Map<string, KeyVersions>()
  for (const [key, list] of lists) {
    list.sort((a, b) => a.commitTs - b.commitTs || a.transaction - b.transaction)
    logs.set(key, new KeyVersions(list, byId))
  }
  return logs
}

/** The timestamp at which a transaction's reads must be right; null if it is not known, or there is no one such. */
export function readPointOf({ startTs, commitTs }: Transaction, level: Level): number | null {
  if (level === "snapshot") return startTs
  return level === "serializable" ? (commitTs ?? startTs) : null
}

/** The first and last version that a read may have shown; -1 is the time before the first of all. */
export function readWindow(
  log: KeyVersions | undefined,
  { id, startTs, commitTs }: Transaction,
  level: Level,
  point: number | null,
): readonly [number, number] {
  if (log === undefined) return [-1, -1]
  if (level !== "readCommitted") {
    const index = log.lastAt(point!, id)
    return [index, index]
  }
  return [startTs === null ? -1 : log.lastAt(startTs, id), log.lastAt(commitTs ?? Infinity, id)]
}
