import assert from "node:assert/strict"
import type { TxnAction, TxnReply } from "#kernel/gateway/client.ts"
import type { KvOp, KvResult } from "#kernel/range/request.ts"
import type { Control, Isolation } from "#kernel/txn/protocol.ts"
import { covers, spanOf } from "./txn-model-ops.ts"

/** Where histories are lived: over models of ranges, or in stores. */
export interface TxnHost {
  readonly mono: number
  after(us: number, run: () => void): void
  ask(
    store: number,
    session: number,
    txn: number,
    action: TxnAction,
    reply: (reply: TxnReply) => void,
    deadlineUs: number,
  ): void
  /** Every committed version of a key, oldest first. */
  versionsOf(key: string): readonly { readonly ts: number; readonly value: string | null }[]
}

/** One op of a transaction and what it came to. */
type Done = { readonly op: KvOp; readonly result: KvResult; isUndone: boolean }

/** A transaction as its client has lived it. */
export type Lived = {
  readonly level: Isolation
  readonly control: Control
  readonly beganMono: number
  readonly done: Done[]
  /** Asked together with its commit: done if that was. */
  last: readonly KvOp[]
  readTs: number
  commitTs: number
  endedMono: number
  outcome: "open" | "committed" | "failed" | "unknown"
  code: string
}

export type Step =
  | { readonly type: "ops"; readonly ops: readonly KvOp[] }
  | { readonly type: "savepoint" }
  | { readonly type: "rollbackTo" }

export type Script = {
  readonly level: Isolation
  readonly control: Control
  readonly steps: readonly Step[]
  readonly how: "commit" | "rollback" | "withLast" | "run"
  readonly pauseUs: number
}

const DEADLINE_US = 4_000_000

/** Carries out one script after another, and notes what it was told. */
export class Historian {
  readonly lived: Lived[] = []
  readonly store: number
  readonly #world: TxnHost
  readonly #session: number
  readonly #scripts: Script[]
  #handle = 0
  /** Answers to an earlier life of its gateway are none. */
  #life = 0
  isDone = false
  /** It is at one of its scripts. */
  #isAt = false
  #isDead = false

  constructor(world: TxnHost, store: number, session: number, scripts: readonly Script[]) {
    this.#world = world
    this.store = store
    this.#session = session
    this.#scripts = [...scripts]
    world.after(session, () => {
      if (!this.#isAt && !this.#isDead) this.#next()
    })
  }

  /** Its gateway is gone: what was asked is not answered any more. */
  gatewayDied(): void {
    this.#life++
    this.#isAt = false
    this.#isDead = true
    const last = this.lived.at(-1)
    if (last?.outcome === "open") last.outcome = last.code === "committing" ? "unknown" : "failed"
  }

  gatewayIsBack(): void {
    this.#isDead = false
    if (!this.#isAt) this.#next()
  }

  #ask(txn: Lived, action: TxnAction, then: (reply: TxnReply) => void): void {
    const life = this.#life
    this.#world.ask(
      this.store,
      this.#session,
      this.#handle,
      action,
      (reply) => {
        if (life !== this.#life) return
        if (reply.type === "error" && !reply.isOpen)
          return this.#end(
            txn,
            reply.error.code === "outcomeUnknown" ? "unknown" : "failed",
            reply.error.code,
          )
        then(reply)
      },
      DEADLINE_US,
    )
  }

