import {
  Digest,
  invariant,
  writeEffect,
  type BootStamp,
  type Effect,
  type Frame,
  type Input,
  type KernelConfig,
  type KvReply,
  type KvRequest,
  type Lane,
  type Observation,
  type Term,
} from "#kernel"
import { Clock } from "../env/clock.ts"
import { Disk, type DiskOperation } from "../env/disk.ts"
import { Process } from "../env/process.ts"
import { HostSwitches } from "../env/switches.ts"
import type { KernelBuild } from "../kernel-build.ts"
import type { PlanHost } from "../plan/plan.ts"
import { Scheduler } from "../scheduler.ts"
import { StoreHost, type HostWatcher } from "../store-host.ts"

/** What a host told while something happened, in order: what the oracles of the simulator listen to. */
export type Told =
  | { readonly type: "booted"; readonly boot: number }
  | { readonly type: "stepped"; readonly input: Input; readonly effects: readonly Effect[] }
  | { readonly type: "observed"; readonly observation: Observation }
  | { readonly type: "released"; readonly effect: Effect }
  | { readonly type: "synced"; readonly volume: number; readonly lsn: number }
  | { readonly type: "crashed" }
  | { readonly type: "stopped"; readonly code: string; readonly detail: string }
  | { readonly type: "broke"; readonly oracle: string; readonly message: string }

export type SentFrame = {
  readonly from: number
  readonly to: number
  readonly lane: Lane
  readonly frame: Frame
}
export type SentReply = { readonly session: number; readonly reply: KvReply }

/** An operation that its disk has begun, named so that a repetition of the same past gives the same name. */
export type OpName = {
  readonly type: DiskOperation["type"]
  readonly volume: number
  readonly number: number
}

/** What may happen to one store. Without `turn` an input waits in the inbox. */
export type StoreEvent =
  | { readonly type: "boot"; readonly at: number }
  | {
      readonly type: "frame"
      readonly at: number
      /** The same for equal frames. */
      readonly name: string
      readonly frame: Frame
      readonly turn: boolean
    }
  | { readonly type: "request"; readonly at: number; readonly session: number; readonly request: KvRequest }
  | { readonly type: "disk"; readonly at: number; readonly op: OpName; readonly turn: boolean }
  | { readonly type: "wake"; readonly at: number }
  | { readonly type: "turn"; readonly at: number }
  /** The power goes: what was being appended arrived whole, or not at all. */
  | { readonly type: "crash"; readonly at: number; readonly kept: boolean }

/** Before anything that happens. */
const LONG_AGO = 0
const AGO = 1
/** When a world begins. */
export const BEGINNING = 2

/** Time is what the explorer says; latencies are drawn and nobody looks at them. */
const HOST: PlanHost = {
  transport: "objects",
  latencyUsMin: 0,
  latencyUsMean: 0,
  syncUsMin: 0,
  syncUsMean: 0,
  turnUsMax: 0,
}

/**
 * One store of the simulator (its host, disk, clock and process, unchanged) to which the explorer does one thing at a
 * time. What the simulator's scheduler would decide by time, the caller decides: the scheduler here is a clock that
 * somebody sets, and nobody takes an event from it.
 */
export class StoreRun implements HostWatcher {
  readonly store: number
  readonly stopped = false
  /** Taken by whoever had something happen. */
  told: Told[] = []
  frames: SentFrame[] = []
  replies: SentReply[] = []
  readonly #scheduler = new Scheduler()
  readonly #host: StoreHost
  /** Effects whose barriers are not met, as the host holds them. */
  #held: Effect[] = []
  /** Names of what waits in the inbox. */
  #waiting: string[] = []
  #hasSpoken = false

