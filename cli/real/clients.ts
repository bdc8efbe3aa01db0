import { byInvocation, Clients, runUs, type ClientHost, type Operation, type Plan, type PlanOp } from "#sim"
import type { KvRequest } from "#kernel"
import type { ClusterDoor } from "./door.ts"

/** What the clients of a run asked and heard. */
export type Heard = {
  /** By invocation. */
  readonly history: readonly Operation[]
  readonly timeline: readonly Operation[]
  readonly clients: Clients
  /** How long each request waited for its answer, and those that still did at the end. */
  readonly waited: Clients["waited"]
  /** When the clients stopped: whoever still waited then was not late yet by anything that came after. */
  readonly endedAt: number
  /** False when it was ended before its time. */
  readonly isWhole: boolean
}

/**
 * The simulator's clients on real time: the same operations at the same moments, the same retries and the same history,
 * with a door where the simulated network was. Microseconds count from the start of the run.
 */
export class RealClients implements ClientHost {
  readonly #plan: Plan
  readonly #door: ClusterDoor
  readonly #clients: Clients
  readonly #timers = new Map<number, NodeJS.Timeout>()
  #startedAt = 0
  #hasEnded = false

  /** `ops` are those of the plan and any the run adds to them. */
  constructor(plan: Plan, ops: readonly PlanOp[], door: ClusterDoor) {
    this.#plan = plan
    this.#door = door
    this.#clients = new Clients(plan, ops)
  }

  get now(): number {
    return Math.floor((performance.now() - this.#startedAt) * 1_000)
  }

  /** Resolves when the plan's time is over, or `cut` is aborted. Whatever is under way then stays unknown for ever. */
  async run(cut: AbortSignal): Promise<Heard> {
    this.#startedAt = performance.now()
    this.#clients.start(this)
    const isWhole = await this.until(runUs(this.#plan.phases), cut)
    const endedAt = this.now
    this.#hasEnded = true
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    const waited = [...this.#clients.waited, ...this.#clients.running()]
    this.#clients.finish()
    const { history, timeline } = this.#clients
    return { history: history.sort(byInvocation), timeline, clients: this.#clients, waited, endedAt, isWhole }
  }

  clientSend(client: number, store: number, request: KvRequest): void {
    this.#door.send(client, store, request, (reply) => {
      if (!this.#hasEnded) this.#clients.replied(client, store, reply)
    })
  }

  setClientTimer(client: number, at: number | null): void {
    clearTimeout(this.#timers.get(client))
    this.#timers.delete(client)
    if (at === null || this.#hasEnded) return
    const ms = Math.max(0, Math.ceil((at - this.now) / 1_000))
    this.#timers.set(
      client,
      setTimeout(() => this.#clients.timerFired(client), ms),
    )
  }

  /** True at this time of the run, false when `cut` is aborted before it. */
  until(at: number, cut: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (isTime: boolean): void => {
        clearTimeout(timer)
        cut.removeEventListener("abort", aborted)
        resolve(isTime)
      }
      const aborted = (): void => end(false)
      const timer = setTimeout(() => end(true), Math.max(0, Math.ceil((at - this.now) / 1_000)))
      if (cut.aborted) end(false)
      else cut.addEventListener("abort", aborted, { once: true })
    })
  }
}
