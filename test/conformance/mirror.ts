import {
  ByteReader,
  ByteWriter,
  decodeFrame,
  encodeFrame,
  Kernel,
  readInput,
  TraceDigest,
  writeEffect,
  writeInput,
  type Effect,
  type FrozenOverlay,
  type Input,
  type KernelConfig,
  type LiveBase,
  type Switches,
  type VolumeId,
} from "#kernel"
import { BLOCK, BLOCK_HEADER_BYTES } from "#net/record/block.ts"
import {
  basesOf,
  readHead,
  sourceOf,
  StartReader,
  writeHead,
  writeStart,
  type Start,
} from "#net/record/start.ts"
import { kernelBuild, type KernelBuild, type StoreKernel } from "#sim"

/** What was held against what, over all stores of a run. */
export type Tally = {
  lives: number
  steps: number
  frames: number
  effects: number
  inputBytes: number
  /** A world may take a throw for a store's end, so each is kept here as well. */
  readonly differences: string[]
}

export function newTally(): Tally {
  return { lives: 0, steps: 0, frames: 0, effects: 0, inputBytes: 0, differences: [] }
}

/** What a simulated kernel did and its mirror did not. */
export class Difference extends Error {
  override readonly name = "Difference"
}

/** What the switches of a store answered, in the order in which they were asked. */
class SwitchTape {
  readonly #answers: { readonly name: string; readonly on: boolean }[] = []

  recorded(switches: Switches): Switches {
    return {
      on: (name) => {
        const on = switches.on(name)
        this.#answers.push({ name, on })
        return on
      },
    }
  }

  get played(): Switches {
    return {
      on: (name) => {
        const answer = this.#answers.shift()
        if (answer?.name !== name) throw new Difference(`asks for switch ${name}, not for ${answer?.name}`)
        return answer.on
      },
    }
  }

  finish(): void {
    if (this.#answers.length > 0) throw new Difference(`does not ask for switch ${this.#answers[0]!.name}`)
  }
}

/**
 * A second kernel of one start of a store, which has what the first one has by bytes alone: its start through the codec of
 * recordings, every input through it, every frame through that of sockets as well. Both must do the same, byte for byte.
 */
class Mirror {
  readonly #store: number
  readonly #tally: Tally
  readonly #trace = new TraceDigest()
  readonly #own = new TraceDigest()
  readonly #tape: SwitchTape
  readonly #config: KernelConfig
  readonly #bases: ReadonlyMap<VolumeId, LiveBase>
  readonly #checkpoints = new Map<VolumeId, FrozenOverlay>()
  #kernel: Kernel

