import { unreachable, type Barrier, type Effect, type Input, type KvReply, type KvRequest } from "#kernel"
import type { KernelConfig } from "#kernel"
import { Kernel } from "#kernel"
import type { DiskRig } from "./disk-rig.ts"

/** A clock of its own, far from zero. */
let mono = 1_000_000
const WALL_AHEAD_US = 1_700_000_000_000_000

type Bare = Input extends infer One ? (One extends Input ? Omit<One, "mono" | "wall"> : never) : never

/** One kernel over a disk, driven by hand: a turn an input, time passes only when nothing else is to be done. */
export class HandHost {
  readonly kernel: Kernel
  readonly replies: KvReply[] = []
  readonly observed: Effect[] = []
  readonly #rig: DiskRig
  readonly #held: Effect[] = []
  readonly #durable = new Map<number, number>()
  #wakeAt: number | null = null
  #underWay = 0
  fatal: string | null = null

  private constructor(rig: DiskRig, kernel: Kernel) {
    this.#rig = rig
    this.kernel = kernel
  }

  static async open(config: KernelConfig, rig: DiskRig): Promise<HandHost> {
    const images = await rig.disk.images()
    const stamp = { mono: ++mono, wall: mono + WALL_AHEAD_US, seedHigh: 1, seedLow: mono }
    const { kernel, effects } = Kernel.open(config, images, stamp)
    const host = new HandHost(rig, kernel)
    host.#carryOut(effects)
    host.#turn([])
    return host
  }

  /** Until `isDone`: completions first, then the next wake-up. */
  async run(isDone: () => boolean): Promise<void> {
    for (let turns = 0; !isDone(); turns++) {
      if (this.fatal !== null) throw new Error(`The kernel stopped: ${this.fatal}`)
      if (turns > 20_000) throw new Error("The kernel never came to it")
      if (this.#underWay > 0) {
        const completion = await this.#rig.next()
        this.#underWay--
        if (completion.type === "appendSynced") {
          this.#durable.set(completion.volume, completion.lsn)
          this.#carryOut(this.#held.splice(0))
        }
        this.#turn([completion])
        continue
      }
      mono = Math.max(mono + 1, this.#wakeAt ?? mono)
      this.#wakeAt = null
      this.#turn([{ type: "wake" }])
    }
  }

  async request(request: KvRequest): Promise<KvReply> {
    const count = this.replies.length
    this.#turn([{ type: "request", session: 1, request }])
    await this.run(() => this.replies.length > count)
    return this.replies[count]!
  }

  #turn(inputs: readonly Bare[]): void {
    for (const input of [...inputs, { type: "turnEnded" } as const]) {
      mono++
      this.#carryOut(this.kernel.step({ ...input, mono, wall: mono + WALL_AHEAD_US }))
    }
  }

  #carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) {
      const barrier = "barrier" in effect ? effect.barrier : null
      if (barrier !== null && !this.#isMet(barrier)) this.#held.push(effect)
      else this.#release(effect)
    }
  }

  #isMet({ volume, lsn }: Barrier): boolean {
    return (this.#durable.get(volume) ?? 0) >= lsn
  }

  #release(effect: Effect): void {
    const { disk } = this.#rig
    switch (effect.type) {
      case "append":
        // What is before the first append of a process was recovered.
        if (!this.#durable.has(effect.volume)) this.#durable.set(effect.volume, effect.lsn - 1)
        this.#underWay++
        disk.append(effect.volume, effect.lsn, effect.segment, effect.offset, effect.bytes)
        break
      case "createSegment":
        this.#underWay++
        disk.createSegment(effect.volume, effect.segment, effect.sizeBytes, effect.header)
        break
      case "checkpoint":
        this.#underWay++
        disk.checkpoint(effect.volume, effect.checkpoint, effect.changes)
        break
      case "releaseSegments":
        disk.releaseSegments(effect.volume, effect.below)
        break
      case "writeWitness":
        disk.writeWitness(effect.volume, effect.bytes)
        break
      case "wakeAt":
        this.#wakeAt = effect.mono
        break
      case "reply":
        this.replies.push(effect.reply)
        break
      case "fatal":
        this.fatal = `${effect.code}: ${effect.detail}`
        break
      case "observe":
        this.observed.push(effect)
        break
      case "send":
      case "adminReply":
      case "txnReply":
        break
      default:
        unreachable(effect)
    }
  }
}
