import {
  ByteWriter,
  writeEffect,
  writeInput,
  type BootStamp,
  type Effect,
  type KernelConfig,
  type MemoryBase,
  type StoreId,
  type VolumeId,
} from "#kernel"
import { Clients, finalReads, kernelBuild, runUs, type KernelBuild, type Plan, type StoreKernel } from "#sim"
import type { Disk } from "#sim/env/disk.ts"
import { World } from "#sim/world.ts"

/** One volume as the simulated disk has it at that moment, in bytes of its own. */
export type VolumeState = {
  readonly volume: VolumeId
  readonly segments: readonly {
    readonly sequence: number
    readonly bytes: Uint8Array
    readonly unreadable?: readonly { readonly start: number; readonly end: number }[]
  }[]
  readonly witness: Uint8Array | null
  readonly base: MemoryBase
}

type SwitchName = Parameters<KernelConfig["switches"]["on"]>[0]

/** What a store was asked of its switches, and the answers, in order. */
export type Answers = readonly { readonly name: string; readonly on: boolean }[]

/** What a step or a start gave: effects by their canonical bytes, or what was thrown. */
export type Outcome = { readonly effects: Uint8Array } | { readonly threw: string }

/** What happened to one store, in order. */
export type Entry =
  | {
      readonly type: "boot"
      readonly config: KernelConfig
      readonly boot: BootStamp
      /** As it was read: what the kernel was opened on. */
      readonly images: readonly VolumeState[]
      readonly outcome: Outcome
      readonly observations: string
      readonly answers: Answers
    }
  | {
      readonly type: "step"
      readonly input: Uint8Array
      readonly outcome: Outcome
      readonly answers: Answers
    }
  | { readonly type: "reload"; readonly saved: Uint8Array }
  | { readonly type: "witness"; readonly volume: VolumeId; readonly bytes: Uint8Array }
  | { readonly type: "release"; readonly volume: VolumeId; readonly below: number }
  | {
      readonly type: "append"
      readonly volume: VolumeId
      readonly lsn: number
      readonly segment: number
      readonly offset: number
      readonly bytes: Uint8Array
    }
  | {
      readonly type: "create"
      readonly volume: VolumeId
      readonly segment: number
      readonly sizeBytes: number
      readonly header: Uint8Array
    }
  | { readonly type: "checkpoint"; readonly volume: VolumeId; readonly checkpoint: number }
  /**
   * The end of a life: its disk before the crash leaves its marks. Where a fault has struck the bytes at rest since the
   * start, they are not what was written. `saved` is the kernel at the end of the run; null where it died.
   */
  | {
      readonly type: "end"
      readonly state: readonly VolumeState[]
      readonly isStruck: boolean
      readonly saved: Uint8Array | null
    }

export type Journal = {
  readonly stores: readonly StoreId[]
  readonly entries: ReadonlyMap<StoreId, readonly Entry[]>
  readonly events: number
  readonly traceHash: string
  /** Steps of old processes that nobody had told of their successor: what they write goes nowhere. */
  readonly zombieSteps: number
}

/** Runs a plan and writes down what every store was told, what it did, and what its disk made of that. */
export function journalOf(plan: Plan): Journal {
  const entries = new Map<StoreId, Entry[]>()
  const taps = new Map<StoreId, Tap>()
  const build: KernelBuild = {
    ...kernelBuild,
    open: (config, images, boot) => taps.get(config.store)!.open(config, images, boot),
    load: (config, bytes, bases) => taps.get(config.store)!.load(config, bytes, bases),
  }
  const { world, run } = worldOf(plan, build)
  for (let store = 1; store <= world.storeCount; store++) {
    const own: Entry[] = []
    entries.set(store, own)
    taps.set(store, new Tap(world.host(store).disk, own))
  }
  run()
  let zombieSteps = 0
  for (const tap of taps.values()) {
    tap.ended()
    zombieSteps += tap.zombieSteps
  }
  return {
    stores: [...entries.keys()],
    entries,
    events: world.event,
    traceHash: world.trace.hex(),
    zombieSteps,
  }
}

/** The trace of a plan that nobody looks at. */
export function hashOf(plan: Plan): string {
  const { world, run } = worldOf(plan, kernelBuild)
  run()
  return world.trace.hex()
}

function worldOf(plan: Plan, build: KernelBuild): { readonly world: World; readonly run: () => void } {
  const clients = new Clients(plan, [...plan.workload.ops, ...finalReads(plan)])
  const world = new World({ plan, build, checkers: [], clients, listener: null })
  const run = (): void => {
    clients.start(world)
    world.runUntil(runUs(plan.phases))
  }
  return { world, run }
}

/** Stands between one store and its disk and kernel. It looks on and changes nothing. */
class Tap {
  zombieSteps = 0
  readonly #disk: Disk
  readonly #entries: Entry[]
  #answers: { name: string; on: boolean }[] = []
  /** Of the process that runs; null while there is none. */
  #life: { kernel: StoreKernel | null } | null = null
  #isStruck = false

