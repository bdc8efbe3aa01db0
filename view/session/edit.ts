import { isPlanError, parsePlan, type Plan, type PlanFault } from "#sim"

/** A change to a plan, as a person makes it on the page. */
export type Edit =
  | { readonly type: "dropFault"; readonly id: number }
  /** `until` moves along: a fault keeps its length. */
  | { readonly type: "moveFault"; readonly id: number; readonly at: number }
  | { readonly type: "setFault"; readonly fault: PlanFault }
  | { readonly type: "dropOperation"; readonly id: number }
  | { readonly type: "seed"; readonly seed: number }
  /** A whole plan, as JSON. */
  | { readonly type: "plan"; readonly json: unknown }

/** The plan with this change, or one sentence that says why there is no such plan. */
export function editPlan(plan: Plan, edit: Edit): Plan | string {
  const parsed = parsePlan(edit.type === "plan" ? edit.json : JSON.parse(JSON.stringify(changed(plan, edit))))
  return isPlanError(parsed) ? parsed.message : parsed
}

function changed(plan: Plan, edit: Exclude<Edit, { readonly type: "plan" }>): Plan {
  const { faults, workload } = plan
  switch (edit.type) {
    case "dropFault":
      return { ...plan, faults: faults.filter(({ id }) => id !== edit.id) }
    case "moveFault":
      return {
        ...plan,
        faults: faults.map((fault) => (fault.id === edit.id ? moved(fault, edit.at) : fault)),
      }
    case "setFault":
      return { ...plan, faults: faults.map((fault) => (fault.id === edit.fault.id ? edit.fault : fault)) }
    case "dropOperation":
      return { ...plan, workload: { ...workload, ops: workload.ops.filter(({ id }) => id !== edit.id) } }
    case "seed":
      return { ...plan, seed: edit.seed }
  }
}

function moved(fault: PlanFault, at: number): PlanFault {
  return { ...fault, at, until: at + fault.until - fault.at }
}
