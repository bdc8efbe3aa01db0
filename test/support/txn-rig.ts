import assert from "node:assert/strict"
import { fromWall } from "#kernel/time/hlc.ts"
import type { KernelError } from "#kernel/errors.ts"
import { DEFAULT_TIMING } from "#kernel/node/config.ts"
import type { KvOp, KvReply, KvRequest, KvResult } from "#kernel/range/request.ts"
import type {
  Anchor,
  Control,
  Isolation,
  LockStrength,
  ReadSpan,
  SeqSpan,
  TxnAnswer,
  TxnCommand,
  TxnId,
  TxnMeta,
  WaitPolicy,
} from "#kernel/txn/protocol.ts"
import { makeTxnId } from "#kernel/txn/txn-id.ts"
import { DESCRIPTOR } from "./raft-group.ts"
import { ServiceRig } from "./service-rig.ts"

type Ok = Extract<KvReply, { readonly type: "ok" }>
type Sent = { readonly request: Partial<KvRequest>; readonly ops: readonly KvOp[] }
/** A coordinator under way: it yields what it sends and is resumed by the reply. */
type Course = Generator<Sent, void, KvReply>

/** A transaction could not go on: what its client is told. */
export class Failed extends Error {
  readonly error: KernelError

  constructor(error: KernelError) {
    super(error.code)
    this.error = error
  }
}

const BOUND_US = DEFAULT_TIMING.clockBoundUs

/** A range's leader, and beside it the store: it carries questions to records, which all lie in this very range. */
export class TxnRig extends ServiceRig {
  /** Replies to requests of no course. */
  readonly plain: KvReply[] = []
  #nextId = 10_000
  readonly #courses = new Map<number, { readonly course: Course; readonly done: () => void }>()
  #begun = 0

  begin(level: Isolation, control: Control = "optimistic", more: Partial<TxnMeta> = {}): Txn {
    this.#begun++
    const id = makeTxnId(fromWall(this.wall) + this.#begun, 1, 7)
    return new Txn(this, id, level, control, more)
  }

  /** Begins a course; `done` is called when it has come to its end. */
  start(course: Course, done: () => void): void {
    this.#resume({ course, done }, null)
  }

  #resume(each: { readonly course: Course; readonly done: () => void }, reply: KvReply | null): void {
    const next = reply === null ? each.course.next() : each.course.next(reply)
    if (next.done === true) return each.done()
    const id = this.#nextId++
    this.#courses.set(id, each)
    this.ask(next.value.ops, { ...next.value.request, id })
  }

  /** The one reply to a request that does not have to wait. */
  answer(ops: readonly KvOp[], request: Partial<KvRequest>): KvReply {
    const reply: KvReply[] = []
    this.start(
      (function* (): Course {
        reply.push(yield { ops, request })
      })(),
      () => {},
    )
    this.run()
    assert.equal(reply.length, 1, "it waits")
    return reply[0]!
  }

  command(command: TxnCommand): TxnAnswer {
    const reply = this.answer([], { command })
    assert.equal(reply.type, "ok", JSON.stringify(reply))
    return reply.answer!
  }

  /** Lets everything happen that can without time passing. */
  run(): void {
    for (let i = 0; i < 10_000; i++) {
      this.confirm()
      let moved = this.pump().length > 0
      while (this.apply() !== null) moved = true
      for (const push of this.pushes.splice(0)) {
        moved = true
        const { txn, anchor, minCommitTs } = push
        this.start(this.#push(txn, { type: "push", txn, anchor, minCommitTs }), () => {})
      }
      for (const reply of this.replies.splice(0)) {
        const each = this.#courses.get(reply.id)
        this.#courses.delete(reply.id)
        if (each === undefined) this.plain.push(reply)
        else {
          moved = true
          this.#resume(each, reply)
        }
      }
      if (!moved) return
    }
    assert.fail("the range never came to rest")
  }

  *#push(txn: TxnId, command: TxnCommand): Course {
    const reply = yield { ops: [], request: { command } }
    const answer = reply.type === "ok" ? reply.answer : null
    if (answer?.type !== "state") return this.service.pushed(txn, null)
    const { state } = answer
    if (state.status !== "staging" || !state.isAbandoned) return this.service.pushed(txn, state)
    const writes = state.promised.map(({ key, seq }) => ({ key, seq }))
    const asked = yield {
      ops: [],
      request: { command: { type: "queryIntent", txn, writes, ts: state.ts, prevent: true } },
    }
    const found = asked.type === "ok" ? asked.answer : null
    const anchor = "anchor" in command ? command.anchor : ANCHOR
    const isThere = found?.type === "intent" && found.isThere
    const decision: TxnCommand = isThere
      ? { type: "commit", txn, anchor, commitTs: state.ts }
      : { type: "abort", txn, anchor, ifStagedAt: state.ts }
    const decided = yield { ops: [], request: { command: decision } }
    const last = decided.type === "ok" ? decided.answer : null
    this.service.pushed(txn, last?.type === "state" ? last.state : null)
  }