  constructor(disk: Disk, entries: Entry[]) {
    this.#disk = disk
    this.#entries = entries
    const complete = disk.complete.bind(disk)
    const crash = disk.crash.bind(disk)
    const rot = disk.rot.bind(disk)
    const writeWitness = disk.writeWitness.bind(disk)
    const releaseSegments = disk.releaseSegments.bind(disk)
    disk.complete = (operation) => {
      const misdirected = disk.misdirections.length
      const outcome = complete(operation)
      const { volume, number, segment, offset, bytes, sizeBytes } = operation
      if (outcome === "appendSynced")
        entries.push({ type: "append", volume, lsn: number, segment, offset, bytes })
      else if (outcome === "segmentCreated")
        entries.push({ type: "create", volume, segment: number, sizeBytes, header: bytes })
      else if (outcome === "checkpointSynced")
        entries.push({ type: "checkpoint", volume, checkpoint: number })
      if (outcome === "appendFailed" || disk.misdirections.length < misdirected) this.#isStruck = true
      return outcome
    }
    disk.writeWitness = (volume, bytes) => {
      entries.push({ type: "witness", volume, bytes: bytes.slice() })
      writeWitness(volume, bytes)
    }
    disk.releaseSegments = (volume, below) => {
      entries.push({ type: "release", volume, below })
      releaseSegments(volume, below)
    }
    disk.rot = (aim) => {
      const struck = rot(aim)
      this.#isStruck ||= struck
      return struck
    }
    disk.crash = (powerLoss) => {
      this.#end(null)
      crash(powerLoss)
    }
  }

  open(...[config, images, boot]: Parameters<KernelBuild["open"]>): ReturnType<KernelBuild["open"]> {
    const bases = new Map(this.#disk.contents.map(({ id, base }) => [id, base.current]))
    const read = images.map(({ volume, segments, witness }) => ({
      volume,
      segments: segments.map((segment) => ({ ...segment, bytes: segment.bytes.slice() })),
      witness: witness?.slice() ?? null,
      base: bases.get(volume)!,
    }))
    // What was read wrongly once is not what lies there.
    this.#isStruck = !this.#isAsRead(read)
    this.#life = null
    const life: { kernel: StoreKernel | null } = { kernel: null }
    const push = (outcome: Outcome, observations: string): void => {
      this.#life = life
      const answers = this.#takeAnswers()
      this.#entries.push({ type: "boot", config, boot, images: read, outcome, observations, answers })
    }
    try {
      const opened = kernelBuild.open(this.#noting(config), images, boot)
      push({ effects: bytesOf(opened.effects) }, observationsOf(opened.effects))
      life.kernel = opened.kernel
      return { kernel: this.#follow(opened.kernel, life), effects: opened.effects }
    } catch (error) {
      push({ threw: String(error) }, "")
      throw error
    }
  }

  load(...[config, bytes, bases]: Parameters<KernelBuild["load"]>): StoreKernel {
    const kernel = kernelBuild.load(this.#noting(config), bytes, bases)
    const life = this.#life!
    life.kernel = kernel
    this.#entries.push({ type: "reload", saved: bytes })
    return this.#follow(kernel, life)
  }

  /** The run is over. */
  ended(): void {
    const kernel = this.#life?.kernel ?? null
    if (kernel === null) return
    const writer = new ByteWriter()
    kernel.save(writer)
    this.#end(writer.finish())
  }

  #end(saved: Uint8Array | null): void {
    if (this.#life === null) return
    this.#life = null
    const state = this.#disk.contents.map(({ id, files, base, witnessUnsynced }) => {
      const witness = witnessUnsynced?.bytes ?? files.witness.bytes
      return {
        volume: id,
        segments: files.segments.map(({ number, bytes }) => ({ sequence: number, bytes: bytes.slice() })),
        witness: witness.length > 0 ? witness.slice() : null,
        base: base.current,
      }
    })
    this.#entries.push({ type: "end", state, isStruck: this.#isStruck, saved })
  }

  #isAsRead(read: readonly VolumeState[]): boolean {
    return this.#disk.contents.every(({ files }, at) => {
      const { segments, witness } = read[at]!
      return (
        same(witness ?? new Uint8Array(0), files.witness.bytes) &&
        segments.every(({ bytes }, index) => same(bytes, files.segments[index]!.bytes))
      )
    })
  }

  #noting(config: KernelConfig): KernelConfig {
    const { switches } = config
    const on = (name: SwitchName): boolean => {
      const answer = switches.on(name)
      this.#answers.push({ name, on: answer })
      return answer
    }
    return { ...config, switches: { on } }
  }

  #takeAnswers(): Answers {
    const answers = this.#answers
    this.#answers = []
    return answers
  }

  #follow(kernel: StoreKernel, life: object): StoreKernel {
    return {
      step: (input) => {
        if (this.#life !== life) {
          this.zombieSteps++
          const effects = kernel.step(input)
          this.#answers = []
          return effects
        }
        scratch.reset()
        writeInput(input, scratch, true)
        const bytes = scratch.finish()
        try {
          const effects = kernel.step(input)
          const outcome = { effects: bytesOf(effects) }
          this.#entries.push({ type: "step", input: bytes, outcome, answers: this.#takeAnswers() })
          return effects
        } catch (error) {
          const outcome = { threw: String(error) }
          this.#entries.push({ type: "step", input: bytes, outcome, answers: this.#takeAnswers() })
          throw error
        }
      },
      save: (sink) => kernel.save(sink),
      identity: () => kernel.identity(),
      status: () => kernel.status(),
      isDrained: () => kernel.isDrained(),
      leaseTerm: (group, stamp) => kernel.leaseTerm(group, stamp),
      view: (volume) => kernel.view(volume),
    }
  }
}

const scratch = new ByteWriter(1 << 16)
const NOTHING = new Uint8Array(0)

export function bytesOf(effects: readonly Effect[]): Uint8Array {
  if (effects.length === 0) return NOTHING
  const writer = scratch
  writer.reset()
  for (const effect of effects) writeEffect(effect, writer, true)
  return writer.finish()
}

/** What it says of itself besides, for people and checks. */
export function observationsOf(effects: readonly Effect[]): string {
  return JSON.stringify(effects.filter(({ type }) => type === "observe"))
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
