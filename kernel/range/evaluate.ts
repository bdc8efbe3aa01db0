import type { ReadView, Write } from "../engine/engine.ts"
import type { KernelError } from "../errors.ts"
import type { TenantId, Timestamp } from "../ids.ts"
import { invariant, unreachable } from "../lib/invariant.ts"
import { REPLY_BYTES_MAX, VALUE_BYTES_MAX } from "../limits.ts"
import { readVersion, scanVersions, writeVersions, type OwnRow } from "../mvcc/store.ts"
import type { KvOp, KvResult } from "./request.ts"

/** What the ops themselves can fail with. Such an outcome is final: it is stored under the token. */
export type OpError = Extract<KernelError, { readonly code: "notAnInteger" | "tooLarge" }>

/**
 * `recovering` says that a version that was needed is damaged: no outcome, nothing is stored, and another
 * replica may answer.
 */
export type Evaluation =
  | { readonly ok: true; readonly results: readonly KvResult[]; readonly writes: readonly Write[] }
  | { readonly ok: false; readonly error: OpError | { readonly code: "recovering" } }

const DONE: KvResult = { type: "done" }
/** Keys written by one request up to which a look through them beats a map. */
const LOOK_THROUGH_MAX = 8
const NOTHING: readonly OwnRow[] = []

/** What one op wrote, `op` counting from 0; null is a deletion. */
export type OpWrite = { readonly op: number; readonly key: string; readonly value: string | null }

/** What lies over the versions that a transaction reads: its own writes before this request; null is "deleted". */
export type Under = ReadonlyMap<string, string | null>

/**
 * Runs the ops of one request in order, each seeing what those before it did, over the state at `readTs`.
 * The writes are one version for each key at `writeTs`, in the order in which the keys were first
 * written. A failing op fails the request as a whole. An empty `end` of a scan is `rangeEnd`. What each op wrote is
 * added to `log`.
 */
export function evaluate(
  view: ReadView,
  tenant: TenantId,
  ops: readonly KvOp[],
  readTs: Timestamp,
  writeTs: Timestamp,
  rangeEnd = "",
  under: Under | null = null,
  log: OpWrite[] | null = null,
): Evaluation {
  const run = new Run(view, tenant, readTs, rangeEnd, under, log)
  const results: KvResult[] = []
  for (let i = 0; i < ops.length; i++) {
    run.op = i
    const result = run.step(ops[i]!)
    if (result === null) return { ok: false, error: run.error! }
    results.push(result)
  }
  return { ok: true, results, writes: run.writes(writeTs) }
}

/** One evaluation under way. */
class Run {
  readonly #view: ReadView
  readonly #tenant: TenantId
  readonly #readTs: Timestamp
  readonly #rangeEnd: string
  readonly #under: Under | null
  readonly #log: OpWrite[] | null
  /** Which op is under way. */
  op = 0
  /** Written by earlier ops, `#values[i]` to `#keys[i]`, each key once; null is deleted. */
  readonly #keys: string[] = []
  readonly #values: (string | null)[] = []
  /** Where each key stands, once there are too many to look through. */
  #positions: Map<string, number> | null = null
  #replyBytes = 0
  /** Set by the step that gives null. */
  error: OpError | { readonly code: "recovering" } | null = null

  constructor(
    view: ReadView,
    tenant: TenantId,
    readTs: Timestamp,
    rangeEnd: string,
    under: Under | null,
    log: OpWrite[] | null,
  ) {
    this.#under = under
    this.#log = log
    this.#view = view
    this.#tenant = tenant
    this.#readTs = readTs
    this.#rangeEnd = rangeEnd
  }

