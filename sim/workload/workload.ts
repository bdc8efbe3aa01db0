import type { KvOp } from "#kernel"
import type { Operation } from "../check/history.ts"
import type { Chance } from "../plan/chance.ts"

/** What one operation is drawn for: keys of one range, and a value nobody else writes. */
export type OpGround = {
  readonly keys: readonly string[]
  /** Values planned for a key so far, oldest first: what a cas may hope to find. */
  readonly planned: (key: string) => readonly string[]
  /** Unlike any other value of the run. */
  readonly unique: () => string
}

/**
 * What clients do and what must come of it. `draw` is asked when a plan is drawn; carrying a request out
 * is the same for all of them (`client.ts`); `check` looks at the finished history.
 */
export interface Workload {
  readonly kind: string
  readonly about: string
  /**
   * "always": a repeat without a token would change the answer the checks rest on. "mostly": scans tie all
   * keys of a range together, and every write of unknown outcome doubles what the search must try.
   */
  readonly tokens: "always" | "mostly" | "sometimes"
  /** Its values are unique, so that it can be told how old the answer to a timeline read is. */
  readonly hasTimeline?: true
  /** Drawn only where a scenario names it, so that what other seeds draw stays what it was. */
  readonly byName?: true
  readonly draw: (chance: Chance, ground: OpGround) => readonly KvOp[]
  /**
   * A promise of its own, in one sentence where it is broken. It is weaker than linearizability, cheap, and
   * still holds where that search runs out of budget.
   */
  readonly check: (history: readonly Operation[]) => string | null
}
