import type { Write } from "../engine/engine.ts"
import type { KernelError } from "../errors.ts"
import type { LogIndex, Mono, StoreId, Timestamp, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import { TOKEN_BODY_SMALL_MAX } from "../limits.ts"
import type { Timing, Limits } from "../node/config.ts"
import type { Observation } from "../node/observation.ts"
import type { Switches } from "../node/switches.ts"
import type { Batch, Entry } from "../raft/types.ts"
import { Hlc, aheadUs, fromWall } from "../time/hlc.ts"
import type { OutcomeBody } from "../txn/outcome.ts"
import { KeptBodies, type KeptBody } from "../txn/kept-bodies.ts"
import { dropWrites, lookup, recordWrite } from "../txn/tokens.ts"
import { notLeader, refusalOf } from "./admission.ts"
import { anchorOf, isReadOnly, latchedKeys } from "./asked.ts"
import { evaluate, type Evaluation } from "./evaluate.ts"
import { Latches } from "./latches.ts"
import type { KvReply, KvRequest } from "./request.ts"
import { readReply, writeReply } from "./request-codec.ts"
import { touched } from "./validate.ts"
import type { Applied, StateMachine } from "./state-machine.ts"
import { TokenHorizon } from "./token-horizon.ts"
import {
  loadProposal,
  loadWaiting,
  replyOf,
  saveProposal,
  saveWaiting,
  type Proposal,
  type Waiting,
} from "./waiting.ts"

/** What the service needs to know of its group at one moment. */
export type ServiceContext = {
  readonly mono: Mono
  readonly wall: Wall
  readonly isLeader: boolean
  /** What is answered as long as the state is not to be read; null when it is. */
  readonly refusal: KernelError | null
  /** Where requests should go instead; null when nobody knows. */
  readonly leaderStore: StoreId | null
  readonly term: number
  /** Leadership is being handed over: nothing new is assigned. */
  readonly isTransferring: boolean
  readonly isFenced: boolean
  /** No segment, or no checkpoint, can be made: what makes room is admitted still. */
  readonly isDiskFull: boolean
  /** Nor is there much left of the segments there are. */
  readonly isDiskExhausted: boolean
  readonly termStartIndex: number
  readonly uncommittedBytes: number
  /** Of the whole volume: log that waits to be written. */
  readonly pendingLogBytes: number
  /** Requests that other groups of this store hold. */
  readonly requestsBeside: number
  readonly switches: Switches
}

/** What a group can say of a read that arrives now. */
export interface ReadPath {
  /** The index from which on this leader may serve it without asking anybody; null when it holds no lease. */
  leaseIndex(): LogIndex | null
  /** The round of the read-index that will confirm it. */
  nextRound(): number
  /** The wall clock of the leader as of which this follower holds everything; null when it cannot know. */
  timelineWall(): Wall | null
}

export type ServiceEffect =
  | { readonly type: "reply"; readonly session: number; readonly reply: KvReply }
  | { readonly type: "observe"; readonly observation: Observation }

type Delayed = { readonly session: number; readonly reply: KvReply; readonly ts: Timestamp }

/** How far beyond its clock and the bound a leader waits rather than refuses, in bounds. */
const WAIT_BOUNDS_MAX = 3
/** Log that waits for a quorum, above which no token is forgotten. */
const FORGET_UNCOMMITTED_MAX = 256 << 10

/**
 * Serves key-value requests on one replica. The leader evaluates under latches, from applied state only,
 * and proposes bytes; a reply leaves when its entry is applied here. Strong reads wait for a round of
 * the read-index and for writers that were there before them.
 */
export class RangeService {
  readonly #machine: StateMachine
  readonly #timing: Timing
  readonly #limits: Limits
  #latches = new Latches()
  /** By ticket, once asked for; reads that wait for their round stand in `#reads`. */
  #waiting = new Map<number, Waiting>()
  #reads: Waiting[] = []
  /** Tickets that are ready, in the order they became so. */
  #admitted: number[] = []
  /** By log index. */
  #proposals = new Map<LogIndex, Proposal>()
  /** Given to the caller to append; null but between `pump` and `proposed`. */
  #proposing: Proposal | null = null
  #delayed: Delayed[] = []
  #hlc = new Hlc()
  /** Nothing was read above it, so nothing may be written at or below it. */
  #readHighWater: Timestamp = 0
  /** Handed over by a transfer, or logged by this leader's first entry. */
  #assignAbove: Timestamp = 0
  #horizon: TokenHorizon
  #keptBodies = new KeptBodies()
  #deadline: Mono = Number.MAX_SAFE_INTEGER
  #out: ServiceEffect[] = []

  constructor(machine: StateMachine, timing: Timing, limits: Limits) {
    this.#machine = machine
    this.#timing = timing
    this.#limits = limits
    this.#horizon = new TokenHorizon(machine, timing)
  }

  /** Requests held here. */
  get size(): number {
    return this.#waiting.size + this.#reads.length + this.#proposals.size
  }

  /** When `timePassed` is wanted next. */
  get deadline(): Mono {
    return Math.min(this.#deadline, this.#horizon.deadline)
  }

  /** Whether `pump` may have something to do. */
  get hasWork(): boolean {
    return this.#reads.length > 0 || this.#admitted.length > 0
  }

  /** Whether an entry yet to be applied is of a request here. */
  get hasProposals(): boolean {
    return this.#proposals.size > 0
  }

  /** Nothing above it was assigned or served. */
  get highWater(): Timestamp {
    return Math.max(this.#hlc.last, this.#readHighWater, this.#machine.lowWater)
  }

  get wantsReadRound(): boolean {
    return this.#reads.some((read) => read.round !== 0)
  }

  drain(): readonly ServiceEffect[] {
    if (this.#out.length === 0) return NOTHING
    const out = this.#out
    this.#out = []
    return out
  }

  /** Takes a request in. */
  request(session: number, request: KvRequest, context: ServiceContext, path: ReadPath): void {
    const { descriptor } = this.#machine
    const refusal = refusalOf(request, descriptor, this.size, this.#timing, this.#limits, context, path)
    if (refusal !== null) {
      if (refusal.code === "diskFull") this.#mark("range.diskFull.refused")
      return this.#refuse(session, request.id, refusal)
    }
    const deadline =
      context.mono + (request.deadlineUs === 0 ? this.#timing.requestDeadlineUs : request.deadlineUs)
    if (request.read === "eventual" && isReadOnly(request))
      return this.#readHere(session, request, Math.max(this.#machine.lowWater, fromWall(context.wall)))
    if (!context.isLeader) {
      this.#mark("range.read.timeline")
      return this.#readHere(session, request, fromWall(path.timelineWall()!))
    }
    const { reads, writes } = touched(request.ops)
    const isWrite = writes.length > 0
    const waiting: Waiting = {
      session,
      request,
      deadline,
      isWrite,
      round: 0,
      index: 0,
      ticket: 0,
      answered: false,
    }
    this.#wakeBy(deadline)
    if (isWrite) {
      if (context.isDiskFull) this.#mark("range.diskFull.deletes")
      waiting.ticket = this.#latches.acquire(latchedKeys(reads, writes))
      this.#waiting.set(waiting.ticket, waiting)
      if (this.#latches.isReady(waiting.ticket)) this.#admitted.push(waiting.ticket)
    } else {
      const index = path.leaseIndex()
      if (index === null) waiting.round = path.nextRound()
      else waiting.index = index
      this.#reads.push(waiting)
    }
  }

  #mark(name: string): void {
    this.#out.push({ type: "observe", observation: { type: "mark", name } })
  }

  #refuse(session: number, id: number, error: KernelError): void {
    this.#out.push({ type: "reply", session, reply: { type: "error", id, error } })
  }

  /** A quorum still followed this leader after the reads of `round`, and all before, had arrived. */
  readConfirmed(round: number, index: number): void {
    for (const read of this.#reads) {
      if (read.round === 0 || read.round > round) continue
      read.round = 0
      read.index = index
    }
  }

  /**
   * Does what can be done now: confirmed reads ask for their latches, admitted requests are evaluated.
   * Stops at the first batch to propose; the caller appends it, says `proposed`, and calls again.
   */
  pump(context: ServiceContext): Batch | null {
    if (!context.isLeader || context.refusal !== null) return null
    if (this.#reads.length > 0) this.#admitReads()
    if (this.#machine.appliedIndex < context.termStartIndex) return null
    let batch: Batch | null = null
    let done = 0
    while (done < this.#admitted.length && batch === null && !this.#machine.isDamaged) {
      const waiting = this.#waiting.get(this.#admitted[done]!)
      if (waiting === undefined) done++
      else {
        const next = this.#evaluate(waiting, context)
        if (next === "wait") break
        done++
        if (next !== "done") batch = next
      }
    }
    if (done > 0) this.#admitted.splice(0, done)
    return batch
  }

  #evaluate(waiting: Waiting, context: ServiceContext): Batch | "done" | "wait" {
    const { session, request } = waiting
    if (waiting.answered) {
      this.#finish(waiting)
      return "done"
    }
    if (context.isTransferring || context.isFenced) {
      this.#finish(waiting)
      this.#refuse(session, request.id, context.isFenced ? { code: "clockOutOfBound" } : notLeader(context))
      return "done"
    }
    if (waiting.isWrite) return this.#write(waiting, context)
    this.#finish(waiting)
    this.#read(session, request, this.#readTs(request, context), context)
    return "done"
  }

  #admitReads(): void {
    const { appliedIndex } = this.#machine
    let kept = 0
    for (const read of this.#reads) {
      if (read.round !== 0 || read.index > appliedIndex) {
        this.#reads[kept++] = read
        continue
      }
      read.ticket = this.#latches.acquireRead(touched(read.request.ops).reads)
      this.#waiting.set(read.ticket, read)
      if (this.#latches.isReady(read.ticket)) this.#admitted.push(read.ticket)
    }
    this.#reads.length = kept
  }

  #readTs(request: KvRequest, context: ServiceContext): Timestamp {
    // "Now" sees all that is applied: the newest of it may be stamped a little ahead of this clock.
    const readTs =
      request.readTs === 0
        ? Math.max(this.#hlc.last, this.#machine.lowWater, fromWall(context.wall))
        : request.readTs
    this.#readHighWater = Math.max(this.#readHighWater, readTs)
    return readTs
  }

  /** Whatever is applied here, which is all there was at `asOf`, if a caller knows that. */
  #readHere(session: number, request: KvRequest, asOf: Timestamp): void {
    this.#out.push({
      type: "reply",
      session,
      reply: this.#evaluateReads(request, Number.MAX_SAFE_INTEGER, asOf),
    })
  }

  #read(session: number, request: KvRequest, readTs: Timestamp, context: ServiceContext): void {
    this.#answer(session, this.#evaluateReads(request, readTs, readTs), readTs, context)
  }

  #evaluateReads(request: KvRequest, at: Timestamp, commitTs: Timestamp): KvReply {
    const evaluated = evaluate(
      this.#machine.view,
      this.#machine.descriptor.tenant,
      request.ops,
      at,
      0,
      this.#machine.descriptor.end,
    )
    if (this.#isDamaged(evaluated)) return { type: "error", id: request.id, error: { code: "recovering" } }
    return evaluated.ok
      ? { type: "ok", id: request.id, commitTs, results: evaluated.results, answer: null }
      : { type: "error", id: request.id, error: evaluated.error }
  }

  /** Asked before anything is made of what was read. */
  #isDamaged(evaluated: Evaluation): boolean {
    // A value whose own checksum is wrong: the bytes came back, and not those that were written.
    if (!evaluated.ok && evaluated.error.code === "recovering") this.#machine.markDamaged()
    return this.#machine.checkDamage()
  }

  /** No acknowledgement shows a timestamp before this clock has reached it. */
  #answer(session: number, reply: KvReply, ts: Timestamp, context: ServiceContext): void {
    const ahead = aheadUs(ts, context.wall)
    if (ahead <= 0) {
      this.#out.push({ type: "reply", session, reply })
      return
    }
    this.#out.push({ type: "observe", observation: { type: "mark", name: "range.reply.waitedForClock" } })
    this.#delayed.push({ session, reply, ts })
    this.#wakeBy(context.mono + ahead)
  }

  #write(waiting: Waiting, context: ServiceContext): Batch | "done" | "wait" {
    const { session, request } = waiting
    const floor = Math.max(this.#machine.lowWater, this.#assignAbove, this.#readHighWater)
    const ahead = aheadUs(Math.max(this.#hlc.last, floor) + 1, context.wall)
    const bound = this.#timing.clockBoundUs
    if (ahead > bound) {
      if (ahead <= WAIT_BOUNDS_MAX * bound) {
        this.#out.push({ type: "observe", observation: { type: "mark", name: "range.write.waitedForClock" } })
        this.#wakeBy(context.mono + ahead - bound)
        return "wait"
      }
      return this.#fail(waiting, { code: "clockOutOfBound" })
    }
    const { tenant, generation, end } = this.#machine.descriptor
    const anchor = anchorOf(request)
    const token = request.token
    if (token !== null) {
      const known = lookup(this.#machine.view, tenant, anchor, token)
      if (known.type === "damaged") this.#machine.markDamaged()
      if (this.#machine.checkDamage()) return this.#fail(waiting, { code: "recovering" })
      if (known.type === "outcome") {
        this.#out.push({ type: "observe", observation: { type: "mark", name: "range.token.repeated" } })
        this.#finish(waiting)
        this.#answer(
          session,
          replyOf(request.id, known.outcome.commitTs, known.outcome.body),
          known.outcome.commitTs,
          context,
        )
        return "done"
      }
      const forgotten = token.birth <= this.#horizon.at
      if (forgotten || known.type === "bodyDropped") {
        this.#out.push({ type: "observe", observation: { type: "mark", name: "range.token.expired" } })
        return this.#fail(waiting, { code: "tokenExpired" })
      }
    }
    this.#hlc.observe(floor)
    const commitTs = this.#hlc.now(context.wall)
    const evaluated = evaluate(this.#machine.view, tenant, request.ops, commitTs - 1, commitTs, end)
    if (this.#isDamaged(evaluated)) return this.#fail(waiting, { code: "recovering" })
    let body: OutcomeBody
    if (evaluated.ok) body = { type: "results", results: evaluated.results }
    else if (evaluated.error.code === "recovering" || token === null)
      return this.#fail(waiting, evaluated.error)
    else body = { type: "error", error: evaluated.error }
    let writes = evaluated.ok ? evaluated.writes : []
    let kept: KeptBody | null = null
    if (token !== null) {
      const record = recordWrite(tenant, anchor, token, { birth: token.birth, commitTs, body })
      const acknowledged = this.#keptBodies.takeAcknowledged(token.client, token.ackedSeq)
      writes = [...writes, record, ...dropWrites(this.#machine.view, tenant, acknowledged)]
      if (this.#machine.checkDamage()) return this.#fail(waiting, { code: "recovering" })
      if (record.value.length > TOKEN_BODY_SMALL_MAX) kept = { anchor, client: token.client, seq: token.seq }
    }
    this.#waiting.delete(waiting.ticket)
    const { ticket, deadline } = waiting
    this.#proposing = { session, id: request.id, ticket, deadline, commitTs, body, kept, answered: false }
    return { generation, leaseSequence: this.#machine.leaseSequence, closedTs: 0, minVersion: 1, writes }
  }

  /** The batch `pump` gave last is in the log at `index`. */
  proposed(index: LogIndex): void {
    invariant(this.#proposing !== null, "Cannot note a proposal: none was made")
    this.#proposals.set(index, this.#proposing)
    this.#proposing = null
  }

  #fail(waiting: Waiting, error: KernelError): "done" {
    this.#finish(waiting)
    this.#refuse(waiting.session, waiting.request.id, error)
    return "done"
  }

  /** Gives the latch of a request back that proposes nothing. */
  #finish(waiting: Waiting): void {
    this.#waiting.delete(waiting.ticket)
    this.#release(waiting.ticket)
  }

  #release(ticket: number): void {
    for (const ready of this.#latches.release(ticket)) {
      if (this.#waiting.has(ready)) this.#admitted.push(ready)
    }
  }

  /** The state machine has applied an entry. */
  applied(entry: Entry, applied: Applied, context: ServiceContext): void {
    const proposal = this.#proposals.get(entry.index)
    if (proposal === undefined) return
    this.#proposals.delete(entry.index)
    this.#release(proposal.ticket)
    if (proposal.kept !== null && !applied.rejected) this.#keptBodies.note(proposal.kept)
    if (proposal.answered) return
    const { session, id, body, commitTs } = proposal
    if (applied.rejected) {
      return this.#refuse(session, id, { code: "staleGeneration", descriptor: this.#machine.descriptor })
    }
    this.#answer(session, replyOf(id, commitTs, body), commitTs, context)
  }

  /**
   * This replica leads now. The low-water of its first entry is what the old leader handed over, or else
   * two bounds above everything any old leader may have assigned or served.
   */
  becameLeader(highWater: Timestamp | null, context: ServiceContext): Timestamp {
    const own = Math.max(this.#machine.lowWater, fromWall(context.wall))
    const lowWater = highWater ?? own + 2 * fromWall(this.#timing.clockBoundUs)
    this.#assignAbove = lowWater
    this.#horizon.becameLeader()
    if (highWater !== null)
      this.#out.push({ type: "observe", observation: { type: "mark", name: "raft.transfer.highWater" } })
    return lowWater
  }

  /** Latches live as long as leadership. What was proposed may still commit; what was not, never will. */
  lostLeadership(context: ServiceContext): void {
    for (const waiting of [...this.#waiting.values(), ...this.#reads]) {
      if (waiting.answered) continue
      this.#refuse(waiting.session, waiting.request.id, notLeader(context))
    }
    for (const proposal of this.#proposals.values()) {
      if (!proposal.answered) this.#refuse(proposal.session, proposal.id, { code: "outcomeUnknown" })
    }
    this.#waiting.clear()
    this.#reads = []
    this.#proposals.clear()
    this.#admitted = []
    this.#latches.clear()
    this.#horizon.lostLeadership()
    this.#keptBodies.clear()
  }

  timePassed(context: ServiceContext): void {
    if (context.mono < this.#deadline) return
    this.#deadline = Number.MAX_SAFE_INTEGER
    let kept = 0
    for (const delayed of this.#delayed) {
      const ahead = aheadUs(delayed.ts, context.wall)
      if (ahead <= 0) this.#out.push({ type: "reply", session: delayed.session, reply: delayed.reply })
      else {
        this.#delayed[kept++] = delayed
        this.#wakeBy(context.mono + ahead)
      }
    }
    this.#delayed.length = kept
    this.#expireRequests(context)
    // An admitted write that waits for the clock asks again when it is looked at.
  }

  #expireRequests(context: ServiceContext): void {
    const tooLate: KernelError = { code: "deadlineExceeded" }
    for (const waiting of this.#waiting.values()) {
      if (waiting.answered) continue
      if (waiting.deadline > context.mono) this.#wakeBy(waiting.deadline)
      else {
        waiting.answered = true
        this.#refuse(waiting.session, waiting.request.id, tooLate)
      }
    }
    this.#reads = this.#reads.filter((read) => {
      if (read.deadline > context.mono) {
        this.#wakeBy(read.deadline)
        return true
      }
      this.#refuse(read.session, read.request.id, tooLate)
      return false
    })
    for (const proposal of this.#proposals.values()) {
      if (proposal.answered) continue
      if (proposal.deadline > context.mono) this.#wakeBy(proposal.deadline)
      else {
        proposal.answered = true
        this.#refuse(proposal.session, proposal.id, tooLate)
      }
    }
  }

  #wakeBy(mono: Mono): void {
    if (mono < this.#deadline) this.#deadline = mono
  }

  /** Moves the horizon behind which tokens are forgotten, in a logged step; call it now and then. */
  horizonBatch(context: ServiceContext): Batch | null {
    return this.#mayTidy(context) ? this.#tidied(this.#horizon.move(context.mono, context.wall)) : null
  }

  /** Deletes some of what lies behind the horizon; call it when the deadline has come. */
  forgetBatch(context: ServiceContext): Batch | null {
    // What it frees is in no hurry: it waits while much else waits for a quorum.
    const mayWrite = this.#mayTidy(context) && context.uncommittedBytes <= FORGET_UNCOMMITTED_MAX
    return this.#tidied(this.#horizon.step(context.mono, mayWrite))
  }

  #mayTidy(context: ServiceContext): boolean {
    const { isLeader, termStartIndex } = context
    return isLeader && this.#machine.appliedIndex >= termStartIndex && !this.#machine.isDamaged
  }

  /** Null when there is nothing worth an entry. */
  #tidied(writes: readonly Write[]): Batch | null {
    if (writes.length === 0 || this.#machine.checkDamage()) return null
    const { generation } = this.#machine.descriptor
    return { generation, leaseSequence: this.#machine.leaseSequence, closedTs: 0, minVersion: 1, writes }
  }

  save(sink: Sink): void {
    invariant(
      this.#out.length === 0 && this.#proposing === null,
      "Cannot save a service in the middle of a step",
    )
    this.#latches.save(sink)
    sink.uint(this.#waiting.size)
    for (const waiting of this.#waiting.values()) saveWaiting(waiting, sink)
    sink.uint(this.#reads.length)
    for (const read of this.#reads) saveWaiting(read, sink)
    sink.uint(this.#admitted.length)
    for (const ticket of this.#admitted) sink.uint(ticket)
    sink.uint(this.#proposals.size)
    for (const [index, proposal] of this.#proposals) {
      sink.uint(index)
      saveProposal(proposal, sink)
    }
    sink.uint(this.#delayed.length)
    for (const delayed of this.#delayed) {
      sink.uint(delayed.session)
      writeReply(delayed.reply, sink)
      sink.uint(delayed.ts)
    }
    this.#hlc.save(sink)
    sink.uint(this.#readHighWater)
    sink.uint(this.#assignAbove)
    this.#horizon.save(sink)
    this.#keptBodies.save(sink)
    sink.uint(this.#deadline)
  }

  static load(reader: ByteReader, machine: StateMachine, timing: Timing, limits: Limits): RangeService {
    const service = new RangeService(machine, timing, limits)
    service.#latches = Latches.load(reader)
    for (let left = reader.count(8); left > 0; left--) {
      const waiting = loadWaiting(reader)
      service.#waiting.set(waiting.ticket, waiting)
    }
    for (let left = reader.count(8); left > 0; left--) service.#reads.push(loadWaiting(reader))
    for (let left = reader.count(); left > 0; left--) service.#admitted.push(reader.uint())
    for (let left = reader.count(8); left > 0; left--) {
      const index = reader.uint()
      service.#proposals.set(index, loadProposal(reader))
    }
    for (let left = reader.count(3); left > 0; left--) {
      service.#delayed.push({ session: reader.uint(), reply: readReply(reader), ts: reader.uint() })
    }
    service.#hlc = Hlc.load(reader)
    service.#readHighWater = reader.uint()
    service.#assignAbove = reader.uint()
    service.#horizon = TokenHorizon.load(reader, machine, timing)
    service.#keptBodies = KeptBodies.load(reader)
    service.#deadline = reader.uint()
    return service
  }
}

const NOTHING: readonly ServiceEffect[] = []
