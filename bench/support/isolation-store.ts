import { lowerBound } from "#kernel"
import { INSTANT_NEVER } from "#sim/check/history.ts"
import type { Level, Transaction, TxnOp, Value } from "#sim/check/isolation/history.ts"

/**
 * A small multiversion store, and processes that run transactions on it step by step among each other: a source of
 * histories that are right by construction, or wrong in one known way.
 *
 * Snapshots are of the clock at the begin; SNAPSHOT aborts if a key it changed was changed since (first committer wins),
 * SERIALIZABLE if anything it read was; READ COMMITTED reads what is newest at each step.
 */

export type Held = Value | readonly Value[]
export type StoredVersion = {
  readonly key: string
  readonly commitTs: number
  readonly value: Held | null
  readonly transaction: number
}

export type Bug =
  /** SNAPSHOT without first committer wins. */
  | "lostUpdates"
  /** SERIALIZABLE that looks at what was written only. */
  | "writeSkew"
  /** SERIALIZABLE that looks at rows it read, and not at rows it did not find. */
  | "phantoms"
  /** Reads see what others have not committed. */
  | "dirtyReads"
  /** Snapshots are of some time ago. */
  | "oldSnapshots"
  /** A commit becomes visible key by key. */
  | "tornCommits"
  /** Some commits are applied twice. */
  | "twice"
  /** Some commits are acknowledged and lost. */
  | "forgotten"

export type StoreShape = {
  readonly seed: number
  readonly transactions: number
  readonly processes: number
  readonly keys: number
  readonly model: "append" | "register"
  readonly levels: readonly Level[]
  readonly opsMax: number
  /** Of a hundred operations. */
  readonly scans: number
  readonly deletes: number
  /** Of a hundred transactions. */
  readonly info: number
  readonly aborts: number
  /** A key that was changed so often is left alone, and a new one takes its place. */
  readonly changesMax: number
  readonly hasTimestamps: boolean
  readonly bug: Bug | null
}

export const STORE_SHAPE: StoreShape = {
  seed: 1,
  transactions: 200,
  processes: 6,
  keys: 4,
  model: "append",
  levels: ["serializable"],
  opsMax: 4,
  scans: 0,
  deletes: 0,
  info: 3,
  aborts: 3,
  changesMax: 16,
  hasTimestamps: false,
  bug: null,
}

type Open = {
  readonly id: number
  readonly process: number
  readonly level: Level
  readonly invokedAt: number
  readonly startTs: number
  readonly ops: TxnOp[]
  readonly reads: Set<string>
  readonly spans: [string, string][]
  /** What it wrote last to each register, and what it appended to each list. */
  readonly written: Map<string, Value | null>
  readonly appended: Map<string, Value[]>
  left: number
}

/** A key that another is about to change is locked: the step reads it instead. */
function changes(one: Open | null, key: string): boolean {
  return one !== null && (one.written.has(key) || one.appended.has(key))
}

type Stored = { readonly commitTs: number; readonly value: Held | null; readonly transaction: number }

export function runStore(shape: StoreShape): {
  readonly history: Transaction[]
  readonly versions: StoredVersion[]
} {
  return new Store(shape).run()
}

class Store {
  readonly #shape: StoreShape
  readonly #versions = new Map<string, Stored[]>()
  readonly #names: string[] = []
  readonly #changes = new Map<string, number>()
  readonly #history: Transaction[] = []
  readonly #all: string[] = []
  #value = 0
  #clock = 10
  #nextProcess: number
  #state: number

  constructor(shape: StoreShape) {
    this.#shape = shape
    this.#state = shape.seed | 0
    this.#nextProcess = shape.processes
    for (let i = 0; i < shape.keys; i++) this.#names.push(this.#newName())
  }