  constructor(
    seed: number,
    config: KernelConfig,
    stores: number,
    build: KernelBuild,
    volumes: readonly number[],
  ) {
    this.store = config.store
    const scheduler = this.#scheduler
    const switches = new HostSwitches()
    const parts = {
      clock: new Clock(),
      disk: new Disk(seed, config.store, scheduler, HOST, volumes),
      process: new Process(seed, config.store, scheduler, HOST.turnUsMax),
      switches,
    }
    this.#host = new StoreHost(seed, { ...config, switches }, build, scheduler, parts, stores, this)
  }

  get isUp(): boolean {
    return this.#host.alive
  }

  /** True time of the wake-up its kernel asked for; null for none. */
  get dueAt(): number | null {
    const remains = this.#host.remains()
    // Both clocks run evenly, so this holds for times that are over as well.
    return remains === null || remains.wakeMono === null
      ? null
      : this.#scheduler.now + remains.wakeMono - remains.mono
  }

  /** Whether inputs wait for a turn. */
  get hasInbox(): boolean {
    return this.#waiting.length > 0
  }

  get leads(): boolean {
    return this.#host.kernel?.status().some(({ role }) => role === "leader") ?? false
  }

  /** Every group it has runs, and has applied an entry of the term it is in. */
  get hasApplied(): boolean {
    const status = this.#host.kernel?.status() ?? []
    return status.length > 0 && status.every(({ appliedIndex, lastIndex }) => appliedIndex === lastIndex)
  }

