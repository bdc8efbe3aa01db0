import { invariant } from "#kernel"
import { EVENT } from "../events.ts"
import { isQuiet } from "../phases.ts"
import type { FaultKind, PlanFault, PlanPhases } from "../plan/plan.ts"
import { NO_EVENT, type Scheduler } from "../scheduler.ts"
import { endOf } from "./catalogue.ts"
import type { CommonStage, FaultKindActions, FaultRun, Stage } from "./stage.ts"

/** Administrators' sessions: this, and the index of the fault. Clients have sessions below. */
export const ADMIN_SESSIONS_FROM = 1_000_000

/** A fault that is to strike a leader waits this long for one, so many times. */
const ROLE_WAIT_US = 250_000
const ROLE_WAITS_MAX = 20
/** The act of a fault that means "look again for whom to strike". */
const ACT_BEGIN = -1

/** What the kinds of fault do that a world knows. */
export type Catalogue<S> = Readonly<Partial<Record<FaultKind, FaultKindActions<S>>>>

/**
 * Looks at the world before a fault begins, which may change who everybody is; what it gives back is told
 * whom the fault then struck.
 */
export type ActivationWatch = () => (run: FaultRun) => void

export type FaultCounts = { applied: number; effective: number }

/**
 * Begins the faults of a plan, calls them again when they ask, and lifts them: at their end or when a
 * quiet part begins. A fault whose time lies in a quiet part never happens.
 *
 * A fault is applied when it found someone to strike, and effective when that changed at least one
 * delivery, read, stamp, turn or disk operation: `tally.changes` says how many.
 */
export class FaultInjector<S extends CommonStage = Stage> {
  readonly runs: readonly FaultRun[]
  readonly #stage: S
  readonly #catalogue: Catalogue<S>
  readonly #scheduler: Scheduler
  readonly #phases: PlanPhases

  readonly #watch: ActivationWatch | null

  /** Every kind of fault in the list has a row in the catalogue. */
  constructor(
    stage: S,
    catalogue: Catalogue<S>,
    scheduler: Scheduler,
    phases: PlanPhases,
    faults: readonly PlanFault[],
    watch: ActivationWatch | null = null,
  ) {
    this.#watch = watch
    this.#stage = stage
    this.#catalogue = catalogue
    this.#scheduler = scheduler
    this.#phases = phases
    this.runs = faults.map((fault, index) => ({
      index,
      fault,
      tally: { changes: 0 },
      applied: false,
      active: false,
      stores: fault.target.stores,
      peers: fault.target.peers,
      progress: 0,
      next: NO_EVENT,
      own: null,
    }))
  }

  /** Puts every beginning on the calendar, those of one moment in the order of the plan. */
  schedule(): void {
    for (const { index, fault } of this.runs) {
      if (!isQuiet(this.#phases, fault.at))
        this.#scheduler.schedule(fault.at, EVENT.faultBegins, index, 0, null)
    }
  }

  begins(index: number): void {
    const run = this.runs[index]!
    run.active = true
    const end = endOf(run.fault)
    this.#begin(run, 0)
    if (end !== null)
      this.#scheduler.schedule(Math.max(end, this.#stage.now), EVENT.faultEnds, index, 0, null)
  }

  acts(index: number, act: number): void {
    const run = this.runs[index]!
    run.next = NO_EVENT
    if (!run.active) return
    if (act <= ACT_BEGIN) this.#begin(run, -act)
    else this.#actionsOf(run).act?.(this.#stage, run, act)
  }

  ends(index: number): void {
    const run = this.runs[index]!
    if (run.active) this.#lift(run, false)
  }

  /** A quiet part begins: whatever is in force is lifted. */
  liftAll(): void {
    for (const run of this.runs) if (run.active) this.#lift(run, true)
  }

  answered(session: number, accepted: boolean): void {
    const run = this.runs[session - ADMIN_SESSIONS_FROM]
    if (run === undefined || !run.active) return
    this.#actionsOf(run).answered?.(this.#stage, run, accepted)
  }

  counts(): Readonly<Partial<Record<FaultKind, FaultCounts>>> {
    const counts: Partial<Record<FaultKind, FaultCounts>> = {}
    for (const run of this.runs) {
      const count = (counts[run.fault.kind] ??= { applied: 0, effective: 0 })
      if (run.applied) count.applied++
      if (run.tally.changes > 0) count.effective++
    }
    return counts
  }

  #begin(run: FaultRun, waits: number): void {
    if (!this.#resolve(run)) {
      if (waits >= ROLE_WAITS_MAX) return
      run.next = this.#stage.actAt(run, ACT_BEGIN - waits, this.#stage.now + ROLE_WAIT_US)
      return
    }
    const struck = this.#watch?.()
    this.#actionsOf(run).begin(this.#stage, run)
    if (run.applied) struck?.(run)
  }

  #lift(run: FaultRun, quiet: boolean): void {
    // What is left of a fault of an instant: a leader it waits for, a crash loop not yet over.
    const goesOn = run.next !== NO_EVENT && run.fault.until <= run.fault.at
    if (!quiet && (goesOn || run.fault.kind === "crashLoop")) return
    this.#scheduler.cancel(run.next)
    run.next = NO_EVENT
    run.active = false
    this.#actionsOf(run).lift(this.#stage, run)
  }

  #actionsOf(run: FaultRun): FaultKindActions<S> {
    const actions = this.#catalogue[run.fault.kind]
    invariant(actions !== undefined, () => `Cannot inject ${run.fault.kind}: this world has no such fault`)
    return actions
  }

  /** Takes whom a fault strikes at this moment; false while the leader it names is not there. */
  #resolve(run: FaultRun): boolean {
    const { target } = run.fault
    if (target.role === "stores") return true
    const leader = this.#stage.leaderOf(target.group)
    if (leader === 0) return false
    run.stores =
      target.role === "leader"
        ? [leader]
        : this.#stage.membersOf(target.group).filter((store) => store !== leader)
    return true
  }
}
