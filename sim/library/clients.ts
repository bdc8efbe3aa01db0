import { INSTANT_NEVER } from "../check/history.ts"
import type { Reply } from "./host.ts"
import type { Caller } from "./machine.ts"
import type { MachineOp, MachinePlan } from "./plan.ts"

/** A client that was refused by everyone asks on after this long. */
const PAUSE_US = 50_000

/**
 * One operation as its client saw it.
 *
 * - `ok`: it took effect, once, between `invokedAt` and `endedAt`, with this answer.
 * - `fail`: it certainly had no effect: whoever was asked refused.
 * - `info`: nobody knows. It may take effect at any time after `invokedAt`, or never.
 */
export type Call<Q = unknown, A = unknown> = {
  readonly id: number
  /** Of the history: a client goes on as another process after a call whose end it never learned. */
  readonly process: number
  readonly client: number
  readonly request: Q
  readonly invokedAt: number
  readonly endedAt: number
  readonly outcome: "ok" | "fail" | "info"
  /** Null unless the outcome is `ok`. */
  readonly answer: A | null
  /** Why it was refused, or null. */
  readonly reason: string | null
  readonly attempts: number
}

/** Where clients live. */
export interface CallHost {
  readonly now: number
  clientSend(node: number, caller: Caller, request: unknown): void
  /** One timer a client; null takes it away. */
  setClientTimer(client: number, at: number | null): void
}

type Running = {
  readonly op: MachineOp
  readonly invokedAt: number
  attempt: number
  /** A timeout or a repeat under way: someone may have carried it out unheard. */
  isDoubtful: boolean
  /** Index into the nodes to ask, or a node that was named instead. */
  next: number
  tryNode: number | null
  pausing: boolean
}

type Client = {
  readonly id: number
  readonly ops: readonly MachineOp[]
  done: number
  running: Running | null
  process: number
}

/**
 * Clients of machines: each carries out its operations one after the other. It asks a node, waits, asks the
 * next if it may repeat itself, and gives up as `info` when it does not know. What is the machine's to know,
 * such as who leads, it learns from refusals alone.
 */
export class CallClients {
  /** Finished calls in the order of their ends. */
  readonly history: Call[] = []
  invoked = 0
  ok = 0
  fail = 0
  info = 0
  readonly #clients: readonly Client[]
  #host: CallHost | null = null

  constructor({ workload }: Pick<MachinePlan, "workload">) {
    this.#clients = Array.from({ length: workload.clients }, (_, id) => ({
      id,
      ops: workload.ops.filter((op) => op.client === id).sort((a, b) => a.at - b.at || a.id - b.id),
      done: 0,
      running: null,
      process: id,
    }))
  }

  start(host: CallHost): void {
    this.#host = host
    for (const client of this.#clients) this.#wait(client)
  }

  /** Calls that have not ended. */
  running(): readonly Omit<Call, "endedAt" | "outcome" | "answer" | "reason">[] {
    return this.#clients.flatMap(({ id, running, process }) => {
      if (running === null) return []
      const { op, invokedAt, attempt } = running
      const { request } = op.op
      return [{ id: op.id, process, client: id, request, invokedAt, attempts: attempt + 1 }]
    })
  }

  timerFired(id: number): void {
    const client = this.#clients[id]
    if (client === undefined) return
    const { running } = client
    if (running === null) this.#begin(client)
    else if (running.pausing) this.#ask(client, running)
    else {
      running.isDoubtful = true
      this.#again(client, running, null, 0)
    }
  }

  replied(id: number, reply: Reply): void {
    const client = this.#clients[id]
    const running = client?.running ?? null
    if (client === undefined || running === null || reply.caller.id !== running.op.id) return
    if (reply.type === "answer") {
      this.#end(client, running, "ok", reply.answer, null)
      return
    }
    // A refusal says something of the attempt it refuses, and of no other.
    if (reply.caller.attempt !== running.attempt || running.pausing) return
    running.tryNode = reply.tryNode
    this.#again(client, running, reply.reason, reply.tryNode === null ? PAUSE_US : 0)
  }

  /** The run is over: what nobody has heard of yet stays unknown for ever. */
  finish(): void {
    for (const client of this.#clients) {
      if (client.running !== null) this.#end(client, client.running, "info", null, null)
    }
  }

  #begin(client: Client): void {
    this.invoked++
    const running: Running = {
      op: client.ops[client.done]!,
      invokedAt: this.#host!.now,
      attempt: 0,
      isDoubtful: false,
      next: 0,
      tryNode: null,
      pausing: false,
    }
    client.running = running
    this.#ask(client, running)
  }

  #ask(client: Client, running: Running): void {
    const { op, id } = running.op
    running.pausing = false
    const node = running.tryNode ?? op.stores[running.next++ % op.stores.length]!
    running.tryNode = null
    this.#host!.setClientTimer(client.id, this.#host!.now + op.timeoutUs)
    this.#host!.clientSend(node, { client: client.id, id, attempt: running.attempt }, op.request)
  }

  #again(client: Client, running: Running, reason: string | null, pauseUs: number): void {
    if (running.attempt + 1 >= running.op.op.attempts) {
      this.#end(client, running, running.isDoubtful ? "info" : "fail", null, reason)
      return
    }
    running.attempt++
    if (pauseUs === 0) this.#ask(client, running)
    else {
      running.pausing = true
      this.#host!.setClientTimer(client.id, this.#host!.now + pauseUs)
    }
  }

  #end(
    client: Client,
    running: Running,
    outcome: Call["outcome"],
    answer: unknown,
    reason: string | null,
  ): void {
    const { op, invokedAt, attempt } = running
    this[outcome]++
    this.history.push({
      id: op.id,
      process: client.process,
      client: client.id,
      request: op.op.request,
      invokedAt,
      endedAt: outcome === "info" ? INSTANT_NEVER : this.#host!.now,
      outcome,
      answer,
      reason,
      attempts: attempt + 1,
    })
    if (outcome === "info") client.process += this.#clients.length
    client.running = null
    client.done++
    this.#wait(client)
  }

  #wait(client: Client): void {
    this.#host!.setClientTimer(client.id, client.ops[client.done]?.at ?? null)
  }
}