  constructor(start: Start, tape: SwitchTape, tally: Tally, effects: readonly Effect[]) {
    const { boot } = start.head
    this.#config = { ...start.head.config, switches: tape.played }
    this.#store = this.#config.store
    this.#tape = tape
    this.#tally = tally
    this.#bases = basesOf(start)
    const opened = Kernel.open(this.#config, start.images, boot)
    this.#kernel = opened.kernel
    this.#trace.opened(this.#store, boot, effects)
    this.#own.opened(this.#store, boot, opened.effects)
    this.#same(effects, opened.effects, "start")
    this.#remember(opened.effects)
    tally.lives++
  }

  step(input: Input, effects: readonly Effect[]): void {
    const own = this.#copyOf(input)
    if (own.type === "checkpointSynced") {
      const base = this.#bases.get(own.volume)!
      base.current = base.current.apply(this.#checkpoints.get(own.volume)!)
    }
    const done = this.#kernel.step(own)
    this.#trace.stepped(this.#store, input, effects)
    this.#own.stepped(this.#store, own, done)
    this.#same(effects, done, input.type)
    this.#remember(done)
    this.#tally.steps++
  }

  /** The kernel is replaced by what it saved: so is this one. */
  reload(bytes: Uint8Array): void {
    const writer = new ByteWriter()
    this.#kernel.save(writer)
    if (!sameBytes(writer.view(), bytes)) throw new Difference("saves other bytes")
    this.#kernel = Kernel.load(this.#config, writer.finish(), this.#bases)
  }

  #copyOf(input: Input): Input {
    const writer = new ByteWriter()
    writeInput(input, writer, true)
    this.#tally.inputBytes += writer.length
    const reader = new ByteReader(writer.finish())
    const own = readInput(reader)
    if (reader.failed || reader.remaining > 0)
      throw new Difference(`an input of type ${input.type} cannot be read`)
    if (own.type !== "frame") return own
    this.#tally.frames++
    const frame = decodeFrame(encodeFrame(own.frame))
    if (frame === null) throw new Difference("a frame cannot be decoded")
    return { ...own, frame }
  }

  #same(effects: readonly Effect[], own: readonly Effect[], at: string): void {
    this.#tape.finish()
    this.#tally.effects += effects.length
    const [a, b] = [effects, own].map((list) => {
      const writer = new ByteWriter()
      for (const effect of list) writeEffect(effect, writer, true)
      return writer.finish()
    })
    if (!sameBytes(a!, b!)) throw new Difference(`other effects at ${at}, event ${this.#trace.events}`)
    if (this.#trace.hex() !== this.#own.hex())
      throw new Difference(`another hash at event ${this.#trace.events}`)
  }

  #remember(effects: readonly Effect[]): void {
    for (const effect of effects)
      if (effect.type === "checkpoint") this.#checkpoints.set(effect.volume, effect.changes)
  }
}

/** The build of this checkout with a mirror beside every kernel it opens. A difference is thrown where it is met. */
export function mirroredBuild(tally: Tally): KernelBuild {
  const lives = new Map<number, { readonly mirror: Mirror; readonly tape: SwitchTape }>()
  const noted = <Result>(store: number, hold: () => Result): Result => {
    try {
      return hold()
    } catch (error) {
      tally.differences.push(`store ${store}: ${String(error)}`)
      throw error
    }
  }
  const follow = (store: number, kernel: StoreKernel): StoreKernel => {
    const { mirror } = lives.get(store)!
    return {
      step(input) {
        const effects = kernel.step(input)
        noted(store, () => mirror.step(input, effects))
        return effects
      },
      save: (sink) => kernel.save(sink),
      identity: () => kernel.identity(),
      status: () => kernel.status(),
      leaseTerm: (group, stamp) => kernel.leaseTerm(group, stamp),
      view: (volume) => kernel.view(volume),
    }
  }
  return {
    ...kernelBuild,
    open(config, images, boot) {
      const start = noted(config.store, () => startAgain({ config, images, boot }))
      const tape = new SwitchTape()
      const opened = kernelBuild.open({ ...config, switches: tape.recorded(config.switches) }, images, boot)
      const mirror = noted(config.store, () => new Mirror(start, tape, tally, opened.effects))
      lives.set(config.store, { mirror, tape })
      return { kernel: follow(config.store, opened.kernel), effects: opened.effects }
    },
    load(config, bytes, bases) {
      const { mirror, tape } = lives.get(config.store)!
      const kernel = kernelBuild.load({ ...config, switches: tape.recorded(config.switches) }, bytes, bases)
      noted(config.store, () => mirror.reload(bytes))
      return follow(config.store, kernel)
    },
  }
}

/** What a start is after it was written and read. */
function startAgain({
  config,
  images,
  boot,
}: {
  readonly config: KernelConfig
  readonly images: Parameters<KernelBuild["open"]>[1]
  readonly boot: Parameters<KernelBuild["open"]>[2]
}): Start {
  const block = new ByteWriter()
  const payload = (): ByteReader => new ByteReader(block.finish(), BLOCK_HEADER_BYTES)
  writeHead({ from: "boot", build: "", config, boot, event: 0, hashHigh: 0, hashLow: 0 }, block)
  const reader = payload()
  const head = reader.u8() === BLOCK.head ? readHead(reader) : null
  if (head === null) throw new Difference("the head of a start cannot be read")
  const start = new StartReader()
  for (const _ of writeStart(new Uint8Array(0), images.map(sourceOf), block)) {
    const part = payload()
    if (!start.take(part.u8(), part)) throw new Difference("a start cannot be read")
  }
  return start.finish(head)
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
