import { classify } from "../faults/atlas.ts"
import type { Plan, PlanFault } from "../plan/plan.ts"
import { firstFlaw } from "../plan/well-formed.ts"
import type { RunClass } from "../result.ts"
import { canonicalPass } from "./canonical.ts"
import { drive, type DriveOptions } from "./drive.ts"
import {
  askingClients,
  plainer,
  tighter,
  upTo,
  withFaults,
  withOps,
  withoutIdleClients,
  withoutRange,
  withoutSpare,
  withoutStore,
  withStores,
  type PlanLike,
} from "./passes.ts"
import { alternatives, forms, Search, subsets, type Pass } from "./search.ts"
import { timePasses } from "./times.ts"
import { weakerFaults, weakerOps } from "./weaken.ts"

export type ShrinkOptions<P = Plan> = Omit<DriveOptions<P>, "run"> & {
  /** Runs a plan and names the check it fails, or null. */
  readonly run: (plan: P) => string | null
}

export type Shrunk<P = Plan> = {
  readonly plan: P
  readonly runs: number
  /** Without any one of its faults or operations the check no longer fails: tried, each of them. */
  readonly minimal: boolean
}

/** How the plans of one kind of run get smaller, beyond what all plans have. */
export type Ways<P extends PlanLike> = {
  readonly isPlan: (candidate: P, from: P) => boolean
  /** Tried once and before anything else: the first that fails alike is taken. */
  readonly tighter: (plan: P) => readonly P[]
  /** Stores and what is on them. */
  readonly places: readonly Pass<P>[]
  readonly plainer: (plan: P) => readonly P[]
  readonly weakerOps: (op: P["workload"]["ops"][number]) => readonly P["workload"]["ops"][number][]
}

/** Faults, places, operations, each of these milder, times, order: DESIGN §9, reference/simulation.md F9. */
export function searchBy<P extends PlanLike>(ways: Ways<P>): Search<P> {
  const { isPlan, places } = ways
  const tight: Pass<P> = { ...alternatives("tighten", ways.tighter), isOnce: true }
  return new Search(
    [
      // Once, and first: later it would undo what "settings" does.
      tight,
      alternatives("cut", withoutLater),
      subsets(
        "faults",
        (plan) => plan.faults.length,
        (plan, kept) => withFaults(plan, at(plan.faults, kept)),
      ),
      ...places,
      // Whole clients before single operations: they are few.
      subsets("clients", (plan) => askingClients(plan).length, withClients),
      alternatives("idle clients", (plan) => [withoutIdleClients(plan)]),
      subsets(
        "operations",
        (plan) => plan.workload.ops.length,
        (plan, kept) => withOps(plan, at(plan.workload.ops, kept)),
      ),
      alternatives("settings", ways.plainer),
      forms("weaken faults", (plan) => plan.faults.length, withWeakerFault),
      forms(
        "weaken operations",
        (plan) => plan.workload.ops.length,
        (plan, index) => {
          const op = plan.workload.ops[index]
          const weaker = op === undefined ? [] : ways.weakerOps(op)
          return weaker.map((milder) => withOps(plan, plan.workload.ops.with(index, milder)))
        },
      ),
      ...timePasses<P>(),
      canonicalPass<P>(),
    ],
    isPlan,
  )
}

/** How plans of kernels get smaller. None leaves the fault model further than it had: that would be another story. */
export const KERNEL_SEARCH: Search<Plan> = searchBy<Plan>({
  isPlan: (candidate, from) =>
    firstFlaw(candidate) === null && DAMAGE[classify(candidate)] <= DAMAGE[classify(from)],
  tighter,
  places: [
    subsets("stores", (plan) => plan.cluster.stores, withStores),
    // A majority of four is as hard to lose as one of five, so one store alone may not be dispensable.
    forms("two stores", (plan) => plan.cluster.stores, withoutTwoStores),
    forms(
      "spares",
      (plan) => Math.min(1, plan.cluster.spares),
      (plan) => [withoutSpare(plan)],
    ),
    forms(
      "groups",
      (plan) => plan.cluster.ranges.length,
      (plan, index) => [withoutRange(plan, plan.cluster.ranges[index]?.descriptor.rangeId ?? 0)],
    ),
  ],
  plainer,
  weakerOps,
})

const DAMAGE: Readonly<Record<RunClass, number>> = { within: 0, detectable: 1, undetectable: 2 }

/**
 * The smallest plan found that still fails the same check: fewer faults, operations, stores, ranges and
 * clients, then milder ones. Every candidate is run; none is kept because it ought to fail.
 */
export function shrink(plan: Plan, options: ShrinkOptions): Shrunk {
  return shrinkWith(KERNEL_SEARCH, plan, options)
}

/** `shrink` by another search, of a plan of which nobody knows when it fails. */
export function shrinkWith<P extends PlanLike>(
  search: Search<P>,
  plan: P,
  options: ShrinkOptions<P>,
): Shrunk<P> {
  const { run, ...bounds } = options
  const seen = (candidate: P): { oracle: string; at: number } | null => {
    const oracle = run(candidate)
    return oracle === null ? null : { oracle, at: Infinity }
  }
  const { state, runs } = drive(search, search.begin(plan, Infinity), { ...bounds, run: seen })
  return { plan: state.plan, runs, minimal: state.cursor === null }
}

function at<T>(items: readonly T[], indices: readonly number[]): readonly T[] {
  return indices.map((index) => items[index]!)
}

function withoutLater<P extends PlanLike>(plan: P, failedAt: number): readonly (P | null)[] {
  const earlier = upTo(plan, failedAt)
  const isSame =
    earlier.faults.length === plan.faults.length && earlier.workload.ops.length === plan.workload.ops.length
  return [isSame ? null : earlier]
}

function withClients<P extends PlanLike>(plan: P, kept: readonly number[]): P {
  const clients = askingClients(plan)
  const left = new Set(kept.map((index) => clients[index]))
  return withOps(
    plan,
    plan.workload.ops.filter((op) => left.has(op.client)),
  )
}

function withoutTwoStores(plan: Plan, index: number): readonly (Plan | null)[] {
  const { stores } = plan.cluster
  if (stores < 4) return []
  const fewer = withoutStore(plan, stores - index)
  return Array.from({ length: stores - index - 1 }, (_, other) =>
    fewer === null ? null : withoutStore(fewer, other + 1),
  )
}

function withWeakerFault<P extends PlanLike>(plan: P, index: number): readonly P[] {
  const fault: PlanFault | undefined = plan.faults[index]
  if (fault === undefined) return []
  const weaker = weakerFaults(fault, plan.cluster.stores)
  return weaker.map((milder) => withFaults(plan, plan.faults.with(index, milder)))
}
