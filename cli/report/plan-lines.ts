import { unreachable } from "../errors.ts"
import type { Plan, PlanFault, PlanOp } from "#sim"
import { clip, instant } from "./format.ts"

/** One row of a schedule: what happens to the cluster or what a client asks, when and where. */
type ScheduleRow = {
  readonly at: number
  readonly until: number
  readonly what: string
  readonly where: string
  readonly details: string
  readonly isFault: boolean
}

/** Everything a plan does, in the order in which it begins. */
function scheduleOf(plan: Plan): readonly ScheduleRow[] {
  const rows = [...plan.faults.map(faultRow), ...plan.workload.ops.map(opRow)]
  return rows.sort((a, b) => a.at - b.at || Number(b.isFault) - Number(a.isFault))
}

function faultRow(fault: PlanFault): ScheduleRow {
  const details = Object.entries(fault.args).map(([name, value]) => argText(name, value))
  return {
    at: fault.at,
    until: fault.until,
    what: fault.kind,
    where: targetText(fault),
    details: details.join(" "),
    isFault: true,
  }
}

export function opRow(operation: PlanOp): ScheduleRow {
  const { op } = operation
  const habits = [
    op.token ? "token" : "",
    op.copies > 1 ? `×${op.copies}` : "",
    op.abandoned ? "abandoned" : "",
    `timeout ${instant(op.timeoutUs)}`,
  ]
  return {
    at: operation.at,
    until: operation.at,
    what: op.ops.map(kvText).join("; "),
    where: `client ${operation.client} → range ${op.range}`,
    details: habits.filter((habit) => habit !== "").join(" "),
    isFault: false,
  }
}

/** `minUs=12000` is for programs: people read `min=12 ms`. */
function argText(name: string, value: number): string {
  if (name.endsWith("Us")) return `${name.slice(0, -2)}=${value / 1_000} ms`
  if (name.endsWith("Ppm")) return `${name.slice(0, -3)}=${value / 10_000}%`
  return `${name}=${value}`
}

function targetText(fault: PlanFault): string {
  const { target } = fault
  const stores =
    target.role === "stores" ? listText(target.stores) : `${target.role} of group ${target.group}`
  return target.peers.length === 0 ? stores : `${stores} | ${target.peers.join(",")}`
}

function listText(ids: readonly number[]): string {
  if (ids.length === 0) return "all stores"
  return `${ids.length === 1 ? "store" : "stores"} ${ids.join(",")}`
}

type KvOp = PlanOp["op"]["ops"][number]

function kvText(op: KvOp): string {
  switch (op.type) {
    case "get":
    case "delete":
      return `${op.type} ${keyText(op.key)}`
    case "put":
    case "append":
      return `${op.type} ${keyText(op.key)}=${keyText(op.value)}`
    case "cas":
      return `cas ${keyText(op.key)}: ${op.expected === null ? "absent" : keyText(op.expected)} → ${keyText(op.value)}`
    case "increment":
      return `increment ${keyText(op.key)} by ${op.by}`
    case "scan":
      return `scan [${keyText(op.start)}, ${keyText(op.end)})${op.reverse ? " reverse" : ""} limit ${op.limit}`
    default:
      return unreachable(op)
  }
}

/** Keys and values are bytes: those that are no plain text are shown in hexadecimal. */
function keyText(bytes: string): string {
  const hex = (char: string): string => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`
  return clip(bytes.replaceAll(/[^\x21-\x7e]/g, hex), 24)
}

const HEAD: readonly string[] = ["at", "until", "what", "where", "how"]

/**
 * A schedule as a table of at most `linesMax` lines. When it is longer only its faults are told, since they
 * are why the run failed, and how many operations there were.
 */
export function scheduleLines(plan: Plan, linesMax: number): readonly string[] {
  const rows = scheduleOf(plan)
  const kept = rows.length < linesMax ? rows : rows.filter((row) => row.isFault)
  const shown = kept.length === rows.length ? rows : kept.slice(0, linesMax - 2)
  const cells = shown.map((row) => [
    instant(row.at),
    row.until > row.at ? `– ${instant(row.until)}` : "",
    row.what,
    row.where,
    row.details,
  ])
  const widths = [0, 1, 2, 3].map((column) =>
    Math.min(40, Math.max(0, ...[HEAD, ...cells].map((cell) => (cell[column] ?? "").length))),
  )
  const lines = (cells.length === 0 ? [] : [HEAD, ...cells]).map((cell) =>
    cell
      .map((text, column) => {
        const width = widths[column]
        if (width === undefined) return clip(text, 60)
        return column <= 1 ? text.padStart(width) : clip(text, 40).padEnd(width)
      })
      .join("  ")
      .trimEnd(),
  )
  const left = rows.length - shown.length
  const faultsLeft = plan.faults.length - shown.filter((row) => row.isFault).length
  const what = faultsLeft === 0 ? "operations" : `more, ${faultsLeft} of them faults`
  if (left > 0) lines.push(`… and ${left} ${what}`)
  return lines
}
