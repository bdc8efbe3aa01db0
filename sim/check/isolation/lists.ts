import { type Columns, FAIL, INFO, LIST, OK, WRITE } from "./columns.ts"
import type { Findings } from "./findings.ts"
import type { Value } from "./history.ts"
import type { Versions } from "./versions.ts"
import { listText, nameOf, valueText } from "./words-for.ts"

/**
 * The order of versions of lists: the longest list that anybody read, element by element. Every other read must be a
 * beginning of it, and says by its length which version it saw. What was appended and never read comes after all that
 * was, in an order that nobody knows unless by timestamps.
 */
export function orderLists(versions: Versions, findings: Findings): void {
  const { columns, keyCount } = versions
  const longest = longestReads(versions)
  // The version after each element of the longest list, list by list.
  const from = new Int32Array(keyCount)
  let length = 0
  for (let key = 0; key < keyCount; key++) {
    from[key] = length
    if (longest[key]! >= 0) length += columns.lists[columns.opValue[longest[key]!]!]!.length
  }
  const versionAfter = new Int32Array(length)
  for (let key = 0; key < keyCount; key++) {
    if (longest[key]! >= 0) placeElements(versions, findings, longest[key]!, versionAfter, from[key]!)
  }
  resolveReads(versions, findings, longest, versionAfter, from)
}

const EMPTY: readonly Value[] = []

/** What a read of a list showed. */
export function listRead(columns: Columns, op: number): readonly Value[] {
  return columns.opKind[op] === LIST ? columns.lists[columns.opValue[op]!]! : EMPTY
}

/** By key the operation that read most, or -1. */
function longestReads({ columns, writes, keyCount }: Versions): Int32Array {
  const longest = new Int32Array(keyCount).fill(-1)
  const lengths = new Int32Array(keyCount)
  const { opKind, opKey, opValue, lists } = columns
  for (let op = 0; op < columns.opCount; op++) {
    if (opKind[op] !== LIST) continue
    const key = opKey[op]!
    const { length } = lists[opValue[op]!]!
    if (length > lengths[key]! && writes.keyIsAmbiguous[key] === 0) {
      lengths[key] = length
      longest[key] = op
    }
  }
  return longest
}

/** Makes a chain of the elements of one list. What is no version (nobody's, aborted, a second time) is passed over. */
function placeElements(
  versions: Versions,
  findings: Findings,
  op: number,
  versionAfter: Int32Array,
  from: number,
): void {
  const { columns, writes, committed } = versions
  const key = columns.opKey[op]!
  const list = listRead(columns, op)
  let version = key
  let aborted = -1
  for (let i = 0; i < list.length; i++) {
    const record = writes.find(key, columns.valueNumber(list[i]!))
    const writer = record < 0 ? -1 : writes.transaction[record]!
    if (writer >= 0 && columns.status[writer] !== FAIL) {
      if (columns.status[writer] === INFO) committed[writer] = 1
      const next = versions.versionOf(record)
      if (versions.parent[next]! >= 0) noteDuplicate(versions, findings, op, list[i]!)
      else {
        versions.link(version, next)
        version = next
        if (aborted >= 0) noteDirtyUpdate(versions, findings, op, aborted, record)
      }
    } else if (writer >= 0) {
      noteAborted(versions, findings, op, list[i]!, writer)
      aborted = record
    } else noteGarbage(versions, findings, op, list[i]!)
    versionAfter[from + i] = version
  }
}

function resolveReads(
  versions: Versions,
  findings: Findings,
  longest: Int32Array,
  versionAfter: Int32Array,
  from: Int32Array,
): void {
  const { columns, writes, opVersion, keyCount } = versions
  const { opKind, opKey, opFrom, keyHoldsList, status } = columns
  for (let t = 0; t < columns.count; t++) {
    if (status[t] !== OK) continue
    for (let op = opFrom[t]!; op < opFrom[t + 1]!; op++) {
      const key = opKey[op]!
      if (opKind[op]! >= WRITE || keyHoldsList[key] === 0) continue
      if (writes.keyIsAmbiguous[key] === 1) {
        versions.unresolved++
        continue
      }
      const list = listRead(columns, op)
      if (list.length === 0) {
        opVersion[op] = key
        continue
      }
      if (op !== longest[key]) {
        const whole = listRead(columns, longest[key]!)
        let same = 0
        while (same < list.length && list[same] === whole[same]) same++
        if (same < list.length) {
          blame(versions, findings, op, longest[key]!)
          continue
        }
      }
      const version = versionAfter[from[key]! + list.length - 1]!
      opVersion[op] = version
      if (version < keyCount) continue
      const record = version - keyCount
      if (writes.isFinal[record] === 0 && writes.transaction[record] !== t) {
        noteIntermediate(versions, findings, op, record)
      }
    }
  }
}

