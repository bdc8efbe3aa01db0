import type { KernelError } from "#kernel/errors.ts"
import type { StoreId, Timestamp } from "#kernel/ids.ts"
import { contains, type RangeDescriptor } from "#kernel/range/descriptor.ts"
import type { KvOp, KvReply, KvRequest, KvResult, Token } from "#kernel/range/request.ts"
import { aheadUs, fromWall } from "#kernel/time/hlc.ts"
import type {
  Anchor,
  KeySpan,
  LockStrength,
  Promised,
  SeqSpan,
  TxnAnswer,
  TxnCommand,
  TxnId,
  TxnMeta,
  TxnState,
  TxnStatus,
} from "#kernel/txn/protocol.ts"
import { beginOf } from "#kernel/txn/txn-id.ts"
import { covers, isBack, overlap, runOp, spanOf } from "./txn-model-ops.ts"

/**
 * The leader of one range as ADR 50 has it, without log, latches or replicas: what it decides is there at once. It says what
 * the words between gateways and ranges mean, in as few lines as that takes.
 */

export type Version = { readonly ts: Timestamp; readonly value: string | null; readonly by: TxnId | null }
type Intent = {
  readonly txn: TxnId
  readonly anchor: Anchor
  history: { readonly seq: number; readonly value: string | null; readonly result: KvResult }[]
  writeTs: Timestamp
}
type TxnRecord = {
  status: TxnStatus
  /** Committed or staged at; pending: not to be committed below. */
  ts: Timestamp
  promised: readonly Promised[]
  rolledBack: readonly SeqSpan[]
  beatMono: number
}
type Lock = {
  readonly txn: TxnId
  readonly anchor: Anchor
  readonly span: KeySpan
  readonly strength: LockStrength
}
type Waiter = {
  readonly request: KvRequest
  readonly reply: (reply: KvReply) => void
  readonly ticket: number
  readonly sinceMono: number
  readonly deadlineMono: number
  for: readonly TxnId[]
  toldFor: string
}
type Outcome = Extract<TxnAnswer, { readonly type: "outcome" }>

/** What a leader says to the store it is on. */
export type ModelEffect =
  | { readonly type: "push"; readonly txn: TxnId; readonly anchor: Anchor; readonly minCommitTs: Timestamp }
  | { readonly type: "waits"; readonly txn: TxnId; readonly for: readonly TxnId[]; readonly ticket: number }

/** Why a request is not answered yet: these are in its way, and this has to be known of them. */
type Blocked = { readonly blocked: readonly TxnId[]; readonly push: readonly ModelEffect[] }
type Evaluated = KvReply | Blocked

const ABANDONED_US = 5_000_000
const WAITS_US = 100_000
export const BOUND_US = 250_000

export class ModelRange {
  descriptor: RangeDescriptor
  store: StoreId
  readonly versions: Map<string, Version[]> = new Map()
  readonly intents: Map<string, Intent> = new Map()
  readonly records: Map<TxnId, TxnRecord> = new Map()
  readonly #outcomes = new Map<string, Outcome>()
  #locks: Lock[] = []
  #waiters: Waiter[] = []
  /** What was found out about transactions that are in somebody's way. */
  readonly #known = new Map<TxnId, TxnState>()
  readonly #asked = new Set<TxnId>()
  /** Nothing may be written at or below it. */
  #high: Timestamp
  #ticket = 0
  #mono = 0
  #wall = 0
  effects: ModelEffect[] = []

  constructor(descriptor: RangeDescriptor, store: StoreId, wall: number) {
    this.descriptor = descriptor
    this.store = store
    this.#high = fromWall(wall)
  }

  get #now(): Timestamp {
    return Math.max(this.#high, fromWall(this.#wall))
  }