  step(op: KvOp): KvResult | null {
    switch (op.type) {
      case "get": {
        const value = this.#read(op.key)
        if (value === undefined) return null
        if (value !== null && !this.#count(value.length)) return null
        return { type: "value", value }
      }
      case "put":
        this.#write(op.key, op.value)
        return DONE
      case "delete":
        this.#write(op.key, null)
        return DONE
      case "cas": {
        const value = this.#read(op.key)
        if (value === undefined) return null
        const swapped = value === op.expected
        if (swapped) this.#write(op.key, op.value)
        return { type: "swapped", swapped }
      }
      case "increment": {
        const value = this.#read(op.key)
        if (value === undefined) return null
        const sum = (value === null ? 0 : parseInteger(value)) + op.by
        // Two safe integers add up exactly or to something beyond them. NaN is no integer either.
        if (!Number.isSafeInteger(sum)) return this.#fail({ code: "notAnInteger", key: op.key })
        this.#write(op.key, String(sum))
        return { type: "count", value: sum }
      }
      case "append": {
        const value = this.#read(op.key)
        if (value === undefined) return null
        const length = (value === null ? 0 : value.length) + op.value.length
        if (length > VALUE_BYTES_MAX)
          return this.#fail({ code: "tooLarge", limit: VALUE_BYTES_MAX, actual: length })
        this.#write(op.key, value === null ? op.value : value + op.value)
        return DONE
      }
      case "scan":
        return this.#scan(op.start, op.end === "" ? this.#rangeEnd : op.end, op.limit, op.reverse)
      default:
        return unreachable(op)
    }
  }

  writes(writeTs: Timestamp): readonly Write[] {
    invariant(
      writeTs >= this.#readTs || this.#keys.length === 0,
      "Cannot write: the timestamp lies below the one read at",
    )
    return writeVersions(this.#tenant, this.#keys, writeTs, this.#values)
  }

  /** The current value, null when there is none; undefined when the run has failed. */
  #read(key: string): string | null | undefined {
    const at = this.#keys.length === 0 ? -1 : this.#position(key)
    if (at >= 0) return this.#values[at]!
    if (this.#under !== null) {
      const own = this.#under.get(key)
      if (own !== undefined) return own
    }
    const read = readVersion(this.#view, this.#tenant, key, this.#readTs)
    if (read !== "damaged") return read.value
    this.#fail({ code: "recovering" })
    return undefined
  }

  #write(key: string, value: string | null): void {
    if (this.#log !== null) this.#log.push({ op: this.op, key, value })
    const at = this.#position(key)
    if (at >= 0) {
      this.#values[at] = value
      return
    }
    if (this.#positions !== null) this.#positions.set(key, this.#keys.length)
    this.#keys.push(key)
    this.#values.push(value)
  }

  /** Where a key stands among those written; -1 if it was not. */
  #position(key: string): number {
    const keys = this.#keys
    if (keys.length <= LOOK_THROUGH_MAX) return keys.indexOf(key)
    if (this.#positions === null) {
      this.#positions = new Map()
      for (let i = 0; i < keys.length; i++) this.#positions.set(keys[i]!, i)
    }
    return this.#positions.get(key) ?? -1
  }

  #scan(start: string, end: string, limit: number, reverse: boolean): KvResult | null {
    const hasOwn = this.#keys.length > 0 || this.#under !== null
    const own = hasOwn ? this.#ownRows(start, end, reverse) : NOTHING
    const found = scanVersions(this.#view, this.#tenant, start, end, this.#readTs, limit, reverse, own)
    if (found === "damaged") return this.#fail({ code: "recovering" })
    let bytes = 0
    for (const row of found.rows) bytes += row[0].length + row[1].length
    if (!this.#count(bytes)) return null
    return { type: "rows", rows: found.rows, more: found.more }
  }

  #ownRows(start: string, end: string, reverse: boolean): OwnRow[] {
    const rows: OwnRow[] = []
    for (let i = 0; i < this.#keys.length; i++) {
      const key = this.#keys[i]!
      if (key >= start && (end === "" || key < end)) rows.push([key, this.#values[i]!])
    }
    if (this.#under !== null) {
      for (const [key, value] of this.#under) {
        if (key >= start && (end === "" || key < end) && this.#position(key) < 0) rows.push([key, value])
      }
    }
    return rows.sort((a, b) => (a[0] < b[0] !== reverse ? -1 : 1))
  }

  #count(bytes: number): boolean {
    this.#replyBytes += bytes
    if (this.#replyBytes <= REPLY_BYTES_MAX) return true
    this.#fail({ code: "tooLarge", limit: REPLY_BYTES_MAX, actual: this.#replyBytes })
    return false
  }

  #fail(error: OpError | { readonly code: "recovering" }): null {
    this.error = error
    return null
  }
}

/** Decimal text as `String` writes a safe integer, and no other spelling; NaN for anything else. */
export function parseInteger(text: string): number {
  const value = Number(text)
  return Number.isSafeInteger(value) && String(value) === text ? value : Number.NaN
}
