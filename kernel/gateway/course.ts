import type { KernelError } from "../errors.ts"
import type { CancelReason, Flow, Pause, Resumption } from "../flow/flow.ts"
import type { AnswerCodec } from "../flow/flow.ts"
import type { Mono, RangeId, TenantId, Wall } from "../ids.ts"
import { unreachable } from "../lib/invariant.ts"
import type { Stamp } from "../node/input.ts"
import { readDescriptor, writeDescriptor, type RangeDescriptor } from "../range/descriptor.ts"
import { readReply, writeReply } from "../range/request-codec.ts"
import {
  plainRequest,
  type KvOp,
  type KvReply,
  type KvRequest,
  type KvResult,
  type Token,
} from "../range/request.ts"
import { readItems, writeItems } from "../txn/protocol-codec.ts"
import type { KeySpan, TxnCommand, TxnMeta } from "../txn/protocol.ts"

/** What a flow of a gateway yields. */
export type Wish =
  /** Which ranges hold these spans of this tenant? */
  | { readonly type: "route"; readonly tenant: TenantId; readonly spans: readonly KeySpan[] }
  /** What range has this id? */
  | { readonly type: "locate"; readonly rangeId: RangeId }
  | { readonly type: "ask"; readonly request: KvRequest; readonly isRepeatable: boolean }

export type Told =
  /** Empty: nobody here knows. */
  | { readonly type: "ranges"; readonly ranges: readonly RangeDescriptor[] }
  | { readonly type: "reply"; readonly reply: KvReply }

export const TOLD_CODEC: AnswerCodec<Told> = {
  write(told, sink) {
    sink.bool(told.type === "reply")
    if (told.type === "reply") writeReply(told.reply, sink)
    else writeItems(told.ranges, sink, writeDescriptor)
  },
  read(reader) {
    if (reader.bool()) return { type: "reply", reply: readReply(reader) }
    return { type: "ranges", ranges: readItems(reader, 6, readDescriptor) }
  },
  weigh(told) {
    if (told.type === "ranges") return 64 * told.ranges.length
    return told.reply.type === "ok" ? 64 + weighResults(told.reply.results) : 64
  },
}

/** About as many bytes as they take. */
export function weighResults(results: readonly KvResult[]): number {
  let bytes = 0
  for (const result of results) {
    bytes += 16
    if (result.type === "value") bytes += result.value?.length ?? 0
    else if (result.type === "rows")
      for (const row of result.rows) bytes += 16 + row[0].length + row[1].length
  }
  return bytes
}

export type GatewayFlow<Result> = Flow<Wish, Told, Result>
/** A part of a flow. */
export type Steps<Result> = Generator<Pause<Wish>, Result, Resumption<Told>>

/** What an asking needs beside its ops or its command. */
export type Asking = {
  readonly ops: readonly KvOp[]
  readonly txn: TxnMeta | null
  readonly command: TxnCommand | null
  readonly token: Token | null
  readonly isRepeatable: boolean
}

export function command(command: TxnCommand, token: Token | null = null): Asking {
  return { ops: NO_OPS, txn: null, command, token, isRepeatable: true }
}

const NO_OPS: readonly KvOp[] = []

/**
 * One flow on its way: the time it has been told, by when it must be done, and whether it was told to end. Once it was,
 * whatever it still asks is answered so at once.
 */
export class Course {
  mono: Mono
  wall: Wall
  readonly deadline: Mono
  /** Why it may go on no longer. */
  stopped: KernelError | null = null

  constructor(begun: Stamp, deadline: Mono) {
    this.mono = begun.mono
    this.wall = begun.wall
    this.deadline = deadline
  }

  #resumed(resumption: Resumption<Told>): readonly (Told | null)[] {
    this.mono = resumption.mono
    this.wall = resumption.wall
    if (resumption.cancelled !== null) this.stopped = errorOf(resumption.cancelled)
    return resumption.answers
  }

  get #leftUs(): number {
    return Math.max(0, this.deadline - this.mono)
  }

  *sleep(forUs: number): Steps<void> {
    if (this.stopped !== null) return
    if (this.#leftUs === 0) this.stopped = { code: "deadlineExceeded" }
    else this.#resumed(yield { requests: [], forUs: Math.max(1, Math.min(forUs, this.#leftUs)) })
  }

  /** As `sleep`, whatever it was told. */
  *wait(forUs: number): Steps<void> {
    this.#resumed(yield { requests: [], forUs })
  }

  /** The ranges that hold these spans, by start; null when that is not known. */
  *route(tenant: TenantId, spans: readonly KeySpan[]): Steps<readonly RangeDescriptor[] | null> {
    return yield* this.#ranges({ type: "route", tenant, spans })
  }

  *locate(rangeId: RangeId): Steps<RangeDescriptor | null> {
    const found = yield* this.#ranges({ type: "locate", rangeId })
    return found === null ? null : found[0]!
  }

  *#ranges(wish: Wish): Steps<readonly RangeDescriptor[] | null> {
    if (this.stopped !== null) return null
    const [told] = this.#resumed(yield { requests: [wish], forUs: null })
    return told?.type === "ranges" && told.ranges.length > 0 ? told.ranges : null
  }

  /** One reply for each, in their order. */
  *ask(askings: readonly (readonly [RangeDescriptor, Asking])[]): Steps<readonly KvReply[]> {
    if (this.stopped === null && this.#leftUs === 0) this.stopped = { code: "deadlineExceeded" }
    if (this.stopped !== null) return askings.map(() => this.#refused())
    if (askings.length === 0) return []
    const deadlineUs = this.#leftUs
    const requests = askings.map(([range, { ops, txn, command, token, isRepeatable }]): Wish => ({
      type: "ask",
      request: plainRequest(range, ops, { txn, command, token, deadlineUs }),
      isRepeatable,
    }))
    const answers = this.#resumed(yield { requests, forUs: null })
    return answers.map((told) => (told?.type === "reply" ? told.reply : this.#refused()))
  }

  #refused(): KvReply {
    return { type: "error", id: 0, error: this.stopped ?? { code: "deadlineExceeded" } }
  }

  /** Of one key. Asked again of another range when the key has moved. */
  *askKey(tenant: TenantId, key: string, asking: Asking): Steps<KvReply> {
    for (;;) {
      const ranges = yield* this.route(tenant, [keySpan(key)])
      if (ranges === null) return this.stopped === null ? NOWHERE : this.#refused()
      const [reply] = yield* this.ask([[ranges[0]!, asking]])
      if (reply!.type === "ok" || reply!.error.code !== "staleGeneration") return reply!
      yield* this.sleep(REROUTE_US)
    }
  }
}

/** What a key moves by is under way: a moment before it is looked for again. */
export const REROUTE_US = 5_000

const NOWHERE: KvReply = { type: "error", id: 0, error: { code: "notLeader", hint: null, term: 0 } }

export function keySpan(key: string): KeySpan {
  return { start: key, end: key + "\0" }
}

function errorOf(reason: CancelReason): KernelError {
  switch (reason) {
    case "cancelled":
      return { code: "cancelled" }
    case "deadline":
      return { code: "deadlineExceeded" }
    case "deadlock":
      return { code: "deadlock" }
    case "exhausted":
      return { code: "overloaded" }
    default:
      return unreachable(reason)
  }
}