  #next(above: Timestamp): Timestamp {
    this.#high = Math.max(this.#now, above) + 1
    return this.#high
  }

  // ── From outside ─────────────────────────────────────────────────────────────────────────────────

  request(request: KvRequest, reply: (reply: KvReply) => void, mono: number, wall: number): void {
    this.#mono = mono
    this.#wall = wall
    const deadlineMono = mono + request.deadlineUs
    const waiter: Waiter = {
      request,
      reply,
      ticket: ++this.#ticket,
      sinceMono: mono,
      deadlineMono,
      for: [],
      toldFor: "",
    }
    this.#waiters.push(waiter)
    this.#go()
  }

  /** What the store has found out; null: nothing. */
  pushed(txn: TxnId, state: TxnState | null, mono: number, wall: number): void {
    this.#mono = mono
    this.#wall = wall
    this.#asked.delete(txn)
    if (state !== null) this.#known.set(txn, state)
    this.#go()
  }

  /** To be called every few milliseconds. */
  timePassed(mono: number, wall: number): void {
    this.#mono = mono
    this.#wall = wall
    for (const waiter of this.#waiters) {
      if (waiter.deadlineMono > mono) continue
      waiter.reply({ type: "error", id: waiter.request.id, error: { code: "deadlineExceeded" } })
    }
    this.#waiters = this.#waiters.filter(({ deadlineMono }) => deadlineMono > mono)
    // Those in the way may have changed since they were looked at.
    for (const [txn, { status }] of this.#known)
      if (status === "pending" || status === "staging") this.#known.delete(txn)
    this.#go()
    for (const waiter of this.#waiters) {
      const { txn } = waiter.request
      if (txn === null || mono < waiter.sinceMono + WAITS_US || waiter.toldFor === waiter.for.join()) continue
      waiter.toldFor = waiter.for.join()
      this.effects.push({ type: "waits", txn: txn.id, for: waiter.for, ticket: waiter.ticket })
    }
  }

  /** Its leader dies, and another takes over: locks and whoever waits are forgotten, what is written stands. */
  leaderLost(): void {
    for (const { reply, request } of this.#waiters)
      reply({ type: "error", id: request.id, error: { code: "outcomeUnknown" } })
    this.#waiters = []
    this.#locks = []
    this.#known.clear()
    this.#asked.clear()
    this.#high = Math.max(this.#high, fromWall(this.#wall + 2 * BOUND_US))
  }

  /** Tries all who wait, the oldest first, as long as that changes anything. */
  #go(): void {
    for (let changed = true; changed;) {
      changed = false
      for (const waiter of this.#waiters.slice()) {
        if (!this.#waiters.includes(waiter)) continue
        const done = this.#evaluate(waiter)
        if ("blocked" in done) {
          waiter.for = done.blocked
          for (const effect of done.push) this.#ask(effect)
          continue
        }
        this.#waiters.splice(this.#waiters.indexOf(waiter), 1)
        waiter.reply(done)
        changed = true
      }
    }
  }

  #ask(effect: ModelEffect): void {
    if (this.#asked.has(effect.txn)) return
    this.#asked.add(effect.txn)
    this.effects.push(effect)
  }

  // ── Requests ─────────────────────────────────────────────────────────────────────────────────────

  #evaluate({ request, ticket }: Waiter): Evaluated {
    const { id, generation, command, txn, token } = request
    if (generation < this.descriptor.generation)
      return { type: "error", id, error: { code: "staleGeneration", descriptor: this.descriptor } }
    if (command !== null) return this.#command(id, command, token)
    for (const op of request.ops) {
      const key = op.type === "scan" ? op.start : op.key
      if (!contains(this.descriptor, key)) return { type: "error", id, error: { code: "keyOutOfRange", key } }
    }
    return txn === null
      ? refused(id, { code: "badRequest", reason: "no transaction" })
      : this.#ops(request, txn, ticket)
  }

  #ops(request: KvRequest, txn: TxnMeta, ticket: number): Evaluated {
    const { id, ops, token } = request
    if (token !== null) {
      const known = this.#outcomes.get(nameOf(txn.anchor.key, token))
      if (known?.status === "committed")
        return { type: "ok", id, commitTs: known.commitTs, results: known.results ?? [], answer: null }
      if (known !== undefined) return refused(id, { code: "tokenExpired" })
    }
    const writes = ops.filter((op) => op.type !== "get" && op.type !== "scan")
    const isLocking = txn.level === "serializable" && txn.control === "locking"
    const lock = txn.lock ?? (isLocking && txn.readTs === 0 && txn.onePhase === null ? "shared" : null)
    const inTheWay = this.#inTheWay(txn, ops, lock, ticket)
    if (inTheWay !== null) {
      if (txn.wait !== "noWait" || !inTheWay.blocked.every((by) => this.#known.has(by))) return inTheWay
      const [by] = inTheWay.blocked
      return refused(id, { code: "lockNotAvailable", key: "", by: by ?? null })
    }
    // Nothing is acknowledged before the clock has reached its timestamp: here it is not even done before.
    if (txn.onePhase !== null && aheadUs(this.#now + 1, this.#wall) > 0) return { blocked: [], push: [] }
    const readTs = txn.readTs === 0 ? this.#now : txn.readTs
    for (const span of txn.onePhase ?? []) {
      const changed = this.#changed(span, span.fromTs, this.#now + 1, txn.id)
      if (changed !== null)
        return refused(id, restart("readSpanChanged", changed.key, changed.at, changed.by))
    }
    const unseen = this.#unseen(id, txn, ops, readTs)
    if (unseen !== null) return unseen
    for (const op of writes) {
      const newest = this.versions.get(op.key)?.at(-1)
      const isSnapshot = txn.level === "snapshot" && txn.readTs > 0
      if (isSnapshot && newest !== undefined && newest.ts > readTs && !this.#isKnownWrite(op.key, txn))
        return refused(id, restart("writeTooOld", op.key, newest.ts, null))
    }
    return this.#carryOut(request, txn, readTs, lock)
  }

  #isKnownWrite(key: string, txn: TxnMeta): boolean {
    return this.intents.get(key)?.txn === txn.id
  }

  #carryOut(
    { id, ops, token }: KvRequest,
    txn: TxnMeta,
    readTs: Timestamp,
    lock: LockStrength | null,
  ): KvReply {
    const isWriting = ops.some((op) => op.type !== "get" && op.type !== "scan")
    this.#high = Math.max(this.#high, readTs)
    const own = new Map<string, string | null>()
    const results: KvResult[] = []
    const written: { key: string; seq: number; value: string | null; result: KvResult }[] = []
    for (const [i, op] of ops.entries()) {
      const seq = txn.seq + i
      const again =
        op.type === "scan" ? undefined : this.#historyOf(op.key, txn.id).find((each) => each.seq === seq)
      if (again !== undefined && op.type !== "scan") {
        // It came before: it is answered as it was then.
        own.set(op.key, again.value)
        results.push(again.result)
        continue
      }
      const ran = runOp(
        op,
        (key) => own.get(key) ?? (own.has(key) ? null : this.#read(key, readTs, txn, seq)),
        () => this.#keysFor(op, own),
      )
      if ("error" in ran) return refused(id, ran.error)
      if (ran.write !== undefined && op.type !== "scan") {
        own.set(op.key, ran.write)
        written.push({ key: op.key, seq, value: ran.write, result: ran.result })
      }
      results.push(ran.result)
      if (lock !== null && (op.type === "get" || op.type === "scan"))
        this.#locks.push({ txn: txn.id, anchor: txn.anchor, span: spanOf(op), strength: lock })
    }
    if (!isWriting) return { type: "ok", id, commitTs: readTs, results, answer: null }
    const writeTs = this.#next(txn.writeTs)
    for (const each of written) {
      if (txn.onePhase !== null) {
        this.#put(each.key, { ts: writeTs, value: each.value, by: txn.id })
        continue
      }
      const intent = this.intents.get(each.key) ?? { txn: txn.id, anchor: txn.anchor, history: [], writeTs }
      intent.writeTs = writeTs
      intent.history.push(each)
      this.intents.set(each.key, intent)
    }
    if (txn.onePhase !== null) {
      this.#locks = this.#locks.filter((each) => each.txn !== txn.id)
      if (token !== null)
        this.#outcomes.set(nameOf(txn.anchor.key, token), {
          type: "outcome",
          status: "committed",
          commitTs: writeTs,
          results,
        })
    }
    return { type: "ok", id, commitTs: writeTs, results, answer: null }
  }

  #put(key: string, version: Version): void {
    // It may come from where the clock is ahead: whatever is written next lies above.
    this.#high = Math.max(this.#high, version.ts)
    const versions = this.versions.get(key) ?? []
    if (versions.at(-1)?.ts === version.ts) versions.pop()
    versions.push(version)
    versions.sort((a, b) => a.ts - b.ts)
    this.versions.set(key, versions)
  }

  // ── Who is in the way ────────────────────────────────────────────────────────────────────────────

  /** Null: nobody. Writers and lockers wait for intents and locks; readers for what may be below their snapshot. */
  #inTheWay(txn: TxnMeta, ops: readonly KvOp[], lock: LockStrength | null, ticket: number): Blocked | null {
    const blocked = new Set<TxnId>()
    const push: ModelEffect[] = []
    const meet = (intent: Intent, minCommitTs: Timestamp): void => {
      blocked.add(intent.txn)
      push.push({ type: "push", txn: intent.txn, anchor: intent.anchor, minCommitTs })
    }
    const limit = Math.max(txn.readTs === 0 ? this.#now : txn.readTs, txn.limitTs)
    for (const op of ops) {
      const isWrite = op.type !== "get" && op.type !== "scan"
      const span = spanOf(op)
      for (const [key, intent] of this.intents) {
        if (intent.txn === txn.id || !covers(span, key)) continue
        const known = this.#known.get(intent.txn)
        if (known?.status === "committed" || known?.status === "aborted") {
          this.#resolve(key, intent, known.status === "committed" ? known.ts : null, known.rolledBack)
        } else if (isWrite || lock !== null) meet(intent, 0)
        else if (intent.writeTs <= limit && !(known?.status === "pending" && known.ts > limit))
          meet(intent, limit)
      }
      const wanted = isWrite ? "exclusive" : lock
      if (wanted === null) continue
      for (const held of this.#locks) {
        const isConflict = held.txn !== txn.id && (held.strength === "exclusive" || wanted === "exclusive")
        if (!isConflict || !overlap(held.span, span)) continue
        const status = this.#known.get(held.txn)?.status
        // Whoever has ended, or is found to be dead, holds nothing.
        if (status === "committed" || status === "aborted") continue
        blocked.add(held.txn)
        push.push({ type: "push", txn: held.txn, anchor: held.anchor, minCommitTs: 0 })
      }
      // Nobody overtakes somebody it conflicts with, but who holds something already.
      if (this.#locks.some((each) => each.txn === txn.id && overlap(each.span, span))) continue
      for (const waiter of this.#waiters) {
        if (waiter.ticket >= ticket || waiter.request.txn === null || waiter.for.length === 0) continue
        if (waiter.request.txn.id === txn.id) continue
        const isConflict = waiter.request.ops.some((other) => {
          const isOtherWrite = other.type !== "get" && other.type !== "scan"
          return (isOtherWrite || (isWrite && locksOf(waiter.request.txn!))) && overlap(spanOf(other), span)
        })
        if (isConflict) blocked.add(waiter.request.txn.id)
      }
    }
    return blocked.size === 0 ? null : { blocked: [...blocked].sort(), push }
  }

  /** Something may have been acknowledged before the transaction began, and its snapshot does not hold it. */
  #unseen(id: number, txn: TxnMeta, ops: readonly KvOp[], readTs: Timestamp): KvReply | null {
    if (txn.readTs === 0) return null
    for (const op of ops) {
      const span = spanOf(op)
      for (const [key, versions] of this.versions) {
        if (!covers(span, key)) continue
        const newer = versions.findLast(({ ts }) => ts > readTs && ts <= txn.limitTs)
        if (newer !== undefined) return refused(id, restart("uncertainty", key, newer.ts, null))
      }
    }
    return null
  }

  #changed(
    span: KeySpan,
    fromTs: Timestamp,
    toTs: Timestamp,
    txn: TxnId,
  ): { readonly key: string; readonly at: Timestamp; readonly by: TxnId | null } | null {
    for (const [key, intent] of this.intents) {
      if (intent.txn === txn || !covers(span, key)) continue
      const known = this.#known.get(intent.txn)
      if (known?.status === "committed" || known?.status === "aborted")
        this.#resolve(key, intent, known.status === "committed" ? known.ts : null, known.rolledBack)
      else if (intent.writeTs <= toTs) {
        this.#ask({ type: "push", txn: intent.txn, anchor: intent.anchor, minCommitTs: 0 })
        return { key, at: intent.writeTs, by: intent.txn }
      }
    }
    for (const [key, versions] of this.versions) {
      if (!covers(span, key)) continue
      const found = versions.find(({ ts, by }) => ts > fromTs && ts <= toTs && by !== txn)
      if (found !== undefined) return { key, at: found.ts, by: null }
    }
    return null
  }

  #historyOf(key: string, txn: TxnId): Intent["history"] {
    const intent = this.intents.get(key)
    return intent?.txn === txn ? intent.history : []
  }

  #read(key: string, readTs: Timestamp, txn: TxnMeta, before: number): string | null {
    // One that comes again does not see what came after it the first time.
    const mine = this.#historyOf(key, txn.id).findLast(
      ({ seq }) => seq < before && !isBack(txn.rolledBack, seq),
    )
    if (mine !== undefined) return mine.value
    return this.versions.get(key)?.findLast(({ ts }) => ts <= readTs)?.value ?? null
  }

  #keysFor(op: KvOp, own: ReadonlyMap<string, string | null>): readonly string[] {
    const keys = new Set([...this.versions.keys(), ...this.intents.keys(), ...own.keys()])
    return [...keys].filter((key) => covers(spanOf(op), key)).sort()
  }

  #resolve(key: string, intent: Intent, commitTs: Timestamp | null, rolledBack: readonly SeqSpan[]): void {
    this.intents.delete(key)
    if (commitTs === null || intent.writeTs > commitTs) return
    const last = intent.history.findLast(({ seq }) => !isBack(rolledBack, seq))
    if (last !== undefined) this.#put(key, { ts: commitTs, value: last.value, by: intent.txn })
  }

  // ── Commands ─────────────────────────────────────────────────────────────────────────────────────

  #command(id: number, command: TxnCommand, token: Token | null): KvReply {
    const [at] =
      command.type === "queryOutcome" ? [command.key] : "anchor" in command ? [command.anchor.key] : [null]
    if (at !== null && !contains(this.descriptor, at)) return refused(id, { code: "keyOutOfRange", key: at })
    const answer = this.#answer(command, token)
    return "code" in answer ? refused(id, answer) : { type: "ok", id, commitTs: 0, results: [], answer }
  }

  #answer(command: TxnCommand, token: Token | null): TxnAnswer | KernelError {
    switch (command.type) {
      case "refresh": {
        for (const span of command.spans) {
          const changed = this.#changed(span, span.fromTs, command.toTs, command.txn)
          if (changed !== null) return { type: "changed", ...changed }
        }
        this.#high = Math.max(this.#high, command.toTs)
        return { type: "refreshed" }
      }
      case "queryIntent": {
        let isThere = true
        for (const { key, seq } of command.writes) {
          const intent = this.intents.get(key)
          const isHere =
            intent?.txn === command.txn &&
            intent.writeTs <= command.ts &&
            intent.history.some((each) => each.seq === seq)
          isThere &&= isHere
          if (!isHere && command.prevent) this.#high = Math.max(this.#high, command.ts)
        }
        return { type: "intent", isThere }
      }
      case "resolve":
        for (const [key, intent] of this.intents) {
          if (intent.txn !== command.txn) continue
          if (command.keys.includes(key) || command.spans.some((span) => covers(span, key)))
            this.#resolve(key, intent, command.commitTs, command.rolledBack)
        }
        this.#locks = this.#locks.filter(({ txn }) => txn !== command.txn)
        return { type: "done" }
      case "forget":
        this.records.delete(command.txn)
        return { type: "done" }
      case "queryWait": {
        const waiter = this.#waiters.find(({ ticket }) => ticket === command.ticket)
        const isHere = waiter !== undefined && waiter.request.txn?.id === command.txn
        return { type: "waits", for: isHere ? waiter.for : [] }
      }
      case "cancelWait":
        for (const { request, reply } of this.#waiters)
          if (request.txn?.id === command.txn) reply(refused(request.id, { code: "cancelled" }))
        this.#waiters = this.#waiters.filter(({ request }) => request.txn?.id !== command.txn)
        return { type: "done" }
      case "protect":
        return { type: "done" }
      case "queryOutcome": {
        const name = nameOf(command.key, command.token)
        const known = this.#outcomes.get(name)
        if (known !== undefined) return known
        const none: Outcome = { type: "outcome", status: "none", commitTs: 0, results: null }
        if (command.prevent) this.#outcomes.set(name, { ...none, status: "prevented" })
        return none
      }
      default:
        return this.#record(command, token)
    }
  }

  #record(
    command: Extract<TxnCommand, { readonly anchor: Anchor }>,
    token: Token | null,
  ): TxnAnswer | KernelError {
    const { txn } = command
    const found = this.records.get(txn)
    const age = this.#wall - Math.floor((beginOf(txn) ?? 0) / 2048) * 1000
    const record: TxnRecord = found ?? {
      status: "pending",
      ts: 0,
      promised: [],
      rolledBack: [],
      beatMono: age > ABANDONED_US ? Number.MIN_SAFE_INTEGER : this.#mono,
    }
    const isAbandoned = record.beatMono + ABANDONED_US < this.#mono
    const isOpen = record.status === "pending" || record.status === "staging"
    const state = (): TxnAnswer => ({
      type: "state",
      state: {
        status: record.status,
        ts: record.ts,
        promised: record.promised,
        rolledBack: record.rolledBack,
        isAbandoned,
      },
    })
    switch (command.type) {
      case "heartbeat":
        if (isOpen) record.beatMono = this.#mono
        break
      case "stage": {
        if (!isOpen) return state()
        const name = token === null ? "" : nameOf(command.anchor.key, token)
        const known = this.#outcomes.get(name)
        if (known !== undefined) return known
        if (command.commitTs < record.ts && record.status === "pending") return state()
        if (aheadUs(command.commitTs, this.#wall) > BOUND_US) return { code: "clockOutOfBound" }
        record.beatMono = this.#mono
        record.status = command.promised.length === 0 ? "committed" : "staging"
        record.ts = command.commitTs
        record.promised = command.promised
        record.rolledBack = command.rolledBack
        if (token !== null) {
          const { commitTs, results } = command
          this.#outcomes.set(name, { type: "outcome", status: "committed", commitTs, results })
        }
        break
      }
      case "commit":
        if (record.status === "staging" && record.ts === command.commitTs) record.status = "committed"
        break
      case "abort":
        if (
          isOpen &&
          (command.ifStagedAt === null || (record.status === "staging" && record.ts === command.ifStagedAt))
        )
          record.status = "aborted"
        break
      case "push":
        if (record.status === "pending" && isAbandoned) record.status = "aborted"
        else if (record.status === "pending") record.ts = Math.max(record.ts, command.minCommitTs + 1)
        break
      default:
        break
    }
    this.records.set(txn, record)
    return state()
  }
}

function refused(id: number, error: KernelError): KvReply {
  return { type: "error", id, error }
}

type Reason = Extract<KernelError, { readonly code: "txnRestart" }>["reason"]

function restart(reason: Reason, key: string, at: Timestamp, by: TxnId | null): KernelError {
  return { code: "txnRestart", reason, key, at, by }
}

function locksOf({ level, control, lock }: TxnMeta): boolean {
  return lock !== null || (level === "serializable" && control === "locking")
}

function nameOf(key: string, { client, seq }: Token): string {
  return `${key}/${client}/${seq}`
}
