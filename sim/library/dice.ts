import { invariant } from "#kernel"
import { below, draw, PURPOSE } from "../draws.ts"
import type { Dice } from "./machine.ts"

/**
 * The dice of one step of one node. Nothing is kept from step to step, so they are no part of a state, and
 * a step that is taken again throws what it threw.
 */
export class StepDice implements Dice {
  readonly #key: number
  readonly #node: number
  #thrown = 0

  /** `step` counts the steps of this process, which is the `boot`-th of its node. */
  constructor(seed: number, node: number, boot: number, step: number) {
    this.#key = draw(seed, PURPOSE.machineStep, node, boot, step)
    this.#node = node
  }

  below(bound: number): number {
    invariant(
      Number.isSafeInteger(bound) && bound >= 1 && bound <= 0x1_0000_0000,
      () => `Cannot throw a number below ${bound}: the bound is a whole number of [1, 2^32]`,
    )
    return below(draw(this.#key, PURPOSE.machineThrow, this.#node, 0, this.#thrown++), bound)
  }

  between(min: number, max: number): number {
    return min + this.below(max - min + 1)
  }

  percent(ratio: number): boolean {
    return this.below(100) < ratio
  }

  pick<T>(values: readonly T[]): T {
    return values[this.below(values.length)]!
  }
}
