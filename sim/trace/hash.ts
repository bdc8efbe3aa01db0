import { Digest, writeEffect, writeInput, type BootStamp, type Effect, type Input } from "#kernel"

/** Events between two checkpoints of the trace hash. */
export const CHECKPOINT_EVENTS = 1_024

/** Marks the start of a process among the kinds of inputs. */
const BOOT_MARK = 0xb007

/**
 * The rolling hash of a run: every input and every effect but `observe` of every store, in the order in
 * which they happened. An event is one step. Where the checkpoints of two runs first differ, they parted
 * within the 1,024 events before.
 */
export class TraceHash {
  readonly #digest = new Digest()
  readonly #checkpoints: string[] = []
  readonly #isOn: boolean
  events = 0

  /** Off, it only counts: to learn what hashing costs. */
  constructor(isOn = true) {
    this.#isOn = isOn
  }

  /** The hash after each 1,024th event. */
  get checkpoints(): readonly string[] {
    return this.#checkpoints
  }

  hex(): string {
    return this.#digest.hex()
  }

  stepped(store: number, input: Input, effects: readonly Effect[]): void {
    if (!this.#isOn) {
      this.events++
      return
    }
    const digest = this.#digest
    const before = digest.length
    digest.mix(store)
    writeInput(input, digest)
    this.#effects(effects)
    digest.mix(digest.length - before)
    if (++this.events % CHECKPOINT_EVENTS === 0) this.#checkpoints.push(digest.hex())
  }

  /** A start is no step and so no event, yet what it does is part of the trace. */
  opened(store: number, boot: BootStamp, effects: readonly Effect[]): void {
    const digest = this.#digest
    digest.mix(BOOT_MARK)
    digest.mix(store)
    digest.uint(boot.mono)
    digest.uint(boot.wall)
    digest.u32(boot.seedHigh)
    digest.u32(boot.seedLow)
    this.#effects(effects)
  }

  #effects(effects: readonly Effect[]): void {
    for (let i = 0; i < effects.length; i++) {
      const effect = effects[i]!
      if (effect.type !== "observe") writeEffect(effect, this.#digest)
    }
  }
}
