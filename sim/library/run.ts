import { runUs } from "../phases.ts"
import type { RunResult } from "../result.ts"
import type { Check, NodeView, Observation, OpenCall, WorldNow } from "./checks.ts"
import { CallClients, type Call } from "./clients.ts"
import type { MachineHost, Reply } from "./host.ts"
import type { MachinePlan } from "./plan.ts"
import { Runner, type AnyEffect, type AnyInput, type AnyMachine } from "./runner.ts"
import { MachineWorld, type MachineWatcher } from "./world.ts"

export type MachineRunOptions = {
  /**
   * False takes every step once and freezes nothing: about three times as fast, and a machine that is not
   * pure goes unnoticed until its run is repeated.
   */
  readonly guard?: boolean
  /** Steps after which a run breaks `RES-busy`, for machines may ask for work for ever: a million unless it says. */
  readonly eventsMax?: number
  /** Ends the run at this simulated microsecond: a run that ends early has no end checks. */
  readonly until?: number
  /** A line for each step and happening. */
  readonly onLine?: (line: string) => void
}

export type MachineResult<Q = unknown, A = unknown> = Omit<
  RunResult,
  "history" | "runClass" | "verdict" | "cells" | "signature"
> & {
  /** Unknown, when nothing is broken and a check could not tell. */
  readonly verdict: "valid" | "invalid" | "unknown"
  /** What checks could not tell, and why. */
  readonly unknowns: readonly string[]
  readonly plan: MachinePlan<Q>
  /** By the start of calls. */
  readonly history: readonly Call<Q, A>[]
  readonly observations: readonly Observation[]
}

const EVENTS_MAX = 1_000_000

/** A whole run of a plan: nodes, clients, faults, and the checks that are given. */
export function runMachines(
  plan: MachinePlan,
  machine: AnyMachine,
  checks: readonly Check<unknown>[],
  options: MachineRunOptions,
): MachineResult {
  const whole = runUs(plan.phases)
  const end = Math.min(whole, options.until ?? whole)
  const run = new Run(plan, new Runner(machine, options.guard ?? true), checks, options)
  const { world, clients } = run
  const roundUs = plan.phases.faultsUs + plan.phases.quietUs
  for (let at = 0; at < end;) {
    at = Math.min(at + roundUs, end)
    // The last moment of the round: at its end the next one begins, and its faults with it.
    if (!run.runUntil(at - 1)) break
    if (at % roundUs === 0 && plan.phases.quietUs > 0) run.judge("quiet")
    if (!run.runUntil(at)) break
  }
  clients.finish()
  if (end === whole) run.judge("end")
  const { violation } = world
  return {
    scenario: plan.scenario,
    seed: plan.seed,
    plan,
    verdict: violation !== null ? "invalid" : run.unknowns.length > 0 ? "unknown" : "valid",
    violation,
    unknowns: run.unknowns,
    traceHash: world.traceHash(),
    checkpoints: world.checkpoints,
    stateHash: run.stateHash(),
    events: world.event,
    simulatedUs: world.now,
    operations: { invoked: clients.invoked, ok: clients.ok, fail: clients.fail, info: clients.info },
    faults: world.faultCounts(),
    marks: world.marks(),
    history: clients.history.toSorted(byStart),
    observations: run.observations,
  }
}

/** As the histories of the kernel's clients are told. */
function byStart(a: Call, b: Call): number {
  return a.invokedAt - b.invokedAt || a.id - b.id
}

class Run implements MachineWatcher, WorldNow<unknown> {
  readonly plan: MachinePlan
  readonly world: MachineWorld
  readonly clients: CallClients
  readonly nodes: readonly NodeView<unknown>[]
  readonly observations: Observation[] = []
  readonly unknowns: string[] = []
  readonly #always: readonly Check<unknown>[]
  readonly #all: readonly Check<unknown>[]
  readonly #write: ((line: string) => void) | null

  constructor(
    plan: MachinePlan,
    runner: Runner,
    checks: readonly Check<unknown>[],
    { onLine, eventsMax }: MachineRunOptions,
  ) {
    this.plan = plan
    this.#all = checks
    this.#always = checks.filter((check) => check.when === "always")
    this.#write = onLine ?? null
    this.clients = new CallClients(plan)
    this.world = new MachineWorld(plan, runner, this, eventsMax ?? EVENTS_MAX)
    this.nodes = Array.from({ length: plan.cluster.stores }, (_, i) => new View(this.world.host(i + 1)))
    this.clients.start(this.world)
  }

  get now(): number {
    return this.world.now
  }

  get event(): number {
    return this.world.event
  }

  get quiet(): boolean {
    return this.world.quiet
  }

  get history(): readonly Call[] {
    return this.clients.history
  }

  open(): readonly OpenCall<unknown>[] {
    return this.clients.running()
  }

  /** A throw is a finding like any other: it has a plan that shrinks. */
  runUntil(at: number): boolean {
    try {
      return this.world.runUntil(at)
    } catch (error) {
      this.world.violated("RES-threw", `The run threw. ${wordsOf(error)}`)
      return false
    }
  }

  judge(when: Check<unknown>["when"]): void {
    const checks = when === "always" ? this.#always : this.#all
    for (const check of checks) {
      if (this.world.stopped) return
      if (check.when !== when) continue
      const found = this.#foundBy(check)
      if (found !== null) this.world.violated(`CHECK-${check.name}`, found)
    }
  }

  /** The state of a machine that is not plain has no hash: what it broke is said already, or is now. */
  stateHash(): string {
    try {
      return this.world.stateDigest()
    } catch (error) {
      this.world.violated("DET-not-plain", `A state cannot be written down. ${wordsOf(error)}`)
      return ""
    }
  }

  // What the world tells.

  replied(client: number, reply: Reply): void {
    this.clients.replied(client, reply)
    this.judge("always")
  }

  timerFired(client: number): void {
    this.clients.timerFired(client)
    this.judge("always")
  }

  stepped(node: number, input: AnyInput, effects: readonly AnyEffect[]): void {
    if (this.#write !== null) {
      const { now: _now, wall: _wall, type, ...what } = input
      const told = effects.map(({ type: name, ...rest }) => `${name} ${JSON.stringify(rest)}`).join("; ")
      this.#write(
        `${this.#stamp()} n${node} ${type} ${JSON.stringify(what)} -> ${told === "" ? "nothing" : told}`,
      )
    }
    this.judge("always")
  }

  observed(node: number, what: unknown): void {
    this.observations.push({ at: this.now, node, what })
  }

  happened(what: string): void {
    this.#write?.(`${this.#stamp()} == ${what}`)
  }

  #foundBy(check: Check<unknown>): string | null {
    try {
      const found = check.check(this) ?? null
      if (typeof found !== "object" || found === null) return found
      this.unknowns.push(`${check.name}: ${found.unknown}`)
      return null
    } catch (error) {
      return wordsOf(error)
    }
  }

  #stamp(): string {
    const whole = Math.floor(this.now / 1_000_000)
    return `${whole}.${String(this.now % 1_000_000).padStart(6, "0")} #${this.event}`
  }
}

class View implements NodeView<unknown> {
  readonly #host: MachineHost

  constructor(host: MachineHost) {
    this.#host = host
  }

  get node(): number {
    return this.#host.node
  }

  get up(): boolean {
    return this.#host.alive
  }

  get boot(): number {
    return this.#host.boots
  }

  get state(): unknown {
    return this.#host.state
  }

  durable(): ReturnType<NodeView<unknown>["durable"]> {
    return this.#host.storage.durable()
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
}
