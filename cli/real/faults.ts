import type { FaultCount } from "../report/model.ts"
import { Chance, type FaultKind, type Plan, type PlanFault } from "#sim"
import type { LinkState } from "./link.ts"
import { linksBetween, type Cut, type FaultNetwork } from "./network.ts"

/** What faults strike: processes, and the links between them. */
export interface FaultStage {
  readonly stores: readonly number[]
  readonly network: FaultNetwork
  /** SIGKILL; false when it was down already. Resolves when it is gone. */
  kill(store: number): Promise<boolean>
  /** Nothing when it is up. */
  start(store: number): Promise<void>
  /** SIGSTOP; false when it is down. */
  pause(store: number): boolean
  /** SIGCONT. */
  resume(store: number): void
  /** Who leads the group as far as anybody says; null when nobody does. */
  leaderOf(group: number): Promise<number | null>
}

/** Of the simulator's faults, those that a process on a real machine can be made to suffer. */
export const SHARED_KINDS: readonly FaultKind[] = [
  "crash",
  "crashLoop",
  "pause",
  "partition",
  "delay",
  "flap",
  "clog",
]

/** What only sockets have: a stream that loses its far end, that trickles, that is torn. Each takes the place of a clog. */
const SOCKET_KINDS = ["halfOpen", "dribble", "reset"] as const

export type RealKind = FaultKind | (typeof SOCKET_KINDS)[number]

/** A fault of the plan as it comes to real processes: times in microseconds since the start of the run. */
export type RealFault = {
  readonly id: number
  readonly at: number
  readonly until: number
  readonly kind: RealKind
  readonly target: PlanFault["target"]
  readonly args: Readonly<Record<string, number>>
}

/**
 * The faults of a plan, for processes. A power loss is not among them: what the kernel of the machine was given
 * survives a SIGKILL. Of what a plan cannot do here nothing is left.
 */
export function realFaults(plan: Plan): readonly RealFault[] {
  const chance = new Chance(`real/${plan.scenario}/${plan.seed}`)
  return plan.faults
    .filter((fault) => SHARED_KINDS.includes(fault.kind))
    .map((fault): RealFault => {
      if (fault.kind !== "clog") return fault
      const own = chance.of(`${fault.id}`)
      const kind = own.pick(["clog", ...SOCKET_KINDS] as const)
      const args = kind === "dribble" ? { ...fault.args, bytesPerSecond: own.spread(8, 512) } : fault.args
      return { ...fault, kind, args }
    })
}

type Disturbance = { readonly fault: RealFault; readonly links: readonly Cut[]; readonly before: number }

/** Carries faults out at their times, and counts them. Each is struck at what is there when it comes. */
export class FaultDriver {
  readonly #stage: FaultStage
  readonly #counts = new Map<RealKind, { applied: number; effective: number }>()
  readonly #timers = new Set<NodeJS.Timeout>()
  /** What each store waits for, in order: kills and starts of one store never overtake each other. */
  readonly #queues = new Map<number, Promise<void>>()
  /** Faults that keep a store down, or standing still. */
  readonly #down = new Map<number, Set<number>>()
  readonly #paused = new Map<number, Set<number>>()
  /** Faults of links that are in force, by id. */
  readonly #disturbances = new Map<number, Disturbance>()
  readonly #running = new Set<Promise<void>>()
  #hasHealed = false
  /** The first thing that went wrong in carrying out: the harness's failure, not the cluster's. */
  #failure: { readonly thrown: unknown } | null = null

  constructor(stage: FaultStage) {
    this.#stage = stage
    for (const store of stage.stores) {
      this.#down.set(store, new Set())
      this.#paused.set(store, new Set())
    }
  }

  /** Sets the times of all faults, from now. */
  schedule(faults: readonly RealFault[]): void {
    for (const fault of faults) this.#later(fault.at, () => this.#strike(fault))
  }

