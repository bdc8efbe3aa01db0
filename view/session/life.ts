import {
  ByteWriter,
  invariant,
  LiveBase,
  type Base,
  type KernelConfig,
  type MemoryBase,
  type SwitchName,
  type VolumeId,
} from "#kernel"
import type { StoreKernel } from "#sim"
import { integers, type Column } from "./columns.ts"

type Bases = ReadonlyMap<VolumeId, MemoryBase>

/** A kernel as it was before its step of this number, and what lay under it. */
export type SavedKernel = { readonly step: number; readonly bytes: Uint8Array; readonly bases: Bases }

/** From this step on a volume stands on another base. */
type BaseChange = { readonly step: number; readonly volume: VolumeId; readonly base: MemoryBase }

/**
 * One kernel from its start (or from `load`) to its end: which events were its steps, and all that answered it
 * beside its inputs. A kernel is a function of these, so any moment of it can be had again.
 */
export class Life {
  readonly id: number
  readonly store: number
  /** Events of the run before its first step. */
  readonly after: number
  readonly config: KernelConfig
  /** Event of each of its steps, ascending. */
  readonly events: Column<Int32Array> = integers()
  readonly saves: SavedKernel[] = []
  readonly baseChanges: BaseChange[] = []
  /** Questions to a switch that were answered with yes, by step: their places among those of the step. */
  readonly #yes = new Map<number, number[]>()
  readonly #bases: ReadonlyMap<VolumeId, Base>
  #asked = 0

  constructor(id: number, after: number, config: KernelConfig, bases: ReadonlyMap<VolumeId, Base>) {
    this.id = id
    this.store = config.store
    this.after = after
    this.#bases = bases
    this.config = {
      ...config,
      switches: {
        on: (name: SwitchName) => {
          const place = this.#asked++
          if (!config.switches.on(name)) return false
          const step = this.events.length
          const places = this.#yes.get(step)
          if (places === undefined) this.#yes.set(step, [place])
          else places.push(place)
          return true
        },
      },
    }
  }

  get steps(): number {
    return this.events.length
  }

  /** Steps that are events up to this one. */
  stepsUpTo(event: number): number {
    return this.events.countUpTo(event)
  }

  beforeStep(): void {
    this.#asked = 0
  }

  stepped(event: number): void {
    this.events.push(event)
  }

  /** The kernel hears that a checkpoint is durable: what lies under it is another base. */
  baseChanged(volume: VolumeId): void {
    const base = this.#bases.get(volume)
    if (base !== undefined) this.baseChanges.push({ step: this.steps, volume, base: contentOf(base) })
  }

  /** Bytes that were kept. */
  save(kernel: StoreKernel): number {
    const writer = new ByteWriter(this.saves.at(-1)?.bytes.length ?? 4_096)
    kernel.save(writer)
    const bases = new Map([...this.#bases].map(([volume, base]) => [volume, contentOf(base)] as const))
    this.saves.push({ step: this.steps, bytes: writer.finish(), bases })
    return writer.length
  }

  /** Gives up every second kept kernel but the first. Gives the bytes of the rest. */
  thin(): number {
    const kept = this.saves.filter((_, index) => index % 2 === 0)
    this.saves.splice(0, this.saves.length, ...kept)
    return kept.reduce((sum, { bytes }) => sum + bytes.length, 0)
  }

  /** The last kept kernel at or before this step. */
  saveBefore(step: number): SavedKernel {
    const found = this.saves.findLast((save) => save.step <= step)
    invariant(found !== undefined, "A life begins with a kept kernel")
    return found
  }

  yesAt(step: number): readonly number[] {
    return this.#yes.get(step) ?? []
  }
}

/** What a base holds now. In the simulator it is in memory, and never changes but by being replaced. */
function contentOf(base: Base): MemoryBase {
  invariant(base instanceof LiveBase, "A simulated base is in memory")
  return base.current
}
