import { DEFAULT_LIMITS, DEFAULT_TIMING, invariant } from "#kernel"
import { FAULTS } from "../plan/catalogue.ts"
import { Chance } from "../plan/chance.ts"
import { drawFaults, drawHost } from "../plan/draw.ts"
import { faultShape, hostShape, phasesShape } from "../plan/parse.ts"
import type { Plan, PlanCluster, PlanFault, PlanHost, PlanPhases } from "../plan/plan.ts"
import type { Draw, ScenarioFaults } from "../plan/scenario.ts"
import {
  isPlanError,
  list,
  only,
  planError,
  readShape,
  record,
  text,
  whole,
  type PlanError,
  type Shape,
} from "../plan/shape.ts"
import { flawInFault } from "../plan/well-formed.ts"
import { MACHINE_FAULTS, MACHINE_SWARM } from "./faults.ts"
import type { Dice } from "./machine.ts"
import { notJson } from "./plain.ts"

/**
 * A run of machines as data: the same plan as the kernel's, with a machine in place of builds, and requests
 * that are yours. In `faults` and `cluster` a node is called a store.
 */
export type MachinePlan<Q = unknown> = Omit<Plan, "builds" | "cluster" | "workload"> & {
  readonly machine: { readonly name: string; readonly version: string }
  readonly cluster: { readonly stores: number }
  readonly workload: { readonly clients: number; readonly ops: readonly MachineOp<Q>[] }
}

/** A client runs its operations one after the other, none before its time. */
export type MachineOp<Q = unknown> = {
  readonly id: number
  readonly at: number
  readonly client: number
  readonly op: {
    readonly request: Q
    /** Asked in this order, from the first again after the last. */
    readonly stores: readonly number[]
    /** How long the client waits for an answer before it repeats itself or gives up. */
    readonly timeoutUs: number
    /** It asks at most so often: more than once only what may be repeated. */
    readonly attempts: number
  }
}

/** What one operation is drawn for. */
export type OperationGround = {
  /** Its place among all operations, from 0. */
  readonly index: number
  readonly client: number
  readonly clients: number
  readonly nodes: readonly number[]
}

/** What clients ask. Requests are plain JSON. */
export type MachineWorkload<Q> = {
  readonly clients: Draw
  readonly operations: Draw
  readonly draw: (dice: Dice, ground: OperationGround) => Q
  /** Nodes that clients ask; all of them unless it says. */
  readonly askNodes?: readonly number[]
  /** 1 unless it says: a machine that takes a repeat for a second request must not be asked twice. */
  readonly attempts?: Draw
  readonly timeoutUs?: Draw
  /** Asked of each node of the list, or of any, when all faults are over. */
  readonly closing?: (nodes: readonly number[]) => readonly { readonly request: Q; readonly node?: number }[]
}

/** Ranges, from which a seed draws a plan. */
export type PlanSource<Q> = {
  readonly name: string
  readonly machine: { readonly name: string; readonly version: string; readonly leads?: unknown }
  readonly nodes: Draw
  readonly workload: MachineWorkload<Q>
  readonly faults?: ScenarioFaults
  readonly phases?: Partial<PlanPhases>
  readonly host?: Partial<PlanHost>
  /** No two clocks are drawn further apart, but for one run in about twenty. 250 ms unless it says. */
  readonly clockBoundUs?: number
}

const MS = 1_000
const SECOND = 1_000_000
/** The one group there is: all nodes. */
export const GROUP = 1
const CLOSING_US = 4 * SECOND

