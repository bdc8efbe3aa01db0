import { ABSENT, APPEND, type Columns, LIST, NONE, OK, READ_COMMITTED, WRITE } from "./columns.ts"
import type { Findings } from "./findings.ts"
import { listRead } from "./lists.ts"
import type { Writes } from "./writes.ts"
import { nameOf } from "./words-for.ts"

/**
 * Internal consistency: a transaction sees what it wrote itself, and, unless it is READ COMMITTED, what it read before.
 *
 * At READ COMMITTED another's commit may appear between two reads, so there a list must only end with the
 * transaction's own appends, and a register be what it wrote.
 */
export function checkInternal(columns: Columns, writes: Writes, findings: Findings): void {
  const { opKind, opKey, opFrom, status, level, keyHoldsList } = columns
  // Of the transaction being looked at: what it has touched, where last, what it has written, and what it ever
  // writes.
  const touchedBy = new Int32Array(columns.keys.length).fill(-1)
  const lastTouch = new Int32Array(columns.keys.length)
  const writtenBy = new Int32Array(columns.keys.length).fill(-1)
  const changedBy = new Int32Array(columns.keys.length).fill(-1)
  for (let t = 0; t < columns.count; t++) {
    if (status[t] !== OK) continue
    const isReadCommitted = level[t] === READ_COMMITTED
    for (let op = opFrom[t]!; op < opFrom[t + 1]!; op++) {
      if (opKind[op]! >= WRITE) changedBy[opKey[op]!] = t
    }
    for (let op = opFrom[t]!; op < opFrom[t + 1]!; op++) {
      const key = opKey[op]!
      if (opKind[op]! >= WRITE) writtenBy[key] = t
      else {
        let isRight = changedBy[key] !== t || writtenBy[key] === t || !isOwnLater(columns, writes, t, op)
        if (isRight && touchedBy[key] === t) {
          isRight =
            keyHoldsList[key] === 1
              ? listAgrees(columns, t, op, isReadCommitted)
              : registerAgrees(columns, opFrom[t]!, op, lastTouch[key]!, isReadCommitted)
        }
        if (!isRight) noteInternal(columns, findings, t, op)
      }
      touchedBy[key] = t
      lastTouch[key] = op
    }
  }
}

function registerAgrees(
  columns: Columns,
  from: number,
  op: number,
  before: number,
  isReadCommitted: boolean,
): boolean {
  const { opKind, opKey, opValue } = columns
  let known = before
  if (isReadCommitted) {
    while (known >= from && (opKind[known] !== WRITE || opKey[known] !== opKey[op])) known--
    if (known < from) return true
  }
  return opValue[op] === opValue[known]
}

/** Own appends since the last read, behind what that read showed. */
function listAgrees(columns: Columns, t: number, op: number, isReadCommitted: boolean): boolean {
  const { opKind, opKey, opValue, opFrom } = columns
  const key = opKey[op]!
  const list = listRead(columns, op)
  let length = list.length
  for (let before = op - 1; before >= opFrom[t]!; before--) {
    if (opKey[before] !== key) continue
    if (opKind[before] === APPEND) {
      if (length === 0 || columns.valueNumber(list[--length]!) !== opValue[before]) return false
    } else if (!isReadCommitted) {
      const earlier = listRead(columns, before)
      if (earlier.length !== length) return false
      for (let i = 0; i < length; i++) if (list[i] !== earlier[i]) return false
      return true
    }
  }
  return true
}

/** Whether a read before any own write shows what the transaction was to write only later. */
function isOwnLater(columns: Columns, writes: Writes, t: number, op: number): boolean {
  const key = columns.opKey[op]!
  let value = columns.opValue[op]!
  if (columns.opKind[op] === ABSENT || (columns.opKind[op] !== LIST && value === NONE)) return false
  if (columns.opKind[op] === LIST) {
    const last = listRead(columns, op).at(-1)
    if (last === undefined) return false
    value = columns.valueNumber(last)
  }
  const record = writes.find(key, value)
  return record >= 0 && writes.transaction[record] === t
}

function noteInternal(columns: Columns, findings: Findings, t: number, op: number): void {
  findings.note("internal", () => {
    const key = columns.keys[columns.opKey[op]!]!
    const steps = columns.transactions[t]!.ops.filter((step) => step.f === "scan" || step.key === key)
    return {
      pattern: null,
      transactions: [columns.transactions[t]!.id],
      lines: [
        `${nameOf(columns, t)} contradicts itself about ${key}. Its steps with it, in their order:`,
        ...steps.slice(0, 10).map((step) => JSON.stringify(step)),
      ],
    }
  })
}
