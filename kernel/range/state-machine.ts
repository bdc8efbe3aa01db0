import {
  SPACE_IDEMPOTENCY,
  SPACE_INTENTS,
  SPACE_META,
  SPACE_RECORDS,
  SPACE_VERSIONS,
  type Engine,
  type ReadView,
  type Space,
  type Write,
} from "../engine/engine.ts"
import type { LogIndex, ReplicaId, Term, Timestamp } from "../ids.ts"
import { ByteReader, ByteWriter } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import { KV_TABLE, decodeUint64, encodeUint64, tableSpan } from "../mvcc/key.ts"
import { EMPTY_CONFIGURATION } from "../raft/membership.ts"
import type { Configuration, Entry, LogEnd } from "../raft/types.ts"
import type { RangeDescriptor } from "./descriptor.ts"
import {
  appliedWrite,
  deleteMeta,
  readApplied,
  readShape,
  shapeWrite,
  type AppliedRecord,
  type ShapeRecord,
} from "./meta.ts"
import { StateHash } from "./state-hash.ts"

/** The spaces of which a range owns its span. */
const ROW_SPACES: readonly Space[] = [SPACE_VERSIONS, SPACE_INTENTS, SPACE_RECORDS, SPACE_IDEMPOTENCY]

/** A control write inside a batch: not a row, but a change of the range's own record. */
const HORIZON_KEY = "h"

export function horizonWrite(horizon: Timestamp): Write {
  return { space: SPACE_META, type: "put", key: HORIZON_KEY, value: encodeUint64(horizon) }
}

/** How an applied entry went: a batch evaluated under another generation or lease is void everywhere. */
export type Applied = { readonly index: LogIndex; readonly term: Term; readonly rejected: boolean }

/**
 * The replicated state of one range: applies entries in log order, all replicas alike. Rows, applied
 * index and hash go to the engine in one batch.
 */
export class StateMachine {
  readonly #engine: Engine
  #applied: AppliedRecord
  #shape: ShapeRecord
  readonly #hash: StateHash
  /** What the rows of the entry under way had before: empty between two of them. */
  readonly #before: (string | null)[] = []

  private constructor(engine: Engine, applied: AppliedRecord, shape: ShapeRecord) {
    this.#engine = engine
    this.#applied = applied
    this.#shape = shape
    this.#hash = new StateHash(applied.hashHigh, applied.hashLow)
  }

  /**
   * What the engine holds of this replica; null when it holds nothing. What it still holds of another one
   * of the group, whose end a crash took back, is removed now.
   */
  static open(engine: Engine, group: number, replica: ReplicaId): StateMachine | null {
    const applied = readApplied(engine, group)
    const shape = readShape(engine, group)
    invariant((applied === null) === (shape === null), "The records of a range come together")
    if (applied === null || shape === null) return null
    const machine = new StateMachine(engine, applied, shape)
    if (applied.replica === replica) return machine
    machine.destroy()
    return null
  }

  /** A range nobody has written to yet. Nothing reaches the engine before the first entry does. */
  static create(engine: Engine, descriptor: RangeDescriptor, replica: ReplicaId): StateMachine {
    const applied: AppliedRecord = {
      replica,
      appliedIndex: 0,
      appliedTerm: 0,
      lowWater: 0,
      horizon: 0,
      snapshotIndex: 0,
      leaseSequence: 0,
      hashHigh: 0,
      hashLow: 0,
    }
    return new StateMachine(engine, applied, {
      descriptor,
      configurationIndex: 0,
      configuration: EMPTY_CONFIGURATION,
    })
  }

  get appliedIndex(): LogIndex {
    return this.#applied.appliedIndex
  }
  get appliedTerm(): Term {
    return this.#applied.appliedTerm
  }
  get lowWater(): Timestamp {
    return this.#applied.lowWater
  }
  get horizon(): Timestamp {
    return this.#applied.horizon
  }
  get snapshotIndex(): LogIndex {
    return this.#applied.snapshotIndex
  }
  get leaseSequence(): number {
    return this.#applied.leaseSequence
  }
  get descriptor(): RangeDescriptor {
    return this.#shape.descriptor
  }
  get configuration(): Configuration {
    return this.#shape.configuration
  }
  get configurationIndex(): LogIndex {
    return this.#shape.configurationIndex
  }
  get hashHigh(): number {
    return this.#hash.high
  }
  get hashLow(): number {
    return this.#hash.low
  }
  get view(): ReadView {
    return this.#engine
  }

