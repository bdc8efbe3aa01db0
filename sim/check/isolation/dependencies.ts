import { ABSENT, type Columns, OK, READ_COMMITTED, WRITE } from "./columns.ts"
import { type Edges, type Helpers, PRW, RW, THROUGH, WR, WW } from "./edges.ts"
import type { Findings } from "./findings.ts"
import type { Versions } from "./versions.ts"
import { nameOf, readText, writeText } from "./words-for.ts"

/**
 * What follows from reads and versions: ww, wr and rw edges, item and predicate.
 *
 * An rw edge says that the reader had to come first, and READ COMMITTED promises nothing of the kind; so of such
 * transactions none is made.
 *
 * A version may have several next ones of unknown order. Each reader then comes before all of them, except itself:
 * helpers in two chains, one over the beginnings of the row and one over its ends, say so in a number of edges that is
 * linear (the one and the other leave out exactly one place).
 */
export function addDependencies(
  versions: Versions,
  edges: Edges,
  helpers: Helpers,
  findings: Findings,
): void {
  const { columns, opVersion, childCount } = versions
  const { opKind, opKey, opFrom, status, level } = columns
  const rows = new Rows(versions, edges, helpers)
  for (let parent = 0; parent < childCount.length; parent++) {
    if (childCount[parent]! > 0) addWriteWrite(versions, edges, rows, parent)
  }
  const wroteBefore = new Int32Array(columns.keys.length).fill(-1)
  const lastReader = new Int32Array(columns.keys.length).fill(-1)
  const lastVersion = new Int32Array(columns.keys.length)
  /** Where versions have several next ones: who read it and then wrote one of them. */
  const replacers = new Map<number, number>()
  for (let t = 0; t < columns.count; t++) {
    if (status[t] !== OK) continue
    for (let op = opFrom[t]!; op < opFrom[t + 1]!; op++) {
      const key = opKey[op]!
      if (opKind[op]! >= WRITE) {
        wroteBefore[key] = t
        continue
      }
      const version = opVersion[op]!
      // What it wrote itself tells nothing of others; and the same version again says nothing new.
      if (version < 0 || wroteBefore[key] === t) continue
      if (lastReader[key] === t && lastVersion[key] === version) continue
      lastReader[key] = t
      lastVersion[key] = version
      const writer = versions.writerOf(version)
      if (writer >= 0 && writer !== t) edges.add(writer, t, WR, key)
      if (level[t] === READ_COMMITTED || childCount[version] === 0) continue
      const isPredicate = opKind[op] === ABSENT
      if (childCount[version] === 1) {
        const next = versions.writerOf(versions.firstChild[version]!)
        if (next !== t) edges.add(t, next, isPredicate ? PRW : RW, key)
        continue
      }
      const place = placeAmongNext(versions, t, op, version)
      rows.addToAllBut(t, version, place, isPredicate ? PRW : RW)
      if (place < 0) continue
      const other = replacers.get(version)
      if (other === undefined) replacers.set(version, t)
      else if (other !== t) noteLostUpdate(columns, findings, other, t, key)
    }
  }
}

function addWriteWrite(versions: Versions, edges: Edges, rows: Rows, parent: number): void {
  const writer = versions.writerOf(parent)
  if (writer < 0) return
  const child = versions.firstChild[parent]!
  if (versions.childCount[parent] === 1) {
    const next = versions.writerOf(child)
    if (next !== writer) edges.add(writer, next, WW, versions.keyOf(parent))
    return
  }
  let own = -1
  for (let version = child; version >= 0; version = versions.nextSibling[version]!) {
    if (versions.writerOf(version) === writer) own = versions.place[version]!
  }
  rows.addToAllBut(writer, parent, own, WW)
}

/** The place that the transaction of a read has among the next versions of what it read; -1 if it wrote none of them. */
function placeAmongNext(versions: Versions, t: number, read: number, version: number): number {
  const { columns, writes, parent } = versions
  for (let op = read + 1; op < columns.opFrom[t + 1]!; op++) {
    if (columns.opKey[op] !== columns.opKey[read]) continue
    const record = writes.ofOp[op]!
    if (record < 0) continue
    const written = versions.versionOf(record)
    if (parent[written] === version) return versions.place[written]!
  }
  return -1
}

/** The helpers of versions with several next ones, made when they are first needed. */
class Rows {
  readonly #versions: Versions
  readonly #edges: Edges
  readonly #helpers: Helpers
  /** By version the first of its helpers: one for each beginning of the row, then one for each end. */
  readonly #first = new Map<number, number>()

  constructor(versions: Versions, edges: Edges, helpers: Helpers) {
    this.#versions = versions
    this.#edges = edges
    this.#helpers = helpers
  }

  addToAllBut(from: number, version: number, place: number, kind: number): void {
    const first = this.#helpersOf(version)
    const count = this.#versions.childCount[version]!
    const key = this.#versions.keyOf(version)
    if (place > 0) this.#edges.add(from, first + place - 1, kind, key)
    if (place + 1 < count) this.#edges.add(from, first + count + place + 1, kind, key)
  }

  #helpersOf(version: number): number {
    const known = this.#first.get(version)
    if (known !== undefined) return known
    const { firstChild, nextSibling, childCount, place } = this.#versions
    const count = childCount[version]!
    const first = this.#helpers.take(count * 2)
    this.#first.set(version, first)
    for (let child = firstChild[version]!; child >= 0; child = nextSibling[child]!) {
      const writer = this.#versions.writerOf(child)
      this.#edges.add(first + place[child]!, writer, THROUGH, -1)
      this.#edges.add(first + count + place[child]!, writer, THROUGH, -1)
    }
    for (let i = 1; i < count; i++) {
      this.#edges.add(first + i, first + i - 1, THROUGH, -1)
      this.#edges.add(first + count + i - 1, first + count + i, THROUGH, -1)
    }
    return first
  }
}

function noteLostUpdate(columns: Columns, findings: Findings, a: number, b: number, key: number): void {
  findings.note("lostUpdate", () => {
    const lines = [a, b].map((t) => {
      const name = nameOf(columns, t)
      return `${name} ${readText(columns, t, key)}, and ${writeText(columns, t, key)}.`
    })
    return {
      pattern: "lost update",
      transactions: [columns.transactions[a]!.id, columns.transactions[b]!.id],
      lines: [
        `${nameOf(columns, a)} and ${nameOf(columns, b)} both changed ${columns.keys[key]!}, each on the strength of the same version: one did not see what the other made of it.`,
        ...lines,
      ],
    }
  })
}
