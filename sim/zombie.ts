import {
  frameHeader,
  type Effect,
  type Frame,
  type Identity,
  type Input,
  type Lane,
  type Mono,
  type PeerMessage,
} from "#kernel"
import { chancePpm, draw, PURPOSE } from "./draws.ts"
import type { Clock } from "./env/clock.ts"
import type { Tally } from "./env/link-overlay.ts"
import { EVENT } from "./events.ts"
import type { StoreKernel } from "./kernel-build.ts"
import { NO_EVENT, type Handle, type Scheduler } from "./scheduler.ts"

/** What a process had in its memory when somebody started its successor. */
export type Remains = { readonly kernel: StoreKernel; readonly mono: Mono; readonly wakeMono: Mono | null }

export interface ZombieWatcher {
  zombieStepped(store: number, input: Input, effects: readonly Effect[]): void
  sendFrame(from: number, to: number, lane: Lane, frame: Frame): void
  violated(oracle: string, message: string): void
}

/**
 * An old process beside its successor. Its disk is gone, so no write of it ever completes and nothing
 * leaves that waits for one; its clients are gone, so it answers none. It wakes by its own clock, goes on
 * believing what it believed, and says so to its peers under its old boot. Of what is sent to its store it
 * hears a share. No checker takes its word for the store's.
 */
export class Zombie {
  /** The fault that keeps it. */
  readonly id: number
  readonly #seed: number
  readonly #store: number
  readonly #scheduler: Scheduler
  readonly #watcher: ZombieWatcher
  readonly #clock: Clock
  readonly #kernel: StoreKernel
  readonly #identity: Identity
  readonly #monoAhead: number
  readonly #hearsPpm: number
  readonly #tally: Tally
  #arrived = 0
  #wake: Handle = NO_EVENT

  constructor(
    fault: { readonly id: number; readonly hearsPpm: number; readonly tally: Tally },
    world: { readonly seed: number; readonly scheduler: Scheduler; readonly watcher: ZombieWatcher },
    host: { readonly store: number; readonly clock: Clock },
    remains: Remains,
  ) {
    this.id = fault.id
    this.#hearsPpm = fault.hearsPpm
    this.#tally = fault.tally
    this.#seed = world.seed
    this.#scheduler = world.scheduler
    this.#watcher = world.watcher
    this.#store = host.store
    this.#clock = host.clock
    this.#kernel = remains.kernel
    this.#identity = remains.kernel.identity()
    this.#monoAhead = remains.mono - world.scheduler.now
    this.#wakeAt(remains.wakeMono)
  }

  woken(): void {
    this.#wake = NO_EVENT
    this.#turn({ type: "wake", ...this.#stamp() })
  }

  frameArrived(frame: Frame): void {
    const drawn = draw(this.#seed, PURPOSE.zombieHears, this.id, this.#store, this.#arrived++)
    if (chancePpm(drawn, this.#hearsPpm)) this.#turn({ type: "frame", frame, ...this.#stamp() })
  }

  end(): void {
    this.#scheduler.cancel(this.#wake)
    this.#wake = NO_EVENT
  }

  #stamp(): { readonly mono: Mono; readonly wall: number } {
    const { now } = this.#scheduler
    return { mono: now + this.#monoAhead, wall: this.#clock.wall(now) }
  }

  #turn(input: Input): void {
    const sends: Extract<Effect, { type: "send" }>[] = []
    try {
      this.#step(input, sends)
      this.#step({ type: "turnEnded", ...this.#stamp() }, sends)
    } catch (error) {
      const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
      this.#watcher.violated("RES-invariant", `The old process of store ${this.#store} broke a rule. ${text}`)
      return
    }
    const byLink = Map.groupBy(sends, (send) => `${send.to} ${send.lane}`)
    for (const group of byLink.values()) {
      const { to, lane } = group[0]!
      this.#send(
        to,
        lane,
        group.map((send) => send.message),
      )
    }
  }

  #step(input: Input, sends: Extract<Effect, { type: "send" }>[]): void {
    const effects = this.#kernel.step(input)
    this.#watcher.zombieStepped(this.#store, input, effects)
    for (const effect of effects) {
      if (effect.type === "send" && effect.barrier === null) sends.push(effect)
      else if (effect.type === "wakeAt") this.#wakeAt(effect.mono)
    }
  }

  #wakeAt(mono: Mono | null): void {
    this.#scheduler.cancel(this.#wake)
    this.#wake = NO_EVENT
    if (mono === null) return
    const at = Math.max(this.#scheduler.now, mono - this.#monoAhead)
    this.#wake = this.#scheduler.schedule(at, EVENT.zombieWake, this.#store, 0, null)
  }

  #send(to: number, lane: Lane, messages: readonly PeerMessage[]): void {
    this.#tally.changes++
    this.#watcher.sendFrame(this.#store, to, lane, {
      header: frameHeader(this.#identity, to, this.#stamp().wall),
      messages,
    })
  }
}
