import { DEFAULT_LIMITS, DEFAULT_TIMING, type Bootstrap } from "#kernel"
import { drawPlan, scenario, settleUs, type Plan } from "#sim"
import { SHARED_KINDS } from "./faults.ts"

const SECOND = 1_000_000

export type RealPlanSpec = {
  readonly stores: number
  readonly seed: number
  /** Faults and the quiet after them, in milliseconds. */
  readonly durationMs: number
  /** Null: as the seed draws them. */
  readonly workload: string | null
  readonly hasFaults: boolean
  /** Of the cluster that runs. */
  readonly ranges: readonly Bootstrap[]
}

/** Operations a second: enough that something is always under way. */
const RATE = 25
/** Of a run with faults: the most that the simulator's own runs have, whose histories its checks are made to judge. */
const OPERATIONS_MAX = 900

/**
 * The quiet at the end: all that liveness takes to settle, and the final reads behind it, on a machine that may be slow.
 */
export const QUIET_MS: number = Math.ceil((settleUs(DEFAULT_TIMING) + 9 * SECOND) / 1_000)

/** What the simulator would draw for such a cluster, on the ranges of the one that runs and with its timing. */
export function drawRealPlan(spec: RealPlanSpec): Plan {
  const { stores, seed, durationMs, ranges } = spec
  const faultsUs = Math.max(SECOND, (durationMs - QUIET_MS) * 1_000)
  const quietUs = QUIET_MS * 1_000
  const seconds = Math.ceil((faultsUs + quietUs) / SECOND)
  const main = scenario({
    name: spec.hasFaults ? "real" : "kill-leader",
    about: "Processes, sockets and disks of this machine.",
    cluster: {
      stores,
      spares: 0,
      tenants: 1,
      ranges: ranges.length,
      replicas: ranges[0]!.configuration.voters.length,
      timing: DEFAULT_TIMING,
      limits: DEFAULT_LIMITS,
    },
    workload: {
      kinds: spec.workload === null ? [] : [spec.workload],
      operations: spec.hasFaults ? Math.min(OPERATIONS_MAX, seconds * RATE) : seconds * RATE,
      keys: [8, 24],
    },
    faults: spec.hasFaults ? { swarm: SHARED_KINDS } : {},
    phases: { rounds: 1, faultsUs, quietUs },
  })
  const plan = drawPlan(main, seed)
  return onRanges(plan, ranges)
}

/** The same plan where ranges, groups and replicas have the names they have here. */
function onRanges(plan: Plan, ranges: readonly Bootstrap[]): Plan {
  const drawn = plan.cluster.ranges.map(({ descriptor }) => descriptor)
  const rangeOf = new Map(drawn.map(({ rangeId }, index) => [rangeId, ranges[index]!.descriptor]))
  const groupOf = new Map(drawn.map(({ groupId }, index) => [groupId, ranges[index]!.descriptor.groupId]))
  return {
    ...plan,
    cluster: { ...plan.cluster, ranges },
    workload: {
      ...plan.workload,
      ops: plan.workload.ops.map((planned) => ({
        ...planned,
        op: { ...planned.op, range: rangeOf.get(planned.op.range)!.rangeId },
      })),
    },
    faults: plan.faults.map((fault) => ({
      ...fault,
      target: { ...fault.target, group: groupOf.get(fault.target.group) ?? fault.target.group },
    })),
  }
}