  /** How often each kind was carried out, and how often somebody felt it. */
  counts(): Readonly<Record<string, FaultCount>> {
    return Object.fromEntries([...this.#counts].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /** Lifts everything: links pass, everybody goes on, everybody is up. Throws what carrying out threw. */
  async heal(): Promise<void> {
    this.#hasHealed = true
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    // What has begun may still wait for an answer or for an end.
    while (this.#running.size > 0) await Promise.all(this.#running)
    for (const id of this.#disturbances.keys()) this.#lift(id)
    this.#stage.network.heal()
    for (const store of this.#stage.stores) {
      this.#paused.get(store)!.clear()
      this.#stage.resume(store)
      this.#down.get(store)!.clear()
      void this.#inOrder(store, () => this.#stage.start(store))
    }
    await Promise.all(this.#queues.values())
    if (this.#failure !== null) throw this.#failure.thrown
  }

  async #strike(fault: RealFault): Promise<void> {
    const stores = await this.#victims(fault)
    if (this.#hasHealed) return
    const count = this.#countOf(fault.kind)
    count.applied++
    switch (fault.kind) {
      case "crash":
      case "crashLoop":
        if (await this.#crash(fault, stores, 0)) count.effective++
        return
      case "pause":
        if (this.#pause(fault, stores)) count.effective++
        return
      default:
        this.#disturb(fault, stores)
    }
  }

  #countOf(kind: RealKind): { applied: number; effective: number } {
    const count = this.#counts.get(kind) ?? { applied: 0, effective: 0 }
    this.#counts.set(kind, count)
    return count
  }

  /** Whom a role means now; of a group nobody leads it means nobody. */
  async #victims({ target }: RealFault): Promise<readonly number[]> {
    if (target.role === "stores") return target.stores.filter((store) => this.#stage.stores.includes(store))
    const leader = await this.#stage.leaderOf(target.group)
    if (leader === null) return []
    return target.role === "leader" ? [leader] : this.#stage.stores.filter((store) => store !== leader)
  }

  /** True when one of them was up. */
  async #crash(fault: RealFault, stores: readonly number[], act: number): Promise<boolean> {
    const { restartUs = 1_000_000, times = 1, upUs = 1_000_000 } = fault.args
    let hasDied = false
    const killed = stores.map((store) =>
      this.#inOrder(store, async () => {
        this.#down.get(store)!.add(fault.id)
        if (await this.#stage.kill(store)) hasDied = true
        this.#later(restartUs, () => this.#restart(store, fault.id))
      }),
    )
    await Promise.all(killed)
    if (fault.kind === "crashLoop" && act + 1 < times) {
      this.#later(restartUs + upUs, async () => {
        await this.#crash(fault, stores, act + 1)
      })
    }
    return hasDied
  }

  #restart(store: number, id: number): Promise<void> {
    return this.#inOrder(store, async () => {
      const down = this.#down.get(store)!
      down.delete(id)
      if (down.size === 0) await this.#stage.start(store)
    })
  }

  /** True when one of them was up. */
  #pause(fault: RealFault, stores: readonly number[]): boolean {
    let hasStopped = false
    for (const store of stores) {
      this.#paused.get(store)!.add(fault.id)
      if (this.#stage.pause(store)) hasStopped = true
    }
    this.#later(fault.until - fault.at, () => {
      for (const store of stores) {
        const paused = this.#paused.get(store)!
        paused.delete(fault.id)
        if (paused.size === 0) this.#stage.resume(store)
      }
    })
    return hasStopped
  }

  #disturb(fault: RealFault, stores: readonly number[]): void {
    const { network } = this.#stage
    const { peers } = fault.target
    // Clients are behind no link, and a plan may name them.
    const others = this.#stage.stores.filter((store) =>
      peers.length > 0 ? peers.includes(store) : !stores.includes(store),
    )
    const links = linksBetween(stores, others, fault.args["oneWay"] === 1)
    this.#disturbances.set(fault.id, { fault, links, before: network.affected(links) })
    if (fault.kind === "reset") {
      network.reset(links)
      this.#lift(fault.id)
      return
    }
    network.apply(fault.id, links, linkStateOf(fault))
    this.#later(fault.until - fault.at, () => this.#lift(fault.id))
    if (fault.kind === "flap") this.#flap(fault, links, true)
  }

  #lift(id: number): void {
    const disturbance = this.#disturbances.get(id)
    if (disturbance === undefined) return
    this.#disturbances.delete(id)
    const { fault, links, before } = disturbance
    this.#stage.network.lift(id)
    if (this.#stage.network.affected(links) > before) this.#countOf(fault.kind).effective++
  }

  /** Down, up, down again, for as long as the fault is in force. */
  #flap(fault: RealFault, links: readonly Cut[], isDown: boolean): void {
    const { upUs = 1_000_000, downUs = 1_000_000 } = fault.args
    this.#later(isDown ? downUs : upUs, () => {
      if (!this.#disturbances.has(fault.id)) return
      if (isDown) this.#stage.network.lift(fault.id)
      else this.#stage.network.apply(fault.id, links, linkStateOf(fault))
      this.#flap(fault, links, !isDown)
    })
  }

  #inOrder(store: number, act: () => Promise<void>): Promise<void> {
    const before = this.#queues.get(store) ?? Promise.resolve()
    const done = before.then(act).catch((thrown: unknown) => this.#failed(thrown))
    this.#queues.set(store, done)
    return done
  }

  #failed(thrown: unknown): void {
    this.#failure ??= { thrown }
  }

  #later(us: number, act: () => Promise<void> | void): void {
    if (this.#hasHealed) return
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      const done = Promise.resolve()
        .then(act)
        .catch((thrown: unknown) => this.#failed(thrown))
        .finally(() => this.#running.delete(done))
      this.#running.add(done)
    }, us / 1_000)
    this.#timers.add(timer)
  }
}

const FREE_FLOW = Number.POSITIVE_INFINITY

function linkStateOf({ kind, args }: RealFault): LinkState {
  if (kind === "halfOpen") return { type: "halfOpen" }
  if (kind === "dribble")
    return { type: "slow", delayMs: 0, bytesPerSecond: Math.max(1, args["bytesPerSecond"] ?? 64) }
  // A stream delivers in order, so one late chunk makes all after it late: the usual delay, without its tail.
  if (kind === "delay") {
    const delayMs = ((args["minUs"] ?? 0) + (args["meanUs"] ?? 0)) / 1_000
    return { type: "slow", delayMs, bytesPerSecond: FREE_FLOW }
  }
  return { type: "cut" }
}
