import { ABSENT, type Columns, FAIL, INFO, NONE, OK, READ, WRITE } from "./columns.ts"
import type { Findings } from "./findings.ts"
import type { Versions } from "./versions.ts"
import { nameOf, valueText } from "./words-for.ts"

/**
 * The order of versions of registers. A value tells which version was read, for no value is written twice; absent is the
 * version before all writes, unless somebody deletes the key: then nobody can tell.
 *
 * Where commit timestamps are known of all writers of a key, they are the order. Else a transaction that read a version
 * and then wrote the key made a later one ("writes follow reads"), and all come after the first; more is not known.
 *
 * Returns for each write record the version its transaction had read before, or -1.
 */
export function resolveRegisters(versions: Versions, findings: Findings): Int32Array {
  const { columns, writes, opVersion, committed } = versions
  const { opKind, opKey, opValue, opFrom, keyHoldsList, status } = columns
  const readBefore = new Int32Array(writes.count).fill(-1)
  const reader = new Int32Array(columns.keys.length).fill(-1)
  const versionRead = new Int32Array(columns.keys.length)
  for (let t = 0; t < columns.count; t++) {
    for (let op = opFrom[t]!; op < opFrom[t + 1]!; op++) {
      const key = opKey[op]!
      if (keyHoldsList[key] === 1) continue
      if (opKind[op] === WRITE) {
        if (reader[key] === t) readBefore[writes.ofOp[op]!] = versionRead[key]!
        continue
      }
      if (status[t] !== OK) continue
      let version = -1
      if (opKind[op] === ABSENT || opValue[op] === NONE) {
        if (writes.keyHasDelete[key] === 0) version = key
        else versions.unresolved++
      } else if (writes.keyIsAmbiguous[key] === 1) versions.unresolved++
      else {
        const record = writes.find(key, opValue[op]!)
        const writer = record < 0 ? -1 : writes.transaction[record]!
        if (writer < 0) noteGarbage(columns, findings, t, op)
        else if (status[writer] === FAIL) noteAborted(columns, findings, t, op, writer)
        else if (writes.isFinal[record] === 0 && writer !== t)
          noteIntermediate(columns, findings, t, op, writer)
        else version = versions.versionOf(record)
        if (writer >= 0 && status[writer] === INFO) committed[writer] = 1
      }
      opVersion[op] = version
      // Its own version is not one it could have replaced.
      if (version >= 0 && reader[key] !== t && versions.writerOf(version) !== t) {
        reader[key] = t
        versionRead[key] = version
      }
    }
  }
  return readBefore
}

/** Puts the versions of one register into their tree. */
export function placeWrites(
  versions: Versions,
  key: number,
  records: Int32Array,
  from: number,
  to: number,
  readBefore: Int32Array,
): void {
  const { columns, writes, committed } = versions
  const placed: number[] = []
  let isTimed = true
  for (let i = from; i < to; i++) {
    const record = records[i]!
    const writer = writes.transaction[record]!
    if (committed[writer] === 0 || writes.isFinal[record] === 0) continue
    placed.push(record)
    if (Number.isNaN(columns.commitTs[writer]!)) isTimed = false
  }
  if (isTimed && versions.placeByTimestamp(key, placed)) return
  for (const record of placed) {
    versions.link(readBefore[record]! >= 0 ? readBefore[record]! : key, versions.versionOf(record))
  }
}

function noteGarbage(columns: Columns, findings: Findings, t: number, op: number): void {
  findings.note("garbageRead", () => ({
    pattern: null,
    transactions: [columns.transactions[t]!.id],
    lines: [`${readText(columns, t, op)}, and nobody wrote that.`],
  }))
}

function noteAborted(columns: Columns, findings: Findings, t: number, op: number, writer: number): void {
  findings.note("G1a", () => ({
    pattern: "aborted read",
    transactions: [columns.transactions[t]!.id, columns.transactions[writer]!.id],
    lines: [`${readText(columns, t, op)}, which ${nameOf(columns, writer)} wrote; and that failed.`],
  }))
}

function noteIntermediate(columns: Columns, findings: Findings, t: number, op: number, writer: number): void {
  findings.note("G1b", () => ({
    pattern: "intermediate read",
    transactions: [columns.transactions[t]!.id, columns.transactions[writer]!.id],
    lines: [
      `${readText(columns, t, op)}, which ${nameOf(columns, writer)} wrote and then wrote over before it committed.`,
    ],
  }))
}

function readText(columns: Columns, t: number, op: number): string {
  const key = columns.keys[columns.opKey[op]!]!
  const value = columns.opKind[op] === READ ? columns.opValue[op]! : NONE
  // The value itself, from where it was told: numbers of values are ours.
  for (const read of columns.transactions[t]!.ops) {
    const heard =
      read.f === "read" && read.key === key
        ? read.value
        : read.f === "scan"
          ? (read.rows.find((row) => row[0] === key)?.[1] ?? null)
          : null
    if (heard === null || typeof heard === "object" || columns.valueNumber(heard) !== value) continue
    return `${nameOf(columns, t)} read ${key} = ${valueText(heard)}`
  }
  return `${nameOf(columns, t)} read ${key}`
}
