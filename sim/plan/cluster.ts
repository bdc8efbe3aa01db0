import type { Bootstrap } from "#kernel"
import type { Chance } from "./chance.ts"
import type { PlanCluster } from "./plan.ts"
import type { Draw, Scenario } from "./scenario.ts"
import { drawLimits, drawTiming } from "./timing.ts"

/** Tenants, and ranges, of a run that does not say: often one, where all load and all faults meet. */
const USUAL_COUNTS: readonly number[] = [1, 1, 1, 2, 3, 4]

export function drawCluster(chance: Chance, spec: Scenario["cluster"]): PlanCluster {
  const stores = chance.draw(spec.stores)
  const spares = chance.draw(spec.spares ?? [0, 2])
  const tenantCount = chance.draw(spec.tenants ?? chance.pick(USUAL_COUNTS))
  const tenants = Array.from({ length: tenantCount }, (_, tenant) => tenant)
  // Every tenant owns its whole keyspace, so there are at least as many ranges as tenants.
  const rangeCount = Math.max(tenants.length, chance.draw(spec.ranges ?? chance.pick(USUAL_COUNTS)))
  const replicas = drawReplicas(chance.of("replicas"), spec.replicas ?? [3, 5], stores)
  return {
    stores,
    spares,
    tenants,
    ranges: placeRanges(chance.of("placement"), { stores, tenants, rangeCount, replicas }),
    config: {
      timing: drawTiming(chance.of("timing"), spec.timing ?? {}),
      limits: drawLimits(chance.of("limits"), spec.limits ?? {}),
    },
  }
}

/** An odd number: an even one tolerates no more and needs one store more. A fixed number is taken as it is. */
function drawReplicas(chance: Chance, draw: Draw, stores: number): number {
  if (typeof draw === "number") return Math.min(draw, stores)
  const odd: number[] = []
  for (let count = draw[0]; count <= Math.min(draw[1], stores); count++) if (count % 2 === 1) odd.push(count)
  return odd.length === 0 ? Math.min(draw[0], stores) : chance.pick(odd)
}

type Placement = {
  readonly stores: number
  readonly tenants: readonly number[]
  readonly rangeCount: number
  readonly replicas: number
}

function placeRanges(
  chance: Chance,
  { stores, tenants, rangeCount, replicas }: Placement,
): readonly Bootstrap[] {
  const ids = Array.from({ length: stores }, (_, index) => index + 1)
  const incarnations = ids.map((store) => drawIncarnation(chance.of(`incarnation/${store}`)))
  const ranges: Bootstrap[] = []
  for (let index = 0; index < rangeCount; index++) {
    // Ranges are dealt to tenants in turn; those of one tenant are cut at "b", "c", ….
    const turn = Math.floor(index / tenants.length)
    const last = index + tenants.length >= rangeCount
    const placed = chance.of(`group/${index}`).sample(ids, replicas)
    ranges.push({
      descriptor: {
        rangeId: index + 1,
        groupId: index + 1,
        tenant: tenants[index % tenants.length]!,
        start: turn === 0 ? "" : letter(turn),
        end: last ? "" : letter(turn + 1),
        generation: 1,
      },
      configuration: {
        voters: placed.map((store, at) => ({
          replica: at + 1,
          store,
          incarnation: incarnations[store - 1]!,
        })),
        outgoing: [],
        learners: [],
        promoting: [],
        nextReplica: replicas + 1,
      },
    })
  }
  return ranges
}

/** 53 bits, never 0. */
function drawIncarnation(chance: Chance): number {
  return chance.between(1, Number.MAX_SAFE_INTEGER - 1)
}

/** "b", …, "z", and after "z" come "zb", …, "zz", "zzb": every key is above those of the range before. */
function letter(turn: number): string {
  return turn < 26 ? String.fromCharCode(0x61 + turn) : `z${letter(turn - 25)}`
}

/** The `index`-th key of the working set of a range: `a3` in the first range of a tenant, `b3` in its second. */
export function keyOfRange(range: Bootstrap, index: number): string {
  return `${range.descriptor.start === "" ? "a" : range.descriptor.start}${index}`
}
