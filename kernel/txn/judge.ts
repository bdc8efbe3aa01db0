import type { Write } from "../engine/engine.ts"
import type { Mono, Timestamp, Wall } from "../ids.ts"
import { ByteReader, ByteWriter, type Sink } from "../lib/bytes.ts"
import { bytesFromLatin1 } from "../lib/latin1.ts"
import { INTENT_BYTES_MAX, LOCKS_MAX } from "../limits.ts"
import { findNewer } from "../mvcc/newer.ts"
import { isLocking } from "../range/asked.ts"
import { evaluate, type Evaluation, type OpWrite } from "../range/evaluate.ts"
import type { RangeClock } from "../range/range-clock.ts"
import type { KvOp, KvResult } from "../range/request.ts"
import type { StateMachine } from "../range/state-machine.ts"
import { touched } from "../range/validate.ts"
import { fromWall } from "../time/hlc.ts"
import type { Aftermath } from "./aftermath.ts"
import { IntentsHere } from "./intents-here.ts"
import { putIntent, visibleWrite, withWrites, type Intent, type IntentRow } from "./intent.ts"
import type { KnownTxns } from "./known.ts"
import { pointLock, type Lock, type LockTable, type Met } from "./lock-table.ts"
import type { KeySpan, LockStrength, ReadSpan, RestartReason, TxnId, TxnMeta } from "./protocol.ts"
import { Queues } from "./queues.ts"
import type { Timing } from "../node/config.ts"
import { VersionGc } from "./version-gc.ts"
import { RecordFloor } from "./record-floor.ts"
import type { Case, Verdict } from "./verdict.ts"

const DAMAGED: Verdict = { type: "damaged" }
const TOO_OLD: Verdict = { type: "refused", error: { code: "snapshotTooOld" } }
const NO_LOCKS: readonly Lock[] = []
const FOREVER = Number.MAX_SAFE_INTEGER
/** Of locks, in the message that hands leadership over. */
const HANDED_BYTES_MAX = 1 << 20
/** How far above itself a request pushes whose timestamp is another one when it comes again. */
const PUSH_SLACK: Timestamp = fromWall(20_000)

/**
 * What transactions do in one range, as its leader sees it: who reads what, who must wait for whom, what becomes an
 * intent. It judges under latches, from applied state; what it remembers beside that goes with leadership, and whatever
 * rests on it is checked again before it counts. ADR 50.
 */
export class Judge {
  readonly machine: StateMachine
  readonly clock: RangeClock
  readonly intents: IntentsHere
  readonly queues: Queues = new Queues()
  readonly floor: RecordFloor
  readonly gc: VersionGc

  constructor(machine: StateMachine, clock: RangeClock, timing: Timing) {
    this.machine = machine
    this.clock = clock
    this.intents = new IntentsHere(machine)
    this.floor = new RecordFloor(machine)
    this.gc = new VersionGc(machine, timing)
  }

  /** All of older terms is applied. */
  begin(mono: Mono): void {
    if (!this.intents.count()) return
    this.floor.begin(mono)
    this.gc.begin(mono)
  }

  /** What could be read there may be gone. */
  isTooOld(readTs: Timestamp): boolean {
    return readTs < this.gc.threshold
  }

  /** The next writes that collect records of transactions that are over. */
  collect(mono: Mono, wall: Wall, mayWrite: boolean): readonly Write[] {
    const { writes, asks } = this.floor.step(mono, wall, mayWrite)
    for (const ask of asks) this.known.ask(ask)
    return writes
  }

  /** Nothing of any transaction is here: plain requests need not look. */
  get isIdle(): boolean {
    return this.intents.none && this.locks.isEmpty
  }

  get locks(): LockTable {
    return this.queues.locks
  }

  get known(): KnownTxns {
    return this.queues.known
  }

  // ── Reads ────────────────────────────────────────────────────────────────────────────────────────

