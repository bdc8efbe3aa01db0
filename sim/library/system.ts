import { invariant } from "#kernel"
import type { Violation } from "../check/checker.ts"
import { isPlanError, type PlanError } from "../plan/shape.ts"
import { withPriorities } from "../strategy/priority.ts"
import { drive } from "../shrink/drive.ts"
import type { ShrinkOptions } from "../shrink/shrink.ts"
import { partingWindow, type Window } from "../trace/diff.ts"
import { makeMachineCapsule, parseMachineCapsule, writeMachineCapsule } from "./capsule.ts"
import type { Check } from "./checks.ts"
import type { Machine } from "./machine.ts"
import { drawMachinePlan, firstFlawOfMachines, type MachinePlan, type PlanSource } from "./plan.ts"
import type { AnyMachine } from "./runner.ts"
import { runMachines, type MachineResult, type MachineRunOptions } from "./run.ts"
import { machineSearch } from "./shrink.ts"

/** A machine of yours, who runs it, who asks it, what goes wrong, and what must hold all the same. */
export type SystemSpec<S, M, Q, A> = Omit<PlanSource<NoInfer<Q>>, "machine"> & {
  readonly machine: Machine<S, M, Q, A>
  readonly checks: readonly Check<NoInfer<S>, NoInfer<Q>, NoInfer<A>>[]
  /** Rare paths that a hunt must have taken, or it has shown nothing. */
  readonly marks?: readonly string[]
}

export type HuntOptions = MachineRunOptions & {
  /** First seed; 1 unless it says. */
  readonly from?: number
  readonly seeds: number
  /** How the plan of a seed is come by: "priority" orders messages where a swarm puts them late at random. */
  readonly strategy?: "swarm" | "priority"
}

/** What came of many seeds. */
export type Hunt<Q, A> = {
  /** Seeds that were run: all of them, or those up to the first failure. */
  readonly seeds: number
  readonly failure: MachineResult<Q, A> | null
  /** Runs in which a check could not tell. */
  readonly unknown: number
  readonly events: number
  /** Times each mark was hit. */
  readonly marks: Readonly<Record<string, number>>
  /** Marks of the system that no seed hit. */
  readonly missed: readonly string[]
  /** By kind: how many faults there were that changed something. */
  readonly faults: Readonly<Record<string, number>>
}

export type SmallFailure<Q, A> = {
  readonly plan: MachinePlan<Q>
  readonly result: MachineResult<Q, A>
  readonly runs: number
  /** Without any one of its faults or operations the check no longer fails: tried, each of them. */
  readonly minimal: boolean
}

export type MachineReplay<Q, A> = {
  /** The same trace and the same verdict, to the last bit. */
  readonly same: boolean
  readonly result: MachineResult<Q, A>
  /** Events among which the run left the recorded one; null when it did not. */
  readonly firstDifference: Window | null
  /** What the capsule was made with, when that is another machine than this system's. */
  readonly otherMachine: { readonly name: string; readonly version: string } | null
}

/** A system that can be run, from a seed or from a plan. Nothing in it changes: it may be used by many tests. */
export interface System<S, Q, A> {
  readonly name: string
  readonly checks: readonly Check<S, Q, A>[]
  /** Everything that a seed decides. */
  plan(seed: number): MachinePlan<Q>
  /** One run. */
  simulate(run: MachinePlan<Q> | number, options?: MachineRunOptions): MachineResult<Q, A>
  /** The same, twice: two runs that differ break `DET-rerun`. */
  verify(run: MachinePlan<Q> | number, options?: MachineRunOptions): MachineResult<Q, A>
  /** One seed after the other, to the first that fails. */
  hunt(options: HuntOptions): Hunt<Q, A>
  /** The fewest faults, operations and nodes that still fail the same check; null when the plan does not fail. */
  shrink(
    run: MachinePlan<Q> | number,
    options?: Partial<Omit<ShrinkOptions, "run" | "oracle">>,
  ): SmallFailure<Q, A> | null
  /** A failure as a file. */
  capsule(result: MachineResult<Q, A>): string
  /** A capsule again: its text, or what JSON made of it. One that is none throws. */
  replay(capsule: unknown, options?: MachineRunOptions): MachineReplay<Q, A>
}

const SHRINK_RUNS_MAX = 3_000

/** Puts a machine of yours into the simulated world. A spec that cannot be run is the author's slip and throws. */
export function system<S, M, Q, A>(spec: SystemSpec<S, M, Q, A>): System<S, Q, A> {
  const { name, checks } = spec
  const names = checks.map((check) => check.name)
  for (const own of [name, ...names]) {
    invariant(/^[a-z0-9]+(-[a-z0-9]+)*$/.test(own), () => `Cannot name anything "${own}": use kebab-case`)
  }
  invariant(new Set(names).size === names.length, () => `System ${name} has two checks of one name`)
  return new MachineSystem(spec)
}

class MachineSystem<S, M, Q, A> implements System<S, Q, A> {
  readonly name: string
  readonly checks: readonly Check<S, Q, A>[]
  readonly #spec: SystemSpec<S, M, Q, A>

