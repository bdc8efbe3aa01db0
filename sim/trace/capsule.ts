import type { Plan } from "../plan/plan.ts"
import { planShape } from "../plan/parse.ts"
import { isPlanError, readShape, record, text, type PlanError, type Shape } from "../plan/shape.ts"
import { firstFlaw } from "../plan/well-formed.ts"
import type { RunResult } from "../result.ts"
import { FAILURE_FIELDS, failureOf, lined, listed, writeFailure, type Failure } from "./failure.ts"

/** A failure of kernels in one file: what ran, what it broke, and how to see it again. */
export type Capsule = Failure & {
  /** Of Orrery, when it was found. */
  readonly version: string
  readonly plan: Plan
}

export function makeCapsule(
  plan: Plan,
  result: RunResult,
  about: { version: string; command: string },
): Capsule {
  const { capsule, ...failure } = failureOf(result, about.command)
  return { capsule, version: about.version, ...failure, plan }
}

export function writeCapsule({ plan, ...head }: Capsule): string {
  return writeFailure(head, writePlan(plan))
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
  return record<Capsule>({ ...FAILURE_FIELDS, version: text, plan: planShape() })
}