  /** What is committed and resolved, at the end. */
  rows(): ReadonlyMap<string, string> {
    const reply = this.answer([{ type: "scan", start: "", end: "", limit: 1000, reverse: false }], {}) as Ok
    const result = reply.results[0]!
    assert.ok(result.type === "rows")
    return new Map(result.rows)
  }
}

export const ANCHOR: Anchor = { tenant: DESCRIPTOR.tenant, rangeId: DESCRIPTOR.rangeId, key: "anchor" }

/** A transaction as a gateway coordinates it, when all of it is in one range. */
export class Txn {
  readonly rig: TxnRig
  readonly id: TxnId
  readonly level: Isolation
  readonly control: Control
  readonly more: Partial<TxnMeta>
  readonly beganAt: number
  readTs: number
  limitTs: number
  /** The greatest timestamp given to a write. */
  writeTs = 0
  seq = 1
  readonly spans: ReadSpan[] = []
  readonly keys: Map<string, number> = new Map()
  rolledBack: SeqSpan[] = []
  /** Not sent yet, under optimistic control. */
  readonly buffered: KvOp[] = []
  status: "open" | "committed" | "aborted" = "open"
  /** A request of it is under way. */
  isWaiting = false
  error: KernelError | null = null
  results: readonly KvResult[] = []
  commitTs = 0

  constructor(rig: TxnRig, id: TxnId, level: Isolation, control: Control, more: Partial<TxnMeta>) {
    this.rig = rig
    this.id = id
    this.level = level
    this.control = control
    this.more = more
    this.beganAt = rig.wall
    this.readTs = fromWall(rig.wall)
    this.limitTs = this.readTs + fromWall(BOUND_US)
  }

  get isOptimistic(): boolean {
    return this.level === "serializable" && this.control === "optimistic"
  }

  get readsNow(): boolean {
    return this.level === "readCommitted" || (this.level === "serializable" && !this.isOptimistic)
  }

  meta(more: Partial<TxnMeta> = {}): TxnMeta {
    return {
      id: this.id,
      anchor: ANCHOR,
      level: this.level,
      control: this.control,
      readTs: this.readsNow ? 0 : this.readTs,
      writeTs: this.writeTs,
      limitTs: this.readsNow ? 0 : this.limitTs,
      seq: this.seq,
      rolledBack: this.rolledBack,
      wait: "wait",
      lock: null,
      pipelined: false,
      onePhase: null,
      ...this.more,
      ...more,
    }
  }

  /** Does these ops as far as it can now; whoever has to wait goes on when the rig runs. */
  do(ops: readonly KvOp[], more: Partial<TxnMeta> = {}): this {
    return this.#go(this.#ops(ops, more))
  }

  get(key: string, lock: LockStrength | null = null, wait: WaitPolicy = "wait"): this {
    return this.do([{ type: "get", key }], { lock, wait })
  }

  scan(start: string, end: string, limit = 100, more: Partial<TxnMeta> = {}): this {
    return this.do([{ type: "scan", start, end, limit, reverse: false }], more)
  }

  put(key: string, value: string): this {
    return this.do([{ type: "put", key, value }])
  }

  commit(): this {
    return this.#go(this.#commit())
  }

  abort(): this {
    return this.#go(this.#abort())
  }

  /** What the last request read: a value, or rows. */
  get value(): string | null | readonly (readonly [string, string])[] {
    const result = this.results[0]!
    return result.type === "value" ? result.value : result.type === "rows" ? result.rows : null
  }

  #go(course: Course): this {
    if (this.status !== "open") return this
    assert.ok(!this.isWaiting, "a transaction does one thing after the other")
    this.isWaiting = true
    this.rig.start(this.#guarded(course), () => (this.isWaiting = false))
    this.rig.run()
    return this
  }