/** Says why a read is no beginning of the longest one: elements that are wrong in themselves, or else the order. */
function blame(versions: Versions, findings: Findings, op: number, longest: number): void {
  const { columns } = versions
  const key = columns.opKey[op]!
  const list = soundElements(versions, findings, op)
  const whole = soundElements(versions, findings, longest)
  let same = 0
  while (same < list.length && same < whole.length && list[same] === whole[same]) same++
  if (same === list.length || same === whole.length) return
  findings.note("incompatibleOrder", () => {
    const [t, other] = [readerOf(columns, op), readerOf(columns, longest)]
    const name = columns.keys[key]!
    return {
      pattern: null,
      transactions: [columns.transactions[t]!.id, columns.transactions[other]!.id],
      lines: [
        `Two reads of ${name} are not one the beginning of the other, so there was no one order of appends.`,
        `${nameOf(columns, t)} read ${listText(list)}`,
        `${nameOf(columns, other)} read ${listText(listRead(columns, longest))}`,
      ],
    }
  })
}

/** The elements of a read that some transaction appended which did not fail, each once; the others are told. */
function soundElements(versions: Versions, findings: Findings, op: number): readonly Value[] {
  const { columns, writes } = versions
  const sound = new Set<Value>()
  for (const element of listRead(columns, op)) {
    const record = writes.find(columns.opKey[op]!, columns.valueNumber(element))
    const writer = record < 0 ? -1 : writes.transaction[record]!
    if (writer < 0) noteGarbage(versions, findings, op, element)
    else if (columns.status[writer] === FAIL) noteAborted(versions, findings, op, element, writer)
    else if (sound.has(element)) noteDuplicate(versions, findings, op, element)
    else {
      sound.add(element)
      if (columns.status[writer] === INFO) versions.committed[writer] = 1
    }
  }
  return [...sound]
}

/** The transaction an operation belongs to. */
function readerOf(columns: Columns, op: number): number {
  let low = 0
  let high = columns.count
  while (low + 1 < high) {
    const middle = (low + high) >>> 1
    if (columns.opFrom[middle]! <= op) low = middle
    else high = middle
  }
  return low
}

function noteGarbage({ columns }: Versions, findings: Findings, op: number, element: Value): void {
  findings.note("garbageRead", () => {
    const t = readerOf(columns, op)
    return {
      pattern: null,
      transactions: [columns.transactions[t]!.id],
      lines: [
        `${nameOf(columns, t)} read ${valueText(element)} in ${columns.keys[columns.opKey[op]!]!}, and nobody appended it.`,
      ],
    }
  })
}

function noteDuplicate({ columns }: Versions, findings: Findings, op: number, element: Value): void {
  findings.note("duplicateElements", () => {
    const t = readerOf(columns, op)
    const key = columns.keys[columns.opKey[op]!]!
    return {
      pattern: null,
      transactions: [columns.transactions[t]!.id],
      lines: [
        `${nameOf(columns, t)} read ${key} = ${listText(listRead(columns, op))}: ${valueText(element)} is there twice, and was appended once.`,
      ],
    }
  })
}

function noteAborted(
  { columns }: Versions,
  findings: Findings,
  op: number,
  element: Value,
  writer: number,
): void {
  findings.note("G1a", () => {
    const t = readerOf(columns, op)
    const key = columns.keys[columns.opKey[op]!]!
    return {
      pattern: "aborted read",
      transactions: [columns.transactions[t]!.id, columns.transactions[writer]!.id],
      lines: [
        `${nameOf(columns, t)} read ${valueText(element)} in ${key}, which ${nameOf(columns, writer)} appended; and that failed.`,
      ],
    }
  })
}

function noteDirtyUpdate(
  { columns, writes }: Versions,
  findings: Findings,
  op: number,
  aborted: number,
  record: number,
): void {
  findings.note("dirtyUpdate", () => {
    const t = readerOf(columns, op)
    const [before, after] = [writes.transaction[aborted]!, writes.transaction[record]!]
    const key = columns.keys[columns.opKey[op]!]!
    return {
      pattern: "dirty update",
      transactions: [columns.transactions[before]!.id, columns.transactions[after]!.id],
      lines: [
        `${nameOf(columns, before)} appended to ${key} and failed; ${nameOf(columns, after)} appended behind that, and committed.`,
        `${nameOf(columns, t)} read ${key} = ${listText(listRead(columns, op))}`,
      ],
    }
  })
}

function noteIntermediate(
  { columns, writes }: Versions,
  findings: Findings,
  op: number,
  record: number,
): void {
  findings.note("G1b", () => {
    const t = readerOf(columns, op)
    const writer = writes.transaction[record]!
    const key = columns.keys[columns.opKey[op]!]!
    return {
      pattern: "intermediate read",
      transactions: [columns.transactions[t]!.id, columns.transactions[writer]!.id],
      lines: [
        `${nameOf(columns, t)} read ${key} = ${listText(listRead(columns, op))}: of what ${nameOf(columns, writer)} appended only a part.`,
      ],
    }
  })
}

/** Hangs the appends that nobody read behind the last one that somebody did. */
export function placeUnread(
  versions: Versions,
  key: number,
  records: Int32Array,
  from: number,
  to: number,
): void {
  const { writes, committed } = versions
  let last = key
  while (versions.firstChild[last]! >= 0) last = versions.firstChild[last]!
  const unread: number[] = []
  for (let i = from; i < to; i++) {
    const record = records[i]!
    const isPlaced = versions.parent[versions.versionOf(record)]! >= 0
    if (!isPlaced && committed[writes.transaction[record]!] === 1) unread.push(record)
  }
  if (unread.length > 0 && !versions.placeByTimestamp(last, unread)) versions.placeBeside(last, unread)
}
