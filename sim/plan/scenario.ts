import { invariant, type Limits, type Timing } from "#kernel"
import { workloadOf } from "../workload/kinds.ts"
import { FAULTS } from "./catalogue.ts"
import type { FaultKind, PlanHost, PlanPhases } from "./plan.ts"

/** A whole number drawn from [min, max], or one value. */
export type Draw = number | readonly [min: number, max: number]

/**
 * What a scenario file exports as `main`: ranges, from which a seed draws a plan. Absent means the
 * default of the campaign.
 */
export type Scenario = {
  readonly name: string
  /** One or two sentences: which failure this is, and what must hold. */
  readonly about: string
  readonly cluster: {
    readonly stores: Draw
    readonly spares?: Draw
    readonly ranges?: Draw
    readonly tenants?: Draw
    readonly replicas?: Draw
    readonly timing?: Partial<Timing>
    readonly limits?: Partial<Limits>
  }
  readonly workload: {
    /** One of these by the seed's choice. */
    readonly kinds: readonly string[]
    readonly clients?: Draw
    readonly operations?: Draw
    readonly keys?: Draw
  }
  /**
   * "swarm": each kind on or off and weighted by the seed. A list: these, with how many activations.
   * A function may script them exactly.
   */
  readonly faults: ScenarioFaults
  readonly phases?: Partial<PlanPhases>
  readonly host?: Partial<PlanHost>
  /** Marks that must be hit over the scenario's seeds, or it fails. */
  readonly marks?: readonly string[]
  /** Why a run is smaller than DESIGN §3 asks of a campaign. */
  readonly smallBecause?: string
}

export type ScenarioFaults = {
  readonly swarm?: readonly FaultKind[] | "all"
  readonly activations?: Draw
  /** Scripted events, with times in microseconds from the start of each faults part. */
  readonly script?: readonly ScriptedFault[]
}

export type ScriptedFault = {
  readonly kind: FaultKind
  readonly atUs: Draw
  readonly forUs: Draw
  readonly stores: "leader" | "follower" | "any" | "all" | "majority" | "minority" | readonly number[]
  readonly peers?: "others" | "any" | readonly number[]
  readonly args?: Readonly<Record<string, Draw>>
  readonly times?: Draw
}

/** What a scenario file has to say; the rest is the default of the campaign. */
export type ScenarioSpec = Pick<Scenario, "name" | "about"> &
  Partial<Omit<Scenario, "name" | "about" | "cluster" | "workload">> & {
    readonly cluster?: Partial<Scenario["cluster"]>
    readonly workload?: Partial<Scenario["workload"]>
  }

/** Completes a scenario. A spec that cannot be drawn from is the author's bug and throws. */
export function scenario(spec: ScenarioSpec): Scenario {
  const { name, workload, faults } = spec
  invariant(/^[a-z0-9]+(-[a-z0-9]+)*$/.test(name), () => `Cannot name a scenario "${name}": use kebab-case`)
  const kinds = workload?.kinds ?? []
  for (const kind of kinds)
    invariant(workloadOf(kind) !== null, () => `Scenario ${name} has no workload "${kind}"`)
  for (const { kind, args } of faults?.script ?? []) {
    for (const arg of Object.keys(args ?? {})) {
      invariant(
        Object.hasOwn(FAULTS[kind].args, arg),
        () => `Scenario ${name}: ${kind} has no argument "${arg}"`,
      )
    }
  }
  return {
    ...spec,
    cluster: { stores: [3, 7], ...spec.cluster },
    workload: { ...workload, kinds },
    faults: faults ?? { swarm: "all" },
  }
}
