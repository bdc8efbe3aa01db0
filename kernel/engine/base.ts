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
}
