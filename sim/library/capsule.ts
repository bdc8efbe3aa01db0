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
import { lined, listed } from "../trace/capsule.ts"
import { firstFlawOfMachines, machinePlanShape, type MachinePlan } from "./plan.ts"
import type { MachineResult } from "./run.ts"

/** A failure of machines in one file. Which machine it was stands in its plan, by name and version. */
export type MachineCapsule = {
  readonly capsule: 1
  /** How it is run again: by the test that has the machine. */
  readonly command: string
  readonly oracle: string
  readonly message: string
  /** What the bug was and what mended it; empty until somebody knows. */
  readonly bug: string
  readonly traceHash: string
  /** The trace hash after every 1,024th event. */
  readonly checkpoints: readonly string[]
  readonly plan: MachinePlan
}

export function makeMachineCapsule(result: MachineResult): MachineCapsule {
  const { plan } = result
  return {
    capsule: 1,
    command: `replay of system "${plan.scenario}", from the test that has ${plan.machine.name} ${plan.machine.version}`,
    oracle: result.violation?.oracle ?? "",
    message: result.violation?.message ?? "",
    bug: "",
    traceHash: result.traceHash,
    checkpoints: result.checkpoints,
    plan,
  }
}

/** JSON to be read and edited: a line for each operation and each fault. */
export function writeMachineCapsule(capsule: MachineCapsule): string {
  const { plan, ...head } = capsule
  return `${lined(head).slice(0, -2)},\n"plan": ${writeMachinePlan(plan)}}\n`
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
  return record<MachineCapsule>({
    capsule: only(1),
    command: text,
    oracle: text,
    message: text,
    bug: text,
    traceHash: text,
    checkpoints: list(text),
    plan: machinePlanShape(),
  })
}
