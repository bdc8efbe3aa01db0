import {
  plainRequest,
  RECOURSE,
  type KvReply,
  type KvRequest,
  type KvResult,
  type RangeDescriptor,
  type Token,
} from "#kernel"
import type { Outcome } from "../check/history.ts"
import type { PlanRequest } from "../plan/plan.ts"
import { mayWrite } from "../plan/well-formed.ts"

/** What a client asks of the world it runs in, be that virtual time or sockets. */
export type ClientStep =
  /** Send `copies` of this and resume with the first answer, or with "timeout" after so long. */
  | {
      readonly type: "send"
      readonly store: number
      readonly request: KvRequest
      readonly copies: number
      readonly timeoutUs: number
    }
  /** Resume with "timeout" after so long. */
  | { readonly type: "pause"; readonly us: number }

export type ClientAnswer = KvReply | "timeout"

/** How one operation ended, as its client knows it. */
export type Ending = {
  readonly outcome: Outcome
  readonly results: readonly KvResult[] | null
  readonly commitTs: number
  readonly token: { readonly client: number; readonly seq: number } | null
  readonly retries: number
  /** It got its last answer, a result or a final refusal; otherwise its client lost patience. */
  readonly answered: boolean
}

type Route = {
  descriptor: RangeDescriptor
  /** Where to ask, best first; a hint may name stores that are not among them. */
  readonly stores: readonly number[]
  /** Stores that held the range at first, and those that have answered for it since, the latest first. */
  homes: readonly number[]
  /** 0 when unknown. */
  leader: number
}

/** In a larger cluster one finds a range sooner where it was than by asking everybody in turn. */
const SMALL_CLUSTER_STORES = 8
const HOMES_MAX = 8

/** What a client remembers from one operation to the next. */
export class ClientMemory {
  readonly client: number
  readonly #routes: ReadonlyMap<number, Route>
  /** The timestamp its tokens are born at; 0 before a store has given it one. */
  birth = 0
  /** That of the operation under way; null when it has none. */
  token: Token | null = null
  #seq = 0
  #requests = 0
  #turn: number