  /** Ops that only read. */
  read(each: Case, wall: Wall): Verdict {
    const { request } = each
    const meta = request.txn
    if (meta !== null && isLocking(meta)) return this.#lockingRead(each, meta, wall)
    const fixed = meta === null ? request.readTs : meta.readTs
    if (fixed !== 0 && this.isTooOld(fixed)) return TOO_OLD
    const seen = this.#localLimit(meta)
    // Chosen when it took its place among those who write.
    if (fixed !== 0) each.readTs = fixed
    const reads = spansOf(each)
    for (;;) {
      const localLimit = fixed === 0 ? each.readTs : seen
      const limit = fixed === 0 ? FOREVER : (meta?.limitTs ?? 0)
      const rows = this.intents.in(reads)
      if (rows === "damaged") return DAMAGED
      const own: IntentRow[] = []
      const met: Met[] = []
      for (const row of rows) {
        if (meta !== null && row.intent.txn === meta.id) own.push(row)
        else if (this.keepsReader(row, each, each.readTs, limit)) met.push(metOf(row, each.readTs + 1))
      }
      if (met.length > 0) return this.queues.blocked(NO_LOCKS, met)
      const verdict = this.#evaluated(request.ops, each.readTs, this.#under(own, meta))
      // Of "now" all that is applied is a part; while it waited, more may have come to be that was acknowledged before.
      const isCertain = limit <= each.readTs || (fixed === 0 && this.clock.isAboveForeign(each.readTs))
      if (isCertain || verdict.type !== "answered") return verdict
      const newer = this.#newerThan(request.ops, verdict.results, each.readTs, limit, localLimit)
      if (newer === "damaged") return DAMAGED
      if (newer === null) return verdict
      if (fixed !== 0) return restart("uncertainty", newer.key, newer.ts)
      each.readTs = newer.ts
      this.clock.noteRead(each.readTs)
    }
  }

