import type { KvOp, KvReply, KvRequest, KvResult } from "#kernel"
import { INSTANT_NEVER, type Operation } from "../check/history.ts"
import type { Plan, PlanOp } from "../plan/plan.ts"
import { mayWrite } from "../plan/well-formed.ts"
import { ClientMemory, runOperation, type ClientAnswer, type ClientStep, type Ending } from "./client.ts"

/** Where clients live: something that knows the time, carries requests and wakes a client. */
export interface ClientPort {
  readonly now: number
  sendRequest(client: number, store: number, request: KvRequest): void
  /** Calls `clientWoken` at this time. Earlier calls for the same client need not be forgotten. */
  wakeClient(client: number, at: number): void
}

type Client = {
  readonly memory: ClientMemory
  readonly ops: readonly PlanOp[]
  next: number
  running: Generator<ClientStep, Ending, ClientAnswer> | null
  invokedAt: number
  /** Id of the request whose answer is awaited, or -1. */
  awaited: number
  /** When to go on without an answer, or with the next operation. */
  wakeAt: number
  process: number
}

/**
 * All clients of a run: each carries out its operations one after the other, none before its time, and
 * everything they ask and hear becomes the history.
 */
export class Clients {
  readonly #plan: Plan
  readonly #port: ClientPort
  readonly #clients: readonly (Client | null)[]
  readonly #tenants: ReadonlyMap<number, number>
  /** Finished operations in the order of their ends. */
  readonly history: Operation[] = []
  invoked = 0
  ok = 0
  fail = 0
  info = 0

  /** `ops` by client and time; clients are numbered from 1. */
  constructor(plan: Plan, ops: readonly PlanOp[], port: ClientPort) {
    this.#plan = plan
    this.#port = port
    this.#tenants = new Map(
      plan.cluster.ranges.map(({ descriptor }) => [descriptor.rangeId, descriptor.tenant]),
    )
    let count = 0
    for (const op of ops) count = Math.max(count, op.client)
    const queues: PlanOp[][] = Array.from({ length: count + 1 }, () => [])
    for (const op of ops) queues[op.client]!.push(op)
    this.#clients = queues.map((queue, client) =>
      queue.length === 0 ? null : this.#newClient(client, queue),
    )
  }

  #newClient(client: number, ops: PlanOp[]): Client {
    ops.sort((a, b) => a.at - b.at || a.id - b.id)
    const ranges = this.#plan.cluster.ranges.map(({ descriptor, configuration }) => {
      const voters = configuration.voters.map((voter) => voter.store)
      // Replicas may have moved anywhere, so the stores that hold none at first come last.
      const others = Array.from({ length: this.#plan.cluster.stores }, (_, index) => index + 1)
      return { descriptor, stores: [...voters, ...others.filter((store) => !voters.includes(store))] }
    })
    return {
      memory: new ClientMemory(client, ranges),
      ops,
      next: 0,
      running: null,
      invokedAt: 0,
      awaited: -1,
      wakeAt: 0,
      process: client,
    }
  }

  start(): void {
    for (const client of this.#clients) if (client !== null) this.#sleep(client, client.ops[0]!.at)
  }

  /** Operations that have begun and not ended. */
  get running(): number {
    let count = 0
    for (const client of this.#clients) if (client?.running != null) count++
    return count
  }

  /** Start of the operation that has been running longest; `INSTANT_NEVER` when none runs. */
  get oldestRunning(): number {
    let oldest = INSTANT_NEVER
    for (const client of this.#clients)
      if (client?.running != null) oldest = Math.min(oldest, client.invokedAt)
    return oldest
  }

  clientWoken(id: number): void {
    const client = this.#clients[id]
    if (client == null || client.wakeAt !== this.#port.now) return
    if (client.running === null) this.#begin(client)
    else this.#resume(client, "timeout")
  }

  replyArrived(id: number, reply: KvReply): void {
    const client = this.#clients[id]
    if (client == null || client.running === null || client.awaited !== reply.id) return
    this.#resume(client, reply)
  }

  /** The run is over: what nobody has heard of yet stays unknown for ever. */
  finish(): void {
    for (const client of this.#clients) {
      if (client?.running == null) continue
      const writes = client.ops[client.next]!.op.ops.some(mayWrite)
      this.#record(client, client.memory.cutShort(writes), INSTANT_NEVER)
    }
  }

  #begin(client: Client): void {
    client.invokedAt = this.#port.now
    client.running = runOperation(client.memory, client.ops[client.next]!.op)
    this.invoked++
    this.#follow(client, client.running.next())
  }

  #resume(client: Client, answer: ClientAnswer): void {
    client.awaited = -1
    client.wakeAt = -1
    this.#follow(client, client.running!.next(answer))
  }

  #follow(client: Client, first: IteratorResult<ClientStep, Ending>): void {
    let result = first
    while (result.done !== true) {
      const step = result.value
      if (step.type === "pause") {
        this.#sleep(client, this.#port.now + step.us)
        return
      }
      for (let copy = 0; copy < step.copies; copy++)
        this.#port.sendRequest(client.memory.client, step.store, step.request)
      if (step.timeoutUs > 0) {
        client.awaited = step.request.id
        this.#sleep(client, this.#port.now + step.timeoutUs)
        return
      }
      result = client.running!.next("timeout")
    }
    this.#record(client, result.value, this.#port.now)
    client.running = null
    client.next++
    if (client.next < client.ops.length)
      this.#sleep(client, Math.max(client.ops[client.next]!.at, this.#port.now))
  }

  #sleep(client: Client, at: number): void {
    client.wakeAt = at
    this.#port.wakeClient(client.memory.client, at)
  }

  #record(client: Client, ending: Ending, endedAt: number): void {
    const { id, op } = client.ops[client.next]!
    const prefix = tenantPrefix(this.#tenants.get(op.range)!)
    this[ending.outcome]++
    this.history.push({
      id,
      process: client.process,
      request: prefix === "" ? op.ops : op.ops.map((step) => prefixedOp(step, prefix)),
      invokedAt: client.invokedAt,
      // Only what nobody knows may stay without an end.
      endedAt: ending.outcome === "info" ? endedAt : this.#port.now,
      outcome: ending.outcome,
      results:
        prefix === "" || ending.results === null
          ? ending.results
          : ending.results.map((step) => prefixedResult(step, prefix)),
      commitTs: ending.commitTs,
      token: ending.token,
      retries: ending.retries,
    })
    // An outside checker takes a process for dead whose request never ended: the client goes on as another.
    if (ending.outcome === "info") client.process += this.#clients.length
  }
}

/** Tenants may use the same keys and must not meet: in the history every key says whose it is. */
function tenantPrefix(tenant: number): string {
  return tenant === 0 ? "" : `${tenant}/`
}

function prefixedOp(op: KvOp, prefix: string): KvOp {
  if (op.type !== "scan") return { ...op, key: prefix + op.key }
  // "0" is the char after "/": the end of everything this tenant has.
  const end = op.end === "" ? `${prefix.slice(0, -1)}0` : prefix + op.end
  return { ...op, start: prefix + op.start, end }
}

function prefixedResult(result: KvResult, prefix: string): KvResult {
  if (result.type !== "rows") return result
  return {
    type: "rows",
    rows: result.rows.map(([key, value]) => [prefix + key, value] as const),
    more: result.more,
  }
}
