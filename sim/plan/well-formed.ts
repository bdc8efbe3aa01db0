import type { Bootstrap, KvOp } from "#kernel"
import { CLIENT_IDS_FROM, FAULTS } from "./catalogue.ts"
import type { Plan, PlanFault, PlanOp } from "./plan.ts"
import { planError, type PlanError } from "./shape.ts"

/** The first thing in a plan that cannot be: a name without an owner, an end before its start. */
export function firstFlaw(plan: Plan): PlanError | null {
  return flawInCluster(plan) ?? flawInWorkload(plan) ?? flawInFaults(plan)
}

function flawInCluster({ cluster, builds }: Plan): PlanError | null {
  if (builds.length === 0) return planError("$.builds", "a run needs at least one build")
  if (cluster.ranges.length === 0) return planError("$.cluster.ranges", "a cluster has at least one range")
  const { electionUsMin, electionUsMax } = cluster.config.timing
  if (electionUsMin >= electionUsMax) {
    return planError(
      "$.cluster.config.timing",
      `electionUsMin ${electionUsMin} must be below electionUsMax ${electionUsMax}`,
    )
  }
  const { livenessUs, supportUs, clockBoundUs, staggerUs } = cluster.config.timing
  // What a lease is shorter than its support must leave room for the next heartbeat.
  if (livenessUs === 0 || staggerUs === 0 || supportUs - supportUs / 100 - clockBoundUs < livenessUs) {
    return planError(
      "$.cluster.config.timing",
      `supportUs ${supportUs} less 1 % and clockBoundUs ${clockBoundUs} must be no less than livenessUs ${livenessUs}, and neither that nor staggerUs 0`,
    )
  }
  const ranges = new Set<number>()
  const groups = new Set<number>()
  for (let index = 0; index < cluster.ranges.length; index++) {
    const { descriptor, configuration } = cluster.ranges[index]!
    const path = `$.cluster.ranges[${index}]`
    if (ranges.has(descriptor.rangeId)) return planError(path, `range ${descriptor.rangeId} is there twice`)
    if (groups.has(descriptor.groupId)) return planError(path, `group ${descriptor.groupId} is there twice`)
    ranges.add(descriptor.rangeId)
    groups.add(descriptor.groupId)
    if (!cluster.tenants.includes(descriptor.tenant))
      return planError(path, `there is no tenant ${descriptor.tenant}`)
    if (configuration.voters.length === 0) return planError(path, "a group needs a voter")
    const members = [...configuration.voters, ...configuration.outgoing, ...configuration.learners]
    for (const { store } of members) {
      if (store > cluster.stores) return planError(path, `store ${store} does not exist at the start`)
    }
    if (new Set(members.map((member) => member.store)).size !== members.length) {
      return planError(path, "a store holds one replica of a group at most")
    }
  }
  return null
}

function flawInWorkload({ cluster, workload }: Plan): PlanError | null {
  const ids = new Set<number>()
  for (let index = 0; index < workload.ops.length; index++) {
    const op = workload.ops[index]!
    const path = `$.workload.ops[${index}]`
    if (ids.has(op.id)) return planError(path, `operation ${op.id} is there twice`)
    ids.add(op.id)
    if (op.client >= workload.clients) return planError(path, `there is no client ${op.client}`)
    const range = cluster.ranges.find(({ descriptor }) => descriptor.rangeId === op.op.range)
    if (range === undefined) return planError(path, `there is no range ${op.op.range}`)
    const flaw = flawInOp(op, range)
    if (flaw !== null) return planError(path, flaw)
  }
  return null
}

function flawInOp({ op }: PlanOp, { descriptor }: Bootstrap): string | null {
  if (op.copies > 1 && !isRepeatable({ op })) return "copies of a write without a token are several writes"
  for (const step of op.ops) {
    const low = step.type === "scan" ? step.start : step.key
    if (low < descriptor.start || (descriptor.end !== "" && low >= descriptor.end)) {
      return `key "${low}" lies outside [${descriptor.start}, ${descriptor.end})`
    }
  }
  return null
}

export function mayWrite(op: KvOp): boolean {
  return op.type !== "get" && op.type !== "scan"
}

function flawInFaults({ cluster, faults, workload }: Plan): PlanError | null {
  const ids = new Set<number>()
  const known = cluster.stores + cluster.spares
  for (let index = 0; index < faults.length; index++) {
    const fault = faults[index]!
    const path = `$.faults[${index}]`
    if (ids.has(fault.id)) return planError(path, `fault ${fault.id} is there twice`)
    ids.add(fault.id)
    const flaw = flawInFault(fault, { known, clients: workload.clients, ranges: cluster.ranges })
    if (flaw !== null) return planError(path, flaw)
    const reachesClients = [...fault.target.stores, ...fault.target.peers].some((id) => id >= CLIENT_IDS_FROM)
    if (fault.kind === "duplicate" && reachesClients && !workload.ops.every(isRepeatable)) {
      return planError(path, "it may repeat a write without a token, which is a second write")
    }
  }
  return null
}

/** What may be delivered twice. */
export function isRepeatable({ op }: Pick<PlanOp, "op">): boolean {
  return op.token || !op.ops.some(mayWrite)
}

export type Known = {
  readonly known: number
  readonly clients: number
  readonly ranges: readonly Bootstrap[]
}

export function flawInFault(
  { at, until, kind, target }: PlanFault,
  { known, clients, ranges }: Known,
): string | null {
  const { family } = FAULTS[kind]
  if (until < at) return `it is lifted at ${until}, before it begins at ${at}`
  for (const id of [...target.stores, ...target.peers]) {
    const client = id - CLIENT_IDS_FROM
    if (client >= 0 && client < clients && family === "network") continue
    if (id > known) return `there is no store ${id}: the last one is ${known}`
  }
  const needsGroup = target.role !== "stores" || family === "topology"
  if (needsGroup && !ranges.some(({ descriptor }) => descriptor.groupId === target.group)) {
    return `there is no group ${target.group}`
  }
  if (target.role === "stores" && target.stores.length === 0) return "it strikes no store"
  return null
}
