import { isPlanError, parsePlan, type Plan, type PlanFault } from "#sim"

/** A change to a plan, as a person makes it on the page. */
export type Edit =
  | { readonly type: "dropFault"; readonly id: number }
  /** `until` moves along: a fault keeps its length. */
  | { readonly type: "moveFault"; readonly id: number; readonly at: number }
  | { readonly type: "setFault"; readonly fault: PlanFault }
  /** A new one: the id it gets is one above all others. */
  | { readonly type: "addFault"; readonly kind: AddedKind; readonly store: number; readonly at: number }
  | { readonly type: "dropOperation"; readonly id: number }
  | { readonly type: "seed"; readonly seed: number }
  /** A whole plan, as JSON. */
  | { readonly type: "plan"; readonly json: unknown }

export type AddedKind =
  | "crash"
  | "power loss"
  | "pause"
  | "partition"
  | "drop"
  | "stalledDisk"
  | "syncError"
  | "diskLoss"
  | "clockStep"
  | "reload"

/** Faults that a person may lay over a run with one click: how long they last, and their arguments. */
export const ADDED_FAULTS: Readonly<
  Record<AddedKind, { readonly untilUs: number; readonly args: PlanFault["args"] }>
> = {
  crash: { untilUs: 0, args: { restartUs: 500_000, powerLoss: 0 } },
  "power loss": { untilUs: 0, args: { restartUs: 500_000, powerLoss: 1 } },
  pause: { untilUs: 2_000_000, args: {} },
  partition: { untilUs: 5_000_000, args: { oneWay: 0 } },
  drop: { untilUs: 5_000_000, args: { ratioPpm: 300_000, oneWay: 0 } },
  stalledDisk: { untilUs: 2_000_000, args: {} },
  syncError: { untilUs: 0, args: { restartUs: 500_000 } },
  diskLoss: { untilUs: 0, args: { restartUs: 500_000 } },
  clockStep: { untilUs: 5_000_000, args: { offsetUs: 200_000 } },
  reload: { untilUs: 0, args: {} },
}

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
    case "addFault":
      return { ...plan, faults: [...faults, added(plan, edit)] }
    case "dropOperation":
      return { ...plan, workload: { ...workload, ops: workload.ops.filter(({ id }) => id !== edit.id) } }
    case "seed":
      return { ...plan, seed: edit.seed }
  }
}

function moved(fault: PlanFault, at: number): PlanFault {
  return { ...fault, at, until: at + fault.until - fault.at }
}

function added(plan: Plan, { kind, store, at }: Extract<Edit, { readonly type: "addFault" }>): PlanFault {
  const { untilUs, args } = ADDED_FAULTS[kind]
  const { stores, spares, ranges } = plan.cluster
  const others = Array.from({ length: stores + spares }, (_, index) => index + 1).filter(
    (each) => each !== store,
  )
  const isLink = kind === "partition" || kind === "drop"
  return {
    id: plan.faults.reduce((most, fault) => Math.max(most, fault.id), 0) + 1,
    at,
    until: at + untilUs,
    kind: kind === "power loss" ? "crash" : kind,
    target: {
      role: "stores",
      stores: [store],
      peers: isLink ? others : [],
      group: ranges[0]?.descriptor.groupId ?? 0,
    },
    args,
  }
}
