import {
  ByteWriter,
  invariant,
  LiveBase,
  type Base,
  type DamageList,
  type KernelConfig,
  type MemoryBase,
  type SwitchName,
  type VolumeId,
} from "#kernel"
import { DiskBase, type StoreKernel } from "#sim"
import { integers, type Column } from "./columns.ts"

/** What lies under a kernel: rows, and spans that it has yet to find out it cannot read. */
export type Ground = { readonly content: MemoryBase; readonly brittle: DamageList }

type Grounds = ReadonlyMap<VolumeId, Ground>

/** A kernel as it was before its step of this number, and what lay under it. */
export type SavedKernel = { readonly step: number; readonly bytes: Uint8Array; readonly grounds: Grounds }

/** From this step on a volume stands on another ground. */
type GroundChange = { readonly step: number; readonly volume: VolumeId; readonly ground: Ground }

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
  readonly groundChanges: GroundChange[] = []
  /** Questions to a switch that were answered with yes, by step: their places among those of the step. */
  readonly #yes = new Map<number, number[]>()
  readonly #bases: ReadonlyMap<VolumeId, Base>
  readonly #grounds = new Map<VolumeId, Ground>()
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

  /** A checkpoint may be durable since, or rows of the disk be brittle or not: the step stands on what is there now. */
  beforeStep(): void {
    this.#asked = 0
    for (const [volume, base] of this.#bases) {
      const ground = this.#grounds.get(volume)
      if (ground !== undefined && isSame(ground, base)) continue
      const now = groundOf(base)
      this.#grounds.set(volume, now)
      this.groundChanges.push({ step: this.steps, volume, ground: now })
    }
  }

  stepped(event: number): void {
    this.events.push(event)
  }

  /** Bytes that were kept. */
  save(kernel: StoreKernel): number {
    const writer = new ByteWriter(this.saves.at(-1)?.bytes.length ?? 4_096)
    kernel.save(writer)
    const grounds = new Map([...this.#bases].map(([volume, base]) => [volume, groundOf(base)] as const))
    this.saves.push({ step: this.steps, bytes: writer.finish(), grounds })
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
function groundOf(base: Base): Ground {
  if (base instanceof DiskBase) return { content: base.current, brittle: brittleOf(base) }
  invariant(base instanceof LiveBase, "A simulated base is in memory")
  return { content: base.current, brittle: NOTHING }
}

function isSame({ content, brittle }: Ground, base: Base): boolean {
  const now = groundOf(base)
  return (
    content === now.content &&
    brittle.length === now.brittle.length &&
    brittle.every((span, i) => span === now.brittle[i])
  )
}

function brittleOf({ brittle }: DiskBase): DamageList {
  return brittle.length === 0 ? NOTHING : brittle.flatMap(({ spans }) => spans)
}

const NOTHING: DamageList = []
