import { LOGICAL_PER_MS, type Timestamp, type Token } from "#kernel"

/** Stores forget tokens after ten minutes unless told otherwise: one is born well before. */
const BIRTH_MS_MAX = 60_000

/**
 * The tokens of one client, which make its writes safe to repeat. With many in flight `ackedSeq` is the highest sequence
 * below which every one has ended.
 */
export class Tokens {
  readonly client: number
  #birth: Timestamp = 0
  #heardMs = 0
  #seq = 0
  #acked = 0
  /** Ended, above the first that has not. */
  readonly #ended = new Set<number>()

  /** `client` is one no other client has: 53 random bits. */
  constructor(client: number) {
    this.client = client
  }

  /** A store issued this timestamp just now. */
  heard(ts: Timestamp, nowMs: number): void {
    if (ts <= this.#birth) return
    this.#birth = ts
    this.#heardMs = nowMs
  }

  /** The one heard of is too old, as far as anyone here knows. */
  forgetBirth(): void {
    this.#birth = 0
  }

  /** Whether a store must be asked for a timestamp first. */
  needsBirth(nowMs: number): boolean {
    return this.#birth < LOGICAL_PER_MS || nowMs - this.#heardMs > BIRTH_MS_MAX
  }

  next(): Token {
    return { client: this.client, birth: this.#birth, seq: ++this.#seq, ackedSeq: this.#acked }
  }

  /** The write with this token will not be sent again. */
  ended(token: Token): void {
    if (token.seq !== this.#acked + 1) {
      this.#ended.add(token.seq)
      return
    }
    this.#acked++
    while (this.#ended.delete(this.#acked + 1)) this.#acked++
  }
}
