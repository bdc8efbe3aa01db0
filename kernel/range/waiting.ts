import type { Mono, Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { loadBody, saveBody, type KeptBody } from "../txn/kept-bodies.ts"
import type { OutcomeBody } from "../txn/outcome.ts"
import type { KvReply, KvRequest } from "./request.ts"
import { readReply, readRequest, writeReply, writeRequest } from "./request-codec.ts"

/** What a range service holds of a request: before it is evaluated, and until its entry is applied. */

export type Waiting = {
  readonly session: number
  readonly request: KvRequest
  readonly deadline: Mono
  readonly isWrite: boolean
  /** A read: the round that confirms it, 0 once it is confirmed. */
  round: number
  /** A read: the applied index from which on it may be served. */
  index: number
  /** 0: not asked for yet. */
  ticket: number
  /** The client was told that its time is over; its place in the queue is given up when its turn comes. */
  answered: boolean
}

export type Proposal = {
  readonly session: number
  readonly id: number
  readonly ticket: number
  readonly deadline: Mono
  readonly commitTs: Timestamp
  readonly body: OutcomeBody
  /** The body is large, and kept under a token. */
  readonly kept: KeptBody | null
  /** The client was told that the outcome is unknown: the latch stays until the entry's fate is known. */
  answered: boolean
}

export function saveWaiting(waiting: Waiting, sink: Sink): void {
  sink.uint(waiting.session)
  writeRequest(waiting.request, sink)
  sink.uint(waiting.deadline)
  sink.bool(waiting.isWrite)
  sink.uint(waiting.round)
  sink.uint(waiting.index)
  sink.uint(waiting.ticket)
  sink.bool(waiting.answered)
}

export function loadWaiting(reader: ByteReader): Waiting {
  return {
    session: reader.uint(),
    request: readRequest(reader),
    deadline: reader.uint(),
    isWrite: reader.bool(),
    round: reader.uint(),
    index: reader.uint(),
    ticket: reader.uint(),
    answered: reader.bool(),
  }
}

export function saveProposal(proposal: Proposal, sink: Sink): void {
  sink.uint(proposal.session)
  sink.uint(proposal.ticket)
  sink.uint(proposal.deadline)
  writeReply(replyOf(proposal.id, proposal.commitTs, proposal.body), sink)
  sink.uint(proposal.commitTs)
  sink.bool(proposal.kept !== null)
  if (proposal.kept !== null) saveBody(proposal.kept, sink)
  sink.bool(proposal.answered)
}

export function loadProposal(reader: ByteReader): Proposal {
  const session = reader.uint()
  const ticket = reader.uint()
  const deadline = reader.uint()
  const reply = readReply(reader)
  const body: OutcomeBody =
    reply.type === "ok"
      ? { type: "results", results: reply.results }
      : { type: "error", error: reply.error as Extract<OutcomeBody, { type: "error" }>["error"] }
  const commitTs = reader.uint()
  const kept = reader.bool() ? loadBody(reader) : null
  return { session, id: reply.id, ticket, deadline, body, commitTs, kept, answered: reader.bool() }
}

export function replyOf(id: number, commitTs: Timestamp, body: OutcomeBody): KvReply {
  if (body.type === "results") return { type: "ok", id, commitTs, results: body.results, answer: null }
  return { type: "error", id, error: body.type === "error" ? body.error : { code: "txnAborted" } }
}
