import type { Plan } from "../plan/plan.ts"
import { planShape } from "../plan/parse.ts"
import {
  bool,
  isPlanError,
  list,
  nullable,
  readShape,
  record,
  text,
  whole,
  withDefaults,
  type PlanError,
  type Shape,
} from "../plan/shape.ts"
import { firstFlaw } from "../plan/well-formed.ts"
import type { RunResult } from "../result.ts"
import type { Cursor } from "../shrink/search.ts"
import { FAILURE_FIELDS, failureOf, lined, listed, writeFailure, type Failure } from "./failure.ts"

/** A failure of kernels in one file: what ran, what it broke, and how to see it again. */
export type Capsule = Failure & {
  /** Of Orrery, when it was found. */
  readonly version: string
  readonly plan: Plan
  /** How the plan became as small as it is; null when nobody has tried. */
  readonly shrink: ShrinkNote | null
  /** Which runs it stands for; null when only for itself. */
  readonly found: FoundNote | null
}

export type ShrinkNote = {
  /** The plan it comes from: a digest of it, and its size. */
  readonly from: {
    readonly plan: string
    readonly faults: number
    readonly operations: number
    readonly stores: number
  }
  /** Plans tried so far. */
  readonly runs: number
  /** Where the search goes on; null when nothing is left to try. */
  readonly cursor: Cursor | null
}

export type FoundNote = {
  readonly signature: string
  /** Runs that failed so. */
  readonly count: number
  /** Those runs, or the first of them. */
  readonly seeds: readonly { readonly scenario: string; readonly seed: number }[]
}

export type CapsuleNotes = Partial<Pick<Capsule, "shrink" | "found" | "bug">>

export function makeCapsule(
  plan: Plan,
  result: RunResult,
  about: { version: string; command: string } & CapsuleNotes,
): Capsule {
  const { version, command, shrink = null, found = null, bug = "" } = about
  const { capsule, ...failure } = failureOf(result, command)
  return { capsule, version, ...failure, bug, shrink, found, plan }
}

export function writeCapsule({ plan, shrink, found, ...head }: Capsule): string {
  // Most capsules have neither, and a field of nothing is a line to wonder about.
  const notes = { ...(shrink && { shrink }), ...(found && { found }) }
  return writeFailure({ ...head, ...notes }, writePlan(plan))
}

export function writePlan(plan: Plan): string {
  const { workload, faults, cluster, ...rest } = plan
  const ops = listed(workload.ops)
  const places = `{"stores": ${cluster.stores}, "spares": ${cluster.spares}, "tenants": ${JSON.stringify(cluster.tenants)},
"config": ${JSON.stringify(cluster.config)},
"ranges": ${listed(cluster.ranges)}}`
  const clients = `{"kind": ${JSON.stringify(workload.kind)}, "clients": ${workload.clients}, "ops": ${ops}}`
  return `${lined(rest).slice(0, -2)},
"cluster": ${places},
"workload": ${clients},
"faults": ${listed(faults)}
}
`
}

/** A capsule from JSON, or what is wrong with it. */
export function parseCapsule(json: unknown): Capsule | PlanError {
  const capsule = readShape(capsuleShape(), json)
  return isPlanError(capsule) ? capsule : (firstFlaw(capsule.plan) ?? capsule)
}

function capsuleShape(): Shape<Capsule> {
  const shape = record<Capsule>({
    ...FAILURE_FIELDS,
    version: text,
    plan: planShape(),
    shrink: nullable(SHRINK_NOTE),
    found: nullable(FOUND_NOTE),
  })
  return withDefaults({ shrink: null, found: null }, shape)
}

const CURSOR: Shape<Cursor> = record<Cursor>({
  pass: text,
  place: list(whole(0)),
  changed: bool,
  whole: bool,
})

const SHRINK_NOTE: Shape<ShrinkNote> = record<ShrinkNote>({
  from: record<ShrinkNote["from"]>({
    plan: text,
    faults: whole(0),
    operations: whole(0),
    stores: whole(0),
  }),
  runs: whole(0),
  cursor: nullable(CURSOR),
})

const FOUND_NOTE: Shape<FoundNote> = record<FoundNote>({
  signature: text,
  count: whole(1),
  seeds: list(record<FoundNote["seeds"][number]>({ scenario: text, seed: whole(0) })),
})