  /** What lies above it, and was assigned here, was not acknowledged before the transaction began. To be asked early. */
  #localLimit(meta: TxnMeta | null): Timestamp {
    return meta === null || meta.limitTs === 0
      ? 0
      : this.known.firstSeen(meta.id, Math.max(this.clock.last, this.clock.termFloor))
  }

  /**
   * Whether a foreign intent has to be known better before somebody may read beneath it at `readTs`. What may have been
   * committed up to `limit` may have been acknowledged before the reader came.
   */
  keepsReader({ key, intent }: IntentRow, each: Case, readTs: Timestamp, limit: Timestamp): boolean {
    const upTo = Math.max(readTs, limit)
    if (intent.writeTs > upTo) return false
    if (each.stamp === 0) each.stamp = this.known.stamp()
    const known = this.known.get(intent.txn)
    if (known === undefined) return true
    const { status, ts } = known.state
    switch (status) {
      case "aborted":
        this.queues.clean(intent.txn, known.state, key)
        return false
      case "committed":
        this.queues.clean(intent.txn, known.state, key)
        return ts <= upTo && intent.writeTs <= ts
      case "staging":
        return ts <= upTo
      case "pending":
        // Not decided when it was asked, which was after the reader had come: then it is later than the reader.
        return ts <= upTo && (ts <= readTs || (limit > readTs && known.stamp <= each.stamp))
    }
  }

  #evaluated(ops: readonly KvOp[], readTs: Timestamp, under: ReadonlyMap<string, string | null>): Verdict {
    const { tenant, end } = this.machine.descriptor
    const own = under.size === 0 ? null : under
    const evaluated = evaluate(this.machine.view, tenant, ops, readTs, 0, end, own)
    if (!evaluated.ok) return failed(evaluated)
    return { type: "answered", ts: readTs, results: evaluated.results, answer: null }
  }

  /** What the transaction itself wrote, as its next op sees it. */
  #under(own: readonly IntentRow[], meta: TxnMeta | null): Map<string, string | null> {
    const under = new Map<string, string | null>()
    if (meta === null) return under
    for (const { key, intent } of own) {
      const write = visibleWrite(intent, meta.seq, meta.rolledBack)
      if (write !== undefined) under.set(key, write.value)
    }
    return under
  }

  /** The first version above `after` in what these ops read. */
  #newerThan(
    ops: readonly KvOp[],
    results: readonly KvResult[],
    after: Timestamp,
    upTo: Timestamp,
    localLimit: Timestamp,
  ): ReturnType<typeof findNewer> {
    const { tenant } = this.machine.descriptor
    for (const { start, end } of this.#readSpans(ops, results)) {
      const newer = findNewer(this.machine.view, tenant, start, end, after, upTo, Math.min(localLimit, upTo))
      if (newer !== null) return newer
    }
    return null
  }

  /** What was really read: a scan that stopped early has read up to its last row. */
  #readSpans(ops: readonly KvOp[], results: readonly KvResult[]): readonly KeySpan[] {
    const spans: KeySpan[] = []
    for (let i = 0; i < ops.length; i++) {
      const op = ops[i]!
      if (op.type === "get") spans.push({ start: op.key, end: op.key + "\0" })
      if (op.type !== "scan") continue
      const end = op.end === "" ? this.machine.descriptor.end : op.end
      const result = results[i]!
      const last = result.type === "rows" && result.more ? result.rows.at(-1) : undefined
      if (last === undefined) spans.push({ start: op.start, end })
      else if (op.reverse) spans.push({ start: last[0], end })
      else spans.push({ start: op.start, end: last[0] + "\0" })
    }
    return spans
  }

  // ── Locks ────────────────────────────────────────────────────────────────────────────────────────

  #lockingRead(each: Case, meta: TxnMeta, wall: Wall): Verdict {
    const { ops } = each.request
    const strength = strengthOf(meta)
    this.#localLimit(meta)
    if (meta.readTs !== 0 && this.isTooOld(meta.readTs)) return TOO_OLD
    const readTs = meta.readTs === 0 ? this.clock.readNow(wall) : meta.readTs
    this.clock.noteRead(readTs)
    const rows = this.intents.in(spansOf(each))
    if (rows === "damaged") return DAMAGED
    const own = rows.filter(({ intent }) => intent.txn === meta.id)
    const under = this.#under(own, meta)
    const skips = meta.wait === "skipLocked"
    /** Those of others that are left out. */
    const skipped = new Set<string>()
    for (;;) {
      const verdict = this.#evaluated(ops, readTs, under)
      if (verdict.type !== "answered") return verdict
      const wanted = skips ? pointsOf(ops, verdict.results, skipped, strength) : []
      if (!skips) for (const span of this.#readSpans(ops, verdict.results)) wanted.push({ ...span, strength })
      const inWay = this.#inWay(each, meta.id, meta.wait, wanted, rows)
      if (inWay.met.length > 0) return this.queues.blocked(NO_LOCKS, inWay.met)
      if (inWay.held.length > 0) {
        if (meta.wait === "wait") return this.queues.blocked(wanted, inWay.intents)
        if (!skips) {
          const { key, by } = inWay.held[0]!
          return { type: "refused", error: { code: "lockNotAvailable", key, by } }
        }
        for (const { key } of inWay.held) {
          skipped.add(key)
          under.set(key, null)
        }
        continue
      }
      if (meta.readTs !== 0) {
        for (const { start, end } of wanted) {
          const { tenant } = this.machine.descriptor
          const newer = findNewer(this.machine.view, tenant, start, end, readTs, FOREVER)
          if (newer === "damaged") return DAMAGED
          if (newer !== null) return restart("writeTooOld", newer.key, newer.ts)
        }
      }
      if (this.locks.held + wanted.length > LOCKS_MAX)
        return { type: "refused", error: { code: "overloaded" } }
      this.locks.hold(meta.id, meta.anchor, wanted)
      return verdict
    }
  }

  /**
   * What keeps somebody from these locks. `met`: more has to be known of these, at once. `held`: by others that are not
   * decided, or wanted by others who came first; `intents` are those of them that are intents.
   */
  #inWay(
    each: Case,
    txn: TxnId | null,
    wait: TxnMeta["wait"],
    wanted: readonly Lock[],
    rows: readonly IntentRow[],
  ): {
    readonly met: readonly Met[]
    readonly intents: readonly Met[]
    readonly held: readonly { readonly key: string; readonly by: TxnId | null }[]
  } {
    const met: Met[] = []
    const intents: Met[] = []
    const held: { readonly key: string; readonly by: TxnId | null }[] = []
    for (const row of rows) {
      const { key, intent } = row
      if (intent.txn === txn || !wanted.some((want) => covers(want, key))) continue
      const known = this.known.get(intent.txn)
      const status = known?.state.status
      if (known !== undefined && (status === "committed" || status === "aborted"))
        this.queues.clean(intent.txn, known.state, key)
      if (wait === "wait" || status === "committed" || status === "aborted") intents.push(metOf(row, null))
      else {
        if (each.stamp === 0) each.stamp = this.known.stamp()
        // Who does not want to wait for it has to know that it is not decided by now.
        const isPending = status === "pending" && known!.stamp > each.stamp
        if (!isPending) met.push(metOf(row, 0))
        else held.push({ key, by: intent.txn })
      }
    }
    if (wait === "skipLocked") {
      for (const want of wanted) {
        const conflict = this.locks.conflicts(txn, [want], each.place, false)[0]
        if (conflict !== undefined) held.push({ key: want.start, by: conflict.by })
      }
    } else held.push(...this.locks.conflicts(txn, wanted, each.place, false))
    for (const { key, txn: by } of intents) held.push({ key, by })
    // An intent of somebody who is decided goes by itself: nobody is told that it is held.
    if (wait !== "wait" && intents.length > 0) return { met: [...met, ...intents], intents, held }
    return { met, intents, held }
  }

  // ── Writes ───────────────────────────────────────────────────────────────────────────────────────

  /** Ops of which some write, of a transaction or in the way of one, at `writeTs`. */
  write(each: Case, writeTs: Timestamp): Verdict {
    const { request } = each
    const meta = request.txn
    this.#localLimit(meta)
    const onePhase = meta === null ? NO_SPANS : meta.onePhase
    const isRefreshed = onePhase !== null && meta?.level === "serializable"
    const fixed = meta === null || isRefreshed ? 0 : meta.readTs
    const readTs = fixed === 0 ? writeTs - 1 : fixed
    if (this.isTooOld(readTs) || (onePhase ?? NO_SPANS).some(({ fromTs }) => this.isTooOld(fromTs)))
      return TOO_OLD
    const { reads, writes } = touched(request.ops)
    const locks = meta !== null && isLocking(meta)
    const wanted = writes.map((key) => pointLock(key, "exclusive"))
    const wait = meta?.wait === "noWait" ? "noWait" : "wait"
    if (fixed === 0 || locks) {
      const strength = locks ? strengthOf(meta) : "shared"
      for (const { start, end } of reads) wanted.push({ start, end, strength })
    }
    const refreshed = isRefreshed ? onePhase : NO_SPANS
    const rows = this.intents.in([...wanted, ...reads, ...refreshed])
    if (rows === "damaged") return DAMAGED
    const limit = fixed === 0 ? 0 : meta!.limitTs
    const own: IntentRow[] = []
    const met: Met[] = []
    for (const row of rows) {
      if (row.intent.txn === meta?.id) own.push(row)
      else if (wanted.some((want) => covers(want, row.key))) continue
      else if (fixed === 0) {
        // Read before, and refreshed now: whoever writes it commits above. The next try has a later timestamp.
        if (this.keepsReader(row, each, writeTs, 0)) met.push(metOf(row, writeTs + PUSH_SLACK))
      } else if (this.keepsReader(row, each, readTs, limit)) met.push(metOf(row, readTs + 1))
    }
    const inWay = this.#inWay(each, meta?.id ?? null, wait, wanted, rows)
    if (inWay.met.length > 0 || met.length > 0 || (inWay.held.length > 0 && wait === "wait"))
      return this.queues.blocked(wanted, [...met, ...inWay.met, ...inWay.intents])
    if (inWay.held.length > 0) {
      const { key, by } = inWay.held[0]!
      return { type: "refused", error: { code: "lockNotAvailable", key, by } }
    }
    for (const { start, end, fromTs } of refreshed) {
      const newer = this.newer(start, end, fromTs, writeTs)
      if (newer === "damaged") return DAMAGED
      if (newer !== null) return restart("readSpanChanged", newer.key, newer.ts)
    }
    const log: OpWrite[] = []
    const { tenant, end } = this.machine.descriptor
    const under = this.#under(own, meta)
    const evaluated = evaluate(
      this.machine.view,
      tenant,
      request.ops,
      readTs,
      writeTs,
      end,
      under.size === 0 ? null : under,
      meta === null ? null : log,
    )
    if (!evaluated.ok) return failed(evaluated)
    const stale = fixed === 0 ? null : this.#stale(request.ops, evaluated.results, meta!, log)
    if (stale !== null) return stale
    if (locks) {
      const shared = wanted.slice(writes.length)
      if (this.locks.held + shared.length > LOCKS_MAX)
        return { type: "refused", error: { code: "overloaded" } }
      this.locks.hold(meta.id, meta.anchor, shared)
    }
    const { results } = evaluated
    if (onePhase !== null) {
      const release = meta === null ? null : { txn: meta.id, spans: null }
      const aftermath = release === null ? null : { announced: [], gone: [], release }
      return {
        type: "proposed",
        ts: writeTs,
        results,
        answer: null,
        writes: evaluated.writes,
        aftermath,
      }
    }
    return this.#intentsOf(meta!, own, log, writeTs, results)
  }

  newer(start: string, end: string, after: Timestamp, upTo: Timestamp): ReturnType<typeof findNewer> {
    const { tenant, end: rangeEnd } = this.machine.descriptor
    return findNewer(this.machine.view, tenant, start, end === "" ? rangeEnd : end, after, upTo)
  }

  /** Of a transaction that reads at a snapshot: what it read or writes over is not what it should be. */
  #stale(
    ops: readonly KvOp[],
    results: readonly KvResult[],
    meta: TxnMeta,
    log: readonly OpWrite[],
  ): Verdict | null {
    const { readTs, limitTs, level } = meta
    if (limitTs > readTs) {
      const newer = this.#newerThan(ops, results, readTs, limitTs, this.#localLimit(meta))
      if (newer === "damaged") return DAMAGED
      if (newer !== null) return restart("uncertainty", newer.key, newer.ts)
    }
    const { tenant } = this.machine.descriptor
    for (const { op, key } of log) {
      // What is written blindly may be written over anything, but where the first of two writers is to win.
      if (level !== "snapshot" && isBlind(ops[op]!)) continue
      const newer = this.newer(key, key + "\0", readTs, FOREVER)
      if (newer === "damaged") return DAMAGED
      if (newer === null) continue
      const isUncertain = findNewer(
        this.machine.view,
        tenant,
        key,
        key + "\0",
        readTs,
        limitTs,
        this.#localLimit(meta),
      )
      return restart(isUncertain === null ? "writeTooOld" : "uncertainty", key, newer.ts)
    }
    return null
  }

  /** What the ops wrote becomes intents, or is there already. */
  #intentsOf(
    meta: TxnMeta,
    own: readonly IntentRow[],
    log: readonly OpWrite[],
    writeTs: Timestamp,
    results: readonly KvResult[],
  ): Verdict {
    const { tenant } = this.machine.descriptor
    const known = new Map<string, Intent>()
    for (const { key, intent } of own) known.set(key, intent)
    const added = new Map<string, { readonly seq: number; readonly value: string | null }[]>()
    for (const { op, key, value } of log) {
      const entry = added.get(key)
      const write = { seq: meta.seq + op, value }
      if (entry === undefined) added.set(key, [write])
      else entry.push(write)
    }
    const writes: Write[] = []
    const announced: string[] = []
    /** Of a request that came before: the timestamp it was given then. */
    let knownTs = 0
    for (const [key, history] of added) {
      const old = known.get(key)
      if (old !== undefined && history.every(({ seq }) => old.history.some((had) => had.seq === seq))) {
        knownTs = Math.max(knownTs, old.writeTs)
        continue
      }
      const all = old === undefined ? history : withWrites(old.history, history)
      const intent = { txn: meta.id, anchor: meta.anchor, writeTs, history: all }
      const write = putIntent(tenant, key, intent, old === undefined)
      if (write.value.length > INTENT_BYTES_MAX) {
        const error = { code: "tooLarge", limit: INTENT_BYTES_MAX, actual: write.value.length } as const
        return { type: "refused", error }
      }
      writes.push(write)
      if (old === undefined) announced.push(key)
    }
    if (knownTs > 0 && writes.length === 0) return { type: "answered", ts: knownTs, results, answer: null }
    this.locks.wrote(meta.id, meta.anchor, announced)
    const aftermath = announced.length === 0 ? null : { announced, gone: [], release: null }
    return { type: "proposed", ts: writeTs, results, answer: null, writes, aftermath }
  }

  /** What was proposed is applied, or void. */
  applied(writes: readonly Write[], aftermath: Aftermath | null, isVoid: boolean, mono: Mono): void {
    if (!isVoid) {
      this.intents.applied(writes)
      this.floor.note(writes, mono)
    }
    if (aftermath === null) return
    if (isVoid) for (const key of aftermath.announced) this.locks.intentGone(key)
    else {
      for (const key of aftermath.gone) this.locks.intentGone(key)
      const { release } = aftermath
      if (release !== null) this.locks.release(release.txn, release.spans)
    }
    this.queues.cleaned(aftermath.gone)
  }

  /** The locks that are held here, for the leader to whom the office is handed over; empty when there are too many. */
  get memory(): string {
    if (this.locks.held === 0) return ""
    const writer = new ByteWriter()
    this.locks.saveHeld(writer)
    return writer.length > HANDED_BYTES_MAX ? "" : writer.latin1()
  }

  /** Those that a leader handed over. What cannot be read is lost, as in a crash. */
  remember(memory: string): void {
    if (memory === "") return
    const reader = new ByteReader(bytesFromLatin1(memory))
    this.locks.loadHeld(reader)
    if (reader.failed || reader.remaining > 0) this.locks.clear()
  }

  lostLeadership(): void {
    this.intents.lostLeadership()
    this.queues.lostLeadership()
    this.floor.lostLeadership()
    this.gc.lostLeadership()
  }

  save(sink: Sink): void {
    this.intents.save(sink)
    this.queues.save(sink)
    this.floor.save(sink)
    this.gc.save(sink)
  }

  load(reader: ByteReader): void {
    this.intents.load(reader)
    this.queues.load(reader)
    this.floor.load(reader)
    this.gc.load(reader)
  }
}

