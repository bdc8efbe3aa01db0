import type { Write } from "../engine/engine.ts"
import type { KernelError } from "../errors.ts"
import type { Timestamp } from "../ids.ts"
import type { Footprint } from "../range/asked.ts"
import type { KvRequest, KvResult } from "../range/request.ts"
import type { Aftermath } from "./aftermath.ts"
import type { Lock, Met } from "./lock-table.ts"
import type { TxnAnswer } from "./protocol.ts"

/** A request under evaluation, and what is kept of it between two evaluations. */
export type Case = {
  readonly request: KvRequest
  /** What it latches, looked up once. */
  readonly footprint: Footprint
  /** Its place among those that wait for locks and intents; 0 before it had to. */
  place: number
  /** A read of "now": when that is, once it was looked at; 0 before. */
  readTs: Timestamp
  /** What is known since then is fresh enough for it; 0 before it mattered. */
  stamp: number
}

export type Verdict =
  | { readonly type: "refused"; readonly error: KernelError }
  /** A row that was needed cannot be read. */
  | { readonly type: "damaged" }
  /** Comes again when these are out of the way. */
  | { readonly type: "blocked"; readonly wanted: readonly Lock[]; readonly met: readonly Met[] }
  | {
      readonly type: "answered"
      readonly ts: Timestamp
      readonly results: readonly KvResult[]
      readonly answer: TxnAnswer | null
    }
  | {
      readonly type: "proposed"
      readonly ts: Timestamp
      readonly results: readonly KvResult[]
      readonly answer: TxnAnswer | null
      readonly writes: readonly Write[]
      readonly aftermath: Aftermath | null
    }