  *#guarded(course: Course): Course {
    try {
      yield* course
    } catch (failure) {
      if (!(failure instanceof Failed)) throw failure
      this.error = failure.error
      yield* this.#abort()
    }
  }

  *#ask(ops: readonly KvOp[], more: Partial<TxnMeta>): Generator<Sent, Ok, KvReply> {
    const reply = yield { ops, request: { txn: this.meta(more) } }
    if (reply.type === "error") throw new Failed(reply.error)
    return reply
  }

  *#say(command: TxnCommand): Generator<Sent, TxnAnswer, KvReply> {
    const reply = yield { ops: [], request: { command } }
    if (reply.type === "error") throw new Failed(reply.error)
    return reply.answer!
  }

  *#ops(ops: readonly KvOp[], more: Partial<TxnMeta>): Course {
    const writes = ops.some((op) => op.type !== "get" && op.type !== "scan")
    if (writes && this.isOptimistic) {
      this.buffered.push(...ops)
      this.results = ops.map(() => ({ type: "done" }) as const)
      return
    }
    for (;;) {
      try {
        const reply = yield* this.#ask(ops, more)
        this.#note(ops, reply)
        this.results = this.isOptimistic ? overlaid(ops, reply.results, this.buffered) : reply.results
        return
      } catch (failure) {
        if (!(failure instanceof Failed) || failure.error.code !== "txnRestart") throw failure
        if (failure.error.reason !== "uncertainty") throw failure
        // It reads at a later time, if what it read before is the same there.
        if (!(yield* this.#refresh(failure.error.at))) throw failure
        this.readTs = failure.error.at
      }
    }
  }

  #note(ops: readonly KvOp[], reply: Ok): void {
    for (const [i, op] of ops.entries()) {
      const result = reply.results[i]!
      const fromTs = this.readsNow ? reply.commitTs : this.readTs
      if (op.type === "get") this.spans.push({ start: op.key, end: op.key + "\0", fromTs })
      else if (op.type === "scan") {
        const last = result.type === "rows" && result.more ? result.rows.at(-1)! : null
        this.spans.push({ start: op.start, end: last === null ? op.end : last[0] + "\0", fromTs })
      } else {
        this.keys.set(op.key, this.seq + i)
        this.writeTs = Math.max(this.writeTs, reply.commitTs)
      }
    }
    this.seq += ops.length
  }

  *#refresh(toTs: number): Generator<Sent, boolean, KvReply> {
    if (this.spans.length === 0) return true
    const answer = yield* this.#say({ type: "refresh", txn: this.id, spans: this.spans, toTs })
    if (answer.type === "refreshed")
      for (const [i, span] of this.spans.entries()) this.spans[i] = { ...span, fromTs: toTs }
    return answer.type === "refreshed"
  }

  *#commit(): Course {
    if (this.buffered.length > 0) {
      const reply = yield* this.#ask(this.buffered, {})
      this.#note(this.buffered, reply)
    }
    if (this.keys.size > 0) yield* this.#decide()
    else if (this.level === "serializable" && !this.isOptimistic)
      this.commitTs = Math.max(0, ...this.spans.map(({ fromTs }) => fromTs))
    if (this.keys.size === 0 && this.level === "serializable" && this.control === "locking") {
      if (!(yield* this.#refresh(this.commitTs))) throw new Failed(changed())
    }
    this.status = "committed"
    yield* this.#resolve(this.keys.size > 0 ? this.commitTs : null)
  }

  *#decide(): Course {
    let commitTs = Math.max(this.writeTs, this.readTs)
    for (;;) {
      if (this.level === "serializable" && !(yield* this.#refresh(commitTs))) throw new Failed(changed())
      const { id: txn, rolledBack } = this
      const answer = yield* this.#say({
        type: "stage",
        txn,
        anchor: ANCHOR,
        commitTs,
        promised: [],
        rolledBack,
        results: [],
      })
      assert.ok(answer.type === "state")
      const { status, ts } = answer.state
      if (status === "committed") break
      if (status !== "pending") throw new Failed({ code: "txnAborted" })
      commitTs = ts
    }
    this.commitTs = commitTs
  }

  *#resolve(commitTs: number | null): Course {
    const { id: txn, rolledBack } = this
    const keys = [...this.keys.keys()]
    const spans = [{ start: "", end: "" }]
    yield* this.#say({ type: "resolve", txn, commitTs, rolledBack, keys, spans })
    if (keys.length > 0) yield* this.#say({ type: "forget", txn, anchor: ANCHOR })
  }

  *#abort(): Course {
    this.status = "aborted"
    yield* this.#say({ type: "cancelWait", txn: this.id })
    if (this.keys.size > 0 || this.error !== null)
      yield* this.#say({ type: "abort", txn: this.id, anchor: ANCHOR, ifStagedAt: null })
    for (const op of this.buffered) if ("key" in op) this.keys.set(op.key, 0)
    yield* this.#resolve(null)
  }
}

function changed(): KernelError {
  return { code: "txnRestart", reason: "readSpanChanged", key: "", at: 0, by: null }
}

/** What an optimistic transaction reads, with its own puts over it, which the range has not seen. */
function overlaid(
  ops: readonly KvOp[],
  results: readonly KvResult[],
  buffered: readonly KvOp[],
): readonly KvResult[] {
  return results.map((result, i) => {
    const op = ops[i]!
    if (op.type === "get") {
      const own = buffered.findLast((each) => each.type === "put" && each.key === op.key)
      return own?.type === "put" ? { type: "value", value: own.value } : result
    }
    if (result.type !== "rows" || op.type !== "scan") return result
    const rows = new Map(result.rows)
    for (const each of buffered)
      if (each.type === "put" && each.key >= op.start && (op.end === "" || each.key < op.end))
        rows.set(each.key, each.value)
    return { ...result, rows: [...rows].sort(([a], [b]) => (a < b ? -1 : 1)) }
  })
}