  #end(txn: Lived, outcome: Lived["outcome"], code: string): void {
    txn.outcome = outcome
    txn.code = code
    txn.endedMono = this.#world.mono
    this.#next()
  }

  #next(): void {
    this.#isAt = true
    const script = this.#scripts.shift()
    if (script === undefined) {
      this.isDone = true
      return
    }
    const life = this.#life
    // One that was to begin when its gateway died goes with it.
    this.#world.after(1 + script.pauseUs, () => {
      if (life === this.#life) this.#begin(script)
    })
  }

  #begin({ level, control, steps, how }: Script): void {
    this.#handle++
    const txn: Lived = {
      level,
      control,
      beganMono: this.#world.mono,
      done: [],
      last: [],
      readTs: 0,
      commitTs: 0,
      endedMono: 0,
      outcome: "open",
      code: "",
    }
    this.lived.push(txn)
    if (how === "run") {
      const ops = steps.flatMap((step) => (step.type === "ops" ? step.ops : []))
      txn.last = ops
      txn.code = "committing"
      return this.#ask(
        txn,
        { type: "run", level, control, ops, wait: "wait", lock: null, token: null },
        (reply) => {
          if (reply.type === "ok") this.#committed(txn, ops, reply)
        },
      )
    }
    this.#ask(txn, { type: "begin", level, control, readOnly: false, readTs: 0, token: null }, () =>
      this.#step(txn, [...steps], how),
    )
  }

  #committed(txn: Lived, ops: readonly KvOp[], reply: Extract<TxnReply, { readonly type: "ok" }>): void {
    ops.forEach((op, i) => txn.done.push({ op, result: reply.results[i]!, isUndone: false }))
    txn.readTs = reply.readTs
    txn.commitTs = reply.commitTs
    this.#end(txn, "committed", "")
  }

  #step(txn: Lived, steps: Step[], how: Script["how"]): void {
    const step = steps.shift()
    const isLast = steps.length === 0
    if (step === undefined) {
      if (how === "rollback")
        return this.#ask(txn, { type: "rollback" }, () => this.#end(txn, "failed", "rolledBack"))
      txn.code = "committing"
      return this.#ask(txn, { type: "commit" }, (reply) => {
        if (reply.type === "ok") this.#committed(txn, [], reply)
        // It could not be answered in time, and stays open.
        else this.#ask(txn, { type: "rollback" }, () => this.#end(txn, "failed", "rolledBack"))
      })
    }
    if (step.type === "savepoint")
      return this.#ask(txn, { type: "savepoint", name: "s" }, () => this.#step(txn, steps, how))
    if (step.type === "rollbackTo") {
      return this.#ask(txn, { type: "rollbackTo", name: "s" }, (reply) => {
        // What was read stays read; what was written is gone. Scripts set their savepoint first.
        if (reply.type === "ok") for (const each of txn.done) each.isUndone = true
        this.#step(txn, steps, how)
      })
    }
    const { ops } = step
    const commit = isLast && how === "withLast"
    if (commit) {
      txn.code = "committing"
      txn.last = ops
    }
    this.#ask(txn, { type: "execute", ops, wait: "wait", lock: null, commit }, (reply) => {
      if (reply.type === "error") {
        txn.code = ""
        return this.#step(txn, steps, commit ? "rollback" : how)
      }
      if (reply.type !== "ok") return
      if (commit) return this.#committed(txn, ops, reply)
      ops.forEach((op, i) => txn.done.push({ op, result: reply.results[i]!, isUndone: false }))
      this.#step(txn, steps, how)
    })
  }
}

export function isWrite(op: KvOp): op is Exclude<KvOp, { readonly type: "get" | "scan" }> {
  return op.type !== "get" && op.type !== "scan"
}

// ── What must be true of a history ─────────────────────────────────────────────────────────────────

/** What it left of each key it put: scripts put each value once. */
function putsOf({ done, last, outcome }: Lived): ReadonlyMap<string, string> {
  const puts = new Map<string, string>()
  for (const { op, isUndone } of done) if (op.type === "put" && !isUndone) puts.set(op.key, op.value)
  if (outcome === "unknown") for (const op of last) if (op.type === "put") puts.set(op.key, op.value)
  return puts
}

/** All of it at one timestamp, or nothing of it at any. */
export function assertAtomic(world: TxnHost, all: readonly Lived[]): void {
  for (const txn of all) {
    const puts = [...putsOf(txn)]
    const found = puts.map(
      ([key, value]) => world.versionsOf(key).find((version) => version.value === value)?.ts ?? 0,
    )
    const about = (): string => JSON.stringify({ ...txn, found })
    if (txn.outcome === "committed")
      assert.ok(
        found.every((ts) => ts === txn.commitTs),
        `whole at its timestamp: ${about()}`,
      )
    else if (txn.outcome === "failed")
      assert.ok(
        found.every((ts) => ts === 0),
        `nothing of it: ${about()}`,
      )
    else assert.ok(new Set(found).size <= 1, `all or nothing: ${about()}`)
  }
}

