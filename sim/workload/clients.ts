import type { KvOp, KvReply, KvRequest, KvResult, RangeDescriptor } from "#kernel"
import type { QuietRequest } from "../check/liveness.ts"
import { INSTANT_NEVER, type Operation } from "../check/history.ts"
import type { Plan, PlanOp } from "../plan/plan.ts"
import { isRepeatable, mayWrite } from "../plan/well-formed.ts"
import {
  ClientMemory,
  PATIENCE,
  runOperation,
  type ClientAnswer,
  type ClientStep,
  type Ending,
} from "./client.ts"

/** Where clients live: something that knows the time, carries requests and wakes a client. */
export interface ClientHost {
  readonly now: number
  clientSend(client: number, store: number, request: KvRequest): void
  /** Calls `timerFired` at this time; it replaces the time set before. Null: never. */
  setClientTimer(client: number, at: number | null): void
}

type Client = {
  readonly memory: ClientMemory
  readonly ops: readonly PlanOp[]
  next: number
  running: Generator<ClientStep, Ending, ClientAnswer> | null
  invokedAt: number
  /** Id of the request whose answer is awaited, or -1. */
  awaited: number
  process: number
}

/**
 * All clients of a run: each carries out its operations one after the other, none before its time, and
 * everything they ask and hear becomes the history.
 */
export class Clients {
  readonly #plan: Plan
  #host: ClientHost | null = null
  readonly #clients: ReadonlyMap<number, Client>
  readonly #processes: number
  readonly #ranges: ReadonlyMap<number, RangeDescriptor>
  readonly #prefixes: ReadonlyMap<number, string>
  /** Finished operations in the order of their ends. */
  readonly history: Operation[] = []
  /** Finished timeline reads: what they see has a rule of its own. */
  readonly timeline: Operation[] = []
  /** The same for liveness. */
  readonly waited: QuietRequest[] = []
  invoked = 0
  ok = 0
  fail = 0
  info = 0

  /** `ops` are those of the plan and any the run adds to them. */
  constructor(plan: Plan, ops: readonly PlanOp[]) {
    this.#plan = plan
    const descriptors = plan.cluster.ranges.map(({ descriptor }) => descriptor)
    this.#ranges = new Map(descriptors.map((descriptor) => [descriptor.rangeId, descriptor]))
    this.#prefixes = new Map(descriptors.map(({ rangeId, tenant }) => [rangeId, tenantPrefix(tenant)]))
    const queues = new Map<number, PlanOp[]>()
    let last = 0
    for (const op of ops) {
      const queue = queues.get(op.client)
      if (queue === undefined) queues.set(op.client, [op])
      else queue.push(op)
      last = Math.max(last, op.client)
    }
    this.#processes = last + 1
    const ids = [...queues.keys()].sort((a, b) => a - b)
    this.#clients = new Map(ids.map((id) => [id, this.#newClient(id, queues.get(id)!)]))
  }

  #newClient(client: number, ops: PlanOp[]): Client {
    ops.sort((a, b) => a.at - b.at || a.id - b.id)
    const ranges = this.#plan.cluster.ranges.map(({ descriptor, configuration }) => {
      const voters = configuration.voters.map((voter) => voter.store)
      // Replicas may have moved anywhere, so the stores that hold none at first come last.
      const others = Array.from({ length: this.#plan.cluster.stores }, (_, index) => index + 1)
      const stores = [...voters, ...others.filter((store) => !voters.includes(store))]
      return { descriptor, stores, homes: voters }
    })
    return {
      memory: new ClientMemory(client, ranges),
      ops,
      next: 0,
      running: null,
      invokedAt: 0,
      awaited: -1,
      process: client,
    }
  }

  start(host: ClientHost): void {
    this.#host = host
    for (const client of this.#clients.values()) host.setClientTimer(client.memory.client, client.ops[0]!.at)
  }

  /** Operations that have not ended, for liveness. */
  running(): readonly QuietRequest[] {
    const waited: QuietRequest[] = []
    for (const client of this.#clients.values()) {
      if (client.running !== null) waited.push(this.#waitedFor(client, null))
    }
    return waited
  }

  timerFired(id: number): void {
    const client = this.#clients.get(id)
    if (client === undefined) return
    if (client.running === null) this.#begin(client)
    else this.#resume(client, "timeout")
  }

  replied(id: number, _store: number, reply: KvReply): void {
    const client = this.#clients.get(id)
    if (client === undefined || client.running === null || client.awaited !== reply.id) return
    this.#resume(client, reply)
  }

  /** The run is over: what nobody has heard of yet stays unknown for ever. */
  finish(): void {
    for (const client of this.#clients.values()) {
      if (client.running === null) continue
      const writes = client.ops[client.next]!.op.ops.some(mayWrite)
      this.#record(client, client.memory.cutShort(writes), INSTANT_NEVER)
      client.running = null
    }
  }

  #begin(client: Client): void {
    client.invokedAt = this.#host!.now
    client.running = runOperation(client.memory, client.ops[client.next]!.op)
    this.invoked++
    this.#follow(client, client.running.next())
  }

  #resume(client: Client, answer: ClientAnswer): void {
    client.awaited = -1
    this.#follow(client, client.running!.next(answer))
  }

  #follow(client: Client, first: IteratorResult<ClientStep, Ending>): void {
    const host = this.#host!
    const id = client.memory.client
    let result = first
    while (result.done !== true) {
      const step = result.value
      if (step.type === "pause") {
        host.setClientTimer(id, host.now + step.us)
        return
      }
      for (let copy = 0; copy < step.copies; copy++)
        host.clientSend(client.memory.client, step.store, step.request)
      if (step.timeoutUs > 0) {
        client.awaited = step.request.id
        host.setClientTimer(id, host.now + step.timeoutUs)
        return
      }
      result = client.running!.next("timeout")
    }
    this.#record(client, result.value, host.now)
    this.waited.push(this.#waitedFor(client, result.value.answered ? host.now : null))
    client.running = null
    client.next++
    host.setClientTimer(id, client.next < client.ops.length ? client.ops[client.next]!.at : null)
  }

  #waitedFor(client: Client, answeredAt: number | null): QuietRequest {
    const { id, op } = client.ops[client.next]!
    const patience = isRepeatable({ op }) ? PATIENCE * op.timeoutUs : op.timeoutUs
    return {
      id,
      group: this.#ranges.get(op.range)!.groupId,
      sentAt: client.invokedAt,
      deadlineAt: client.invokedAt + patience,
      answeredAt,
      abandoned: op.abandoned,
    }
  }

  #record(client: Client, ending: Ending, endedAt: number): void {
    const { id, op } = client.ops[client.next]!
    const prefix = this.#prefixes.get(op.range)!
    this[ending.outcome]++
    const kept = op.read === "timeline" ? this.timeline : this.history
    kept.push({
      id,
      process: client.process,
      request: prefix === "" ? op.ops : op.ops.map((step) => prefixedOp(step, prefix)),
      invokedAt: client.invokedAt,
      // Only what nobody knows may stay without an end.
      endedAt: ending.outcome === "info" ? endedAt : this.#host!.now,
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
    if (ending.outcome === "info") client.process += this.#processes
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
