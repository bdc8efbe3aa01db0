import type { Timestamp, Wall } from "../ids.ts"
import { fromWall } from "../time/hlc.ts"
import type { Verdict } from "../txn/verdict.ts"
import type { Judge } from "../txn/judge.ts"
import { notLeader } from "./admission.ts"
import { footprintOf } from "./asked.ts"
import { evaluate } from "./evaluate.ts"
import type { Outbox } from "./outbox.ts"
import type { KvReply, KvRequest } from "./request.ts"
import type { ServiceContext } from "./service-context.ts"
import type { StateMachine } from "./state-machine.ts"

/** Requests that no transaction has anything to do with: all that most ranges ever see. */
export class PlainRequests {
  readonly #machine: StateMachine
  readonly #judge: Judge
  readonly #out: Outbox

  constructor(machine: StateMachine, judge: Judge, out: Outbox) {
    this.#machine = machine
    this.#judge = judge
    this.#out = out
  }

  /** A confirmed read of the leader, where there are no intents. */
  read(session: number, request: KvRequest, readTs: Timestamp, { mono, wall }: ServiceContext): void {
    if (this.#judge.isTooOld(readTs)) return this.#out.refuse(session, request.id, { code: "snapshotTooOld" })
    this.#out.answer(session, this.#evaluated(request, readTs, readTs), readTs, mono, wall)
  }

  /** Whatever is applied here, which is all there was at `asOf`, if a caller knows that. */
  readHere(session: number, request: KvRequest, asOf: Timestamp): void {
    this.#out.reply(session, this.#evaluated(request, Number.MAX_SAFE_INTEGER, asOf))
  }

  /**
   * A follower at a timestamp that is closed: whatever will be assigned lies above, and what was lies before it in the log.
   * Only an intent that is here already may still come to lie beneath.
   */
  readClosed(session: number, request: KvRequest, context: ServiceContext): void {
    const { readTs } = request
    this.#out.mark("range.read.closed")
    if (this.#judge.gc.isGone(readTs))
      return this.#out.refuse(session, request.id, { code: "snapshotTooOld" })
    const footprint = footprintOf(request)
    const rows = footprint.isWrite ? [] : this.#judge.intents.in(footprint.reads)
    const met = rows !== "damaged" && rows.some(({ intent }) => intent.writeTs <= readTs)
    if (met) return this.#out.refuse(session, request.id, notLeader(context))
    this.#out.answer(session, this.#evaluated(request, readTs, readTs), readTs, context.mono, context.wall)
  }

  /** A follower has no say in what becomes of an intent: whoever meets one there asks the leader. */
  readTimeline(session: number, request: KvRequest, wall: Wall, context: ServiceContext): void {
    this.#out.mark("range.read.timeline")
    const footprint = footprintOf(request)
    const met = footprint.isWrite ? [] : this.#judge.intents.in(footprint.reads)
    if (met.length > 0 && !this.#machine.checkDamage())
      return this.#out.refuse(session, request.id, notLeader(context))
    this.readHere(session, request, fromWall(wall))
  }

  #evaluated(request: KvRequest, at: Timestamp, commitTs: Timestamp): KvReply {
    const { tenant, end } = this.#machine.descriptor
    const evaluated = evaluate(this.#machine.view, tenant, request.ops, at, 0, end)
    // A value whose own checksum is wrong: the bytes came back, and not those that were written.
    if (!evaluated.ok && evaluated.error.code === "recovering") this.#machine.markDamaged()
    // Asked before anything is made of what was read.
    if (this.#machine.checkDamage()) return { type: "error", id: request.id, error: { code: "recovering" } }
    return evaluated.ok
      ? { type: "ok", id: request.id, commitTs, results: evaluated.results, answer: null }
      : { type: "error", id: request.id, error: evaluated.error }
  }

  /** What a request that writes comes to at `ts`, where nobody waits or is waited for. */
  write(request: KvRequest, ts: Timestamp): Verdict {
    const { tenant, end } = this.#machine.descriptor
    const evaluated = evaluate(this.#machine.view, tenant, request.ops, ts - 1, ts, end)
    if (!evaluated.ok)
      return evaluated.error.code === "recovering" ? DAMAGED : { type: "refused", error: evaluated.error }
    const { results, writes } = evaluated
    return { type: "proposed", ts, results, answer: null, writes, aftermath: null }
  }
}

const DAMAGED: Verdict = { type: "damaged" }