  constructor(spec: SystemSpec<S, M, Q, A>) {
    this.name = spec.name
    this.checks = spec.checks
    this.#spec = spec
  }

  plan(seed: number): MachinePlan<Q> {
    return drawMachinePlan(this.#spec, seed)
  }

  simulate(run: MachinePlan<Q> | number, options: MachineRunOptions = {}): MachineResult<Q, A> {
    const plan = this.#planOf(run)
    const { machine } = this.#spec
    // The world never looks into what it carries, so the machine's own types are of no concern to it.
    const result = runMachines(plan, machine as unknown as AnyMachine, this.checks, options)
    return result as MachineResult<Q, A>
  }

  verify(run: MachinePlan<Q> | number, options: MachineRunOptions = {}): MachineResult<Q, A> {
    const plan = this.#planOf(run)
    const first = this.simulate(plan, options)
    const second = this.simulate(plan, options)
    if (first.traceHash === second.traceHash && first.stateHash === second.stateHash) return first
    const window = partingWindow(first, second)
    const where = window === null ? "at its end" : `between events ${window.from} and ${window.to}`
    const violation: Violation = {
      oracle: "DET-rerun",
      message: `Two runs of one plan differ, ${where}: something is neither state nor input`,
      at: first.simulatedUs,
      event: first.events,
    }
    return { ...first, verdict: "invalid", violation }
  }

  hunt({ from = 1, seeds, strategy = "swarm", ...options }: HuntOptions): Hunt<Q, A> {
    const marks: Record<string, number> = {}
    const faults: Record<string, number> = {}
    let events = 0
    let unknown = 0
    let ran = 0
    let failure: MachineResult<Q, A> | null = null
    while (ran < seeds && failure === null) {
      const drawn = this.plan(from + ran++)
      const result = this.simulate(strategy === "priority" ? withPriorities(drawn) : drawn, options)
      events += result.events
      for (const [mark, count] of Object.entries(result.marks)) marks[mark] = (marks[mark] ?? 0) + count
      for (const [kind, { effective }] of Object.entries(result.faults)) {
        faults[kind] = (faults[kind] ?? 0) + effective
      }
      if (result.verdict === "unknown") unknown++
      if (result.verdict === "invalid") failure = result
    }
    const missed = (this.#spec.marks ?? []).filter((mark) => !Object.hasOwn(marks, mark))
    return { seeds: ran, failure, unknown, events, marks, missed, faults }
  }

  shrink(
    run: MachinePlan<Q> | number,
    options: Partial<Omit<ShrinkOptions, "run" | "oracle">> = {},
  ): SmallFailure<Q, A> | null {
    const plan = this.#planOf(run)
    const first = this.simulate(plan)
    const { violation } = first
    if (violation === null) return null
    const isOnline = this.#isOnline(violation.oracle)
    // Only a check of its own looks at every step twice: the others are found without, and sooner.
    const guard = violation.oracle.startsWith("DET-")
    const seen = (candidate: MachinePlan, until: number): Violation | null =>
      this.simulate(candidate as MachinePlan<Q>, { until, guard }).violation
    const { nodes } = this.#spec
    const search = machineSearch(typeof nodes === "number" ? nodes : nodes[0])
    const begun = search.begin(plan, isOnline ? violation.at : Infinity)
    const bounds = { runsMax: SHRINK_RUNS_MAX, ...options, oracle: violation.oracle }
    const { state, runs } = drive(search, begun, { ...bounds, run: seen })
    const small = state.plan as MachinePlan<Q>
    return { plan: small, result: this.simulate(small), runs, minimal: state.cursor === null }
  }

  capsule(result: MachineResult<Q, A>): string {
    return writeMachineCapsule(makeMachineCapsule(result))
  }

  replay(given: unknown, options: MachineRunOptions = {}): MachineReplay<Q, A> {
    const json: unknown = typeof given === "string" ? JSON.parse(given) : given
    const capsule = known(parseMachineCapsule(json))
    const { machine } = this.#spec
    const made = capsule.plan.machine
    const result = this.simulate(capsule.plan as MachinePlan<Q>, options)
    const firstDifference = partingWindow(capsule, result)
    const same = firstDifference === null && (result.violation?.oracle ?? "") === capsule.oracle
    const isOther = made.name !== machine.name || made.version !== machine.version
    return { same, result, firstDifference, otherMachine: isOther ? made : null }
  }

  #planOf(run: MachinePlan<Q> | number): MachinePlan<Q> {
    if (typeof run === "number") return this.plan(run)
    const flaw = firstFlawOfMachines(run)
    if (flaw !== null) throw refusal(flaw)
    return run
  }

  /** Whether the failure can only have been caused by what came before it. */
  #isOnline(oracle: string): boolean {
    const check = this.checks.find(({ name }) => `CHECK-${name}` === oracle)
    return check === undefined || check.when === "always"
  }
}

function known<T extends object>(read: T | PlanError): T {
  if (isPlanError(read)) throw refusal(read)
  return read
}

function refusal({ message }: PlanError): RangeError {
  return new RangeError(`Cannot run this plan. ${message}`)
}
