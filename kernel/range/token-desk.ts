import type { Write } from "../engine/engine.ts"
import type { Mono, Timestamp, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { TOKEN_BODY_SMALL_MAX } from "../limits.ts"
import type { Timing } from "../node/config.ts"
import { KeptBodies, type KeptBody } from "../txn/kept-bodies.ts"
import type { Outcome, OutcomeBody } from "../txn/outcome.ts"
import { dropWrites, lookup, recordWrite } from "../txn/tokens.ts"
import { anchorOf } from "./asked.ts"
import type { KvRequest, Token } from "./request.ts"
import type { StateMachine } from "./state-machine.ts"
import { TokenHorizon } from "./token-horizon.ts"

/** What a leader knows of the tokens of requests, and what it writes so that the next one does. */
export class TokenDesk {
  readonly #machine: StateMachine
  readonly #timing: Timing
  #horizon: TokenHorizon
  #keptBodies = new KeptBodies()

  constructor(machine: StateMachine, timing: Timing) {
    this.#machine = machine
    this.#timing = timing
    this.#horizon = new TokenHorizon(machine, timing)
  }

  get deadline(): Mono {
    return this.#horizon.deadline
  }

  /** What came of this token; "new": nothing yet, and it may be used. */
  settled(request: KvRequest, token: Token): Outcome | "new" | "expired" | "damaged" {
    const known = lookup(this.#machine.view, this.#machine.descriptor.tenant, anchorOf(request), token)
    if (known.type === "damaged") this.#machine.markDamaged()
    if (this.#machine.checkDamage()) return "damaged"
    if (known.type === "outcome") return known.outcome
    return token.birth > this.#horizon.at && known.type !== "bodyDropped" ? "new" : "expired"
  }

  /** What is written beside the writes of a request, and the body that may be dropped later; null: damaged. */
  record(
    request: KvRequest,
    token: Token,
    commitTs: Timestamp,
    body: OutcomeBody,
  ): { readonly writes: readonly Write[]; readonly kept: KeptBody | null } | null {
    const { tenant } = this.#machine.descriptor
    const { birth, client, seq } = token
    const anchor = anchorOf(request)
    const record = recordWrite(tenant, anchor, token, { birth, commitTs, body })
    const acknowledged = this.#keptBodies.takeAcknowledged(client, token.ackedSeq)
    const dropped = dropWrites(this.#machine.view, tenant, acknowledged)
    if (this.#machine.checkDamage()) return null
    const kept = record.value.length > TOKEN_BODY_SMALL_MAX ? { anchor, client, seq } : null
    return { writes: dropped.length === 0 ? [record] : [record, ...dropped], kept }
  }

  /** An outcome is applied whose body is large. */
  note(kept: KeptBody): void {
    this.#keptBodies.note(kept)
  }

  becameLeader(): void {
    this.#horizon.becameLeader()
  }

  lostLeadership(): void {
    this.#horizon.lostLeadership()
    this.#keptBodies.clear()
  }

  /** The write that moves the horizon, when that is worth an entry. */
  moveHorizon(mono: Mono, wall: Wall): readonly Write[] {
    return this.#horizon.move(mono, wall)
  }

  /** Deletes of what lies behind the horizon, when their time has come. */
  forget(mono: Mono, mayWrite: boolean): readonly Write[] {
    return this.#horizon.step(mono, mayWrite)
  }

  save(sink: Sink): void {
    this.#horizon.save(sink)
    this.#keptBodies.save(sink)
  }

  load(reader: ByteReader): void {
    this.#horizon = TokenHorizon.load(reader, this.#machine, this.#timing)
    this.#keptBodies = KeptBodies.load(reader)
  }
}