  run(): { history: Transaction[]; versions: StoredVersion[] } {
    const { transactions, processes } = this.#shape
    const open: (Open | null)[] = Array.from({ length: processes }, () => null)
    const names = Array.from({ length: processes }, (_, i) => i)
    let begun = 0
    let running = 0
    while (begun < transactions || running > 0) {
      const slot = this.#below(processes)
      this.#clock += 1 + this.#below(3)
      const one = open[slot]!
      if (one === null) {
        if (begun === transactions) continue
        open[slot] = this.#begin(begun++, names[slot]!)
        running++
      } else if (one.left-- > 0) this.#step(one, open)
      else {
        open[slot] = null
        running--
        if (this.#end(one) === "info") names[slot] = this.#nextProcess++
      }
    }
    const versions: StoredVersion[] = []
    for (const [key, list] of this.#versions) for (const version of list) versions.push({ key, ...version })
    return { history: this.#history.sort((a, b) => a.invokedAt - b.invokedAt), versions }
  }

  #begin(id: number, process: number): Open {
    const { levels, opsMax, bug } = this.#shape
    const isOld = bug === "oldSnapshots" && this.#below(4) === 0
    return {
      id,
      process,
      level: levels[this.#below(levels.length)]!,
      invokedAt: this.#clock,
      startTs: isOld ? Math.max(0, this.#clock - 200) : this.#clock,
      ops: [],
      reads: new Set(),
      spans: [],
      written: new Map(),
      appended: new Map(),
      left: 1 + this.#below(opsMax),
    }
  }

  #step(one: Open, open: readonly (Open | null)[]): void {
    const { model, scans, deletes } = this.#shape
    const key = this.#names[this.#below(this.#names.length)]!
    if (this.#below(100) < scans) {
      const [start, end] = [this.#names[this.#below(this.#names.length)]!, key].sort()
      const rows: [string, Held][] = []
      for (const name of this.#span(start!, end!)) {
        const held = this.#see(one, name, open)
        if (held !== null) rows.push([name, held])
      }
      one.spans.push([start!, end!])
      for (const [name] of rows) one.reads.add(name)
      one.ops.push({ f: "scan", start: start!, end: end!, rows })
    } else if (this.#below(2) === 0 || open.some((other) => other !== one && changes(other, key))) {
      const value = this.#see(one, key, open)
      one.reads.add(key)
      one.ops.push({ f: "read", key, value: value === null && model === "append" ? [] : value })
    } else {
      const value = ++this.#value
      if (model === "append") {
        one.ops.push({ f: "append", key, value })
        one.appended.set(key, [...(one.appended.get(key) ?? []), value])
      } else {
        const written = this.#below(100) < deletes ? null : value
        one.ops.push({ f: "write", key, value: written })
        one.written.set(key, written)
      }
      this.#count(key)
    }
  }

  #count(key: string): void {
    const changes = (this.#changes.get(key) ?? 0) + 1
    this.#changes.set(key, changes)
    const place = this.#names.indexOf(key)
    if (changes >= this.#shape.changesMax && place >= 0) this.#names[place] = this.#newName()
  }

  #newName(): string {
    const name = `k${String(this.#all.length).padStart(6, "0")}`
    this.#all.push(name)
    return name
  }

  #see(one: Open, key: string, open: readonly (Open | null)[]): Held | null {
    const ts = one.level === "readCommitted" ? this.#clock : one.startTs
    if (one.written.has(key)) return one.written.get(key)!
    const base = this.#at(key, ts)
    const held = [...(Array.isArray(base) ? base : [])]
    if (this.#shape.bug === "dirtyReads" && this.#below(4) === 0) {
      for (const other of open) {
        if (other === null || other === one) continue
        if (other.written.has(key)) return other.written.get(key)!
        held.push(...(other.appended.get(key) ?? []))
      }
    }
    if (this.#shape.model === "register") return base
    held.push(...(one.appended.get(key) ?? []))
    return held.length === 0 ? null : held
  }

  #at(key: string, ts: number): Held | null {
    const versions = this.#versions.get(key)
    if (versions === undefined) return null
    for (let i = versions.length - 1; i >= 0; i--) if (versions[i]!.commitTs <= ts) return versions[i]!.value
    return null
  }

  #changedSince(key: string, ts: number): boolean {
    const last = this.#versions.get(key)?.at(-1)
    return last !== undefined && last.commitTs > ts
  }

  #mayCommit(one: Open): boolean {
    const { bug, aborts } = this.#shape
    if (this.#below(100) < aborts) return false
    if (one.level === "readCommitted") return true
    const changed = [...one.written.keys(), ...one.appended.keys()]
    if (bug !== "lostUpdates" && changed.some((key) => this.#changedSince(key, one.startTs))) return false
    if (one.level === "snapshot" || bug === "writeSkew") return true
    if ([...one.reads].some((key) => this.#changedSince(key, one.startTs))) return false
    if (bug === "phantoms") return true
    return one.spans.every(([start, end]) =>
      this.#span(start, end).every((key) => !this.#changedSince(key, one.startTs)),
    )
  }

  /** All names there ever were; they are made in ascending order. */
  #span(start: string, end: string): readonly string[] {
    return this.#all.slice(lowerBound(this.#all, start), lowerBound(this.#all, end))
  }

  #end(one: Open): Transaction["status"] {
    const { info, bug, hasTimestamps } = this.#shape
    const commits = this.#mayCommit(one)
    const isUnknown = this.#below(100) < info
    const isForgotten = bug === "forgotten" && this.#below(20) === 0
    const commitTs = ++this.#clock
    if (commits && !isForgotten) {
      const rounds = bug === "twice" && this.#below(20) === 0 ? 2 : 1
      for (let round = 0; round < rounds; round++) this.#install(one, commitTs)
    }
    const status = isUnknown ? "info" : commits ? "ok" : "fail"
    this.#history.push({
      id: one.id,
      process: one.process,
      status,
      invokedAt: one.invokedAt,
      completedAt: isUnknown ? INSTANT_NEVER : ++this.#clock,
      level: one.level,
      ops: one.ops,
      startTs: hasTimestamps ? one.startTs : null,
      commitTs: hasTimestamps && commits ? commitTs : null,
    })
    return status
  }

  #install(one: Open, commitTs: number): void {
    let ts = commitTs
    const put = (key: string, value: Held | null): void => {
      const list = this.#versions.get(key) ?? []
      if (list.length === 0) this.#versions.set(key, list)
      list.push({ commitTs: ts, value, transaction: one.id })
      if (this.#shape.bug === "tornCommits") ts += 20
    }
    for (const [key, value] of one.written) put(key, value)
    for (const [key, values] of one.appended) {
      const before = this.#versions.get(key)?.at(-1)?.value
      put(key, [...(Array.isArray(before) ? before : []), ...values])
    }
  }

  #below(bound: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) | 0
    return (this.#state >>> 8) % bound
  }
}
