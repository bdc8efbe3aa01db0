import { isPlanError, readShape, record, type PlanError, type Shape } from "../plan/shape.ts"
import { FAILURE_FIELDS, failureOf, lined, listed, writeFailure, type Failure } from "../trace/failure.ts"
import { firstFlawOfMachines, machinePlanShape, type MachinePlan } from "./plan.ts"
import type { MachineResult } from "./run.ts"

/** A failure of machines in one file. Which machine it was stands in its plan, by name and version. */
export type MachineCapsule = Failure & { readonly plan: MachinePlan }

/** It is run again by the test that has the machine. */
export function makeMachineCapsule(result: MachineResult): MachineCapsule {
  const { plan } = result
  const command = `replay of system "${plan.scenario}", from the test that has ${plan.machine.name} ${plan.machine.version}`
  return { ...failureOf(result, command), plan }
}

export function writeMachineCapsule({ plan, ...head }: MachineCapsule): string {
  return writeFailure(head, writeMachinePlan(plan))
}

export function writeMachinePlan(plan: MachinePlan): string {
  const { workload, faults, ...rest } = plan
  return `${lined(rest).slice(0, -2)},
"workload": {"clients": ${workload.clients}, "ops": ${listed(workload.ops)}},
"faults": ${listed(faults)}
}
`
}

/** A capsule from JSON, or what is wrong with it. */
export function parseMachineCapsule(json: unknown): MachineCapsule | PlanError {
  const capsule = readShape(capsuleShape(), json)
  return isPlanError(capsule) ? capsule : (firstFlawOfMachines(capsule.plan) ?? capsule)
}

function capsuleShape(): Shape<MachineCapsule> {
  return record<MachineCapsule>({ ...FAILURE_FIELDS, plan: machinePlanShape() })
}
