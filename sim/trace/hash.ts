import { TraceDigest, type BootStamp, type Effect, type Input } from "#kernel"

/**
 * The trace hash of a run, over all its stores, and what it was at each checkpoint. Where the checkpoints of two runs
 * first differ, they parted within the 1,024 events before.
 */
export class TraceHash {
  readonly #digest = new TraceDigest()
  readonly #checkpoints: string[] = []
  readonly #isOn: boolean

  /** Off, it only counts: to learn what hashing costs. */
  constructor(isOn = true) {
    this.#isOn = isOn
  }

  get events(): number {
    return this.#digest.events
  }

  /** The hash after each 1,024th event. */
  get checkpoints(): readonly string[] {
    return this.#checkpoints
  }

  hex(): string {
    return this.#digest.hex()
  }

  stepped(store: number, input: Input, effects: readonly Effect[]): void {
    if (!this.#isOn) this.#digest.events++
    else if (this.#digest.stepped(store, input, effects)) this.#checkpoints.push(this.#digest.hex())
  }

  opened(store: number, boot: BootStamp, effects: readonly Effect[]): void {
    this.#digest.opened(store, boot, effects)
  }
}
