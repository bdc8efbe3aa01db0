import type { GroupId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Moment, Replica } from "./replica.ts"

/** Rows counted at one replica before the next gets its turn. */
const TURN_ROWS = 1_000

/**
 * Shares a store's scrubbing out: so many rows in a second, over all its replicas in turn, whatever they
 * are busy with, asleep or awake. Comparisons with peers begin here too, and wake nobody who sleeps.
 */
export class Scrubber {
  /** The group that was last counted at. */
  #last: GroupId = 0

  /** Once a housekeeping. Gives the replicas with which it had to do. */
  step(replicas: readonly Replica[], moment: Moment): readonly Replica[] {
    const present = replicas.filter((replica) => !replica.isRemoved)
    const comparing = present.filter((replica) => replica.scrub.wantsComparison(moment.mono))
    for (const replica of comparing) replica.compare(moment)
    const waiting = present.filter((replica) => replica.scrub.wantsRows(moment.mono))
    if (waiting.length === 0) return comparing
    const first = waiting.findIndex((replica) => replica.group > this.#last)
    let left = waiting[0]!.scrub.rowsMax
    let at = Math.max(0, first)
    for (let turns = 0; turns < waiting.length && left > 0; turns++) {
      const replica = waiting[at]!
      // An empty range costs something too, or ten thousand of them would be counted at once.
      left -= 1 + replica.countRows(Math.min(left, TURN_ROWS), moment)
      this.#last = replica.group
      at = (at + 1) % waiting.length
    }
    return [...comparing, ...waiting]
  }

  save(sink: Sink): void {
    sink.uint(this.#last)
  }

  static load(reader: ByteReader): Scrubber {
    const scrubber = new Scrubber()
    scrubber.#last = reader.uint()
    return scrubber
  }
}
