import {
  plainRequest,
  RECOURSE,
  type KernelError,
  type KvOp,
  type KvReply,
  type KvRequest,
  type KvResult,
  type RangeDescriptor,
  type StoreId,
  type Timestamp,
  type Token,
} from "#kernel"
import type { AccessCode } from "../api/access.ts"
import { OrreryError, OutcomeUnknownError } from "./errors.ts"
import type { Route, Router } from "./router.ts"
import type { StoreSession, Waiting } from "./store-session.ts"
import type { Tokens } from "./tokens.ts"

/** After two answers that name another leader the cluster is still deciding. */
const HOPS_MAX = 2
const PAUSE_MS_MIN = 10
const PAUSE_MS_MAX = 400
/** What is left for the answer to an attempt that follows another. */
const ANSWER_MS_MIN = 100
/** A store that says nothing for this long is asked no further: another may know more. */
const ATTEMPT_MS_MAX = 3_000
/** In a row, from stores that know of no leader: then the range may be elsewhere. */
const LOST_MAX = 3

export type Outcome = {
  readonly commitTs: Timestamp
  readonly results: readonly KvResult[]
  /** The range it was asked of. */
  readonly range: RangeDescriptor
}

/** What the operations of one client share. */
export interface Shared {
  readonly router: Router
  readonly tokens: Tokens
  readonly tenant: number
  readonly isClosed: boolean
  /** Set when the stores that were asked last turned this client away. */
  readonly refusal: AccessCode | null
  session(store: StoreId): StoreSession
  isDown(store: StoreId): boolean
  /** Asks stores where the ranges from this key on are; calls back, whatever came of it. */
  locate(key: string, then: () => void): void
  /** Asks for a timestamp for tokens to be born at; calls back, whatever came of it. */
  askTime(route: Route, then: () => void): void
}

export type OperationOptions = {
  readonly ops: readonly KvOp[]
  readonly read: KvRequest["read"]
  readonly readTs: Timestamp
  readonly isWriting: boolean
  /** Whether a write has a token, and so may be repeated. */
  readonly exactlyOnce: boolean
  readonly timeoutMs: number
}

/**
 * One operation from its first request to its end. With a token, or when it only reads, it is repeated until someone
 * answers; otherwise the first doubt ends it. A refusal without effect does not take back the doubt an earlier attempt
 * left. The rules are those of the simulator's clients.
 */
export class Operation implements Waiting {
  readonly #shared: Shared
  readonly #what: OperationOptions
  readonly #resolve: (outcome: Outcome) => void
  readonly #reject: (error: OrreryError) => void
  readonly #dueMs: number
  #token: Token | null = null
  #route: Route | null = null
  #store: StoreId = 0
  #attempts = 0
  #hops = 0
  #lostInARow = 0
  #inDoubt = false
  #lastError: KernelError | null = null

  constructor(
    shared: Shared,
    what: OperationOptions,
    resolve: (outcome: Outcome) => void,
    reject: (error: OrreryError) => void,
  ) {
    this.#shared = shared
    this.#what = what
    this.#resolve = resolve
    this.#reject = reject
    this.#dueMs = performance.now() + what.timeoutMs
  }

