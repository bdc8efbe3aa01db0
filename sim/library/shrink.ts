import type { PlanFault } from "../plan/plan.ts"
import { subsets, type Search } from "../shrink/search.ts"
import { searchBy } from "../shrink/shrink.ts"
import { CLIENT_IDS_FROM } from "../plan/catalogue.ts"
import { firstFlawOfMachines, type MachineOp, type MachinePlan } from "./plan.ts"

/** How plans of machines get smaller. They keep at least `nodesMin` nodes. */
export function machineSearch(nodesMin: number): Search<MachinePlan> {
  return searchBy<MachinePlan>({
    isPlan: (plan) => firstFlawOfMachines(plan) === null && plan.cluster.stores >= nodesMin,
    tighter: () => [],
    places: [subsets("nodes", (plan) => plan.cluster.stores, withNodes)],
    plainer,
    weakerOps,
  })
}

/** The plan with these of its nodes alone, by index. */
function withNodes(plan: MachinePlan, indices: readonly number[]): MachinePlan | null {
  let left: MachinePlan | null = plan
  for (let node = plan.cluster.stores; node > 0 && left !== null; node--)
    if (!indices.includes(node - 1)) left = withoutNode(left, node)
  return left
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
  const { host } = plan
  const plans: MachinePlan[] = []
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