export function drawMachinePlan<Q>(source: PlanSource<Q>, seed: number): MachinePlan<Q> {
  const { name, machine, workload: spec } = source
  const chance = new Chance(`${name}/${seed}`)
  const stores = chance.of("nodes").draw(source.nodes)
  const phases = drawPhases(chance.of("phases"), source)
  const clients = chance.of("clients").draw(spec.clients)
  const cluster = clusterOf(stores, source.clockBoundUs)
  const faults = faultsOf(source)
  // Clocks far out of bounds are drawn by what the kernel has of them, and some of that is its frames'.
  const requests = { clients, ops: [] }
  const damagedMax = Math.max(1, Math.floor((stores - 1) / 2))
  const drawn = drawFaults(chance.of("faults"), { faults }, cluster, phases, requests, damagedMax).filter(
    ({ kind }) => MACHINE_FAULTS.includes(kind),
  )
  const known =
    machine.leads === undefined ? drawn.map((fault) => struckAtRandom(chance, fault, stores)) : drawn
  return {
    format: 1,
    scenario: name,
    machine: { name: machine.name, version: machine.version },
    cluster: { stores },
    workload: { clients, ops: drawOps(chance, source, { stores, clients, phases, faults: known }) },
    faults: known,
    phases,
    host: drawHost(chance.of("host"), { ...(source.host && { host: source.host }) }),
    seed,
  }
}

/** Every kind that machines meet, or those that are named: one that no machine meets is the author's slip. */
function faultsOf({ name, faults }: PlanSource<unknown>): ScenarioFaults {
  const { swarm, script, activations } = faults ?? { swarm: "all" }
  const named = [
    ...(swarm === undefined || swarm === "all" ? [] : swarm),
    ...(script ?? []).map(({ kind }) => kind),
  ]
  for (const kind of named) {
    invariant(MACHINE_FAULTS.includes(kind), () => `System ${name}: a machine meets no fault "${kind}"`)
  }
  return {
    ...(swarm !== undefined && { swarm: swarm === "all" ? MACHINE_SWARM : swarm }),
    ...(script !== undefined && { script }),
    ...(activations !== undefined && { activations }),
  }
}

function drawPhases(chance: Chance, { phases }: PlanSource<unknown>): PlanPhases {
  return {
    rounds: 1,
    faultsUs: chance.between(200, 400) * 100 * MS,
    quietUs: chance.between(100, 120) * 100 * MS,
    ...phases,
  }
}

/** Who cannot say who leads has no leader to strike: any node stands for it. */
function struckAtRandom(chance: Chance, fault: PlanFault, stores: number): PlanFault {
  const { target } = fault
  if (target.role === "stores") return fault
  const ids = nodesOf(stores)
  const one = chance.of(`struck/${fault.id}`).pick(ids)
  const others = ids.filter((id) => id !== one)
  const struck = target.role === "leader" || others.length === 0 ? [one] : others
  return { ...fault, target: { ...target, role: "stores", stores: struck } }
}

/** How long after a fault its consequences are looked for. */
const AFTERMATH_US = 3 * SECOND

function drawOps<Q>(
  chance: Chance,
  { name, workload }: PlanSource<Q>,
  run: {
    readonly stores: number
    readonly clients: number
    readonly phases: PlanPhases
    readonly faults: readonly PlanFault[]
  },
): readonly MachineOp<Q>[] {
  const { stores, clients, phases, faults } = run
  if (clients === 0) return []
  const nodes = nodesOf(stores)
  const asked = workload.askNodes ?? nodes
  invariant(
    asked.length > 0 && asked.every((node) => nodes.includes(node)),
    () => `System ${name}: askNodes names nodes that are not there`,
  )
  const habits = chance.of("habits")
  const timeoutUs = habits.draw(workload.timeoutUs ?? [300 * MS, 2 * SECOND])
  const attempts = habits.draw(workload.attempts ?? 1)
  const endUs = phases.rounds * (phases.faultsUs + phases.quietUs)
  const lastUs = Math.max(0, endUs - Math.min(CLOSING_US, Math.floor(phases.quietUs / 2)))
  const times = chance.of("times")
  const restlessPercent = faults.length === 0 ? 0 : habits.pick([0, 40, 70])
  const count = chance.of("operations").draw(workload.operations)
  const ats = Array.from({ length: count }, () => {
    if (!times.percent(restlessPercent)) return times.between(0, lastUs)
    return Math.min(times.pick(faults).at + times.between(0, AFTERMATH_US), lastUs)
  }).sort((a, b) => a - b)
  const own = chance.of("each")
  const ops = ats.map((at, index): MachineOp<Q> => {
    const client = own.below(clients)
    const request = workload.draw(own, { index, client, clients, nodes })
    const first = own.below(asked.length)
    const order = [...asked.slice(first), ...asked.slice(0, first)]
    return { id: index + 1, at, client, op: { request, stores: order, timeoutUs, attempts } }
  })
  const closing = (workload.closing?.(nodes) ?? []).map(({ request, node }, index): MachineOp<Q> => {
    const to = node === undefined ? asked : [node]
    const op = { request, stores: to, timeoutUs, attempts }
    return { id: count + index + 1, at: lastUs, client: index % clients, op }
  })
  const all = [...ops, ...closing]
  for (const { id, op } of all) {
    const found = notJson(op.request, "request")
    invariant(found === null, () => `System ${name}: ${found} of operation ${id} is not plain JSON`)
  }
  return all
}