  /** Under way on its disk, but for the side slot, which nobody waits for: it arrives with a sync or never. */
  get ops(): readonly OpName[] {
    return this.#host.disk.contents.flatMap(({ underWay }) =>
      underWay
        .filter(({ type }) => type !== "witness")
        .map(({ type, volume, number }) => ({ type, volume, number })),
    )
  }

  leaseTerm(group: number, at: number): Term {
    const { kernel, clock } = this.#host
    return kernel?.leaseTerm(group, { mono: clock.mono(at), wall: clock.wall(at) }) ?? 0
  }

  happen(event: StoreEvent): void {
    const host = this.#host
    this.#scheduler.now = event.at
    this.told = []
    this.frames = []
    this.replies = []
    switch (event.type) {
      case "boot":
        host.boot()
        break
      case "frame":
        if (!host.alive) break
        host.frameArrived(event.frame)
        this.#arrived(event.name, event.turn)
        break
      case "request":
        if (!host.alive) break
        host.requestArrived(event.session, event.request)
        this.#arrived(`request ${event.session}`, true)
        break
      case "disk": {
        const { op } = event
        const volume = host.disk.contents.find(({ id }) => id === op.volume)
        const operation = volume?.underWay.find(
          ({ type, number }) => type === op.type && number === op.number,
        )
        invariant(operation !== undefined, "Cannot complete an operation: it is not under way")
        host.diskDone(operation)
        this.#arrived(`disk ${op.type} ${op.volume} ${op.number}`, event.turn)
        break
      }
      case "wake":
        host.woken()
        this.#arrived("wake", true)
        break
      case "turn":
        this.#turn()
        break
      case "crash":
        this.#crash(event.kept)
        break
    }
    this.#forgetTimes()
    if (host.alive) return
    this.#held = []
    this.#waiting = []
  }

  /**
   * When an operation began counts for one thing: whether the side slot was written after it. A state may be gone on from at
   * another time than the one at which it was first met, so of times no more is kept than that, and all of them lie in the past.
   */
  #forgetTimes(): void {
    for (const { underWay, witnessUnsynced } of this.#host.disk.contents) {
      for (const operation of underWay) {
        if (operation === witnessUnsynced) continue
        const isBefore = witnessUnsynced === null || witnessUnsynced.startedAt > operation.startedAt
        operation.startedAt = isBefore ? LONG_AGO : AGO
      }
      if (witnessUnsynced !== null) witnessUnsynced.startedAt = AGO
    }
  }

  #arrived(name: string, turn: boolean): void {
    this.#waiting.push(name)
    if (turn) this.#turn()
  }

  #turn(): void {
    this.#host.turn()
    this.#waiting = []
  }

  #crash(kept: boolean): void {
    const { disk } = this.#host
    if (kept) {
      const operations = disk.contents.flatMap(({ underWay }) => underWay)
      for (const operation of operations) if (operation.type === "append") disk.complete(operation)
    }
    this.#host.crash(false)
    for (const volume of disk.contents) {
      // A process that dies leaves what it was writing to the operating system, and its machine dies with it.
      volume.files.unsynced = []
      volume.witnessUnsynced = null
    }
    this.told.push({ type: "crashed" })
  }

  /** All that what it does from now on can depend on, but the time. */
  digest(): string {
    const sink = new Digest()
    const host = this.#host
    sink.bool(host.alive)
    sink.bool(this.#hasSpoken)
    sink.uint(host.boots)
    host.kernel?.save(sink)
    // Both clocks run evenly: where they stand at one moment says where they stand at any.
    if (host.alive) sink.int(host.clock.mono(this.#scheduler.now) - this.#scheduler.now)
    sink.uint(host.remains()?.wakeMono ?? 0)
    for (const volume of host.disk.contents) {
      const { files } = volume
      sink.uint(volume.id)
      sink.uint(volume.durableLsn)
      sink.uint(volume.settleCount)
      for (const file of files.segments) {
        sink.uint(file.number)
        sink.uint(file.bytes.length)
        sink.range(file.bytes, 0, file.usedBytes)
      }
      sink.bytes(files.witness.bytes)
      if (volume.witnessUnsynced !== null) sink.bytes(volume.witnessUnsynced.bytes)
      sink.bytes(files.directory.checkpoint.bytes)
      const witnessAt = volume.witnessUnsynced?.startedAt ?? 0
      for (const { type, number, bytes, startedAt } of volume.underWay) {
        sink.str(type)
        // What was in the side slot's cache by then is durable with it.
        sink.bool(witnessAt > startedAt)
        sink.uint(number)
        sink.bytes(bytes)
      }
    }
    for (const effect of this.#held) writeEffect(effect, sink, true)
    for (const name of this.#waiting) sink.str(name)
    return sink.hex()
  }

  // What its host tells.

  opened(_store: number, _boot: BootStamp, effects: readonly Effect[]): void {
    this.told.push({ type: "booted", boot: this.#host.kernel!.identity().boot })
    this.#emitted(effects)
  }

  stepped(_store: number, input: Input, effects: readonly Effect[]): void {
    this.told.push({ type: "stepped", input, effects })
    this.#emitted(effects)
  }

  #emitted(effects: readonly Effect[]): void {
    for (const effect of effects) if (effect.type !== "observe") this.#held.push(effect)
  }

  observed(_store: number, observation: Observation): void {
    this.told.push({ type: "observed", observation })
  }

  released(_store: number, effect: Effect): void {
    this.#held.splice(this.#held.indexOf(effect), 1)
    if (effect.type === "send" || (effect.type === "reply" && effect.reply.type === "ok"))
      this.#hasSpoken = true
    this.told.push({ type: "released", effect })
  }

  synced(_store: number, volume: number, lsn: number): void {
    this.told.push({ type: "synced", volume, lsn })
  }

  sendFrame(from: number, to: number, lane: Lane, frame: Frame): void {
    this.frames.push({ from, to, lane, frame })
  }

  reply(_store: number, session: number, reply: KvReply): void {
    this.replies.push({ session, reply })
  }

  adminReply(): void {}

  txnReply(): void {}

  fatal(_store: number, code: string, detail: string): void {
    this.told.push({ type: "stopped", code, detail })
    this.#crash(true)
  }

  violated(oracle: string, message: string): void {
    this.told.push({ type: "broke", oracle, message })
  }

  threw(store: number, text: string): void {
    this.violated("RES-invariant", `Store ${store} broke its own rule. ${text}`)
    // What is left of that kernel is nothing to ask or to save.
    this.#crash(true)
  }
}
