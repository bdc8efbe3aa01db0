import type { Write } from "../engine/engine.ts"
import type { KernelError } from "../errors.ts"
import type { LogIndex, Mono, Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import type { Timing, Limits } from "../node/config.ts"
import type { Batch, Entry } from "../raft/types.ts"
import { fromWall } from "../time/hlc.ts"
import { judgeCommand } from "../txn/commands.ts"
import { Judge } from "../txn/judge.ts"
import type { Verdict } from "../txn/verdict.ts"
import type { KeptBody } from "../txn/kept-bodies.ts"
import type { OutcomeBody } from "../txn/outcome.ts"
import type { TxnId, TxnState } from "../txn/protocol.ts"
import { notLeader, refusalOf } from "./admission.ts"
import type { ReadPath, ServiceContext, ServiceEffect } from "./service-context.ts"
import { isReadOnly, latchedKeys, readAt } from "./asked.ts"
import { batchOf, Housekeeping } from "./housekeeping.ts"
import { Latches } from "./latches.ts"
import { Outbox } from "./outbox.ts"
import { PlainRequests } from "./plain.ts"
import { RangeClock } from "./range-clock.ts"
import type { KvRequest, Token } from "./request.ts"
import type { Applied, StateMachine } from "./state-machine.ts"
import { TokenDesk } from "./token-desk.ts"
import {
  arrived,
  loadProposal,
  loadWaiting,
  ownCleaning,
  replyOf,
  saveProposal,
  saveWaiting,
  type Proposal,
  type Waiting,
} from "./waiting.ts"

const NEVER = Number.MAX_SAFE_INTEGER

/**
 * Serves key-value requests on one replica. The leader evaluates under latches, from applied state only,
 * and proposes bytes; a reply leaves when its entry is applied here. Strong reads wait for a round of
 * the read-index and for writers that were there before them. Whoever meets a transaction's locks or intents gives its
 * latches back and waits for those, in the judge's queues.
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
  /** By place: they wait for locks and intents, and hold no latch. */
  #blocked = new Map<number, Waiting>()
  /** By log index. */
  #proposals = new Map<LogIndex, Proposal>()
  /** Given to the caller to append; null but between `pump` and `proposed`. */
  #proposing: Proposal | null = null
  readonly #clock: RangeClock
  readonly #judge: Judge
  readonly #tokens: TokenDesk
  readonly #plain: PlainRequests
  #deadline: Mono = NEVER
  readonly #out = new Outbox()

  constructor(machine: StateMachine, timing: Timing, limits: Limits) {
    this.#machine = machine
    this.#timing = timing
    this.#limits = limits
    this.#clock = new RangeClock(machine, timing)
    this.#judge = new Judge(machine, this.#clock, timing)
    this.#tokens = new TokenDesk(machine, timing)
    this.#plain = new PlainRequests(machine, this.#judge, this.#out)
  }

  /** Requests held here. */
  get size(): number {
    return this.#waiting.size + this.#reads.length + this.#proposals.size + this.#blocked.size
  }

  /** When `timePassed` is wanted next. */
  get deadline(): Mono {
    const own = Math.min(this.#deadline, this.#tokens.deadline, this.#out.deadline)
    return Math.min(own, this.#judge.queues.deadline, this.#judge.floor.deadline, this.#judge.gc.deadline)
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
    return this.#clock.highWater
  }

  /** What nobody else knows, and the next leader is to. */
  get memory(): string {
    return this.#judge.memory
  }

  get wantsReadRound(): boolean {
    return this.#reads.some((read) => read.round !== 0)
  }

  drain(): readonly ServiceEffect[] {
    for (const push of this.#judge.queues.takeAsks()) this.#out.push({ type: "push", ...push })
    return this.#out.drain()
  }

  /** Takes a request in. */
  request(session: number, request: KvRequest, context: ServiceContext, path: ReadPath): void {
    const { descriptor } = this.#machine
    const refusal = refusalOf(request, descriptor, this.size, this.#timing, this.#limits, context, path)
    if (refusal !== null) {
      if (refusal.code === "diskFull") this.#out.mark("range.diskFull.refused")
      return this.#out.refuse(session, request.id, refusal)
    }
    const deadline =
      context.mono + (request.deadlineUs === 0 ? this.#timing.requestDeadlineUs : request.deadlineUs)
    if (request.read === "eventual" && isReadOnly(request))
      return this.#plain.readHere(session, request, Math.max(this.#machine.lowWater, fromWall(context.wall)))
    if (!context.isLeader && request.readTs !== 0) return this.#plain.readClosed(session, request, context)
    if (!context.isLeader) return this.#plain.readTimeline(session, request, path.timelineWall()!, context)
    if (context.isDiskFull && !isReadOnly(request)) this.#out.mark("range.diskFull.deletes")
    const waiting = arrived(session, request, deadline)
    this.#wakeBy(deadline)
    if (waiting.footprint.isWrite) this.#latch(waiting)
    else {
      const index = path.leaseIndex()
      if (index === null) waiting.round = path.nextRound()
      else waiting.index = index
      this.#reads.push(waiting)
    }
  }

  /** Asks for the latches of a request that writes; one that reads waits for the writers there are. */
  #latch(waiting: Waiting): void {
    const { footprint } = waiting
    if (footprint.isWrite) waiting.ticket = this.#latches.acquire(footprint.keys)
    else if (footprint.locks) waiting.ticket = this.#latches.acquire(latchedKeys(footprint.reads, []))
    else waiting.ticket = this.#latches.acquireRead(footprint.reads)
    this.#waiting.set(waiting.ticket, waiting)
    if (this.#latches.isReady(waiting.ticket)) this.#admitted.push(waiting.ticket)
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
    if (this.#reads.length > 0) this.#admitReads(context)
    if (this.#machine.appliedIndex < context.termStartIndex) return null
    this.#judge.begin(context.mono)
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
        if (!this.#judge.isIdle) this.#wake()
      }
    }
    if (done > 0) this.#admitted.splice(0, done)
    return batch
  }

  #evaluate(waiting: Waiting, context: ServiceContext): Batch | "done" | "wait" {
    const { request } = waiting
    if (waiting.answered) {
      this.#finish(waiting)
      return "done"
    }
    if (context.isTransferring || context.isFenced)
      return this.#fail(waiting, context.isFenced ? { code: "clockOutOfBound" } : notLeader(context))
    const { command } = request
    if (command !== null) {
      const verdict = this.#carriedOut(
        waiting,
        judgeCommand(this.#judge, waiting, command, context.wall),
        context,
      )
      if (command.type === "cancelWait") this.#cancel(command.txn)
      return verdict
    }
    if (waiting.footprint.isWrite) return this.#write(waiting, context)
    const readTs = request.readTs === 0 ? waiting.readTs : request.readTs
    const isPlain = request.txn === null && waiting.place === 0 && this.#judge.intents.none
    if (!isPlain || !this.#clock.isAboveForeign(readTs))
      return this.#carriedOut(waiting, this.#judge.read(waiting, context.wall), context)
    this.#finish(waiting)
    this.#plain.read(waiting.session, request, readTs, context)
    return "done"
  }

  #admitReads({ wall }: ServiceContext): void {
    const { appliedIndex } = this.#machine
    let kept = 0
    for (const read of this.#reads) {
      if (read.round !== 0 || read.index > appliedIndex) {
        this.#reads[kept++] = read
        continue
      }
      // What is written from here on lies above, also if it is written before this is read.
      const at = readAt(read.request)
      if (at !== 0) this.#clock.noteRead(at)
      else if (read.request.command === null) read.readTs = this.#clock.readNow(wall)
      this.#latch(read)
    }
    this.#reads.length = kept
  }

  #write(waiting: Waiting, context: ServiceContext): Batch | "done" | "wait" {
    const { request } = waiting
    // A snapshot by a clock that is ahead: what is written lies above what was read.
    if (request.txn !== null) this.#clock.noteRead(request.txn.readTs)
    const delayUs = this.#clock.assignDelayUs(context.wall)
    if (delayUs === "never") return this.#fail(waiting, { code: "clockOutOfBound" })
    if (delayUs > 0) {
      this.#out.mark("range.write.waitedForClock")
      this.#wakeBy(context.mono + delayUs)
      return "wait"
    }
    if (request.token !== null && this.#isSettled(waiting, request.token, context)) return "done"
    const commitTs = this.#clock.assign(context.wall)
    const verdict =
      request.txn === null && this.#judge.isIdle
        ? this.#plain.write(request, commitTs)
        : this.#judge.write(waiting, commitTs)
    return this.#carriedOut(waiting, verdict, context, commitTs)
  }

  /** Whether the token was used before, or is too old: then it is answered by what is known. */
  #isSettled(waiting: Waiting, token: Token, { mono, wall }: ServiceContext): boolean {
    const { session, request } = waiting
    const known = this.#tokens.settled(request, token)
    if (known === "new") return false
    if (known === "damaged") this.#fail(waiting, { code: "recovering" })
    else if (known === "expired") {
      this.#out.mark("range.token.expired")
      this.#fail(waiting, { code: "tokenExpired" })
    } else {
      this.#out.mark("range.token.repeated")
      this.#finish(waiting)
      this.#out.answer(session, replyOf(request.id, known.commitTs, known.body), known.commitTs, mono, wall)
    }
    return true
  }

  /** Does what was found of a request. `ts` is the one that was given to it, if it may write. */
  #carriedOut(
    waiting: Waiting,
    verdict: Verdict,
    context: ServiceContext,
    ts: Timestamp = 0,
  ): Batch | "done" {
    // A value whose own checksum is wrong: the bytes came back, and not those that were written.
    if (verdict.type === "damaged") this.#machine.markDamaged()
    if (this.#machine.checkDamage() || verdict.type === "damaged")
      return this.#fail(waiting, { code: "recovering" })
    const { request, session } = waiting
    switch (verdict.type) {
      case "refused": {
        const { error } = verdict
        const isOutcome = error.code === "notAnInteger" || error.code === "tooLarge"
        const keeps = request.token !== null && request.command === null && isOutcome
        return keeps
          ? this.#propose(waiting, ts, NO_WRITES, { type: "error", error })
          : this.#fail(waiting, error)
      }
      case "blocked":
        this.#release(waiting.ticket)
        this.#waiting.delete(waiting.ticket)
        waiting.ticket = 0
        this.#judge.queues.wait(waiting, verdict.wanted, verdict.met, context.mono)
        this.#blocked.set(waiting.place, waiting)
        this.#out.mark("txn.blocked")
        this.#wake()
        return "done"
      case "answered": {
        this.#finish(waiting)
        if (waiting.isOwn) this.#judge.queues.cleaned(cleanedBy(request))
        else {
          const { results, answer } = verdict
          this.#out.answer(
            session,
            { type: "ok", id: request.id, commitTs: verdict.ts, results, answer },
            verdict.ts,
            context.mono,
            context.wall,
          )
        }
        return "done"
      }
      case "proposed":
        return this.#propose(
          waiting,
          verdict.ts,
          verdict.writes,
          { type: "results", results: verdict.results },
          verdict,
        )
    }
  }

  #propose(
    waiting: Waiting,
    ts: Timestamp,
    writes: readonly Write[],
    body: OutcomeBody,
    verdict: Extract<Verdict, { readonly type: "proposed" }> | null = null,
  ): Batch | "done" {
    const { request, session, ticket, deadline } = waiting
    const { token, command, txn } = request
    let kept: KeptBody | null = null
    let all = writes
    if (token !== null && command === null) {
      const record = this.#tokens.record(request, token, ts, body)
      if (record === null) return this.#fail(waiting, { code: "recovering" })
      all = [...writes, ...record.writes]
      kept = record.kept
    }
    this.#waiting.delete(ticket)
    this.#judge.queues.leave(waiting)
    const reply = replyOf(request.id, ts, body, verdict?.answer ?? null)
    const aftermath = verdict?.aftermath ?? null
    const isTxn = txn !== null || command !== null
    const answered = waiting.isOwn || txn?.pipelined === true
    if (answered && !waiting.isOwn) this.#out.reply(session, reply)
    // What a transaction wrote is shown to nobody yet: its gateway waits for the clock when it commits.
    const commitTs = command === null && (txn === null || txn.onePhase !== null) ? ts : 0
    this.#proposing = { session, ticket, deadline, commitTs, reply, kept, isTxn, aftermath, answered }
    return batchOf(this.#machine, all, this.#clock.last)
  }

  /** The batch `pump` gave last is in the log at `index`. */
  proposed(index: LogIndex): void {
    invariant(this.#proposing !== null, "Cannot note a proposal: none was made")
    this.#proposals.set(index, this.#proposing)
    this.#proposing = null
  }

  #fail(waiting: Waiting, error: KernelError): "done" {
    this.#finish(waiting)
    if (waiting.isOwn) this.#judge.queues.cleaned(cleanedBy(waiting.request))
    else this.#out.refuse(waiting.session, waiting.request.id, error)
    return "done"
  }

  /** Those that nothing is in the way of any more come again; what is known of decided transactions is done. */
  #wake(): void {
    for (const place of this.#judge.locks.takeReady()) {
      const waiting = this.#blocked.get(place)
      if (waiting === undefined) continue
      this.#blocked.delete(place)
      this.#latch(waiting)
    }
    for (const cleaning of this.#judge.queues.takeCleanings()) {
      this.#out.mark("txn.cleaned")
      this.#latch(ownCleaning(this.#machine.descriptor, cleaning))
    }
  }

  /** A transaction ends: what it waits for here is wanted no longer. */
  #cancel(txn: TxnId): void {
    for (const place of this.#judge.locks.ticketsOf(txn).slice()) {
      const waiting =
        this.#blocked.get(place) ?? [...this.#waiting.values()].find((each) => each.place === place)
      if (waiting === undefined || waiting.answered) continue
      this.#out.refuse(waiting.session, waiting.request.id, { code: "txnAborted" })
      waiting.answered = true
      if (this.#blocked.delete(place)) this.#judge.queues.leave(waiting)
    }
    this.#wake()
  }

  /** What the record of a transaction said to a `push`; null: nobody could tell. */
  pushed(txn: TxnId, state: TxnState | null): void {
    this.#judge.queues.learned(txn, state)
    this.#wake()
  }

  /** Gives the latch of a request back that proposes nothing. */
  #finish(waiting: Waiting): void {
    this.#waiting.delete(waiting.ticket)
    this.#judge.queues.leave(waiting)
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
    if (proposal.kept !== null && !applied.rejected) this.#tokens.note(proposal.kept)
    if (proposal.isTxn && entry.payload.type === "batch") {
      this.#judge.applied(entry.payload.batch.writes, proposal.aftermath, applied.rejected, context.mono)
      this.#wake()
    }
    if (proposal.answered) return
    const { session, reply, commitTs } = proposal
    if (applied.rejected) {
      return this.#out.refuse(session, reply.id, {
        code: "staleGeneration",
        descriptor: this.#machine.descriptor,
      })
    }
    this.#out.answer(session, reply, commitTs, context.mono, context.wall)
  }

  /**
   * This replica leads now. The low-water of its first entry is what the old leader handed over, or else
   * two bounds above everything any old leader may have assigned or served.
   */
  becameLeader(
    highWater: Timestamp | null,
    context: ServiceContext,
    memory: string | null = null,
  ): Timestamp {
    if (memory !== null) this.#judge.remember(memory)
    const lowWater = this.#clock.lead(highWater, context.wall)
    this.#tokens.becameLeader()
    if (highWater !== null)
      this.#out.push({ type: "observe", observation: { type: "mark", name: "raft.transfer.highWater" } })
    return lowWater
  }

  /** Latches live as long as leadership. What was proposed may still commit; what was not, never will. */
  lostLeadership(context: ServiceContext): void {
    for (const waiting of [...this.#waiting.values(), ...this.#reads, ...this.#blocked.values()]) {
      if (waiting.answered || waiting.isOwn) continue
      this.#out.refuse(waiting.session, waiting.request.id, notLeader(context))
    }
    for (const proposal of this.#proposals.values()) {
      if (proposal.answered) continue
      this.#out.refuse(proposal.session, proposal.reply.id, { code: "outcomeUnknown" })
    }
    this.#waiting.clear()
    this.#reads = []
    this.#blocked.clear()
    this.#proposals.clear()
    this.#admitted = []
    this.#judge.lostLeadership()
    this.#latches.clear()
    this.#tokens.lostLeadership()
  }

  timePassed(context: ServiceContext): void {
    const { mono, wall } = context
    this.#out.timePassed(mono, wall)
    if (mono >= this.#judge.queues.deadline) {
      for (const waits of this.#judge.queues.tick(mono)) this.#out.push({ type: "waits", ...waits })
      this.#wake()
    }
    if (mono < this.#deadline) return
    this.#deadline = NEVER
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
        this.#out.refuse(waiting.session, waiting.request.id, tooLate)
      }
    }
    for (const [place, waiting] of this.#blocked) {
      if (waiting.deadline > context.mono) this.#wakeBy(waiting.deadline)
      else {
        this.#blocked.delete(place)
        this.#judge.queues.leave(waiting)
        this.#out.refuse(waiting.session, waiting.request.id, tooLate)
      }
    }
    this.#wake()
    this.#reads = this.#reads.filter((read) => {
      if (read.deadline > context.mono) {
        this.#wakeBy(read.deadline)
        return true
      }
      this.#out.refuse(read.session, read.request.id, tooLate)
      return false
    })
    for (const proposal of this.#proposals.values()) {
      if (proposal.answered) continue
      if (proposal.deadline > context.mono) this.#wakeBy(proposal.deadline)
      else {
        proposal.answered = true
        this.#out.refuse(proposal.session, proposal.reply.id, tooLate)
      }
    }
  }

  #wakeBy(mono: Mono): void {
    if (mono < this.#deadline) this.#deadline = mono
  }

  /** What is put away in logged steps, when nobody waits for it. */
  get housekeeping(): Housekeeping {
    return new Housekeeping(this.#machine, this.#tokens, this.#judge)
  }

  save(sink: Sink): void {
    invariant(this.#proposing === null, "Cannot save a service in the middle of a step")
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
    sink.uint(this.#blocked.size)
    for (const waiting of this.#blocked.values()) saveWaiting(waiting, sink)
    this.#out.save(sink)
    this.#clock.save(sink)
    this.#judge.save(sink)
    this.#tokens.save(sink)
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
    for (let left = reader.count(8); left > 0; left--) {
      const waiting = loadWaiting(reader)
      service.#blocked.set(waiting.place, waiting)
    }
    service.#out.load(reader)
    service.#clock.load(reader)
    service.#judge.load(reader)
    service.#tokens.load(reader)
    service.#deadline = reader.uint()
    return service
  }
}

const NO_WRITES: readonly Write[] = []

/** The keys that a leader's own request resolves. */
function cleanedBy({ command }: KvRequest): readonly string[] {
  return command?.type === "resolve" ? command.keys : []
}
