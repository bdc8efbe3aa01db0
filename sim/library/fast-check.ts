import type * as FastCheck from "fast-check"
import { drawPlan } from "../plan/draw.ts"
import type { Plan } from "../plan/plan.ts"
import type { Scenario } from "../plan/scenario.ts"
import type { PlanLike } from "../shrink/passes.ts"

// The door `orrery/sim/fast-check`, apart from `orrery/sim` so that nobody needs fast-check who does not use
// it. Only its types are imported here: the library itself is the caller's, and comes as an argument.

/** The module, as its default export or as a namespace. */
export type FastCheckModule = Omit<typeof FastCheck, "default">

/** Whatever can draw a plan from a seed: a system is one. */
export type PlanDrawer<P extends PlanLike> = { readonly name: string; plan(seed: number): P }

const SEED_MAX = 0x7fff_ffff

/**
 * An arbitrary of whole plans. A failing one is shrunk by fast-check to fewer faults and operations; what is
 * left can then be shrunk in its own terms, by `System.shrink` or `shrinkFailure`.
 */
export function plans(fc: FastCheckModule, source: Scenario): FastCheck.Arbitrary<Plan>
export function plans<P extends PlanLike>(fc: FastCheckModule, source: PlanDrawer<P>): FastCheck.Arbitrary<P>
export function plans(
  fc: FastCheckModule,
  source: Scenario | PlanDrawer<PlanLike>,
): FastCheck.Arbitrary<PlanLike> {
  const drawn = (seed: number): PlanLike => ("plan" in source ? source.plan(seed) : drawPlan(source, seed))

  class PlanArbitrary extends fc.Arbitrary<PlanLike> {
    override generate(mrng: FastCheck.Random): FastCheck.Value<PlanLike> {
      return this.#valueOf(drawn(mrng.nextInt(1, SEED_MAX)))
    }

    override canShrinkWithoutContext(value: unknown): value is PlanLike {
      return typeof value === "object" && value !== null && "faults" in value && "workload" in value
    }

    override shrink(plan: PlanLike): FastCheck.Stream<FastCheck.Value<PlanLike>> {
      return fc.stream(smallerPlans(plan)).map((smaller) => this.#valueOf(smaller))
    }

    /** A report that prints hundreds of operations says nothing. */
    #valueOf(plan: PlanLike): FastCheck.Value<PlanLike> {
      const value = () =>
        `plan of ${source.name}: ${plan.faults.length} faults, ${plan.workload.ops.length} operations, ` +
        `${plan.cluster.stores} stores`
      return new fc.Value(Object.defineProperty({ ...plan }, fc.toStringMethod, { value }), undefined)
    }
  }
  return new PlanArbitrary()
}

/** Without a part of its faults or of its operations: large parts first. */
function* smallerPlans(plan: PlanLike): Generator<PlanLike, void> {
  for (const faults of fewer(plan.faults)) yield { ...plan, faults }
  for (const ops of fewer(plan.workload.ops)) yield { ...plan, workload: { ...plan.workload, ops } }
}

function* fewer<T>(items: readonly T[]): Generator<readonly T[], void> {
  for (let size = items.length; size >= 1; size = Math.floor(size / 2)) {
    for (let start = 0; start < items.length; start += size) {
      yield [...items.slice(0, start), ...items.slice(start + size)]
    }
  }
}
