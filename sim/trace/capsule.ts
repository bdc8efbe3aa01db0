import type { Plan } from "../plan/plan.ts"
import { planShape } from "../plan/parse.ts"
import {
  isPlanError,
  list,
  only,
  readShape,
  record,
  text,
  type PlanError,
  type Shape,
} from "../plan/shape.ts"
import { firstFlaw } from "../plan/well-formed.ts"
import type { RunResult } from "../result.ts"

/** A failure in one file: what ran, what it broke, and how to see it again. */
export type Capsule = {
  readonly capsule: 1
  /** Of Orrery, when it was found. */
  readonly version: string
  /** The line that runs it again. */
  readonly command: string
  readonly oracle: string
  readonly message: string
  /** What the bug was and what mended it; empty until somebody knows. */
  readonly bug: string
  readonly traceHash: string
  /** The trace hash after every 1,024th event. */
  readonly checkpoints: readonly string[]
  readonly plan: Plan
}

export function makeCapsule(
  plan: Plan,
  result: RunResult,
  about: { version: string; command: string },
): Capsule {
  return {
    capsule: 1,
    version: about.version,
    command: about.command,
    oracle: result.violation?.oracle ?? "",
    message: result.violation?.message ?? "",
    bug: "",
    traceHash: result.traceHash,
    checkpoints: result.checkpoints,
    plan,
  }
}

/** JSON to be read and edited: a line for each operation and each fault. */
export function writeCapsule(capsule: Capsule): string {
  const { plan, ...head } = capsule
  return `${lined(head).slice(0, -2)},\n"plan": ${writePlan(plan)}}\n`
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

export function lined(fields: object): string {
  const lines = Object.entries(fields).map(
    ([name, value]) => `${JSON.stringify(name)}: ${JSON.stringify(value)}`,
  )
  return `{${lines.join(",\n")}\n}`
}

export function listed(values: readonly unknown[]): string {
  return values.length === 0 ? "[]" : `[\n${values.map((value) => JSON.stringify(value)).join(",\n")}\n]`
}

/** A capsule from JSON, or what is wrong with it. */
export function parseCapsule(json: unknown): Capsule | PlanError {
  const capsule = readShape(capsuleShape(), json)
  return isPlanError(capsule) ? capsule : (firstFlaw(capsule.plan) ?? capsule)
}

function capsuleShape(): Shape<Capsule> {
  return record<Capsule>({
    capsule: only(1),
    version: text,
    command: text,
    oracle: text,
    message: text,
    bug: text,
    traceHash: text,
    checkpoints: list(text),
    plan: planShape(),
  })
}