function strengthOf({ lock }: TxnMeta): LockStrength {
  return lock ?? "shared"
}

/** Of one that only reads. */
function spansOf({ footprint }: Case): readonly KeySpan[] {
  return footprint.isWrite ? NO_SPANS : footprint.reads
}

/** It does not look at what it writes over. */
function isBlind({ type }: KvOp): boolean {
  return type === "put" || type === "delete"
}

function covers({ start, end }: KeySpan, key: string): boolean {
  return key >= start && (end === "" || key < end)
}

function metOf({ key, intent }: IntentRow, pushTs: Timestamp | null): Met {
  return { key, txn: intent.txn, anchor: intent.anchor, pushTs }
}

function failed(evaluated: Extract<Evaluation, { readonly ok: false }>): Verdict {
  return evaluated.error.code === "recovering" ? DAMAGED : { type: "refused", error: evaluated.error }
}

/** What was met is committed: there is nobody to wait for. */
function restart(reason: RestartReason, key: string, at: Timestamp): Verdict {
  return { type: "refused", error: { code: "txnRestart", reason, key, at, by: null } }
}

/** The rows that came back, and the keys that were asked for by name, but for those left out. */
function pointsOf(
  ops: readonly KvOp[],
  results: readonly KvResult[],
  skipped: ReadonlySet<string>,
  strength: LockStrength,
): Lock[] {
  const points: Lock[] = []
  for (let i = 0; i < ops.length; i++) {
    const op = ops[i]!
    const result = results[i]!
    if (op.type === "get" && !skipped.has(op.key)) points.push(pointLock(op.key, strength))
    if (result.type === "rows") for (const [key] of result.rows) points.push(pointLock(key, strength))
  }
  return points
}

const NO_SPANS: readonly ReadSpan[] = []
