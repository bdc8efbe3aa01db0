import { FAULTS } from "./catalogue.ts"
import { classify } from "../faults/atlas.ts"
import type { Plan, PlanFault } from "./plan.ts"

/** A table as data: whoever prints it decides how. */
export type PlanTable = {
  readonly title: string
  readonly columns: readonly string[]
  readonly rows: readonly (readonly string[])[]
}

/** A plan for a reader: what runs, where, and what goes wrong when. */
export function explainPlan(plan: Plan): readonly PlanTable[] {
  return [aboutRun(plan), aboutRanges(plan), aboutWorkload(plan), aboutFaults(plan)]
}

function aboutRun(plan: Plan): PlanTable {
  const { cluster, phases, host } = plan
  const rows = [
    ["seed", String(plan.seed)],
    ["class", classify(plan)],
    ["builds", plan.builds.join(", ")],
    [
      "stores",
      cluster.spares === 0 ? String(cluster.stores) : `${cluster.stores}, and ${cluster.spares} spare`,
    ],
    ["tenants", cluster.tenants.join(", ")],
    ["phases", `${phases.rounds} × (${seconds(phases.faultsUs)} faults + ${seconds(phases.quietUs)} quiet)`],
    ["messages", `as ${host.transport}, ${span(host.latencyUsMin)} + ${span(host.latencyUsMean)} on average`],
    ["syncs", `${span(host.syncUsMin)} + ${span(host.syncUsMean)} on average`],
    ["turns", host.turnUsMax === 0 ? "one input each" : `up to ${span(host.turnUsMax)}`],
  ]
  for (const [name, value] of Object.entries(cluster.config.timing)) rows.push([name, span(value)])
  for (const [name, value] of Object.entries(cluster.config.limits)) rows.push([name, String(value)])
  return { title: `${plan.scenario}, seed ${plan.seed}`, columns: ["what", "value"], rows }
}

function aboutRanges({ cluster }: Plan): PlanTable {
  const rows = cluster.ranges.map(({ descriptor, configuration }) => [
    String(descriptor.rangeId),
    String(descriptor.tenant),
    `["${descriptor.start}", "${descriptor.end}")`,
    configuration.voters.map((voter) => voter.store).join(", "),
  ])
  return { title: "Ranges", columns: ["range", "tenant", "keys", "stores"], rows }
}

function aboutWorkload({ workload }: Plan): PlanTable {
  const { ops } = workload
  const count = (test: (op: Plan["workload"]["ops"][number]["op"]) => boolean): string =>
    String(ops.filter(({ op }) => test(op)).length)
  const rows = [
    ["kind", workload.kind],
    ["clients", String(workload.clients)],
    ["operations", String(ops.length)],
    ["with a token", count((op) => op.token)],
    ["sent more than once", count((op) => op.copies > 1)],
    ["abandoned", count((op) => op.abandoned)],
    ["timeline reads", count((op) => op.read === "timeline")],
  ]
  return { title: "Workload", columns: ["what", "value"], rows }
}

function aboutFaults({ faults }: Plan): PlanTable {
  const rows = faults.map((fault) => [
    String(fault.id),
    seconds(fault.at),
    FAULTS[fault.kind].lasting ? seconds(fault.until - fault.at) : "at once",
    fault.kind,
    whomOf(fault),
    Object.entries(fault.args)
      .map(([name, value]) => `${name} ${value}`)
      .join(", "),
  ])
  return { title: "Faults", columns: ["id", "at", "for", "kind", "whom", "how"], rows }
}

function whomOf({ kind, target }: PlanFault): string {
  const group =
    FAULTS[kind].family === "topology" || target.role !== "stores" ? ` of group ${target.group}` : ""
  const whom = target.role === "stores" ? target.stores.join(", ") : target.role
  const peers = target.peers.length === 0 ? "" : ` and ${target.peers.join(", ")}`
  return `${whom}${group}${peers}`
}

function seconds(us: number): string {
  return `${(us / 1_000_000).toFixed(2)} s`
}

function span(us: number): string {
  if (us >= 1_000_000) return seconds(us)
  return us >= 1_000 ? `${(us / 1_000).toFixed(1)} ms` : `${us} µs`
}