  readonly attempt = (): void => {
    const shared = this.#shared
    const { ops, read, readTs, isWriting, exactlyOnce } = this.#what
    if (shared.isClosed) {
      this.#give("closed")
      return
    }
    const nowMs = performance.now()
    if (nowMs >= this.#dueMs) {
      this.#give("unavailable")
      return
    }
    const route = this.#find()
    if (route === null) {
      shared.locate(this.#locateKey, this.#located)
      return
    }
    if (isWriting && exactlyOnce && this.#token === null) {
      if (shared.tokens.needsBirth(nowMs)) {
        shared.askTime(route, this.#timed)
        return
      }
      this.#token = shared.tokens.next()
    }
    this.#route = route
    this.#store = shared.router.storeFor(route, (store) => shared.isDown(store))
    const timeoutMs = Math.min(this.#dueMs - nowMs, ATTEMPT_MS_MAX)
    this.#attempts++
    const request = plainRequest(route.descriptor, within(ops, route.descriptor), {
      tenant: shared.tenant,
      token: this.#token,
      deadlineUs: Math.ceil(timeoutMs * 1_000),
      read,
      readTs,
    })
    shared.session(this.#store).send(request, this, timeoutMs)
  }

  #find(): Route | null {
    const first = this.#what.ops[0]!
    const { router } = this.#shared
    if (first.type === "scan") return first.reverse ? router.findBelow(first.end) : router.find(first.start)
    return router.find(first.key)
  }

  /** Where a reverse scan begins is not known before all ranges up to there are. */
  get #locateKey(): string {
    const first = this.#what.ops[0]!
    if (first.type === "scan") return first.reverse ? "" : first.start
    return first.key
  }

  readonly #located = (): void => {
    if (this.#find() !== null) this.attempt()
    else if (this.#shared.refusal !== null) this.#give(this.#shared.refusal)
    else this.#pause()
  }

  readonly #timed = (): void => {
    if (this.#shared.tokens.needsBirth(performance.now())) this.#pause()
    else this.attempt()
  }

  answered(reply: KvReply): void {
    const route = this.#route!
    const { isWriting, exactlyOnce, read } = this.#what
    if (reply.type === "ok") {
      if (read === "strong") route.leader = this.#store
      this.#shared.tokens.heard(reply.commitTs, performance.now())
      this.#end()
      this.#resolve({ commitTs: reply.commitTs, results: reply.results, range: route.descriptor })
      return
    }
    const { error } = reply
    this.#lastError = error
    switch (RECOURSE[error.code]) {
      case "final":
        if (error.code === "tokenExpired") {
          this.#shared.tokens.forgetBirth()
          // Nothing was sent that could have taken effect: it begins anew with a younger token.
          if (!this.#inDoubt && this.#token !== null) {
            this.#end()
            this.#token = null
            this.#pause()
            return
          }
        }
        this.#give(error.code)
        return
      case "unknown":
        this.#inDoubt = true
        if (isWriting && !exactlyOnce) {
          this.#give("outcomeUnknown")
          return
        }
        break
      case "retryable":
        break
    }
    if (error.code === "staleGeneration") {
      this.#shared.router.relearn(route, error.descriptor)
      if (this.#hops++ < HOPS_MAX) {
        this.attempt()
        return
      }
    }
    if (error.code === "notLeader") {
      const { hint } = error
      const isNews = hint !== null && hint !== this.#store
      route.leader = isNews ? hint : 0
      if (isNews && this.#hops < HOPS_MAX) {
        this.#hops++
        this.attempt()
        return
      }
      if (!isNews && ++this.#lostInARow >= LOST_MAX) {
        this.#lostInARow = 0
        this.#shared.locate(this.#locateKey, this.#pause)
        return
      }
    } else {
      route.leader = 0
    }
    this.#hops = 0
    this.#pause()
  }

  lost(_reason: "timeout" | "ended", isSent: boolean): void {
    if (this.#route!.leader === this.#store) this.#route!.leader = 0
    if (isSent) this.#inDoubt = true
    const { isWriting, exactlyOnce } = this.#what
    if (isSent && isWriting && !exactlyOnce) {
      this.#give("outcomeUnknown")
      return
    }
    this.#pause()
  }

  /** Doubles with each attempt up to a bound, and is drawn, so that clients that failed together come back apart. */
  readonly #pause = (): void => {
    const most = Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(this.#attempts, 10))
    const pauseMs = (most * (1 + Math.random())) / 2
    const leftMs = this.#dueMs - performance.now()
    // An attempt that could hardly be answered in time would only leave a doubt behind.
    if (leftMs < 2 * ANSWER_MS_MIN) this.#give("unavailable")
    else setTimeout(this.attempt, Math.min(pauseMs, leftMs - ANSWER_MS_MIN))
  }

  #end(): void {
    if (this.#token !== null) this.#shared.tokens.ended(this.#token)
  }

  #give(code: OrreryError["code"]): void {
    this.#end()
    const retries = Math.max(0, this.#attempts - 1)
    if (this.#inDoubt && this.#what.isWriting) {
      this.#reject(new OutcomeUnknownError(this.#lastError, retries))
      return
    }
    // Patience ended: what was said last says more than that nobody could be reached.
    const isSaid = code === "unavailable" && this.#lastError !== null
    const known = isSaid && RECOURSE[this.#lastError!.code] === "retryable" ? this.#lastError!.code : code
    this.#reject(new OrreryError(known, this.#lastError, retries))
  }
}

/** A scan is cut to the range it is asked of; whoever scans goes on behind it. */
function within(ops: readonly KvOp[], { start, end }: RangeDescriptor): readonly KvOp[] {
  const first = ops[0]!
  if (first.type !== "scan") return ops
  const from = first.start < start ? start : first.start
  const to = end !== "" && (first.end === "" || first.end > end) ? end : first.end
  return [{ ...first, start: from, end: to }]
}
