import { NO_DAMAGE, overlaps, type DamageList } from "../engine/damage.ts"
import { SPACE_META, type Engine, type ReadView, type Space, type Write } from "../engine/engine.ts"
import type { LogIndex, ReplicaId, Term, Timestamp } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import { decodeUint64, encodeUint64 } from "../mvcc/key.ts"
import { EMPTY_CONFIGURATION } from "../raft/membership.ts"
import type { Configuration, Entry, LogEnd } from "../raft/types.ts"
import { ROW_SPACES, spanOf, type SnapshotHead } from "../snapshot/head.ts"
import { SnapshotSource } from "../snapshot/source.ts"
import { clearStaging } from "../snapshot/staging.ts"
import type { RangeSize } from "../node/status.ts"
import type { RangeDescriptor } from "./descriptor.ts"
import { firstDifference, type Difference } from "./first-difference.ts"
import {
  appliedWrite,
  clearMeta,
  decodeApplied,
  decodeShape,
  isMetaDamaged,
  readApplied,
  readShape,
  shapeWrite,
  type AppliedRecord,
  type ShapeRecord,
} from "./meta.ts"
import { loadSum, saveSum, Scrub, type ScrubStep } from "./scrub.ts"
import { StateHash } from "./state-hash.ts"

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
 *
 * Once some of it is found damaged it stays so until a snapshot has taken its place: it applies nothing
 * and must not be read. What a read found is looked for (`checkDamage`) before it is used.
 */
export class StateMachine {
  readonly #engine: Engine
  #applied: AppliedRecord
  #shape: ShapeRecord
  readonly #hash: StateHash
  /** What the rows of the entry under way had before: empty between two of them. */
  readonly #before: (string | null)[] = []
  readonly #scrub: Scrub
  /** Whether the counts beside the hash are those of all rows: what was opened is counted by the first pass. */
  #isCounted = false
  #isDamaged = false
  /** Its replicas have different states, and none a majority: nobody can say which is right. */
  isDiverged = false
  /** What the engine named when last looked at. */
  #damageSeen: DamageList = NO_DAMAGE

  private constructor(
    engine: Engine,
    applied: AppliedRecord,
    shape: ShapeRecord,
    scrub: Scrub = new Scrub(),
    hash: StateHash = new StateHash(applied.hashHigh, applied.hashLow),
  ) {
    this.#engine = engine
    this.#applied = applied
    this.#shape = shape
    this.#scrub = scrub
    this.#hash = hash
  }

  /**
   * What the engine holds of this replica; null when it holds nothing, or when what it holds of the group
   * beside its rows cannot be read. What it still holds of another replica of the group, whose end a crash
   * took back, is removed now.
   */
  static open(engine: Engine, group: number, replica: ReplicaId): StateMachine | null {
    const applied = readApplied(engine, group)
    const shape = readShape(engine, group)
    // Looked at after reading: a base that is read row by row has found it only now.
    if (isMetaDamaged(engine.damage, group)) return null
    invariant((applied === null) === (shape === null), "The records of a range come together")
    if (applied === null || shape === null) return null
    const machine = new StateMachine(engine, applied, shape)
    if (applied.replica !== replica) {
      machine.destroy()
      return null
    }
    machine.checkDamage()
    return machine
  }

  /** For a replica that was never here: what the engine holds of its group is another's and goes. */
  static fresh(engine: Engine, descriptor: RangeDescriptor, replica: ReplicaId): StateMachine {
    StateMachine.open(engine, descriptor.groupId, replica)?.destroy()
    engine.apply([clearStaging(descriptor.groupId)])
    return StateMachine.create(engine, descriptor, replica)
  }

