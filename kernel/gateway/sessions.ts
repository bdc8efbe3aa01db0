import type { KernelError } from "../errors.ts"
import type { Mono, TenantId, Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { unreachable } from "../lib/invariant.ts"
import {
  SAVEPOINTS_MAX,
  SESSION_TXNS_MAX,
  STORE_TXNS_MAX,
  TXN_HEARTBEAT_US,
  TXN_IDLE_US,
  TXN_QUEUE_MAX,
} from "../limits.ts"
import type { Timing } from "../node/config.ts"
import type { Effect } from "../node/effect.ts"
import type { Stamp } from "../node/input.ts"
import { Timers } from "../node/timers.ts"
import type { KvResult } from "../range/request.ts"
import { fromWall, Hlc } from "../time/hlc.ts"
import type { Anchor, TxnId } from "../txn/protocol.ts"
import { makeTxnId } from "../txn/txn-id.ts"
import type { TxnReply, TxnRequest } from "./client.ts"
import { keySpan } from "./course.ts"
import { settlementOf, type Decided } from "./commit.ts"
import type { Deadlocks } from "./deadlocks.ts"
import { anchorKeyOf, writesKey, type Executed, type Statement } from "./execute.ts"
import type { EndedJob, Flows } from "./flows.ts"
import { homeKey, nonceWord, type Self } from "./home.ts"
import type { Job } from "./jobs.ts"
import { ABORTED, changes, fault, loadOpen, saveOpen, TOO_LATE, type Open } from "./open.ts"
import type { Settlement } from "./settle.ts"
import { Draft, Transaction } from "./transaction.ts"

/** What is left behind a transaction is cleared up for so long; then it is left to whoever meets it. */
const SETTLE_US = 30_000_000
/** A heartbeat, or word that nobody waits any more, is as good as unanswered after this. */
const QUESTION_US = 5_000_000
/** A commit whose request is over in less is given as long. */
const COMMIT_US_MIN = 1_000_000
/** Of a transaction that was given no time of its own. */
const TXN_US = 3_600_000_000

/**
 * The sessions of a store and what they have open: requests of one transaction one after the other, each as a flow, with
 * its time, its heartbeats and its end.
 */
export class Sessions {
  /** Set by who makes it, before anything is asked. */
  flows: Flows
  readonly #self: Self
  readonly #timing: Timing
  readonly #deadlocks: Deadlocks
  readonly #open = new Map<TxnId, Open>()
  /** By session, by what it calls them. */
  readonly #ofSession = new Map<number, Map<number, TxnId>>()
  readonly #bySerial = new Map<number, TxnId>()
  #timers = new Timers()
  #serial = 0
  #hlc = new Hlc()
  readonly #out: Effect[]

  /** What is to be carried out is added to `out`. */
  constructor(self: Self, timing: Timing, flows: Flows, deadlocks: Deadlocks, out: Effect[]) {
    this.#self = self
    this.#timing = timing
    this.flows = flows
    this.#deadlocks = deadlocks
    this.#out = out
  }

  get deadline(): Mono {
    return this.#timers.earliest ?? Number.MAX_SAFE_INTEGER
  }

  /** One of this gateway that has not ended. */
  get(id: TxnId): Open | null {
    return this.#open.get(id) ?? null
  }

  timePassed(stamp: Stamp): void {
    for (let key = this.#timers.popDue(stamp.mono); key !== null; key = this.#timers.popDue(stamp.mono)) {
      const open = this.#open.get(this.#bySerial.get(key) ?? "")
      if (open !== undefined) this.#tend(open, stamp)
    }
  }

  /** Heartbeats, and the ends of transactions that nobody wants any more. */
  #tend(open: Open, stamp: Stamp): void {
    const { mono } = stamp
    if (mono >= open.deadlineMono) return this.end(open, TOO_LATE, stamp)
    if (open.flow === 0 && mono >= open.usedMono + TXN_IDLE_US) return this.end(open, TOO_LATE, stamp)
    if (mono >= open.beatMono) {
      open.beatMono = mono + TXN_HEARTBEAT_US
      if (open.beatFlow === 0) {
        open.hasBeaten = true
        const job: Job = { type: "heartbeat", txn: open.txn.begun.id }
        open.beatFlow = this.flows.begin(job, mono + QUESTION_US, stamp, open.txn)
      }
    }
    this.#wakeFor(open)
  }

  #wakeFor(open: Open): void {
    const idle = open.flow === 0 ? open.usedMono + TXN_IDLE_US : Number.MAX_SAFE_INTEGER
    this.#timers.atLatest(open.serial, Math.min(open.deadlineMono, open.beatMono, idle))
  }

  /** Ends a transaction from outside: at once, or when what is under way allows it. */
  end(open: Open, error: KernelError, stamp: Stamp): void {
    open.ending ??= error
    if (open.flow === 0) return this.#rollBack(open, error, stamp)
    const reason = error.code === "deadlock" ? "deadlock" : "deadline"
    this.#cancelFlow(open, reason, stamp)
  }

  #cancelFlow(open: Open, reason: "cancelled" | "deadline" | "deadlock", stamp: Stamp): void {
    const txn = open.txn.begun.id
    const ranges = [...new Set(this.flows.cancel(open.flow, reason, stamp))]
    if (ranges.length > 0)
      this.flows.begin({ type: "cancelWait", txn, ranges }, stamp.mono + QUESTION_US, stamp)
  }

  /** What a session asks. `refusal`: nothing new is begun here now. */
  request(session: number, request: TxnRequest, refusal: KernelError | null, stamp: Stamp): void {
    const wrong = fault(request)
    if (wrong !== null) this.#refuse(session, request.id, wrong, this.#find(session, request.txn) !== null)
    else this.#request(session, request, refusal, stamp)
  }

  #request(session: number, request: TxnRequest, refusal: KernelError | null, stamp: Stamp): void {
    const { id, action } = request
    const deadline = stamp.mono + (request.deadlineUs || this.#timing.requestDeadlineUs)
    switch (action.type) {
      case "leave":
        for (const open of this.#open.values())
          if (open.session === session) this.#leave(open.txn.begun.id, stamp)
        return
      case "outcome": {
        const { token } = action
        const key = action.key === "" ? homeKey(token) : action.key
        this.flows.begin(
          { type: "outcome", session, id, tenant: request.tenant, token, key },
          deadline,
          stamp,
        )
        return
      }
      case "begin":
      case "run": {
        const no = refusal ?? this.#noRoom(session, request, stamp)
        if (no !== null) return this.#refuse(session, id, no, false)
        return action.type === "begin"
          ? this.#begin(session, request, stamp)
          : this.#run(session, request, deadline, stamp)
      }
      default: {
        const open = this.#find(session, request.txn)
        if (open === null) return this.#refuse(session, id, { code: "noTransaction" }, false)
        open.usedMono = stamp.mono
        if (action.type === "cancel") {
          if (open.flow !== 0) this.#cancelFlow(open, "cancelled", stamp)
          return this.#reply(session, { type: "ok", id, readTs: 0, commitTs: 0, results: [] })
        }
        if (open.queue.length >= TXN_QUEUE_MAX) return this.#refuse(session, id, { code: "overloaded" }, true)
        open.queue.push(request)
        return this.#pump(open, stamp)
      }
    }
  }

  #find(session: number, handle: number): Open | null {
    const id = this.#ofSession.get(session)?.get(handle)
    return id === undefined ? null : (this.#open.get(id) ?? null)
  }

  #noRoom(session: number, { action, txn }: TxnRequest, stamp: Stamp): KernelError | null {
    if (this.#open.size >= STORE_TXNS_MAX) return { code: "tooManyTransactions", limit: STORE_TXNS_MAX }
    if (action.type !== "begin") return null
    const named = this.#ofSession.get(session)
    if (named?.has(txn) === true) return { code: "badRequest", reason: "a transaction of this name is open" }
    if (named !== undefined && named.size >= SESSION_TXNS_MAX)
      return { code: "tooManyTransactions", limit: SESSION_TXNS_MAX }
    // The future is not known yet, and waiting for it is the client's.
    if (action.readTs > this.#now(stamp)) return { code: "clockOutOfBound" }
    return null
  }

  #now(stamp: Stamp): Timestamp {
    return this.#hlc.now(stamp.wall)
  }

  #make(
    session: number,
    handle: number | null,
    tenant: TenantId,
    options: Pick<Transaction["begun"], "level" | "control" | "readOnly" | "token"> & {
      readonly readTs: number
    },
    anchorKey: string,
    deadlineMono: Mono,
    stamp: Stamp,
  ): Open {
    const { level, control, readOnly, token } = options
    const began = this.#now(stamp)
    const id = makeTxnId(began, this.#self.store, nonceWord(this.#self.nonce))
    const isPast = options.readTs > 0
    const readTs = isPast ? options.readTs : began
    // What lies in the past cannot have been acknowledged since.
    const limitTs = isPast ? 0 : readTs + fromWall(this.#timing.clockBoundUs)
    const anchor = anchorKey === "" ? { tenant, rangeId: 0, key: "" } : this.#anchorAt(tenant, anchorKey)
    const txn = new Transaction({ id, tenant, level, control, readOnly, token }, anchor, readTs, limitTs)
    const open: Open = {
      txn,
      serial: ++this.#serial,
      session,
      handle,
      beganMono: stamp.mono,
      deadlineMono,
      queue: [],
      current: null,
      flow: 0,
      beatFlow: 0,
      beatMono: Number.MAX_SAFE_INTEGER,
      hasBeaten: false,
      usedMono: stamp.mono,
      isLeaving: false,
      ending: null,
    }
    this.#open.set(id, open)
    this.#bySerial.set(open.serial, id)
    this.#out.push({ type: "observe", observation: { type: "txnBegan", txn: id, level, control } })
    return open
  }

  #begin(session: number, { id, txn, tenant, deadlineUs, action }: TxnRequest, stamp: Stamp): void {
    if (action.type !== "begin") return
    const key = action.token === null ? "" : homeKey(action.token)
    const open = this.#make(session, txn, tenant, action, key, stamp.mono + (deadlineUs || TXN_US), stamp)
    const named = this.#ofSession.get(session) ?? new Map<number, TxnId>()
    named.set(txn, open.txn.begun.id)
    this.#ofSession.set(session, named)
    this.#wakeFor(open)
    const { mode, readTs } = open.txn
    const shown = mode === "statement" || mode === "locking" ? 0 : readTs
    this.#reply(session, { type: "ok", id, readTs: shown, commitTs: 0, results: [] })
  }

  #run(session: number, request: TxnRequest, deadline: Mono, stamp: Stamp): void {
    const { action, tenant } = request
    if (action.type !== "run") return
    const { level, control, ops, wait, lock } = action
    const first = ops.find(writesKey)
    const isReading = first === undefined && lock === null
    const token = first === undefined ? null : action.token
    const options = { level, control, readOnly: isReading, token, readTs: 0 }
    const open = this.#make(session, null, tenant, options, first?.key ?? "", deadline, stamp)
    open.current = request
    this.#execute(open, { ops, wait, lock }, true, deadline, stamp)
  }

  #leave(id: TxnId, stamp: Stamp): void {
    const open = this.#open.get(id)
    if (open === undefined || open.isLeaving) return
    open.isLeaving = true
    open.queue = []
    if (open.flow === 0) this.#rollBack(open, null, stamp)
    else this.#cancelFlow(open, "cancelled", stamp)
  }

  /** Goes on with what is asked of a transaction, as long as nothing of it is under way. */
  #pump(open: Open, stamp: Stamp): void {
    while (open.flow === 0 && this.#open.has(open.txn.begun.id)) {
      const request = open.queue.shift()
      if (request === undefined) return this.#wakeFor(open)
      this.#do(open, request, stamp)
    }
  }

  #do(open: Open, request: TxnRequest, stamp: Stamp): void {
    const { txn, session } = open
    const { id, action } = request
    const ok: TxnReply = { type: "ok", id, readTs: txn.readTs, commitTs: 0, results: [] }
    const deadline = Math.min(
      stamp.mono + (request.deadlineUs || this.#timing.requestDeadlineUs),
      open.deadlineMono,
    )
    switch (action.type) {
      case "execute": {
        const { ops, wait, lock } = action
        if (txn.begun.readOnly && changes(ops, lock))
          return this.#refuse(session, id, { code: "readOnlyTransaction" }, true)
        open.current = request
        const isLast = action.commit && txn.mode !== "optimistic"
        return this.#execute(open, { ops, wait, lock }, isLast, deadline, stamp)
      }
      case "commit":
        open.current = request
        return this.#commit(open, NO_RESULTS, deadline, stamp)
      case "rollback":
        this.#rollBack(open, null, stamp)
        return this.#reply(session, ok)
      case "savepoint":
        if (txn.savepoints.length >= SAVEPOINTS_MAX)
          return this.#refuse(
            session,
            id,
            { code: "tooLarge", limit: SAVEPOINTS_MAX, actual: SAVEPOINTS_MAX + 1 },
            true,
          )
        txn.savepoints = [...txn.savepoints, { name: action.name, seq: txn.nextSeq }]
        return this.#reply(session, ok)
      case "release":
      case "rollbackTo": {
        const isDone = action.type === "release" ? txn.release(action.name) : txn.rollbackTo(action.name)
        if (isDone) return this.#reply(session, ok)
        return this.#refuse(
          session,
          id,
          { code: "badRequest", reason: "there is no savepoint of this name" },
          true,
        )
      }
      default:
        return this.#refuse(
          session,
          id,
          { code: "badRequest", reason: "cannot be asked of a transaction" },
          true,
        )
    }
  }

  /** From now on something of it may be anywhere, and somebody may ask whether it lives. */
  #anchor(open: Open, key: string | null, stamp: Stamp): void {
    const { txn, beganMono } = open
    if (txn.isAnchored || key === null) return
    txn.isAnchored = true
    if (txn.anchor.key === "") txn.anchor = this.#anchorAt(txn.begun.tenant, key)
    // One that began long ago is abandoned to whoever finds no record.
    const isOld = stamp.mono > beganMono + TXN_HEARTBEAT_US
    open.beatMono = isOld ? stamp.mono : stamp.mono + TXN_HEARTBEAT_US
  }

  #anchorAt(tenant: TenantId, key: string): Anchor {
    const [range] = this.flows.directory.cover(tenant, [keySpan(key)]) ?? []
    return { tenant, rangeId: range?.rangeId ?? 0, key }
  }

  #execute(open: Open, statement: Statement, isLast: boolean, deadline: Mono, stamp: Stamp): void {
    const txn = open.txn.begun.id
    this.#anchor(open, anchorKeyOf(open.txn, statement), stamp)
    const job: Job = isLast
      ? { type: "commit", txn, last: statement, results: [] }
      : { type: "execute", txn, statement }
    this.#start(open, job, deadline, stamp)
  }

  #commit(open: Open, results: readonly KvResult[], deadline: Mono, stamp: Stamp): void {
    const until = Math.max(deadline, stamp.mono + COMMIT_US_MIN)
    this.#anchor(open, open.txn.liveWrites()[0]?.[0] ?? null, stamp)
    this.#start(open, { type: "commit", txn: open.txn.begun.id, last: null, results }, until, stamp)
  }

  #start(open: Open, job: Job, deadline: Mono, stamp: Stamp): void {
    open.flow = this.flows.begin(job, deadline, stamp, open.txn)
    this.#wakeFor(open)
  }

  /** A flow of a transaction has ended, or its heartbeat has been answered. */
  ended({ flow, job, ended }: EndedJob, stamp: Stamp): void {
    switch (ended.type) {
      case "executed":
      case "decided": {
        const open = this.#open.get(ended.draft.txn.begun.id)!
        open.flow = 0
        open.usedMono = stamp.mono
        this.#deadlocks.ended(open.txn.begun.id)
        open.txn.apply(ended.draft)
        if (ended.type === "executed") this.#executed(open, ended.executed, stamp)
        else this.#decided(open, ended.decided, job, stamp)
        return this.#pump(open, stamp)
      }
      case "beaten": {
        const open = job.type === "heartbeat" ? this.#open.get(job.txn) : undefined
        if (open === undefined || open.beatFlow !== flow) return
        open.beatFlow = 0
        // Somebody has found it abandoned: what it goes on doing is in vain.
        if (ended.state?.status === "aborted") this.end(open, ABORTED, stamp)
        return
      }
      case "found":
        if (job.type === "outcome") this.#found(job, ended.outcome)
        return
      default:
        return
    }
  }

  #found(job: Extract<Job, { readonly type: "outcome" }>, outcome: Outcome | null): void {
    const { session, id } = job
    if (outcome === null) return this.#refuse(session, id, TOO_LATE, false)
    const { commitTs, results } = outcome
    const status = outcome.status === "none" ? "prevented" : outcome.status
    this.#reply(session, { type: "outcome", id, status, commitTs, results })
  }

  #executed(open: Open, executed: Executed, stamp: Stamp): void {
    const request = open.current!
    const { action } = request
    const isRun = action.type === "run"
    if (executed.type === "failed") {
      const isOver = executed.isOver || isRun || open.isLeaving || open.ending !== null
      open.current = null
      if (!isOver) return this.#refuse(open.session, request.id, executed.error, true)
      const error = open.ending ?? executed.error
      if (!open.isLeaving) this.#refuse(open.session, request.id, error, false)
      return this.#rollBack(open, error, stamp)
    }
    if (open.isLeaving || open.ending !== null) {
      open.current = null
      if (!open.isLeaving) this.#refuse(open.session, request.id, open.ending!, false)
      return this.#rollBack(open, open.ending, stamp)
    }
    if (isRun || (action.type === "execute" && action.commit)) {
      return this.#commit(open, executed.results, stamp.mono + this.#timing.requestDeadlineUs, stamp)
    }
    open.current = null
    const { readTs } = open.txn
    this.#reply(open.session, { type: "ok", id: request.id, readTs, commitTs: 0, results: executed.results })
  }

  #decided(open: Open, decided: Decided, job: Job, stamp: Stamp): void {
    const request = open.current!
    const { session } = open
    const { id, action } = request
    switch (decided.type) {
      case "notAtOnce": {
        const statement = job.type === "commit" ? job.last! : null
        if (open.isLeaving || open.ending !== null || statement === null) {
          open.current = null
          if (!open.isLeaving) this.#refuse(session, id, open.ending ?? ABORTED, false)
          return this.#rollBack(open, open.ending, stamp)
        }
        const deadlineUs = request.deadlineUs || this.#timing.requestDeadlineUs
        const deadline = Math.min(stamp.mono + deadlineUs, open.deadlineMono)
        return this.#execute(open, statement, false, deadline, stamp)
      }
      case "committed": {
        const { commitTs, results } = decided
        if (!open.isLeaving)
          this.#reply(session, { type: "ok", id, readTs: open.txn.readTs, commitTs, results })
        this.#close(open, { type: "committed", commitTs }, stamp)
        return this.clearUp(decided.settlement ?? this.#recordOf(open), stamp)
      }
      case "failed": {
        open.current = null
        const error = open.ending ?? decided.error
        if (decided.isOpen && action.type !== "run" && !open.isLeaving && open.ending === null)
          return this.#refuse(session, id, error, true)
        // What nobody knows is not called by another name.
        const shown = decided.error.code === "outcomeUnknown" ? decided.error : error
        if (!open.isLeaving) this.#refuse(session, id, shown, false)
        this.#close(open, { type: "failed", error: shown }, stamp)
        return this.clearUp(decided.settlement, stamp)
      }
      default:
        return unreachable(decided)
    }
  }

  /** Of one that was committed at once, after it had said that it lives. */
  #recordOf({ txn, hasBeaten }: Open): Settlement | null {
    if (!hasBeaten) return null
    const { id, tenant } = txn.begun
    const nothing = { record: "nothing", rolledBack: [], keys: [], spans: [] } as const
    return { txn: id, tenant, anchor: txn.anchor, commitTs: null, isWhole: true, ...nothing }
  }

  #rollBack(open: Open, error: KernelError | null, stamp: Stamp): void {
    const settlement = settlementOf(new Draft(open.txn), null, open.hasBeaten ? "abort" : "nothing")
    this.#close(open, error === null ? { type: "rolledBack" } : { type: "failed", error }, stamp)
    this.clearUp(settlement, stamp)
  }

  /** It is no more. What was still asked of it is told so. */
  #close(open: Open, how: How, stamp: Stamp): void {
    const { id } = open.txn.begun
    if (open.beatFlow !== 0) this.flows.drop(open.beatFlow)
    this.#open.delete(id)
    this.#bySerial.delete(open.serial)
    this.#timers.forget(open.serial)
    this.#deadlocks.ended(id)
    const named = this.#ofSession.get(open.session)
    if (open.handle !== null && named !== undefined) {
      named.delete(open.handle)
      if (named.size === 0) this.#ofSession.delete(open.session)
    }
    for (const request of open.queue)
      this.#refuse(
        open.session,
        request.id,
        how.type === "failed" ? how.error : { code: "noTransaction" },
        false,
      )
    open.queue = []
    const error = how.type === "failed" ? how.error : null
    this.#out.push({
      type: "observe",
      observation: {
        type: "txnEnded",
        txn: id,
        level: open.txn.begun.level,
        control: open.txn.begun.control,
        outcome: how.type,
        code: error?.code ?? null,
        reason: error?.code === "txnRestart" ? error.reason : null,
        key: error !== null && "key" in error ? error.key : null,
        commitTs: how.type === "committed" ? how.commitTs : 0,
        latencyUs: stamp.mono - open.beganMono,
        writes: open.txn.writes.size,
      },
    })
  }

  clearUp(settlement: Settlement | null, stamp: Stamp): void {
    if (settlement !== null) this.flows.begin({ type: "settle", settlement }, stamp.mono + SETTLE_US, stamp)
  }

  #reply(session: number, reply: TxnReply): void {
    this.#out.push({ type: "txnReply", session, reply, barrier: null })
  }

  #refuse(session: number, id: number, error: KernelError, isOpen: boolean): void {
    this.#reply(session, { type: "error", id, error, isOpen })
  }

  /** What it has in hand; `oldestReadTs` 0 when nothing is open. */
  status(): OpenStatus {
    let oldestReadTs = 0
    let writes = 0
    for (const { txn } of this.#open.values()) {
      oldestReadTs = oldestReadTs === 0 ? txn.readTs : Math.min(oldestReadTs, txn.readTs)
      writes += txn.writes.size
    }
    return { open: this.#open.size, oldestReadTs, writes }
  }

  save(sink: Sink): void {
    sink.uint(this.#open.size)
    for (const open of this.#open.values()) saveOpen(open, sink)
    this.#timers.save(sink)
    sink.uint(this.#serial)
    this.#hlc.save(sink)
  }

  /** Into one that has nothing open. */
  load(reader: ByteReader): void {
    for (let left = reader.count(30); left > 0; left--) this.#known(loadOpen(reader))
    this.#timers = Timers.load(reader)
    this.#serial = reader.uint()
    this.#hlc = Hlc.load(reader)
  }

  #known(open: Open): void {
    const { id } = open.txn.begun
    this.#open.set(id, open)
    this.#bySerial.set(open.serial, id)
    if (open.handle === null) return
    const named = this.#ofSession.get(open.session) ?? new Map<number, TxnId>()
    named.set(open.handle, id)
    this.#ofSession.set(open.session, named)
  }
}

/** `oldestReadTs` is 0 when nothing is open; `writes` are keys. */
export type OpenStatus = {
  readonly open: number
  readonly oldestReadTs: Timestamp
  readonly writes: number
}

type Outcome = NonNullable<Extract<EndedJob["ended"], { readonly type: "found" }>["outcome"]>
type How =
  | { readonly type: "committed"; readonly commitTs: Timestamp }
  | { readonly type: "rolledBack" }
  | { readonly type: "failed"; readonly error: KernelError }

const NO_RESULTS: readonly KvResult[] = []
