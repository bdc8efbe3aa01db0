import { Digest } from "../lib/digest.ts"
import type { Effect } from "./effect.ts"
import type { Input } from "./input.ts"
import { writeEffect, writeInput } from "./record.ts"
import type { BootStamp } from "./status.ts"

/** Events between two checkpoints of a trace hash. */
export const TRACE_CHECKPOINT_EVENTS = 1_024

/** Marks the start of a process among the kinds of inputs. */
const BOOT_MARK = 0xb007

/**
 * The rolling hash of what kernels were told and did: every input and every effect but `observe`, in the order in
 * which they happened. An event is one step. Simulator and shell take the same one, so that what one of them wrote down
 * the other can hold against it. DESIGN §3.
 */
export class TraceDigest {
  readonly #digest = new Digest()
  events = 0

  get high(): number {
    return this.#digest.high
  }

  get low(): number {
    return this.#digest.low
  }

  /** 16 hexadecimal digits. */
  hex(): string {
    return this.#digest.hex()
  }

  /** Goes on from where another one was. */
  resume(events: number, high: number, low: number): void {
    this.events = events
    this.#digest.resume(high, low)
  }

  /** True after each 1,024th event: the hash as it is now is worth keeping. */
  stepped(store: number, input: Input, effects: readonly Effect[]): boolean {
    const digest = this.#digest
    const before = digest.length
    digest.mix(store)
    writeInput(input, digest, false)
    this.#effects(effects)
    digest.mix(digest.length - before)
    return ++this.events % TRACE_CHECKPOINT_EVENTS === 0
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
      if (effect.type !== "observe") writeEffect(effect, this.#digest, false)
    }
  }
}
