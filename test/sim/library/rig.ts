import {
  MACHINE_FAULTS,
  system,
  type Check,
  type FaultKind,
  type Machine,
  type MachineOp,
  type MachinePlan,
  type MachineResult,
  type MachineRunOptions,
  type PlanFault,
} from "orrery/sim"

export const SECOND = 1_000_000
export const MS = 1_000

/** One node, each operation of a client of its own unless it says, no turns collected, and nothing wrong but what is given. */
export function planOf<Q>(
  machine: { readonly name: string; readonly version: string },
  what: {
    readonly nodes?: number
    readonly clients?: number
    readonly ops?: readonly (Partial<Omit<MachineOp<Q>, "op">> & {
      readonly request: Q
      readonly attempts?: number
    })[]
    readonly faults?: readonly FaultSpec[]
    readonly seconds?: number
    readonly host?: Partial<MachinePlan["host"]>
  } = {},
): MachinePlan<Q> {
  const stores = what.nodes ?? 1
  const nodes = Array.from({ length: stores }, (_, index) => index + 1)
  const ops = (what.ops ?? []).map(({ request, attempts, ...op }, index): MachineOp<Q> => {
    const timeoutUs = 500 * MS
    return {
      id: index + 1,
      at: (index + 1) * 100 * MS,
      client: index,
      ...op,
      op: { request, stores: nodes, timeoutUs, attempts: attempts ?? 1 },
    }
  })
  return {
    format: 1,
    scenario: "rig",
    machine: { name: machine.name, version: machine.version },
    cluster: { stores },
    workload: { clients: what.clients ?? Math.max(1, ops.length), ops },
    faults: (what.faults ?? []).map(faultOf),
    phases: { rounds: 1, faultsUs: (what.seconds ?? 10) * SECOND, quietUs: 2 * SECOND },
    host: {
      transport: "objects",
      latencyUsMin: 100,
      latencyUsMean: 100,
      syncUsMin: 1_000,
      syncUsMean: 1_000,
      turnUsMax: 0,
      ...what.host,
    },
    seed: 7,
  }
}

export type FaultSpec = {
  readonly kind: FaultKind
  readonly at: number
  readonly until?: number
  readonly stores?: readonly number[]
  readonly peers?: readonly number[]
  readonly role?: PlanFault["target"]["role"]
  readonly args?: Readonly<Record<string, number>>
}

function faultOf(spec: FaultSpec, index: number): PlanFault {
  const { kind, at, until = at, stores = [1], peers = [], role = "stores", args = {} } = spec
  return { id: index + 1, at, until, kind, target: { role, stores, peers, group: 1 }, args }
}

/** Runs a plan with a machine and nothing around it. */
export function runOf<S, M, Q, A>(
  machine: Machine<S, M, Q, A>,
  plan: MachinePlan<Q>,
  checks: readonly Check<S, Q, A>[] = [],
  options: MachineRunOptions = {},
): MachineResult<Q, A> {
  const draw = (): never => {
    throw new Error("a plan that is given is not drawn")
  }
  const rig = system({
    name: "rig",
    machine,
    nodes: 1,
    workload: { clients: 1, operations: 0, draw },
    checks,
  })
  return rig.simulate(plan, options)
}

export { MACHINE_FAULTS }