  constructor(
    client: number,
    ranges: readonly {
      readonly descriptor: RangeDescriptor
      readonly stores: readonly number[]
      readonly homes: readonly number[]
    }[],
  ) {
    this.client = client
    this.#routes = new Map(
      ranges.map(({ descriptor, stores, homes }) => [
        descriptor.rangeId,
        { descriptor, stores, homes, leader: 0 },
      ]),
    )
    // Clients begin at different stores.
    this.#turn = client
  }

  route(range: number): Route {
    return this.#routes.get(range)!
  }

  /** The leader as far as it is known, otherwise the stores in turn, or every other time one where it was. */
  storeFor(route: Route): number {
    if (route.leader > 0) return route.leader
    const { stores, homes } = route
    const turn = this.#turn
    if (stores.length <= SMALL_CLUSTER_STORES || turn % 2 === 1) return this.nextStore(route)
    this.#turn++
    return homes[(turn / 2) % homes.length]!
  }

  nextStore(route: Route): number {
    return route.stores[this.#turn++ % route.stores.length]!
  }

  /** This store leads the range, or did a moment ago. */
  answeredBy(route: Route, store: number): void {
    route.leader = store
    if (route.homes[0] === store) return
    route.homes = [store, ...route.homes.filter((home) => home !== store)].slice(0, HOMES_MAX)
  }

  /** Every other client keeps the first timestamp it was given for as long as it will do, and sees it expire. */
  heard(commitTs: number): void {
    if (this.birth === 0 || this.client % 2 === 0) this.birth = Math.max(this.birth, commitTs)
  }

  /** One client's operations follow each other, so all before this one will never be repeated. */
  nextToken(): Token {
    this.#seq++
    return { client: this.client + 1, birth: this.birth, seq: this.#seq, ackedSeq: this.#seq - 1 }
  }

  /** The operation under way ends here because the run does. */
  cutShort(writes: boolean): Ending {
    return ended(writes ? "info" : "fail", this.token, 0)
  }

  /** Differs from every other request's of the run. */
  nextRequestId(): number {
    return (this.client + 1) * REQUESTS_MAX + this.#requests++
  }
}

const REQUESTS_MAX = 1_000_000
/** After two answers that name another leader the cluster is still deciding. */
const HOPS_MAX = 2
const ATTEMPTS_MAX = 40
/** A client that may try again waits for this many timeouts in all. */
export const PATIENCE = 4
const PAUSE_US_MIN = 10_000
const PAUSE_US_MAX = 400_000

/**
 * One operation from its first request to its end. With a token, or when it only reads, it is repeated at
 * other stores until someone answers; otherwise the first doubt ends it as "info". A refusal without effect
 * does not take back the doubt an earlier attempt left.
 */
export function* runOperation(
  memory: ClientMemory,
  op: PlanRequest,
): Generator<ClientStep, Ending, ClientAnswer> {
  const route = memory.route(op.range)
  memory.token = null
  if (op.token && memory.birth === 0 && !(yield* askTime(memory, route, op.timeoutUs)))
    return ended("fail", null, 0)
  const writes = op.ops.some(mayWrite)
  const token = op.token ? memory.nextToken() : null
  memory.token = token
  const repeatable = token !== null || !writes
  let inDoubt = false
  let hops = 0
  let waitedUs = 0
  for (let attempt = 0; attempt < ATTEMPTS_MAX && waitedUs < PATIENCE * op.timeoutUs; attempt++) {
    // Any replica will do, unless one has just sent us to its leader.
    const store = op.read === "timeline" && hops === 0 ? memory.nextStore(route) : memory.storeFor(route)
    const request = requestOf(memory, route, op, token)
    const timeoutUs = op.abandoned ? 0 : op.timeoutUs
    const answer = yield { type: "send", store, request, copies: op.copies, timeoutUs }
    if (answer === "timeout") {
      route.leader = 0
      inDoubt = true
      waitedUs += timeoutUs
      if (op.abandoned || !repeatable) return ended(writes ? "info" : "fail", token, attempt)
      continue
    }
    if (answer.type === "ok") {
      if (op.read === "strong") memory.answeredBy(route, store)
      memory.heard(answer.commitTs)
      return {
        outcome: "ok",
        results: answer.results,
        commitTs: answer.commitTs,
        token: shown(token),
        retries: attempt,
        answered: true,
      }
    }
    const { error } = answer
    // The other copies may still be on their way to someone who accepts them.
    if (op.copies > 1) inDoubt = true
    switch (RECOURSE[error.code]) {
      case "final":
        // The next operation asks for a newer timestamp first.
        if (error.code === "tokenExpired") memory.birth = 0
        return ended(inDoubt && writes ? "info" : "fail", token, attempt, true)
      case "unknown":
        inDoubt = true
        if (!repeatable) return ended("info", token, attempt)
        break
      case "retryable":
        break
    }
    if (error.code === "staleGeneration") route.descriptor = error.descriptor
    const hint = error.code === "notLeader" ? error.hint : null
    route.leader = hint !== null && hint !== store ? hint : 0
    if (route.leader > 0 && hops < HOPS_MAX) {
      hops++
      continue
    }
    hops = 0
    const us = pauseUs(memory.client, attempt)
    yield { type: "pause", us }
    waitedUs += us
  }
  return ended(inDoubt && writes ? "info" : "fail", token, ATTEMPTS_MAX)
}

/** A request without operations, for its timestamp alone: any replica may answer it. */
function* askTime(
  memory: ClientMemory,
  route: Route,
  timeoutUs: number,
): Generator<ClientStep, boolean, ClientAnswer> {
  for (let attempt = 0; attempt < 2 * route.stores.length; attempt++) {
    const store = route.stores[(memory.client + attempt) % route.stores.length]!
    const id = memory.nextRequestId()
    const request = plainRequest(route.descriptor, [], { id, deadlineUs: timeoutUs, read: "eventual" })
    const answer = yield { type: "send", store, request, copies: 1, timeoutUs }
    if (answer !== "timeout" && answer.type === "ok") {
      memory.birth = answer.commitTs
      return true
    }
    if (answer !== "timeout") yield { type: "pause", us: pauseUs(memory.client, attempt) }
  }
  return false
}

function requestOf(memory: ClientMemory, route: Route, op: PlanRequest, token: Token | null): KvRequest {
  const { ops, read, timeoutUs: deadlineUs } = op
  return plainRequest(route.descriptor, ops, { id: memory.nextRequestId(), token, deadlineUs, read })
}

/** Doubles with each attempt up to a bound; clients that failed together come back apart. */
function pauseUs(client: number, attempt: number): number {
  const doubled = Math.min(PAUSE_US_MAX, PAUSE_US_MIN * (1 << Math.min(attempt, 10)))
  return doubled + ((client * 7_919 + attempt * 104_729) % PAUSE_US_MIN)
}

function ended(outcome: Outcome, token: Token | null, retries: number, answered = false): Ending {
  return { outcome, results: null, commitTs: 0, token: shown(token), retries, answered }
}

function shown(token: Token | null): Ending["token"] {
  return token === null ? null : { client: token.client, seq: token.seq }
}
