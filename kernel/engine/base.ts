import type { DamageList } from "./damage.ts"
import type { ReadView } from "./engine.ts"

/**
 * The durable state under an overlay, as its host keeps it: LMDB in the shell, bytes on a simulated disk
 * in the simulator.
 *
 * Between `freeze(c)` and `settle(c)` it may answer with or without the changes of `c`, and may turn from
 * one to the other at any moment: the frozen layer above hides the difference from the engine and from
 * snapshots taken since the freeze. Nothing can hide it from a snapshot older than the freeze, so those
 * stand on `snapshot()`, which no checkpoint moves (in LMDB a read transaction of its own).
 */
export interface Base extends ReadView {
  /** The last checkpoint it contains; 0 is "none". */
  readonly checkpoint: number
  /** The content now, whatever checkpoints come after. O(1). */
  snapshot(): ReadView
  /**
   * What of it cannot be read, as far as is known: from the start, or found by a read since. A read over
   * such a span answers as if nothing lay there, so whoever reads asks afterwards, and uses nothing of what
   * it read before it has looked. Nothing leaves the list but by a checkpoint whose changes clear it; a
   * list that grew is another array, so that to ask again costs one comparison.
   */
  readonly damage: DamageList
}
