import type { Columns } from "./columns.ts"
import type { Held, TxnOp, Value } from "./history.ts"

/** How transactions and what they hold are called in an explanation. */

const LIST_TEXT_MAX = 10

export function nameOf(columns: Columns, transaction: number): string {
  return `T${columns.transactions[transaction]!.id}`
}

export function valueText(value: Value | null): string {
  if (value === null) return "nothing"
  return typeof value === "number" ? String(value) : JSON.stringify(value)
}

/** The end of a long list is what tells versions apart. */
export function listText(list: readonly Value[]): string {
  const shown = list.slice(-LIST_TEXT_MAX).map(valueText)
  if (list.length > LIST_TEXT_MAX) shown.unshift(`… ${list.length - LIST_TEXT_MAX} more`)
  return `[${shown.join(" ")}]`
}

export function heldText(held: Held): string {
  return held !== null && typeof held === "object" ? listText(held) : valueText(held)
}

function opsOn(columns: Columns, transaction: number, key: number): readonly TxnOp[] {
  const name = columns.keys[key]!
  return columns.transactions[transaction]!.ops.filter((op) =>
    op.f === "scan" ? op.start <= name && name < op.end : op.key === name,
  )
}

/** What the transaction made of the key. */
export function writeText(columns: Columns, transaction: number, key: number): string {
  const name = columns.keys[key]!
  const values: Value[] = []
  let last: Value | null = null
  let isList = false
  for (const op of opsOn(columns, transaction, key)) {
    if (op.f === "append") {
      isList = true
      values.push(op.value)
    } else if (op.f === "write") last = op.value
  }
  if (isList) return `appended ${values.slice(0, 4).map(valueText).join(", ")} to ${name}`
  return last === null ? `deleted ${name}` : `wrote ${name} = ${valueText(last)}`
}

/** What the transaction read of the key before it changed it. */
export function readText(columns: Columns, transaction: number, key: number): string {
  const name = columns.keys[key]!
  for (const op of opsOn(columns, transaction, key)) {
    if (op.f === "read") return `read ${name} = ${heldText(op.value)}`
    if (op.f === "scan") {
      const held = op.rows.find((row) => row[0] === name)?.[1] ?? null
      return `scanned [${op.start}, ${op.end}) and found ${name} = ${heldText(held)}`
    }
  }
  return `read ${name}`
}
