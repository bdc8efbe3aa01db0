import type { ReadView, Space } from "../engine/engine.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Span } from "../mvcc/key.ts"
import { StateHash } from "./state-hash.ts"

/** How a step of a pass ended. `differs`: the rows do not add up to the hash that was kept along the way. */
export type ScrubStep = "going" | "agrees" | "differs"

/**
 * Counts the rows of one range again, a few at a time, while the range goes on: what stands at or below the
 * cursor is in the partial hash, and a write there changes both it and the hash that is kept. So when the
 * cursor has passed the last row the two are equal, unless what the engine gave back is not what was
 * written. No view is pinned, however long a pass takes.
 */
export class Scrub {
  #isUnderWay = false
  /** The last row counted; space 0 is before the first. */
  #space = 0
  #key = ""
  /** Of the rows up to the cursor. */
  readonly #partial = new StateHash()
  /** Passes brought to their end since the state was opened. */
  #passes = 0

  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  get passes(): number {
    return this.#passes
  }

  /** Where it stands: at the start of the range when no pass is under way. */
  get place(): { readonly space: number; readonly key: string } {
    return { space: this.#space, key: this.#key }
  }

  /** The sum a write to this row changes too; null when the cursor has not passed it. */
  partOf(space: Space, key: string): StateHash | null {
    if (!this.#isUnderWay || space > this.#space) return null
    return space < this.#space || key <= this.#key ? this.#partial : null
  }

  /** The state is another one now: begins again. */
  abandon(): void {
    this.#isUnderWay = false
    this.#space = 0
    this.#key = ""
    this.#partial.reset()
  }

  /**
   * Counts at most `limit` rows, and gives how many. `kept` is the hash that was kept along the way; once a
   * pass has shown that it is right it takes over what the pass counted.
   */
  step(
    view: ReadView,
    spaces: readonly Space[],
    span: Span,
    limit: number,
    kept: StateHash,
  ): { readonly rows: number; readonly outcome: ScrubStep } {
    if (!this.#isUnderWay) this.abandon()
    this.#isUnderWay = true
    let rows = 0
    for (const space of spaces) {
      if (space < this.#space) continue
      const start = space === this.#space ? this.#key + "\0" : span.start
      const cursor = view.cursor(space, start, span.end, false)
      for (; cursor.valid; cursor.next()) {
        if (rows >= limit) return { rows, outcome: "going" }
        this.#space = space
        this.#key = cursor.key
        this.#partial.add(space, cursor.key, cursor.value)
        rows++
      }
    }
    const partial = this.#partial
    const isEqual = partial.high === kept.high && partial.low === kept.low
    if (isEqual) {
      kept.rows = partial.rows
      kept.bytes = partial.bytes
      kept.tombstones = partial.tombstones
    }
    this.#passes++
    this.abandon()
    return { rows, outcome: isEqual ? "agrees" : "differs" }
  }

  save(sink: Sink): void {
    sink.bool(this.#isUnderWay)
    sink.uint(this.#passes)
    if (!this.#isUnderWay) return
    sink.u8(this.#space)
    sink.str(this.#key)
    saveSum(this.#partial, sink)
  }

  /** Into one that is new. */
  load(reader: ByteReader): void {
    this.#isUnderWay = reader.bool()
    this.#passes = reader.uint()
    if (!this.#isUnderWay) return
    this.#space = reader.u8()
    this.#key = reader.str()
    loadSum(this.#partial, reader)
  }
}

/** The counts of a sum that is not complete may lie below zero: rows are taken away that it never had. */
export function saveSum(sum: StateHash, sink: Sink): void {
  sink.u32(sum.high)
  sink.u32(sum.low)
  sink.int(sum.rows)
  sink.int(sum.bytes)
  sink.int(sum.tombstones)
}

export function loadSum(sum: StateHash, reader: ByteReader): void {
  sum.high = reader.u32()
  sum.low = reader.u32()
  sum.rows = reader.int()
  sum.bytes = reader.int()
  sum.tombstones = reader.int()
}
