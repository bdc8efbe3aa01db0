import {
  ByteWriter,
  Kernel,
  LiveBase,
  TraceDigest,
  writeInput,
  type Effect,
  type FrozenOverlay,
  type Input,
  type KernelConfig,
  type VolumeId,
} from "#kernel"
import type { RecordingStart } from "#net"

/** Bytes of inputs of one node that a page holds at most, about: as text they are a third more. */
const INPUT_BYTES_MAX = 1_500_000

/** What the page is given of a node. Bytes are text in base 64. */
export type CollectedPart = {
  readonly config: Omit<KernelConfig, "switches">
  readonly event: number
  readonly hashHigh: number
  readonly hashLow: number
  readonly kernel: string
  readonly bases: readonly (readonly [VolumeId, string])[]
  readonly inputs: string
  readonly traceHash: string
}

/** A kernel as it was, and what it was told from there on. */
type Window = Omit<CollectedPart, "inputs" | "traceHash"> & { readonly inputs: ByteWriter }

/**
 * Follows the replay of a recording beside a kernel of its own, and keeps of it what fits into a page: the last saved kernel,
 * and the inputs since. Saved is whenever the inputs are half of what fits, so that the last half at least is there.
 */
export class Collector {
  readonly #inputBytesMax: number
  readonly #bases: ReadonlyMap<VolumeId, LiveBase>
  readonly #config: KernelConfig
  readonly #kernel: Kernel
  readonly #trace = new TraceDigest()
  readonly #checkpoints = new Map<VolumeId, FrozenOverlay>()
  #before: Window | null = null
  #window: Window

  constructor(start: RecordingStart, inputBytesMax: number = INPUT_BYTES_MAX) {
    this.#inputBytesMax = inputBytesMax
    const { head, images, kernel } = start
    this.#config = head.config
    this.#bases = new Map(images.map(({ volume, base }) => [volume, new LiveBase(base.current)] as const))
    this.#trace.resume(head.event, head.hashHigh, head.hashLow)
    if (head.from === "boot") {
      const own = images.map((image) => ({ ...image, base: this.#bases.get(image.volume)! }))
      const opened = Kernel.open(head.config, own, head.boot)
      this.#kernel = opened.kernel
      this.#trace.opened(head.config.store, head.boot, opened.effects)
      this.#remember(opened.effects)
    } else this.#kernel = Kernel.load(head.config, kernel, this.#bases)
    this.#window = this.#open()
  }

  step(input: Input): void {
    // A checkpoint under way is in no base yet, and in no saved kernel as a thing that can be written.
    if (this.#window.inputs.length > this.#inputBytesMax / 2 && this.#checkpoints.size === 0) {
      this.#before = this.#window
      this.#window = this.#open()
    }
    if (input.type === "checkpointSynced") {
      const base = this.#bases.get(input.volume)
      const changes = this.#checkpoints.get(input.volume)
      if (base !== undefined && changes !== undefined) base.current = base.current.apply(changes)
      this.#checkpoints.delete(input.volume)
    } else if (input.type === "checkpointRefused") this.#checkpoints.delete(input.volume)
    const effects = this.#kernel.step(input)
    this.#remember(effects)
    this.#trace.stepped(this.#config.store, input, effects)
    writeInput(input, this.#window.inputs, true)
  }

  part(): CollectedPart {
    const { inputs, ...start } = this.#before ?? this.#window
    const parts = this.#before === null ? [inputs.view()] : [inputs.view(), this.#window.inputs.view()]
    return { ...start, inputs: Buffer.concat(parts).toString("base64"), traceHash: this.#trace.hex() }
  }

  #open(): Window {
    const writer = new ByteWriter(1 << 16)
    this.#kernel.save(writer)
    const { cluster, store, tenants, bootstrap, timing, limits } = this.#config
    return {
      config: { cluster, store, tenants, bootstrap, timing, limits },
      event: this.#trace.events,
      hashHigh: this.#trace.high,
      hashLow: this.#trace.low,
      kernel: text(writer.view()),
      bases: [...this.#bases].map(([volume, { current }]) => [volume, text(current.encode())] as const),
      inputs: new ByteWriter(1 << 16),
    }
  }

  #remember(effects: readonly Effect[]): void {
    for (const effect of effects)
      if (effect.type === "checkpoint") this.#checkpoints.set(effect.volume, effect.changes)
  }
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64")
}
