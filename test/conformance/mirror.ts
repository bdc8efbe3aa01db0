import {
  ByteReader,
  ByteWriter,
  decodeFrame,
  encodeFrame,
  Kernel,
  LiveBase,
  readInput,
  writeFrameInput,
  type Base,
  type Effect,
  type FrozenOverlay,
  type Input,
  type KernelConfig,
  type Switches,
  type VolumeId,
  type VolumeImage,
} from "#kernel"
import { BLOCK, BLOCK_HEADER_BYTES } from "#net/record/block.ts"
import { readHead, sourceOf, StartReader, writeHead, writeStart, type Start } from "#net/record/start.ts"
import { bytesOf, observationsOf, same, type Answers, type Entry, type Outcome } from "./journal.ts"

/** What was held against what, over all stores of all runs. */
export type KernelTally = {
  lives: number
  steps: number
  frames: number
  effects: number
  inputBytes: number
}

export function newKernelTally(): KernelTally {
  return { lives: 0, steps: 0, frames: 0, effects: 0, inputBytes: 0 }
}

/** What a simulated kernel did and its mirror did not. */
export class Difference extends Error {
  override readonly name = "Difference"
}

type Boot = Extract<Entry, { readonly type: "boot" }>

/**
 * A second kernel of one start of a store. It starts on what `FileStoreDisk` read, and reads LMDB from then on; all that it
 * is told crosses as bytes, through the codec of recordings, frames through that of sockets as well. It must do the
 * same, byte for byte.
 */
export class Mirror {
  readonly #tally: KernelTally
  readonly #config: KernelConfig
  readonly #bases: ReadonlyMap<VolumeId, Base>
  readonly #checkpoints = new Map<VolumeId, FrozenOverlay>()
  /** What the switches of the store answered and the mirror has not yet asked. */
  #answers: Answers = []
  #asked = 0
  /** Null where the simulated one was not opened either. */
  #kernel: Kernel | null = null
  #steps = 0
  readonly #recorded = new ByteWriter()

  constructor(boot: Boot, images: readonly VolumeImage[], tally: KernelTally) {
    this.#tally = tally
    this.#config = { ...boot.config, switches: this.#switches }
    this.#bases = new Map(images.map(({ volume, base }) => [volume, base]))
    tally.lives++
    // The same start as a recording would keep it.
    this.#open(boot, this.#startAgain(boot).images)
    this.#open(boot, images)
  }

  step({ input: bytes, outcome, answers }: Extract<Entry, { readonly type: "step" }>): void {
    const input = this.#inputOf(bytes)
    this.#tally.steps++
    this.#steps++
    const at = `${input.type}, step ${this.#steps}`
    const effects = this.#doing(answers, outcome, at, () => this.#kernel!.step(input))
    if (effects !== null) this.#remember(effects)
  }

  /** The kernel is replaced by what it saved: so is this one. */
  reload(saved: Uint8Array): void {
    this.hold(saved)
    this.#kernel = Kernel.load(this.#config, saved, this.#bases)
  }

  /** Holds its state against what the simulated kernel saved. */
  hold(saved: Uint8Array): void {
    const writer = new ByteWriter()
    this.#kernel!.save(writer)
    if (!same(writer.view(), saved)) throw new Difference(`saves other bytes after step ${this.#steps}`)
  }

  /** What its kernel wanted to be written by this checkpoint. */
  changesOf(volume: VolumeId, checkpoint: number): FrozenOverlay {
    const changes = this.#checkpoints.get(volume)
    if (changes?.checkpoint !== checkpoint) throw new Difference(`has no checkpoint ${checkpoint}`)
    return changes
  }

  #open(boot: Boot, images: readonly VolumeImage[]): void {
    let kernel: Kernel | null = null
    const effects = this.#doing(boot.answers, boot.outcome, "its start", () => {
      const opened = Kernel.open(this.#config, images, boot.boot)
      kernel = opened.kernel
      return opened.effects
    })
    this.#kernel = kernel
    if (effects === null) return
    if (observationsOf(effects) !== boot.observations) throw new Difference("other observations at its start")
    this.#remember(effects)
  }

  /** Null where it throws what the simulated one threw. */
  #doing(
    answers: Answers,
    outcome: Outcome,
    at: string,
    deed: () => readonly Effect[],
  ): readonly Effect[] | null {
    this.#answers = answers
    this.#asked = 0
    let effects: readonly Effect[]
    try {
      effects = deed()
    } catch (error) {
      if (error instanceof Difference) throw error
      if ("threw" in outcome && outcome.threw === String(error)) return null
      throw new Difference(`throws at ${at}: ${String(error)}`)
    }
    if ("threw" in outcome) throw new Difference(`does not throw at ${at}: ${outcome.threw}`)
    if (this.#asked < answers.length)
      throw new Difference(`does not ask for switch ${answers[this.#asked]!.name}`)
    this.#tally.effects += effects.length
    if (!same(outcome.effects, bytesOf(effects))) throw new Difference(`other effects at ${at}`)
    return effects
  }

  get #switches(): Switches {
    return {
      on: (name) => {
        const answer = this.#answers[this.#asked++]
        if (answer?.name !== name) throw new Difference(`asks for switch ${name}, not for ${answer?.name}`)
        return answer.on
      },
    }
  }

  #inputOf(bytes: Uint8Array): Input {
    this.#tally.inputBytes += bytes.length
    const reader = new ByteReader(bytes)
    const input = readInput(reader)
    if (reader.failed || reader.remaining > 0) throw new Difference("an input cannot be read")
    if (input.type !== "frame") return input
    this.#tally.frames++
    const wire = encodeFrame(input.frame)
    const frame = decodeFrame(wire)
    if (frame === null) throw new Difference("a frame cannot be decoded")
    // A recorder keeps the bytes that arrived.
    this.#recorded.reset()
    writeFrameInput(input, wire, this.#recorded)
    if (!same(this.#recorded.view(), bytes)) throw new Difference("a frame is recorded otherwise")
    return { ...input, frame }
  }

  /** What a start is after it was written and read. */
  #startAgain({ images, boot }: Boot): Start {
    const block = new ByteWriter()
    const payload = (): ByteReader => new ByteReader(block.finish(), BLOCK_HEADER_BYTES)
    const head = { from: "boot", build: "", config: this.#config, boot } as const
    writeHead({ ...head, event: 0, hashHigh: 0, hashLow: 0 }, block)
    const reader = payload()
    const again = reader.u8() === BLOCK.head ? readHead(reader) : null
    if (again === null) throw new Difference("the head of a start cannot be read")
    const start = new StartReader()
    const sources = images.map((image) => sourceOf({ ...image, base: new LiveBase(image.base) }))
    for (const _ of writeStart(new Uint8Array(0), sources, block)) {
      const part = payload()
      if (!start.take(part.u8(), part)) throw new Difference("a start cannot be read")
    }
    return start.finish(again)
  }

  #remember(effects: readonly Effect[]): void {
    for (const effect of effects)
      if (effect.type === "checkpoint") this.#checkpoints.set(effect.volume, effect.changes)
  }
}
