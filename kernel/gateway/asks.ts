import { RECOURSE, type KernelError } from "../errors.ts"
import type { Mono, StoreId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { ASKS_MAX } from "../limits.ts"
import { readRequest, writeRequest } from "../range/request-codec.ts"
import type { KvReply, KvRequest } from "../range/request.ts"
import type { Directory } from "./directory.ts"

/** For whom something is asked: a flow, the pause it stands in and the place in that pause. */
export type Asker = { readonly flow: number; readonly pause: number; readonly place: number }

/** A request on its way to the leader of its range, wherever that is. */
type Pending = {
  readonly asker: Asker
  /** Under an id of this gateway's own; what its flow called it is forgotten. */
  request: KvRequest
  /** To carry it out twice is to carry it out once: it may be sent again when no answer comes. */
  readonly isRepeatable: boolean
  readonly deadline: Mono
  /** Whom it was sent to last. */
  store: StoreId
  /** Stores in a row that were no good, or silent. */
  tries: number
  /** False: it pauses before the next try. */
  isSent: boolean
  /** When it is sent again, or given up. */
  dueMono: Mono
}

export type Sending = { readonly store: StoreId; readonly request: KvRequest }
export type Answered = { readonly asker: Asker; readonly reply: KvReply }

/** After so long without a word, what may be asked again is. */
const SILENCE_US = 1_000_000
/** Between two tries: doubled up to the longest, for each that failed. */
const PAUSE_US = 10_000
const PAUSE_US_MAX = 640_000

/**
 * Requests of this gateway to ranges. Each is sent to the leader of its range and sent again, to the store that is
 * named, or after a pause to the next one, until an answer comes that its flow has to judge, or its time is over.
 */
export class Asks {
  readonly #own: StoreId
  readonly #directory: Directory
  readonly #pending = new Map<number, Pending>()
  /** Ids by the flow that asked. */
  readonly #ofFlow = new Map<number, Set<number>>()
  #serial = 0
  #deadline: Mono = Number.MAX_SAFE_INTEGER

  constructor(own: StoreId, directory: Directory) {
    this.#own = own
    this.#directory = directory
  }

  /** When `timePassed` is wanted. */
  get deadline(): Mono {
    return this.#pending.size === 0 ? Number.MAX_SAFE_INTEGER : this.#deadline
  }

  /** What is to be sent for it; or its answer, when it cannot be. */
  ask(
    asker: Asker,
    request: KvRequest,
    isRepeatable: boolean,
    mono: Mono,
  ): { readonly sending: Sending } | { readonly answered: Answered } {
    const store = this.#directory.storeOf(request.rangeId, 0)
    if (store === null || this.#pending.size >= ASKS_MAX) {
      const error: KernelError = store === null ? NOBODY : { code: "overloaded" }
      return { answered: { asker, reply: { type: "error", id: request.id, error } } }
    }
    const id = ++this.#serial
    const deadline = mono + request.deadlineUs
    const pending: Pending = {
      asker,
      request: { ...request, id },
      isRepeatable,
      deadline,
      store,
      tries: 0,
      isSent: false,
      dueMono: 0,
    }
    this.#add(pending)
    return { sending: this.#send(pending, store, mono) }
  }

  #add(pending: Pending): void {
    const { id } = pending.request
    this.#pending.set(id, pending)
    const { flow } = pending.asker
    const ids = this.#ofFlow.get(flow)
    if (ids === undefined) this.#ofFlow.set(flow, new Set([id]))
    else ids.add(id)
  }

  /** Once more what was refused. Under another name, if it must not be done twice: an answer to this one is no other's. */
  #sendAgain(pending: Pending, store: StoreId, mono: Mono): Sending {
    if (pending.isRepeatable) return this.#send(pending, store, mono)
    this.#remove(pending)
    pending.request = { ...pending.request, id: ++this.#serial }
    this.#add(pending)
    return this.#send(pending, store, mono)
  }

  #send(pending: Pending, store: StoreId, mono: Mono): Sending {
    pending.store = store
    pending.isSent = true
    // What is asked here is answered here, sooner or later.
    const isRepeated = pending.isRepeatable && store !== this.#own
    this.#wake(pending, isRepeated ? mono + SILENCE_US : pending.deadline)
    return { store, request: { ...pending.request, deadlineUs: Math.max(1, pending.deadline - mono) } }
  }

  #wake(pending: Pending, at: Mono): void {
    pending.dueMono = Math.min(at, pending.deadline)
    if (pending.dueMono < this.#deadline) this.#deadline = pending.dueMono
  }

  /** What a store said to one of them. Null: it is under way still, or over for long. */
  heard(from: StoreId, reply: KvReply, mono: Mono): Answered | { readonly sending: Sending } | null {
    const pending = this.#pending.get(reply.id)
    if (pending === undefined) return null
    if (reply.type === "ok") {
      this.#directory.noteLeader(pending.request.rangeId, from)
      return this.#finish(pending, reply)
    }
    const { error } = reply
    if (error.code === "staleGeneration") {
      this.#directory.learn(error.descriptor, from)
      return this.#finish(pending, reply)
    }
    const recourse = RECOURSE[error.code]
    const isAgain = recourse === "retryable" || (recourse === "unknown" && pending.isRepeatable)
    if (!isAgain) return this.#finish(pending, reply)
    // Somebody who was asked before, and is late to say that it is not the one.
    if (from !== pending.store || !pending.isSent) return null
    return this.#again(pending, error, mono)
  }

  #again(pending: Pending, error: KernelError, mono: Mono): { readonly sending: Sending } | null {
    const { rangeId } = pending.request
    if (error.code === "notLeader" && error.hint !== null && error.hint !== pending.store) {
      this.#directory.noteLeader(rangeId, error.hint)
      // Two that name each other are not asked for ever without a pause.
      if (pending.tries++ < HINTS_MAX) return { sending: this.#sendAgain(pending, error.hint, mono) }
    } else if (isOfStore(error)) {
      this.#directory.noteLeader(rangeId, null)
      pending.tries++
    } else pending.tries += 2 // As the leader is the right one, but not now.
    pending.isSent = false
    this.#wake(pending, mono + Math.min(PAUSE_US << Math.min(pending.tries, 16), PAUSE_US_MAX))
    return null
  }

  #finish(pending: Pending, reply: KvReply): Answered {
    this.#remove(pending)
    return { asker: pending.asker, reply }
  }

  #remove({ asker, request }: Pending): void {
    this.#pending.delete(request.id)
    const ids = this.#ofFlow.get(asker.flow)!
    ids.delete(request.id)
    if (ids.size === 0) this.#ofFlow.delete(asker.flow)
  }

  /** What has to be sent now, and what has been waited for too long. */
  timePassed(mono: Mono): { readonly sendings: readonly Sending[]; readonly answered: readonly Answered[] } {
    const sendings: Sending[] = []
    const answered: Answered[] = []
    this.#deadline = Number.MAX_SAFE_INTEGER
    for (const [id, pending] of this.#pending) {
      if (pending.dueMono > mono) {
        this.#wake(pending, pending.dueMono)
      } else if (pending.deadline <= mono) {
        const error: KernelError = { code: "deadlineExceeded" }
        answered.push(this.#finish(pending, { type: "error", id, error }))
      } else {
        if (pending.isSent) pending.tries++
        const store = this.#directory.storeOf(pending.request.rangeId, pending.tries) ?? pending.store
        sendings.push(this.#sendAgain(pending, store, mono))
      }
    }
    return { sendings, answered }
  }

  /** Nobody waits any more for what this flow asked. */
  forget(flow: number): void {
    for (const id of this.#ofFlow.get(flow) ?? []) this.#pending.delete(id)
    this.#ofFlow.delete(flow)
  }

  save(sink: Sink): void {
    sink.uint(this.#serial)
    sink.uint(this.#deadline)
    sink.uint(this.#pending.size)
    for (const pending of this.#pending.values()) {
      sink.uint(pending.asker.flow)
      sink.uint(pending.asker.pause)
      sink.uint(pending.asker.place)
      writeRequest(pending.request, sink)
      sink.bool(pending.isRepeatable)
      sink.uint(pending.deadline)
      sink.uint(pending.store)
      sink.uint(pending.tries)
      sink.bool(pending.isSent)
      sink.uint(pending.dueMono)
    }
  }

  static load(reader: ByteReader, own: StoreId, directory: Directory): Asks {
    const asks = new Asks(own, directory)
    asks.#serial = reader.uint()
    asks.#deadline = reader.uint()
    for (let left = reader.count(9); left > 0; left--) {
      const asker = { flow: reader.uint(), pause: reader.uint(), place: reader.uint() }
      const request = readRequest(reader)
      asks.#add({
        asker,
        request,
        isRepeatable: reader.bool(),
        deadline: reader.uint(),
        store: reader.uint(),
        tries: reader.uint(),
        isSent: reader.bool(),
        dueMono: reader.uint(),
      })
    }
    return asks
  }
}

/** So many stores in a row may name another one as the leader before there is a pause. */
const HINTS_MAX = 3
const NOBODY: KernelError = { code: "notLeader", hint: null, term: 0 }

/** Another store may do better. */
function isOfStore(error: KernelError): boolean {
  switch (error.code) {
    case "notLeader":
    case "recovering":
    case "clockOutOfBound":
    case "outcomeUnknown":
      return true
    default:
      return false
  }
}
