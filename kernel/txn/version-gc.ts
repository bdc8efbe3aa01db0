import { SPACE_RECORDS, SPACE_VERSIONS, type ReadView, type Write } from "../engine/engine.ts"
import type { Mono, TenantId, Timestamp, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { VERSION_TTL_US } from "../limits.ts"
import { collectVersions } from "../mvcc/gc.ts"
import { decodeUint64, encodeUint64, KV_TABLE, userKeyPrefix } from "../mvcc/key.ts"
import type { Timing } from "../node/config.ts"
import type { StateMachine } from "../range/state-machine.ts"
import { aheadUs, fromWall } from "../time/hlc.ts"
import { decodeStamp, encodeStamp } from "./record.ts"

/** Versions looked at by one step of a walk, and the time between two. */
const VISITS_MAX = 1_024
const STEP_US = 50_000
const NEVER = Number.MAX_SAFE_INTEGER

/** Where a range keeps what is above its rows: behind the first key it can have, where no record can be. */
function rowKey(tenant: TenantId, start: string, kind: string): string {
  return userKeyPrefix(tenant, KV_TABLE, start) + kind
}

/** Nothing is read below it any more: the versions there may be gone. */
function readThreshold(view: ReadView, tenant: TenantId, start: string): Timestamp | "damaged" {
  const value = view.get(SPACE_RECORDS, rowKey(tenant, start, "g"))
  return value === null ? 0 : decodeStamp(value)
}

/** Keeps what can be read at `ts` and above, under a name of the caller's; 0: no longer. */
export function protectWrite(tenant: TenantId, start: string, id: number, ts: Timestamp): Write {
  const key = rowKey(tenant, start, "p") + encodeUint64(id)
  if (ts === 0) return { space: SPACE_RECORDS, type: "delete", key, value: "" }
  return { space: SPACE_RECORDS, type: "put", key, value: encodeStamp(ts) }
}

/** Who protects what. */
function readProtected(view: ReadView, tenant: TenantId, start: string): Map<number, Timestamp> | "damaged" {
  const from = rowKey(tenant, start, "p")
  const found = new Map<number, Timestamp>()
  const cursor = view.cursor(SPACE_RECORDS, from, rowKey(tenant, start, "q"), false)
  for (; cursor.valid; cursor.next()) {
    const id = decodeUint64(cursor.key, from.length)
    const ts = decodeStamp(cursor.value)
    if (ts === "damaged" || id === null) return "damaged"
    found.set(id, ts)
  }
  return found
}

/**
 * Gives up old versions: a leader moves the threshold of its range, refuses from then on whoever reads below it, and once it
 * is applied, walks through the versions and deletes those that nobody at or above it can see. What an intent becomes lies
 * above what was read when it was written, so nothing waits for it.
 */
export class VersionGc {
  readonly #machine: StateMachine
  readonly #ttlUs: number
  /** As far as this leader knows: applied, or in the log. */
  #threshold: Timestamp = 0
  /** Who protects what, with what is on its way; null: nobody knows yet. */
  #protected: Map<number, Timestamp> | null = null
  #stepAt: Mono = NEVER
  #resume = ""
  /** Of the last step, to see that it is applied; empty: none. */
  #lastKey = ""
  #isBehind = false

  constructor(machine: StateMachine, timing: Timing) {
    this.#machine = machine
    this.#ttlUs = timing.versionTtlUs ?? VERSION_TTL_US
  }

  get deadline(): Mono {
    return this.#stepAt
  }

  /** Whoever reads below it is told that it is too old. */
  get threshold(): Timestamp {
    return this.#threshold
  }

  /** All of older terms is applied: a walk that an older leader had begun is begun again. */
  begin(mono: Mono): void {
    const { view, descriptor } = this.#machine
    const kept = readProtected(view, descriptor.tenant, descriptor.start)
    this.#protected = kept === "damaged" ? null : kept
    const threshold = readThreshold(view, descriptor.tenant, descriptor.start)
    if (threshold === "damaged" || threshold === 0) return
    this.#threshold = threshold
    this.#stepAt = mono + STEP_US
  }

  /** On any replica, by what is applied: what cannot be read says so elsewhere. */
  isGone(readTs: Timestamp): boolean {
    const { view, descriptor } = this.#machine
    const threshold = readThreshold(view, descriptor.tenant, descriptor.start)
    return threshold !== "damaged" && readTs < threshold
  }

  /** Somebody is about to protect a timestamp, or to give it up. */
  protect(id: number, ts: Timestamp): void {
    if (ts === 0) this.#protected?.delete(id)
    else this.#protected?.set(id, ts)
  }

  lostLeadership(): void {
    this.#threshold = 0
    this.#protected = null
    this.#stepAt = NEVER
    this.#resume = ""
    this.#lastKey = ""
    this.#isBehind = false
  }

  /** The write that moves the threshold, when that is worth an entry. */
  move(mono: Mono, wall: Wall): readonly Write[] {
    if (wall <= this.#ttlUs) return NOTHING
    const { tenant, start } = this.#machine.descriptor
    let threshold = fromWall(wall - this.#ttlUs)
    if (aheadUs(threshold, 0) - aheadUs(this.#threshold, 0) < this.#ttlUs / 4) return NOTHING
    if (this.#protected === null) return NOTHING
    for (const ts of this.#protected.values()) threshold = Math.min(threshold, ts)
    if (threshold <= this.#threshold) return NOTHING
    this.#threshold = threshold
    if (this.#stepAt === NEVER) this.#stepAt = mono + STEP_US
    else this.#isBehind = true
    const key = rowKey(tenant, start, "g")
    return [{ space: SPACE_RECORDS, type: "put", key, value: encodeStamp(threshold) }]
  }

  /** The next writes of the walk, when their time has come; not `mayWrite` puts it off. */
  step(mono: Mono, mayWrite: boolean): readonly Write[] {
    if (mono < this.#stepAt) return NOTHING
    this.#stepAt = mono + STEP_US
    const { view, descriptor } = this.#machine
    const { tenant, start, end } = descriptor
    const applied = readThreshold(view, tenant, start)
    if (!mayWrite || applied !== this.#threshold) return NOTHING
    // The next call begins where this one ended only when what it deleted is gone.
    if (this.#lastKey !== "" && view.get(SPACE_VERSIONS, this.#lastKey) !== null) return NOTHING
    const { writes, resume } = collectVersions(view, tenant, start, end, applied, this.#resume, VISITS_MAX)
    this.#resume = resume
    this.#lastKey = writes.at(-1)?.key ?? ""
    if (resume === "") {
      if (!this.#isBehind) this.#stepAt = NEVER
      this.#isBehind = false
    }
    return writes
  }

  save(sink: Sink): void {
    sink.bool(this.#protected !== null)
    sink.uint(this.#protected?.size ?? 0)
    for (const [id, ts] of this.#protected ?? []) {
      sink.uint(id)
      sink.uint(ts)
    }
    sink.uint(this.#threshold)
    sink.uint(this.#stepAt)
    sink.str(this.#resume)
    sink.str(this.#lastKey)
    sink.bool(this.#isBehind)
  }

  load(reader: ByteReader): void {
    const isKnown = reader.bool()
    const kept = new Map<number, Timestamp>()
    for (let left = reader.count(2); left > 0; left--) kept.set(reader.uint(), reader.uint())
    this.#protected = isKnown ? kept : null
    this.#threshold = reader.uint()
    this.#stepAt = reader.uint()
    this.#resume = reader.str()
    this.#lastKey = reader.str()
    this.#isBehind = reader.bool()
  }
}

const NOTHING: readonly Write[] = []
