import type { Write } from "../engine/engine.ts"
import type { Timestamp } from "../ids.ts"
import type { Batch } from "../raft/types.ts"
import type { Judge } from "../txn/judge.ts"
import type { ServiceContext } from "./service-context.ts"
import type { StateMachine } from "./state-machine.ts"
import type { TokenDesk } from "./token-desk.ts"

/** Log that waits for a quorum, above which nothing is put away: it is in no hurry. */
const PUT_AWAY_UNCOMMITTED_MAX = 256 << 10

/** An entry of this leader, as the state is now; nothing after it in the log is given a timestamp at or below `closedTs`. */
export function batchOf(machine: StateMachine, writes: readonly Write[], closedTs: Timestamp): Batch {
  const { leaseSequence, descriptor } = machine
  return { generation: descriptor.generation, leaseSequence, closedTs, minVersion: 1, writes }
}

/** What a leader puts away in logged steps, when nobody waits for it. Null where there is nothing worth an entry. */
export class Housekeeping {
  readonly #machine: StateMachine
  readonly #tokens: TokenDesk
  readonly #judge: Judge

  constructor(machine: StateMachine, tokens: TokenDesk, judge: Judge) {
    this.#machine = machine
    this.#tokens = tokens
    this.#judge = judge
  }

  /** Moves the horizon behind which tokens are forgotten; call it now and then. */
  moveHorizon(context: ServiceContext): Batch | null {
    if (!this.#mayWrite(context)) return null
    return this.#batch(this.#tokens.moveHorizon(context.mono, context.wall))
  }

  /** Moves the threshold below which versions may go; call it now and then. */
  moveThreshold(context: ServiceContext): Batch | null {
    return this.#mayWrite(context) ? this.#batch(this.#judge.gc.move(context.mono, context.wall)) : null
  }

  /** Deletes some versions that nobody may read any more; call it when the deadline has come. */
  collectVersions(context: ServiceContext): Batch | null {
    return this.#batch(this.#judge.gc.step(context.mono, this.#mayPutAway(context)))
  }

  /** Deletes some of what lies behind the horizon; call it when the deadline has come. */
  forgetTokens(context: ServiceContext): Batch | null {
    return this.#batch(this.#tokens.forget(context.mono, this.#mayPutAway(context)))
  }

  /** Collects some records of transactions that are over; call it when the deadline has come. */
  collectRecords(context: ServiceContext): Batch | null {
    return this.#batch(this.#judge.collect(context.mono, context.wall, this.#mayPutAway(context)))
  }

  #mayWrite({ isLeader, termStartIndex }: ServiceContext): boolean {
    return isLeader && this.#machine.appliedIndex >= termStartIndex && !this.#machine.isDamaged
  }

  #mayPutAway(context: ServiceContext): boolean {
    return this.#mayWrite(context) && context.uncommittedBytes <= PUT_AWAY_UNCOMMITTED_MAX
  }

  #batch(writes: readonly Write[]): Batch | null {
    return writes.length === 0 || this.#machine.checkDamage() ? null : batchOf(this.#machine, writes, 0)
  }
}
