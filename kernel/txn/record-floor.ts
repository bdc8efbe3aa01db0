import { SPACE_RECORDS, type Write } from "../engine/engine.ts"
import type { Mono, Timestamp, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { TXN_ABANDONED_US } from "../limits.ts"
import { decodeUserKey } from "../mvcc/key.ts"
import type { StateMachine } from "../range/state-machine.ts"
import { spanOf } from "../snapshot/head.ts"
import { fromWall } from "../time/hlc.ts"
import type { Push } from "./known.ts"
import type { TxnId } from "./protocol.ts"
import { TXN_ID_BYTES } from "./protocol-codec.ts"
import { decodeTxnRecord, floorWrite, readFloor } from "./record.ts"
import { beginOf } from "./txn-id.ts"

/** How old a transaction is before its record goes. A live one has had its record made by a heartbeat long before. */
const KEPT_US = 2 * TXN_ABANDONED_US
/** Records looked at by one step of a walk, and the time between two. */
const VISITS_MAX = 256
const STEP_US = 50_000
const NEVER = Number.MAX_SAFE_INTEGER

/** What one step of the walk comes to. */
export type Collecting = {
  readonly writes: readonly Write[]
  /** Nobody has decided these: whoever asks their record does. */
  readonly asks: readonly Push[]
}

/**
 * Collects the records of decided transactions. What goes is below a floor that rises in the same entry: below it no record is
 * made anew, so one that is gone is not taken for one that is yet to come. An aborted one may go at once below it, for whoever
 * finds nothing there is told that it was aborted; a committed one when all its intents are resolved.
 */
export class RecordFloor {
  readonly #machine: StateMachine
  /** When the walk goes on; `NEVER` when there is nothing to collect. */
  #stepAt: Mono = NEVER
  /** Where it goes on, a key of the engine; empty at the beginning. */
  #resume = ""
  /** Something of this walk will be old enough later. */
  #isLeft = false

  constructor(machine: StateMachine) {
    this.#machine = machine
  }

  get deadline(): Mono {
    return this.#stepAt
  }

  /** Looks whether older leaders have left anything. */
  begin(mono: Mono): void {
    const { start, end } = spanOf(this.#machine.descriptor)
    if (this.#machine.view.cursor(SPACE_RECORDS, start, end, false).valid) this.#stepAt = mono + KEPT_US
  }

  /** These writes are applied. */
  note(writes: readonly Write[], mono: Mono): void {
    if (this.#stepAt !== NEVER) return
    if (writes.some(({ space }) => space === SPACE_RECORDS)) this.#stepAt = mono + KEPT_US
  }

  lostLeadership(): void {
    this.#stepAt = NEVER
    this.#resume = ""
    this.#isLeft = false
  }

  /** The next step of the walk, when its time has come; not `mayWrite` puts it off. */
  step(mono: Mono, wall: Wall, mayWrite: boolean): Collecting {
    if (mono < this.#stepAt) return NOTHING
    this.#stepAt = mono + STEP_US
    if (!mayWrite || wall <= KEPT_US) return NOTHING
    const { view, descriptor } = this.#machine
    const { tenant, rangeId, start } = descriptor
    const old = readFloor(view, tenant, start)
    if (old === "damaged") return NOTHING
    const floor = Math.max(old, fromWall(wall - KEPT_US))
    const span = spanOf(descriptor)
    const writes: Write[] = []
    const asks: Push[] = []
    const cursor = view.cursor(
      SPACE_RECORDS,
      this.#resume === "" ? span.start : this.#resume,
      span.end,
      false,
    )
    let left = VISITS_MAX
    for (; cursor.valid && left > 0; cursor.next(), left--) {
      const { key } = cursor
      const txn = key.slice(-TXN_ID_BYTES) as TxnId
      const anchorKey = decodeUserKey(key.slice(0, -TXN_ID_BYTES))
      const record = decodeTxnRecord(cursor.value)
      // The floor itself, or what the repair will find.
      if (record === "damaged" || anchorKey === null) continue
      const isOver = record.status === "aborted" || (record.status === "committed" && record.isForgotten)
      if ((beginOf(txn) ?? 0) > floor) this.#isLeft = true
      else if (isOver) writes.push({ space: SPACE_RECORDS, type: "delete", key, value: "" })
      else if (record.status !== "committed" && isAbandoned(record.heartbeat, wall)) {
        asks.push({ txn, anchor: { tenant, rangeId, key: anchorKey }, minCommitTs: 0 })
        this.#isLeft = true
      }
    }
    this.#resume = cursor.valid ? cursor.key : ""
    if (!cursor.valid) {
      this.#stepAt = this.#isLeft ? mono + KEPT_US : NEVER
      this.#isLeft = false
    }
    if (writes.length > 0) writes.unshift(floorWrite(tenant, start, floor))
    return { writes, asks }
  }

  save(sink: Sink): void {
    sink.uint(this.#stepAt)
    sink.str(this.#resume)
    sink.bool(this.#isLeft)
  }

  load(reader: ByteReader): void {
    this.#stepAt = reader.uint()
    this.#resume = reader.str()
    this.#isLeft = reader.bool()
  }
}

function isAbandoned(heartbeat: Timestamp, wall: Wall): boolean {
  return heartbeat + fromWall(TXN_ABANDONED_US) <= fromWall(wall)
}

const NOTHING: Collecting = { writes: [], asks: [] }
