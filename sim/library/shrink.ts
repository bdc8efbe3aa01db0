import type { PlanFault } from "../plan/plan.ts"
import { withoutIdleClients } from "../shrink/passes.ts"
import { shrinkBy, type Passes, type ShrinkOptions, type Shrunk, type Trial } from "../shrink/shrink.ts"
import { CLIENT_IDS_FROM } from "../plan/catalogue.ts"
import { firstFlawOfMachines, type MachineOp, type MachinePlan } from "./plan.ts"

/** The smallest plan found that still fails the same check. It has at least `nodesMin` nodes. */
export function shrinkMachines(
  plan: MachinePlan,
  options: ShrinkOptions<MachinePlan>,
  nodesMin: number,
): Shrunk<MachinePlan> {
  return shrinkBy(plan, options, machinePasses(nodesMin))
}

function machinePasses(nodesMin: number): Passes<MachinePlan> {
  return {
    isPlan: (plan) => firstFlawOfMachines(plan) === null,
    tighter: () => [],
    dropPlaces: (trial) => dropPlaces(trial, nodesMin),
    weakerOps,
  }
}

function dropPlaces(trial: Trial<MachinePlan>, nodesMin: number): void {
  for (let node = trial.plan.cluster.stores; node > 0 && trial.plan.cluster.stores > nodesMin; node--) {
    trial.take(withoutNode(trial.plan, node))
  }
  trial.take(withoutIdleClients(trial.plan))
  while (plainer(trial.plan).some((plan) => trial.take(plan)));
}

/** The plan without one of its nodes; those above it move down by one. Null when that leaves no plan. */
export function withoutNode(plan: MachinePlan, node: number): MachinePlan | null {
  const { cluster, workload } = plan
  if (cluster.stores <= 1) return null
  const others = (ids: readonly number[]): readonly number[] =>
    ids.filter((id) => id !== node).map((id) => (id > node && id < CLIENT_IDS_FROM ? id - 1 : id))
  const faults: PlanFault[] = []
  for (const fault of plan.faults) {
    const { target } = fault
    const stores = others(target.stores)
    const peers = others(target.peers)
    // An empty list would mean something else than "these, without that one".
    if ((target.stores.length > 0 && stores.length === 0) || (target.peers.length > 0 && peers.length === 0))
      continue
    faults.push({ ...fault, target: { ...target, stores, peers } })
  }
  const ops = workload.ops
    .map((op) => ({ ...op, op: { ...op.op, stores: others(op.op.stores) } }))
    .filter(({ op }) => op.stores.length > 0)
  return { ...plan, cluster: { stores: cluster.stores - 1 }, workload: { ...workload, ops }, faults }
}

function plainer(plan: MachinePlan): readonly MachinePlan[] {
  const { host, phases } = plan
  const plans: MachinePlan[] = []
  if (phases.rounds > 1) plans.push({ ...plan, phases: { ...phases, rounds: phases.rounds - 1 } })
  if (host.transport !== "objects") plans.push({ ...plan, host: { ...host, transport: "objects" } })
  if (host.turnUsMax !== 0) plans.push({ ...plan, host: { ...host, turnUsMax: 0 } })
  return plans
}

function weakerOps(op: MachineOp): readonly MachineOp[] {
  const weaker: MachineOp[] = []
  const { attempts, stores } = op.op
  if (attempts > 1) weaker.push({ ...op, op: { ...op.op, attempts: 1 } })
  if (stores.length > 1) weaker.push({ ...op, op: { ...op.op, stores: stores.slice(0, 1) } })
  return weaker
}