  apply(entry: Entry): Applied {
    const { index, term, payload } = entry
    invariant(index === this.#applied.appliedIndex + 1, "Entries are applied in order")
    let { lowWater, horizon } = this.#applied
    let rejected = false
    if (payload.type === "batch") {
      const batch = payload.batch
      lowWater = Math.max(lowWater, batch.closedTs)
      rejected =
        batch.generation !== this.#shape.descriptor.generation ||
        batch.leaseSequence !== this.#applied.leaseSequence
      if (!rejected) {
        let hasControls = false
        for (const write of batch.writes) {
          if (write.space !== SPACE_META) continue
          hasControls = true
          horizon = Math.max(horizon, decodeUint64(write.value, 0) ?? 0)
        }
        this.#applyRows(
          hasControls ? batch.writes.filter((write) => write.space !== SPACE_META) : batch.writes,
        )
      }
    } else {
      const descriptor = payload.type === "bootstrap" ? payload.bootstrap.descriptor : this.#shape.descriptor
      const configuration =
        payload.type === "bootstrap" ? payload.bootstrap.configuration : payload.configuration
      this.#shape = { descriptor, configurationIndex: index, configuration }
      this.#engine.apply([shapeWrite(this.#shape.descriptor.groupId, this.#shape)])
    }
    this.#applied = {
      replica: this.#applied.replica,
      appliedIndex: index,
      appliedTerm: term,
      lowWater,
      horizon,
      snapshotIndex: this.#applied.snapshotIndex,
      leaseSequence: this.#applied.leaseSequence,
      hashHigh: this.#hash.high,
      hashLow: this.#hash.low,
    }
    // In one step with the rows: a checkpoint holds the index with the data it speaks of, or neither.
    this.#engine.apply([appliedWrite(this.#shape.descriptor.groupId, this.#applied)])
    return { index, term, rejected }
  }

  #applyRows(rows: readonly Write[]): void {
    const before = this.#before
    this.#engine.apply(rows, before)
    for (let i = 0; i < rows.length; i++) this.#hash.write(rows[i]!, before[i]!)
    before.length = 0
  }

  /** Every row and record, as one canonical string of bytes. */
  encodeSnapshot(): Uint8Array {
    const writer = new ByteWriter(4096)
    writer.u8(SNAPSHOT_VERSION)
    writer.uint(this.#applied.appliedIndex)
    writer.uint(this.#applied.appliedTerm)
    writer.uint(this.#applied.lowWater)
    writer.uint(this.#applied.horizon)
    writer.uint(this.#applied.leaseSequence)
    writer.u32(this.#applied.hashHigh)
    writer.u32(this.#applied.hashLow)
    this.#eachRow((space, key, value) => {
      writer.u8(space)
      writer.str(key)
      writer.str(value)
    })
    writer.u8(0)
    return writer.finish()
  }

  #eachRow(visit: (space: Space, key: string, value: string) => void): void {
    const { tenant, start, end } = this.#shape.descriptor
    const span = tableSpan(tenant, KV_TABLE, start, end)
    for (const space of ROW_SPACES) {
      const cursor = this.#engine.cursor(space, span.start, span.end, false)
      for (; cursor.valid; cursor.next()) visit(space, cursor.key, cursor.value)
    }
  }

  /**
   * Puts a snapshot in the place of everything this range holds, in one batch. False, and nothing has
   * changed, when the bytes are no snapshot, are not of the state at `end`, or do not add up to their own hash.
   */
  installSnapshot(data: Uint8Array, shape: ShapeRecord, end: LogEnd): boolean {
    const decoded = decodeSnapshot(data)
    if (decoded === null) return false
    const { appliedIndex, appliedTerm } = decoded.applied
    if (appliedIndex !== end.index || appliedTerm !== end.term) return false
    const { tenant, start, end: endKey } = shape.descriptor
    const span = tableSpan(tenant, KV_TABLE, start, endKey)
    const writes: Write[] = []
    for (const space of ROW_SPACES) writes.push({ space, type: "clear", key: span.start, value: span.end })
    for (const row of decoded.rows) {
      if (row.key < span.start || row.key >= span.end) return false
      writes.push(row)
    }
    const { replica } = this.#applied
    this.#applied = { ...decoded.applied, replica, snapshotIndex: decoded.applied.appliedIndex }
    this.#shape = shape
    this.#hash.high = decoded.applied.hashHigh
    this.#hash.low = decoded.applied.hashLow
    writes.push(
      shapeWrite(shape.descriptor.groupId, shape),
      appliedWrite(shape.descriptor.groupId, this.#applied),
    )
    this.#engine.apply(writes)
    return true
  }

  /** Removes every trace of the range from the engine, but what the log says. */
  destroy(): void {
    const { tenant, start, end, groupId } = this.#shape.descriptor
    const span = tableSpan(tenant, KV_TABLE, start, end)
    const writes: Write[] = ROW_SPACES.map((space) => ({
      space,
      type: "clear",
      key: span.start,
      value: span.end,
    }))
    this.#engine.apply([...writes, ...deleteMeta(groupId)])
  }

  /** Counts the hash again from the rows: true when it is what was kept along the way. */
  recount(): boolean {
    const counted = new StateHash()
    this.#eachRow((space, key, value) => counted.add(space, key, value))
    return counted.high === this.#hash.high && counted.low === this.#hash.low
  }
}

const SNAPSHOT_VERSION = 1

/** `replica` is the sender's business and not in it. */
type Decoded = { readonly applied: Omit<AppliedRecord, "replica">; readonly rows: readonly Write[] }

/** Null for anything that is no snapshot, or whose rows do not sum up to the hash it states. */
export function decodeSnapshot(data: Uint8Array): Decoded | null {
  const reader = new ByteReader(data)
  if (reader.u8() !== SNAPSHOT_VERSION) return null
  const applied = {
    appliedIndex: reader.uint(),
    appliedTerm: reader.uint(),
    lowWater: reader.uint(),
    horizon: reader.uint(),
    snapshotIndex: 0,
    leaseSequence: reader.uint(),
    hashHigh: reader.u32(),
    hashLow: reader.u32(),
  }
  const rows: Write[] = []
  const hash = new StateHash()
  for (;;) {
    const space = reader.u8() as Space
    if (space === (0 as number)) break
    if (!ROW_SPACES.includes(space)) return null
    const key = reader.str()
    const value = reader.str()
    const before = rows.at(-1)
    const isInOrder =
      before === undefined || before.space < space || (before.space === space && before.key < key)
    if (reader.failed || !isInOrder) return null
    rows.push({ space, type: "put", key, value })
    hash.add(space, key, value)
  }
  if (reader.failed || reader.remaining > 0) return null
  return hash.high === applied.hashHigh && hash.low === applied.hashLow ? { applied, rows } : null
}
