import { Kernel, type Effect, type Input, type KernelConfig, type VolumeId } from "#kernel"
import { DiskBase } from "#sim"
import type { InputLog } from "./input-log.ts"
import type { Ground, Life, SavedKernel } from "./life.ts"

/** Kernels that are kept alive at the place they were last asked for. */
const ALIVE_MAX = 32

export type Step = { readonly input: Input; readonly effects: readonly Effect[] }
type Taken = { readonly step: number; readonly taken: Step }

/** A kernel of the run, alive again. */
class Replayed {
  readonly life: Life
  readonly kernel: Kernel
  step: number
  readonly #bases: ReadonlyMap<VolumeId, DiskBase>
  #asked = 0
  #changes: number

  constructor(life: Life, save: SavedKernel) {
    this.life = life
    this.step = save.step
    this.#bases = new Map([...save.grounds].map(([volume, ground]) => [volume, baseOn(ground)] as const))
    const changes = life.groundChanges.findIndex(({ step }) => step >= save.step)
    this.#changes = changes < 0 ? life.groundChanges.length : changes
    const config: KernelConfig = {
      ...life.config,
      switches: { on: () => life.yesAt(this.step).includes(this.#asked++) },
    }
    this.kernel = Kernel.load(config, save.bytes, this.#bases)
  }

  next(inputs: InputLog): Step {
    const { groundChanges, events } = this.life
    for (; groundChanges[this.#changes]?.step === this.step; this.#changes++) {
      const { volume, ground } = groundChanges[this.#changes]!
      const base = this.#bases.get(volume)
      if (base === undefined) continue
      const { current, brittle } = baseOn(ground)
      base.current = current
      base.brittle.splice(0, base.brittle.length, ...brittle)
    }
    const input = inputs.read(events.at(this.step) - 1)
    this.#asked = 0
    const effects = this.kernel.step(input)
    this.step++
    return { input, effects }
  }
}

function baseOn({ content, brittle }: Ground): DiskBase {
  return new DiskBase(content, brittle.length === 0 ? [] : [{ id: 0, spans: brittle, tally: { changes: 0 } }])
}

/** Any kernel of a run at any of its steps: from the last kept one before, by the same inputs. */
export class Rewinder {
  readonly #inputs: InputLog
  readonly #alive = new Map<Life, Replayed>()
  /** By life: its step that was taken last, so that whoever looks at it after another pays for it once. */
  readonly #last = new Map<Life, Taken>()
  /** Steps that were taken again, in all: what seeking costs. */
  stepsTaken = 0

  constructor(inputs: InputLog) {
    this.#inputs = inputs
  }

  /** The kernel after so many of its steps. It is this object's own: look at it before the next call, and change nothing. */
  kernelAt(life: Life, step: number): Kernel {
    return this.#at(life, step).kernel
  }

  /** The step of this number (from 0) once more: what went in and what came out. */
  stepAt(life: Life, step: number): Step {
    const last = this.#last.get(life)
    if (last?.step === step) return last.taken
    this.stepsTaken++
    const taken = this.#at(life, step).next(this.#inputs)
    if (this.#last.size >= ALIVE_MAX) this.#last.clear()
    this.#last.set(life, { step, taken })
    return taken
  }

  #at(life: Life, step: number): Replayed {
    let found = this.#alive.get(life)
    const save = life.saveBefore(step)
    if (found === undefined || found.step > step || found.step < save.step) found = new Replayed(life, save)
    this.#alive.delete(life)
    this.#alive.set(life, found)
    if (this.#alive.size > ALIVE_MAX) this.#alive.delete(this.#alive.keys().next().value!)
    this.stepsTaken += step - found.step
    while (found.step < step) found.next(this.#inputs)
    return found
  }
}
