import type { Mono, Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { loadAftermath, saveAftermath, type Aftermath } from "../txn/aftermath.ts"
import type { Cleaning } from "../txn/queues.ts"
import type { Case } from "../txn/verdict.ts"
import { loadBody, saveBody, type KeptBody } from "../txn/kept-bodies.ts"
import type { OutcomeBody } from "../txn/outcome.ts"
import { footprintOf } from "./asked.ts"
import type { RangeDescriptor } from "./descriptor.ts"
import { plainRequest, type KvReply, type KvRequest } from "./request.ts"
import type { TxnAnswer } from "../txn/protocol.ts"
import { readReply, readRequest, writeReply, writeRequest } from "./request-codec.ts"

/** What a range service holds of a request: before it is evaluated, and until its entry is applied. */

export type Waiting = Case & {
  readonly session: number
  readonly deadline: Mono
  /** Of this leader itself: nobody is answered. */
  readonly isOwn: boolean
  /** A read: the round that confirms it, 0 once it is confirmed. */
  round: number
  /** A read: the applied index from which on it may be served. */
  index: number
  /** 0: not asked for yet, or given up while it waits for locks. */
  ticket: number
  /** The client was told that its time is over; its place in the queue is given up when its turn comes. */
  answered: boolean
}

/** A request that has arrived just now. */
export function arrived(session: number, request: KvRequest, deadline: Mono): Waiting {
  return {
    session,
    request,
    footprint: footprintOf(request),
    deadline,
    isOwn: false,
    round: 0,
    index: 0,
    ticket: 0,
    answered: false,
    place: 0,
    readTs: 0,
    stamp: 0,
  }
}

/** What a leader asks itself: to resolve intents of a decided transaction. */
export function ownCleaning(descriptor: RangeDescriptor, { txn, state, keys }: Cleaning): Waiting {
  const commitTs = state.status === "committed" ? state.ts : null
  const { rolledBack } = state
  const command = { type: "resolve", txn, commitTs, rolledBack, keys, spans: [] } as const
  const request = plainRequest(descriptor, [], { command })
  return { ...arrived(0, request, Number.MAX_SAFE_INTEGER), isOwn: true }
}

export type Proposal = {
  readonly session: number
  readonly ticket: number
  readonly deadline: Mono
  readonly commitTs: Timestamp
  /** What is answered when it is applied. */
  readonly reply: KvReply
  /** The body is large, and kept under a token. */
  readonly kept: KeptBody | null
  /** It has to do with transactions: their judge hears of it. */
  readonly isTxn: boolean
  readonly aftermath: Aftermath | null
  /** The client was told that the outcome is unknown, or what it was that was proposed: the latch stays until the entry's fate is known. */
  answered: boolean
}

export function saveWaiting(waiting: Waiting, sink: Sink): void {
  sink.uint(waiting.session)
  writeRequest(waiting.request, sink)
  sink.uint(waiting.deadline)
  sink.bool(waiting.isOwn)
  sink.uint(waiting.round)
  sink.uint(waiting.index)
  sink.uint(waiting.ticket)
  sink.bool(waiting.answered)
  sink.uint(waiting.place)
  sink.uint(waiting.readTs)
  sink.uint(waiting.stamp)
}

export function loadWaiting(reader: ByteReader): Waiting {
  const session = reader.uint()
  const request = readRequest(reader)
  return {
    session,
    request,
    footprint: footprintOf(request),
    deadline: reader.uint(),
    isOwn: reader.bool(),
    round: reader.uint(),
    index: reader.uint(),
    ticket: reader.uint(),
    answered: reader.bool(),
    place: reader.uint(),
    readTs: reader.uint(),
    stamp: reader.uint(),
  }
}

export function saveProposal(proposal: Proposal, sink: Sink): void {
  sink.uint(proposal.session)
  sink.uint(proposal.ticket)
  sink.uint(proposal.deadline)
  writeReply(proposal.reply, sink)
  sink.uint(proposal.commitTs)
  sink.bool(proposal.kept !== null)
  if (proposal.kept !== null) saveBody(proposal.kept, sink)
  sink.bool(proposal.answered)
  sink.bool(proposal.isTxn)
  sink.bool(proposal.aftermath !== null)
  if (proposal.aftermath !== null) saveAftermath(proposal.aftermath, sink)
}

export function loadProposal(reader: ByteReader): Proposal {
  const session = reader.uint()
  const ticket = reader.uint()
  const deadline = reader.uint()
  const reply = readReply(reader)
  const commitTs = reader.uint()
  const kept = reader.bool() ? loadBody(reader) : null
  const answered = reader.bool()
  const isTxn = reader.bool()
  const aftermath = reader.bool() ? loadAftermath(reader) : null
  return { session, ticket, deadline, reply, commitTs, kept, answered, isTxn, aftermath }
}

export function replyOf(
  id: number,
  commitTs: Timestamp,
  body: OutcomeBody,
  answer: TxnAnswer | null = null,
): KvReply {
  if (body.type === "results") return { type: "ok", id, commitTs, results: body.results, answer }
  return { type: "error", id, error: body.type === "error" ? body.error : { code: "txnAborted" } }
}