function valueAt(world: TxnHost, key: string, ts: number, own: ReadonlySet<string>): string | null {
  const version = world
    .versionsOf(key)
    .findLast((each) => each.ts <= ts && !(each.value !== null && own.has(each.value)))
  return version?.value ?? null
}

/** Everything it read, laid over with its own puts, is as it was at one timestamp: a snapshot's, or its commit's. */
export function assertReads(world: TxnHost, all: readonly Lived[], keys: readonly string[]): void {
  for (const txn of all) {
    if (txn.outcome !== "committed" || txn.level === "readCommitted") continue
    const isOnce = txn.commitTs > 0 && txn.level === "serializable"
    const at = isOnce ? txn.commitTs : txn.readTs
    const own = new Map<string, string>()
    const ownValues = new Set<string>()
    for (const { op } of txn.done) if (op.type === "put") ownValues.add(op.value)
    let wasUndone = true
    for (const { op, result, isUndone } of txn.done) {
      if (wasUndone && !isUndone) own.clear()
      wasUndone = isUndone
      if (op.type === "put") own.set(op.key, op.value)
      const read = (key: string): string | null => own.get(key) ?? valueAt(world, key, at, ownValues)
      const about = (): string => `${JSON.stringify(op)} at ${at} of ${JSON.stringify(txn)}`
      if (op.type === "get" && result.type === "value") assert.equal(result.value, read(op.key), about())
      if (op.type === "scan" && result.type === "rows") {
        const rows = keys.filter((key) => covers(spanOf(op), key) && read(key) !== null)
        assert.deepEqual(
          result.rows.map(([key]) => key),
          rows.slice(0, op.limit),
          about(),
        )
        assert.deepEqual(
          result.rows.map(([key, value]) => [key, value]),
          rows.slice(0, op.limit).map((key) => [key, read(key)]),
          about(),
        )
      }
    }
  }
}

/** Nobody wrote a key between a snapshot and the commit of who wrote it as well. */
export function assertFirstCommitterWins(world: TxnHost, all: readonly Lived[]): void {
  for (const txn of all) {
    if (txn.outcome !== "committed" || txn.level !== "snapshot" || txn.readTs === 0) continue
    for (const key of putsOf(txn).keys()) {
      const between = world.versionsOf(key).filter(({ ts }) => ts > txn.readTs && ts < txn.commitTs)
      assert.deepEqual(between, [], `lost update at ${key}: ${JSON.stringify(txn)}`)
    }
  }
}

/** What was acknowledged before another one began is seen by it, or below it. */
export function assertRealTime(all: readonly Lived[]): void {
  const committed = all.filter(({ outcome }) => outcome === "committed")
  for (const before of committed) {
    const puts = putsOf(before)
    for (const after of committed) {
      if (after.level === "readCommitted" || after.beganMono <= before.endedMono || puts.size === 0) continue
      const at = after.level === "serializable" ? after.commitTs : after.readTs
      const meets = after.done.some(
        ({ op }) => !isWrite(op) && [...puts.keys()].some((key) => covers(spanOf(op), key)),
      )
      if (meets) assert.ok(at >= before.commitTs, `real time: ${JSON.stringify([before, after])}`)
    }
  }
}

/** Counters hold what was added to them, once each. */
export function assertCounters(world: TxnHost, all: readonly Lived[], keys: readonly string[]): void {
  for (const key of keys) {
    let [least, unsure] = [0, 0]
    for (const { done, outcome } of all) {
      const added = done.filter(
        ({ op, isUndone }) => op.type === "increment" && op.key === key && !isUndone,
      ).length
      if (outcome === "committed") least += added
      if (outcome === "unknown") unsure += 8
    }
    const value = Number(world.versionsOf(key).at(-1)?.value ?? 0)
    assert.ok(
      value >= least && value <= least + unsure,
      `${key} is ${value}, and ${least} to ${least + unsure} were added`,
    )
  }
}
