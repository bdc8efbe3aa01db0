import { list, only, text, type Shape } from "../plan/shape.ts"
import type { Violation } from "../check/checker.ts"

/** What every capsule says of a failure, whatever ran: kernels or machines of somebody's own. */
export type Failure = {
  readonly capsule: 1
  /** How it is run again. */
  readonly command: string
  readonly oracle: string
  readonly message: string
  /** What the bug was and what mended it; empty until somebody knows. */
  readonly bug: string
  readonly traceHash: string
  /** The trace hash after every 1,024th event. */
  readonly checkpoints: readonly string[]
}

/** What a run that failed shows, as far as a capsule keeps it. */
type FailedRun = {
  readonly violation: Violation | null
  readonly traceHash: string
  readonly checkpoints: readonly string[]
}

export function failureOf(result: FailedRun, command: string): Failure {
  return {
    capsule: 1,
    command,
    oracle: result.violation?.oracle ?? "",
    message: result.violation?.message ?? "",
    bug: "",
    traceHash: result.traceHash,
    checkpoints: result.checkpoints,
  }
}

export const FAILURE_FIELDS: { readonly [K in keyof Failure]: Shape<Failure[K]> } = {
  capsule: only(1),
  command: text,
  oracle: text,
  message: text,
  bug: text,
  traceHash: text,
  checkpoints: list(text),
}

/** JSON to be read and edited: a line for each field. */
export function lined(fields: object): string {
  const lines = Object.entries(fields).map(
    ([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  )
  return `{${lines.join(",\n")}\n}`
}

/** A line for each value. */
export function listed(values: readonly unknown[]): string {
  return values.length === 0 ? "[]" : `[\n${values.map((value) => JSON.stringify(value)).join(",\n")}\n]`
}

/** A capsule: its head a line a field, then its plan as it writes itself. */
export function writeFailure(head: object, plan: string): string {
  return `${lined(head).slice(0, -2)},\n"plan": ${plan}}\n`
}