  /**
   * A range nobody has written to yet, or of which nothing is known any more: then it is damaged. Nothing
   * reaches the engine before the first entry does.
   */
  static create(engine: Engine, descriptor: RangeDescriptor, replica: ReplicaId): StateMachine {
    // A crash may have given the rows of an older replica back, whose removal was in the log but in no checkpoint.
    const old = StateMachine.open(engine, descriptor.groupId, replica)
    invariant(old === null, "Cannot create a state machine: this replica has one")
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
    const machine = new StateMachine(engine, applied, {
      descriptor,
      configurationIndex: 0,
      configuration: EMPTY_CONFIGURATION,
    })
    machine.#isCounted = !machine.checkDamage()
    return machine
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
  get scrub(): Pick<Scrub, "isUnderWay" | "passes" | "place"> {
    return this.#scrub
  }
  /** How much there is; null until it was counted. */
  get size(): RangeSize | null {
    const { rows, bytes, tombstones } = this.#hash
    return this.#isCounted ? { rows, bytes, tombstones } : null
  }

  get isDamaged(): boolean {
    return this.#isDamaged
  }

  /** Some of the state is not what was written, whatever the engine says. */
  markDamaged(): void {
    this.#isDamaged = true
  }

  /** Whether some of the state cannot be read, as far as is known by now: to ask after reading. */
  checkDamage(): boolean {
    const damage = this.#engine.damage
    if (damage === this.#damageSeen) return this.#isDamaged
    this.#damageSeen = damage
    if (damage.length > 0 && !this.#isDamaged) this.#isDamaged = this.#isTouchedBy(damage)
    return this.#isDamaged
  }

  #isTouchedBy(damage: DamageList): boolean {
    const { descriptor } = this.#shape
    if (isMetaDamaged(damage, descriptor.groupId)) return true
    const span = spanOf(descriptor)
    return ROW_SPACES.some((space) => overlaps(damage, space, span.start, span.end))
  }

  /**
   * Null when what the entry writes over turned out to be damaged: then it is not applied, whatever of its
   * rows is in the engine, and the state as a whole waits to be replaced.
   */
  apply(entry: Entry): Applied | null {
    invariant(!this.#isDamaged, "A damaged state takes no entry")
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
        if (this.checkDamage()) {
          this.#hash.high = this.#applied.hashHigh
          this.#hash.low = this.#applied.hashLow
          this.#forgetCounts()
          return null
        }
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
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i]!
      this.#hash.write(row, before[i]!, this.#scrub.partOf(row.space, row.key))
    }
    before.length = 0
  }

  /** The range as it stands, for others: unmoved by what is applied from now on. O(1). */
  pin(chunkBytes: number): SnapshotSource {
    const { appliedIndex: index, appliedTerm: term, lowWater, horizon, leaseSequence } = this.#applied
    const { descriptor, configuration, configurationIndex } = this.#shape
    const id = { index, term, hashHigh: this.#hash.high, hashLow: this.#hash.low, chunkBytes }
    const head = { id, lowWater, horizon, leaseSequence, descriptor, configuration, configurationIndex }
    return new SnapshotSource(head, this.#engine.snapshot())
  }

  #eachRow(visit: (space: Space, key: string, value: string) => void): void {
    const span = spanOf(this.#shape.descriptor)
    for (const space of ROW_SPACES) {
      const cursor = this.#engine.cursor(space, span.start, span.end, false)
      for (; cursor.valid; cursor.next()) visit(space, cursor.key, cursor.value)
    }
  }

  /** Where this state and the snapshot that is staged for its place part; `since` as for `firstDifference`. */
  differsFromStaged(since: ReadonlySet<string>): Difference | null {
    const { descriptor } = this.#shape
    return firstDifference(this.#engine, descriptor.groupId, spanOf(descriptor), since)
  }

  /**
   * Puts the snapshot that was staged in the place of everything this range holds: rows, records and the end
   * of its staging in one batch, so that a crash finds the old state or the new one. `rows` add up to its head.
   */
  installSnapshot(head: SnapshotHead, rows: readonly Write[]): void {
    const { id, lowWater, horizon, leaseSequence, descriptor, configuration, configurationIndex } = head
    invariant(id.index >= this.#applied.appliedIndex, "A snapshot would take the applied index back")
    const writes: Write[] = clearRows(this.#shape.descriptor)
    const { start, end } = this.#shape.descriptor
    if (start !== descriptor.start || end !== descriptor.end) writes.push(...clearRows(descriptor))
    // One by one: as arguments of one call they would take a stack as deep as the range is large.
    for (const row of rows) writes.push(row)
    this.#hash.high = id.hashHigh
    this.#hash.low = id.hashLow
    this.#applied = {
      replica: this.#applied.replica,
      appliedIndex: id.index,
      appliedTerm: id.term,
      lowWater,
      horizon,
      snapshotIndex: id.index,
      leaseSequence,
      hashHigh: id.hashHigh,
      hashLow: id.hashLow,
    }
    this.#shape = { descriptor, configurationIndex, configuration }
    this.#forgetCounts()
    const group = descriptor.groupId
    writes.push(...clearMeta(group), shapeWrite(group, this.#shape), appliedWrite(group, this.#applied))
    writes.push(clearStaging(group))
    this.#engine.apply(writes)
    this.isDiverged = false
    this.#damageSeen = this.#engine.damage
    this.#isDamaged = this.#isTouchedBy(this.#damageSeen)
  }

  /**
   * Goes on with the rows that can be read: the others are given up, and the state counts as the one after entry `end`. No
   * token born before `horizon` is known any more. `undone` goes before it is counted. By an operator's word alone;
   * durable with the next checkpoint.
   */
  salvage(end: LogEnd, horizon: Timestamp, undone: readonly Write[]): void {
    const { descriptor } = this.#shape
    const { groupId } = descriptor
    this.#hash.reset()
    // Reading is what finds damage; once all was read, what was found is cleared.
    this.#eachRow(() => {})
    this.#engine.apply([...clearsOf(this.#engine.damage, descriptor), ...undone])
    this.#eachRow((space, key, value) => this.#hash.add(space, key, value))
    this.#scrub.abandon()
    this.#isCounted = true
    const { high: hashHigh, low: hashLow } = this.#hash
    this.#applied = {
      ...this.#applied,
      appliedIndex: end.index,
      appliedTerm: end.term,
      horizon: Math.max(this.#applied.horizon, horizon),
      hashHigh,
      hashLow,
    }
    if (end.index > 0)
      this.#engine.apply([shapeWrite(groupId, this.#shape), appliedWrite(groupId, this.#applied)])
    this.isDiverged = false
    this.#damageSeen = this.#engine.damage
    this.#isDamaged = this.#isTouchedBy(this.#damageSeen)
  }

  /** Removes every trace of the range from the engine, but what the log says. */
  destroy(): void {
    const { descriptor } = this.#shape
    const { groupId } = descriptor
    this.#engine.apply([...clearRows(descriptor), ...clearMeta(groupId), clearStaging(groupId)])
  }

  #forgetCounts(): void {
    this.#isCounted = false
    this.#scrub.abandon()
  }

  /** Counts the next rows of a pass over all of them; what does not add up is damaged. */
  scrubRows(limit: number): { readonly rows: number; readonly outcome: ScrubStep } {
    invariant(!this.#isDamaged, "A damaged state is not worth counting")
    const span = spanOf(this.#shape.descriptor)
    const step = this.#scrub.step(this.#engine, ROW_SPACES, span, limit, this.#hash)
    if (this.checkDamage()) this.#forgetCounts()
    else if (step.outcome === "agrees") this.#isCounted = true
    else if (step.outcome === "differs") this.#isDamaged = true
    return step
  }

  /** Counts the hash again from the rows, at once: true when it is what was kept along the way. */
  recount(): boolean {
    const counted = new StateHash()
    this.#eachRow((space, key, value) => counted.add(space, key, value))
    return counted.high === this.#hash.high && counted.low === this.#hash.low
  }

  /** What `open` could not find again: the records of a damaged state, and nothing of any other. */
  save(sink: Sink): void {
    this.#scrub.save(sink)
    sink.bool(this.#isCounted)
    saveSum(this.#hash, sink)
    sink.bool(this.isDiverged)
    sink.bool(this.#isDamaged)
    if (!this.#isDamaged) return
    const { groupId } = this.#shape.descriptor
    sink.str(appliedWrite(groupId, this.#applied).value)
    sink.str(shapeWrite(groupId, this.#shape).value)
  }

  /** Of this replica, over the engine as it was when the machine was saved. */
  static load(
    reader: ByteReader,
    engine: Engine,
    descriptor: RangeDescriptor,
    replica: ReplicaId,
  ): StateMachine {
    const scrub = new Scrub()
    scrub.load(reader)
    const isCounted = reader.bool()
    const sum = new StateHash()
    loadSum(sum, reader)
    const isDiverged = reader.bool()
    const isDamaged = reader.bool()
    const machine = isDamaged
      ? new StateMachine(engine, decodeApplied(reader.str()), decodeShape(reader.str()), scrub, sum)
      : StateMachine.#reopen(engine, descriptor, replica, scrub, sum)
    machine.#isDamaged = isDamaged
    machine.#isCounted = isCounted
    machine.isDiverged = isDiverged
    return machine
  }

  static #reopen(
    engine: Engine,
    descriptor: RangeDescriptor,
    replica: ReplicaId,
    scrub: Scrub,
    sum: StateHash,
  ): StateMachine {
    const opened =
      StateMachine.open(engine, descriptor.groupId, replica) ??
      StateMachine.create(engine, descriptor, replica)
    return new StateMachine(engine, opened.#applied, opened.#shape, scrub, sum)
  }
}

/** Clears over what of a range's rows is damaged. */
function clearsOf(damage: DamageList, range: RangeDescriptor): Write[] {
  const span = spanOf(range)
  return damage
    .filter((each) => ROW_SPACES.includes(each.space) && overlaps([each], each.space, span.start, span.end))
    .map(({ space, from, to }): Write => ({
      space,
      type: "clear",
      key: from < span.start ? span.start : from,
      value: to === "" || to > span.end ? span.end : to,
    }))
}

function clearRows(range: RangeDescriptor): Write[] {
  const { start, end } = spanOf(range)
  return ROW_SPACES.map((space): Write => ({ space, type: "clear", key: start, value: end }))
}
