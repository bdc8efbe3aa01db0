import {
  ByteWriter,
  Digest,
  Kernel,
  TraceDigest,
  type Effect,
  type FrozenOverlay,
  type Input,
  type LiveBase,
  type VolumeId,
} from "#kernel"
import { messageOf } from "../thrown.ts"
import { basesOf, type Start } from "./start.ts"

/** Where a replay and its recording part. */
export type Divergence = {
  /** They agreed up to this event of the process, and no longer at `upTo`. */
  readonly after: number
  readonly upTo: number
  readonly what: "hash" | "state" | "threw"
  readonly recorded: string
  readonly found: string
}

/** Follows a replay for people. */
export type StepListener = (store: number, event: number, input: Input, effects: readonly Effect[]) => void

/**
 * A kernel that lives through a recording. Its bases are in memory, and each checkpoint is in them from the moment the
 * kernel hears that it is: when a base took one is not recorded, since no read can tell (kernel/engine/base.ts).
 */
export class Player {
  readonly start: Start
  readonly #kernel: Kernel
  readonly #trace = new TraceDigest()
  readonly #bases: ReadonlyMap<VolumeId, LiveBase>
  readonly #checkpoints = new Map<VolumeId, FrozenOverlay>()
  readonly #listener: StepListener | null
  /** Hashes held against recorded ones. */
  compared = 0
  #agreedAt: number

  /** Throws what the kernel throws: then it would not have started either. */
  constructor(start: Start, listener: StepListener | null = null) {
    const { head, images, kernel } = start
    this.start = start
    this.#listener = listener
    this.#bases = basesOf(start)
    this.#agreedAt = head.event
    this.#trace.resume(head.event, head.hashHigh, head.hashLow)
    if (head.from !== "boot") {
      this.#kernel = Kernel.load(head.config, kernel, this.#bases)
      return
    }
    const opened = Kernel.open(head.config, images, head.boot)
    this.#kernel = opened.kernel
    this.#trace.opened(head.config.store, head.boot, opened.effects)
    this.#remember(opened.effects)
  }

  get event(): number {
    return this.#trace.events
  }

  hash(): string {
    return this.#trace.hex()
  }

  stateHash(): string {
    const writer = new ByteWriter(1 << 16)
    this.#kernel.save(writer)
    const digest = new Digest()
    digest.bytes(writer.view())
    return digest.hex()
  }

  /** A kernel that throws, or a base that does not fit, is another run than the recorded one. */
  step(input: Input): Divergence | null {
    try {
      if (input.type === "checkpointSynced") this.#takeIn(input.volume)
      else if (input.type === "checkpointRefused") this.#checkpoints.delete(input.volume)
      const effects = this.#kernel.step(input)
      this.#remember(effects)
      this.#trace.stepped(this.start.head.config.store, input, effects)
      this.#listener?.(this.start.head.config.store, this.event, input, effects)
      return null
    } catch (error) {
      return this.#parted("threw", "nothing was thrown", messageOf(error), this.event + 1)
    }
  }

  /** Holds the hash against the recorded one. */
  check(event: number, hash: string): Divergence | null {
    if (event !== this.event) return this.#parted("hash", `event ${event}`, `event ${this.event}`, event)
    if (hash !== this.hash()) return this.#parted("hash", hash, this.hash(), event)
    this.compared++
    this.#agreedAt = event
    return null
  }

  checkState(hash: string): Divergence | null {
    const found = this.stateHash()
    return found === hash ? null : this.#parted("state", hash, found, this.event)
  }

  #parted(what: Divergence["what"], recorded: string, found: string, upTo: number): Divergence {
    return { after: this.#agreedAt, upTo, what, recorded, found }
  }

  #takeIn(volume: VolumeId): void {
    const base = this.#bases.get(volume)
    const changes = this.#checkpoints.get(volume)
    if (base === undefined || changes === undefined) return
    base.current = base.current.apply(changes)
    this.#checkpoints.delete(volume)
  }

  #remember(effects: readonly Effect[]): void {
    for (const effect of effects)
      if (effect.type === "checkpoint") this.#checkpoints.set(effect.volume, effect.changes)
  }
}
