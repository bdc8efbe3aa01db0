import type { Columns } from "./columns.ts"
import type { Held, Value } from "./history.ts"

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
