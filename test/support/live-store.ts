import {
  DEFAULT_LIMITS,
  DEFAULT_TIMING,
  Kernel,
  MemoryBase,
  NO_SWITCHES,
  type AdminRequest,
  type Base,
  type Effect,
  type GroupStatus,
  type Input,
  type KernelConfig,
  type KvRequest,
  type RangeDescriptor,
} from "#kernel"
import type { AnswerDoor, RequestDoor } from "#net"

type Unstamped = Input extends infer One ? (One extends Input ? Omit<One, "mono" | "wall"> : never) : never
type Held = Extract<Effect, { readonly barrier: unknown }>

class LiveBase implements Base {
  current = MemoryBase.empty()

  get checkpoint(): number {
    return this.current.checkpoint
  }
  get damage(): MemoryBase["damage"] {
    return this.current.damage
  }
  get(...args: Parameters<Base["get"]>): string | null {
    return this.current.get(...args)
  }
  cursor(...args: Parameters<Base["cursor"]>): ReturnType<Base["cursor"]> {
    return this.current.cursor(...args)
  }
  snapshot(): MemoryBase {
    return this.current
  }
}

/**
 * A cluster of one store in this process: a real kernel on real clocks, behind the port that the client API stands at.
 * Its disk is memory and completes everything one turn later; held effects leave before the kernel hears of it.
 */
export class LiveStore implements RequestDoor {
  readonly kernel: Kernel
  answers: AnswerDoor | null = null
  /** Requests that arrived, as they arrived. */
  readonly requests: KvRequest[] = []
  readonly #durable = new Map<number, number>()
  readonly #bases = new Map<number, LiveBase>([
    [0, new LiveBase()],
    [1, new LiveBase()],
  ])
  #held: Held[] = []
  #inbox: Unstamped[] = []
  #isTurnDue = false
  #wake: NodeJS.Timeout | null = null
  #isClosed = false
  readonly #epochUs = (Date.now() - Math.floor(performance.now())) * 1_000

  constructor(ranges: readonly RangeDescriptor[] = [WHOLE]) {
    const config: KernelConfig = {
      cluster: "live",
      store: 1,
      tenants: [0],
      bootstrap: {
        cluster: "live",
        stores: [{ store: 1, incarnation: 1, region: "r", zone: "z" }],
        groups: ranges.map((descriptor) => ({
          descriptor,
          configuration: {
            voters: [{ replica: 1, store: 1, incarnation: 1 }],
            outgoing: [],
            learners: [],
            promoting: [],
            nextReplica: 2,
          },
        })),
      },
      timing: { ...DEFAULT_TIMING, electionUsMin: 20_000, electionUsMax: 40_000, staggerUs: 10_000 },
      limits: DEFAULT_LIMITS,
      switches: NO_SWITCHES,
    }
    const images = [...this.#bases].map(([volume, base]) => ({ volume, segments: [], witness: null, base }))
    const opened = Kernel.open(config, images, { ...this.#stamp(), seedHigh: 1, seedLow: 2 })
    this.kernel = opened.kernel
    this.#carryOut(opened.effects)
    this.#arrive({ type: "wake" })
  }

  status(): readonly GroupStatus[] {
    return this.kernel.status()
  }

  request(session: number, request: KvRequest): void {
    this.requests.push(request)
    this.#arrive({ type: "request", session, request })
  }

  admin(session: number, request: AdminRequest): void {
    this.#arrive({ type: "admin", session, request })
  }

  close(): void {
    this.#isClosed = true
    if (this.#wake !== null) clearTimeout(this.#wake)
  }

  #stamp(): { readonly mono: number; readonly wall: number } {
    const mono = Math.floor(performance.now() * 1_000)
    return { mono, wall: this.#epochUs + mono }
  }

  #arrive(input: Unstamped): void {
    this.#inbox.push(input)
    if (this.#isTurnDue) return
    this.#isTurnDue = true
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    this.#isTurnDue = false
    if (this.#isClosed) return
    const inbox = this.#inbox
    this.#inbox = []
    const stamp = this.#stamp()
    for (const input of [...inbox, { type: "turnEnded" } as const]) {
      this.#carryOut(this.kernel.step({ ...input, ...stamp }))
    }
  }

  #carryOut(effects: readonly Effect[]): void {
    for (const effect of effects) {
      if ("barrier" in effect && !this.#mayLeave(effect)) this.#held.push(effect)
      else this.#release(effect)
    }
  }

  #mayLeave({ barrier }: Held): boolean {
    return barrier === null || (this.#durable.get(barrier.volume) ?? 0) >= barrier.lsn
  }

  #release(effect: Effect): void {
    switch (effect.type) {
      case "reply":
        this.answers?.reply(effect.session, effect.reply)
        break
      case "adminReply":
        this.answers?.adminReply(effect.session, effect.reply)
        break
      case "txnReply":
        break
      case "append": {
        const { volume, lsn } = effect
        setImmediate(() => {
          this.#durable.set(volume, lsn)
          const held = this.#held
          this.#held = []
          for (const one of held) {
            if (this.#mayLeave(one)) this.#release(one)
            else this.#held.push(one)
          }
          this.#arrive({ type: "appendSynced", volume, lsn })
        })
        break
      }
      case "createSegment": {
        const { volume, segment } = effect
        setImmediate(() => this.#arrive({ type: "segmentCreated", volume, segment }))
        break
      }
      case "checkpoint": {
        const { volume, checkpoint, changes } = effect
        setImmediate(() => {
          const base = this.#bases.get(volume)!
          base.current = base.current.apply(changes)
          this.#arrive({ type: "checkpointSynced", volume, checkpoint })
        })
        break
      }
      case "wakeAt": {
        if (this.#wake !== null) clearTimeout(this.#wake)
        const { mono } = effect
        const arrive = (): void => this.#arrive({ type: "wake" })
        this.#wake =
          mono === null ? null : setTimeout(arrive, Math.max(0, (mono - this.#stamp().mono) / 1_000))
        break
      }
      case "fatal":
        throw new Error(`The store stopped: ${effect.code} ${effect.detail}`)
      case "send":
      case "releaseSegments":
      case "writeWitness":
      case "observe":
        break
    }
  }
}

export const WHOLE: RangeDescriptor = {
  rangeId: 1,
  groupId: 1,
  tenant: 0,
  start: "",
  end: "",
  generation: 1,
}