export function nodesOf(stores: number): readonly number[] {
  return Array.from({ length: stores }, (_, index) => index + 1)
}

/** All nodes as one group, as the drawing of faults wants to see a cluster. */
function clusterOf(stores: number, clockBoundUs: number = DEFAULT_TIMING.clockBoundUs): PlanCluster {
  const voters = nodesOf(stores).map((store) => ({ replica: store, store, incarnation: 1 }))
  return {
    stores,
    spares: 0,
    tenants: [0],
    ranges: [
      {
        descriptor: { rangeId: GROUP, groupId: GROUP, tenant: 0, start: "", end: "", generation: 1 },
        configuration: { voters, outgoing: [], learners: [], promoting: [], nextReplica: stores + 1 },
      },
    ],
    config: { timing: { ...DEFAULT_TIMING, clockBoundUs }, limits: DEFAULT_LIMITS },
  }
}

/** A plan from JSON, or what is wrong with it. Nothing unknown or missing passes, and nothing that cannot run. */
export function parseMachinePlan(json: unknown): MachinePlan | PlanError {
  const plan = readShape(machinePlanShape(), json)
  return isPlanError(plan) ? plan : (firstFlawOfMachines(plan) ?? plan)
}

export function machinePlanShape(): Shape<MachinePlan> {
  return record<MachinePlan>({
    format: only(1),
    scenario: text,
    machine: record<MachinePlan["machine"]>({ name: text, version: text }),
    cluster: record<MachinePlan["cluster"]>({ stores: whole(1, 100) }),
    workload: record<MachinePlan["workload"]>({
      clients: whole(0, 10_000),
      ops: list(
        record<MachineOp>({
          id: whole(1),
          at: whole(0),
          client: whole(0),
          op: record<MachineOp["op"]>({
            request: (value) => value,
            stores: list(whole(1)),
            timeoutUs: whole(1),
            attempts: whole(1, 1_000),
          }),
        }),
      ),
    }),
    faults: list(faultShape()),
    phases: phasesShape(),
    host: hostShape(),
    seed: whole(0),
  })
}

/** The first thing in a plan that cannot be: a name without an owner, an end before its start. */
export function firstFlawOfMachines({ cluster, workload, faults }: MachinePlan): PlanError | null {
  const { stores } = cluster
  const seen = new Set<number>()
  for (let index = 0; index < workload.ops.length; index++) {
    const { id, client, op } = workload.ops[index]!
    const path = `$.workload.ops[${index}]`
    if (seen.has(id)) return planError(path, `operation ${id} is there twice`)
    seen.add(id)
    if (client >= workload.clients) return planError(path, `there is no client ${client}`)
    if (op.stores.length === 0) return planError(path, "it asks nobody")
    for (const store of op.stores) if (store > stores) return planError(path, `there is no node ${store}`)
  }
  const { ranges } = clusterOf(stores)
  const faultIds = new Set<number>()
  for (let index = 0; index < faults.length; index++) {
    const fault = faults[index]!
    const path = `$.faults[${index}]`
    if (faultIds.has(fault.id)) return planError(path, `fault ${fault.id} is there twice`)
    faultIds.add(fault.id)
    if (!MACHINE_FAULTS.includes(fault.kind)) {
      return planError(
        path,
        `${fault.kind} is a fault of ${FAULTS[fault.kind].family}, which machines do not meet`,
      )
    }
    const flaw = flawInFault(fault, { known: stores, clients: workload.clients, ranges })
    if (flaw !== null) return planError(path, flaw)
  }
  return null
}
