import {
  Kernel,
  type AdminRequest,
  type BootStamp,
  type Effect,
  type FatalCode,
  type Frame,
  type GroupStatus,
  type Identity,
  type Input,
  type KernelConfig,
  type KvRequest,
  type Lane,
  type Observation,
  type VolumeId,
  type VolumeImage,
} from "#kernel"
import { messageOf } from "../thrown.ts"
import { HELD_MAX, HeldEffects } from "./held-effects.ts"
import { Inbox } from "./inbox.ts"
import { LoopDelay, type LoopDelayReading } from "./loop-delay.ts"
import { Outbox } from "./outbox.ts"
import type {
  AnswerDoor,
  BirthRecord,
  DiskCompletion,
  HostClock,
  HostWatcher,
  PeerLinks,
  RequestDoor,
  StoreDisk,
  StoreKernel,
} from "./ports.ts"
import { WakeTimer } from "./wake-timer.ts"

/** A turn that has lasted this long takes no more than it must. */
const TURN_US_MAX = 4_000
/** Inputs between two looks at the clock. */
const LOOK_EVERY = 32
/** A loop that was this late is told of: a heartbeat between stores is due every second. */
const LATE_US = 200_000
const WATCH_MS = 5_000

/** Why a store stopped by itself. `defect` is ours: the kernel threw. */
export type HostStop = {
  readonly code: FatalCode | "defect" | "birthNotRecorded"
  readonly detail: string
}

/** For people: outside of all that decides anything. */
export interface HostLog {
  observed(observation: Observation): void
  warn(event: string, fields: Readonly<Record<string, string | number>>): void
}

export type HostParts = {
  readonly clock: HostClock
  readonly disk: StoreDisk
  readonly birth: BirthRecord
  readonly log: HostLog
  readonly watcher: HostWatcher | null
  /** Opens the kernel; another build of it may be given. */
  readonly openKernel?: (
    config: KernelConfig,
    images: readonly VolumeImage[],
    boot: BootStamp,
  ) => { readonly kernel: StoreKernel; readonly effects: readonly Effect[] }
}

/** Counts since the start; the loop's delay is that of the last seconds. */
export type HostStats = {
  readonly turns: number
  readonly inputs: number
  readonly appends: number
  readonly refused: number
  readonly framesDropped: number
  readonly waiting: number
  readonly held: number
  readonly heldPeak: number
  readonly loopDelay: LoopDelayReading
}

/**
 * One store for real. It hands the kernel what arrived, in turns, and carries out what the kernel wants, in order; it
 * decides nothing. The same turns and the same barriers as the simulator's host: effects without a barrier leave in the
 * turn that emitted them, the others when their volume is durable up to theirs (ADR 0011). A turn begins as soon as
 * anything waits and the thread is free; while a disk syncs the next ones are collected, which is all there is to
 * group commit.
 */
export class Host implements RequestDoor {
  readonly #config: KernelConfig
  readonly #parts: HostParts
  readonly #inbox = new Inbox()
  readonly #outbox = new Outbox()
  readonly #held = new HeldEffects()
  readonly #wake: WakeTimer
  readonly #loopDelay = new LoopDelay()
  /** Null before the start, and after the end. */
  #kernel: StoreKernel | null = null
  #links: PeerLinks | null = null
  #answers: AnswerDoor | null = null
  /** What would leave, had this store a voice: see `#speaks`. */
  #unspoken: Effect[] = []
  /** Set with the first word: settled when it is on record. */
  #bearing: Promise<void> | null = null
  #turn: NodeJS.Immediate | null = null
  #watch: NodeJS.Timeout | null = null
  #stopped: ((stop: HostStop) => void) | null = null
  #isDraining = false
  /** Requests taken in and not yet answered. */
  #open = 0
  #whenIdle: (() => void) | null = null
  #whenDrained: (() => void) | null = null
  #isAlarmed = false
  #turns = 0
  #inputs = 0
  #appends = 0
  #refused = 0

  constructor(config: KernelConfig, parts: HostParts) {
    this.#config = config
    this.#parts = parts
    this.#wake = new WakeTimer(parts.clock, () => {
      this.#inbox.woken()
      this.#askForTurn()
    })
    parts.disk.onCompletion((completion) => this.#completed(completion))
  }

  /** Whoever is told, once, that the store stopped itself. It has let go of nothing then: close what it was given. */
  onStopped(listener: (stop: HostStop) => void): void {
    this.#stopped = listener
  }

  /** Opens the kernel on what the disk holds. What it has to say waits for `speakThrough`. */
  boot(images: readonly VolumeImage[], seedHigh: number, seedLow: number): void {
    const { clock, birth, watcher } = this.#parts
    const boot: BootStamp = { mono: clock.mono(), wall: clock.wall(), seedHigh, seedLow }
    const config = birth.born ? { ...this.#config, bootstrap: null } : this.#config
    this.#loopDelay.start()
    this.#watch = setInterval(() => this.#lookAtLoop(), WATCH_MS)
    this.#watch.unref()
    try {
      const { openKernel } = this.#parts
      const opened = openKernel?.(config, images, boot) ?? Kernel.open(config, images, boot)
      const { kernel, effects } = opened
      this.#kernel = kernel
      watcher?.opened(config, images, boot, effects, kernel)
      this.#carryOutAll(effects)
      this.#step({ type: "turnEnded", mono: boot.mono, wall: boot.wall })
      this.#flush()
    } catch (error) {
      this.#broke(error)
    }
  }

  /** The way to the other stores is there: from now on this store speaks. */
  speakThrough(links: PeerLinks): void {
    this.#links = links
    links.onFrame((frame, lane, bytes) => this.#frameArrived(frame, lane, bytes))
    this.#speakUp()
  }

  answerTo(answers: AnswerDoor): void {
    this.#answers = answers
  }

  request(session: number, request: KvRequest): void {
    if (this.#takesRequests && this.#inbox.ask({ type: "request", session, request })) {
      this.#open++
      this.#askForTurn()
      return
    }
    this.#refused++
    const reply = { type: "error", id: request.id, error: { code: "overloaded" } } as const
    this.#answers?.reply(session, reply)
  }

  admin(session: number, request: AdminRequest): void {
    if (this.#takesRequests && this.#inbox.ask({ type: "admin", session, request })) {
      this.#open++
      this.#askForTurn()
      return
    }
    this.#refused++
    const reply = { type: "error", id: request.id, error: { code: "overloaded" } } as const
    this.#answers?.adminReply(session, reply)
  }

  /** Null while the store is down. */
  identity(): Identity | null {
    return this.#kernel?.identity() ?? null
  }

  /** Volumes that may have held replicas of which nothing is known any more: an operator is to see that. */
  forgetful(): readonly VolumeId[] {
    return [...(this.#kernel?.forgetful ?? [])].sort((a, b) => a - b)
  }

  groups(): readonly GroupStatus[] {
    return this.#kernel?.status() ?? []
  }

  stats(): HostStats {
    return {
      turns: this.#turns,
      inputs: this.#inputs,
      appends: this.#appends,
      refused: this.#refused,
      framesDropped: this.#inbox.framesDropped,
      waiting: this.#inbox.count,
      held: this.#held.count,
      heldPeak: this.#held.peak,
      loopDelay: this.#loopDelay.read(),
    }
  }

  /**
   * Tells the kernel that this store is to be stopped, and waits until it has handed over what it leads, but no longer than
   * this. It goes on serving. Gives how many groups it still leads.
   */
  async handOver(waitMsMax: number): Promise<number> {
    if (this.#kernel === null) return 0
    this.#inbox.drain()
    this.#askForTurn()
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, waitMsMax)
    this.#whenDrained = resolve
    await promise
    clearTimeout(timer)
    this.#whenDrained = null
    return this.groups().filter(({ role }) => role === "leader").length
  }

  /** Takes no more requests, and waits for the answers to those it took, but no longer than this. */
  async drain(waitMsMax: number): Promise<void> {
    this.#isDraining = true
    if (this.#kernel === null || this.#open === 0) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, waitMsMax)
    this.#whenIdle = resolve
    await promise
    clearTimeout(timer)
    this.#whenIdle = null
  }

  /** Ends it between two turns; what waits is gone, as with a process that dies. Links and disk are not closed. */
  stop(): void {
    this.#kernel = null
    if (this.#turn !== null) clearImmediate(this.#turn)
    this.#turn = null
    if (this.#watch !== null) clearInterval(this.#watch)
    this.#watch = null
    this.#loopDelay.stop()
    this.#wake.stop()
    this.#inbox.clear()
    this.#outbox.clear()
    this.#held.clear()
    this.#unspoken = []
    this.#open = 0
    this.#whenIdle?.()
    this.#whenDrained?.()
  }

  /** Stops it, and waits for what it has begun to write by itself. */
  async close(): Promise<void> {
    this.stop()
    await this.#bearing
  }

  // ── What arrives ─────────────────────────────────────────────────────────────────────────────────

  get #takesRequests(): boolean {
    return this.#kernel !== null && !this.#isDraining
  }

  #frameArrived(frame: Frame, lane: Lane, bytes: Uint8Array): void {
    if (this.#kernel === null) return
    this.#inbox.frame(frame, lane, this.#parts.watcher === null ? null : bytes)
    this.#askForTurn()
  }

  /** The disk is done with something: first what waited for it leaves, then the kernel hears of it. */
  #completed(completion: DiskCompletion): void {
    if (this.#kernel === null) return
    if ("detail" in completion) {
      this.#parts.log.warn(completion.type, { volume: completion.volume, detail: completion.detail })
    }
    if (completion.type === "appendSynced") {
      try {
        this.#releaseAll(this.#held.synced(completion.volume, completion.lsn))
        this.#flush()
      } catch (error) {
        this.#broke(error)
        return
      }
    }
    this.#inbox.completed(completion)
    this.#askForTurn()
  }

  // ── Turns ────────────────────────────────────────────────────────────────────────────────────────

  /** After whatever else has arrived by then: sockets and files are looked at before. */
  #askForTurn(): void {
    this.#turn ??= setImmediate(() => this.#takeTurn())
  }

  #takeTurn(): void {
    this.#turn = null
    if (this.#kernel === null) return
    const { clock } = this.#parts
    const mono = clock.mono()
    const wall = clock.wall()
    const inbox = this.#inbox
    inbox.beginTurn()
    try {
      let count = 0
      for (let input = inbox.next(mono, wall); input !== null; input = inbox.next(mono, wall)) {
        this.#step(input)
        // It may have stopped itself.
        if (this.#isDown) return
        if (++count % LOOK_EVERY === 0 && clock.mono() - mono > TURN_US_MAX) inbox.hurry()
      }
      this.#step({ type: "turnEnded", mono, wall })
      this.#flush()
    } catch (error) {
      this.#broke(error)
      return
    }
    this.#turns++
    if (this.#whenDrained !== null && this.#kernel.isDrained()) this.#whenDrained()
    if (inbox.count > 0) this.#askForTurn()
  }

  get #isDown(): boolean {
    return this.#kernel === null
  }

  #step(input: Input): void {
    if (this.#kernel === null) return
    const effects = this.#kernel.step(input)
    this.#inputs++
    this.#parts.watcher?.stepped(input, effects, input.type === "frame" ? this.#inbox.bytes : null)
    this.#carryOutAll(effects)
  }

  // ── Effects ──────────────────────────────────────────────────────────────────────────────────────

  #carryOutAll(effects: readonly Effect[]): void {
    for (let i = 0; i < effects.length && this.#kernel !== null; i++) {
      const effect = effects[i]!
      if (effect.type === "observe") this.#parts.log.observed(effect.observation)
      else if (this.#held.holds(effect)) this.#watchHeld()
      else this.#release(effect)
    }
  }

  #releaseAll(effects: readonly Effect[]): void {
    for (let i = 0; i < effects.length && this.#kernel !== null; i++) this.#release(effects[i]!)
  }

  #release(effect: Effect): void {
    if (!this.#speaks && isSpeech(effect)) {
      this.#unspoken.push(effect)
      this.#comeToLife()
      return
    }
    this.#parts.watcher?.released?.(effect)
    const { disk } = this.#parts
    switch (effect.type) {
      case "send":
        this.#outbox.add(effect.to, effect.lane, effect.message)
        break
      case "reply":
        this.#answered()
        this.#answers?.reply(effect.session, effect.reply)
        break
      case "adminReply":
        this.#answered()
        this.#answers?.adminReply(effect.session, effect.reply)
        break
      // No session of the client API can ask for a transaction yet.
      case "txnReply":
        this.#answered()
        break
      case "append":
        this.#appends++
        disk.append(effect.volume, effect.lsn, effect.segment, effect.offset, effect.bytes)
        break
      case "createSegment":
        disk.createSegment(effect.volume, effect.segment, effect.sizeBytes, effect.header)
        break
      case "releaseSegments":
        disk.releaseSegments(effect.volume, effect.below)
        break
      case "writeWitness":
        disk.writeWitness(effect.volume, effect.bytes)
        break
      case "checkpoint":
        disk.checkpoint(effect.volume, effect.checkpoint, effect.changes)
        break
      case "wakeAt":
        this.#wake.ask(effect.mono)
        break
      case "fatal":
        this.#flush()
        this.#end({ code: effect.code, detail: effect.detail })
        break
      case "observe":
        break
    }
  }

  #flush(): void {
    if (this.#outbox.isEmpty || this.#kernel === null || this.#links === null) return
    this.#outbox.flush(this.#kernel.identity(), this.#parts.clock.wall(), this.#links)
  }

  #answered(): void {
    this.#open--
    if (this.#open === 0) this.#whenIdle?.()
  }

  // ── The first word ───────────────────────────────────────────────────────────────────────────────

  /** It has a way to the others, and it is on record that it has lived. */
  get #speaks(): boolean {
    return this.#links !== null && this.#parts.birth.born
  }

  /** It is about to say its first word: that it has lived must be durable before. */
  #comeToLife(): void {
    if (this.#bearing !== null || this.#parts.birth.born) return
    this.#bearing = this.#parts.birth.bear().then(
      () => this.#speakUp(),
      (error: unknown) => this.#end({ code: "birthNotRecorded", detail: messageOf(error) }),
    )
  }

  #speakUp(): void {
    if (!this.#speaks || this.#kernel === null) return
    const unspoken = this.#unspoken
    this.#unspoken = []
    try {
      this.#releaseAll(unspoken)
      this.#flush()
    } catch (error) {
      this.#broke(error)
    }
  }

  // ── Trouble ──────────────────────────────────────────────────────────────────────────────────────

  #watchHeld(): void {
    const { count, peak } = this.#held
    if (this.#isAlarmed) {
      if (count < HELD_MAX / 2) this.#isAlarmed = false
      return
    }
    if (count <= HELD_MAX) return
    this.#isAlarmed = true
    this.#parts.log.warn("heldEffects", { held: count, peak, max: HELD_MAX })
  }

  #lookAtLoop(): void {
    const { p50Us, p99Us, maxUs } = this.#loopDelay.read()
    this.#loopDelay.reset()
    if (maxUs < LATE_US) return
    this.#parts.log.warn("loopLate", { p50Us, p99Us, maxUs, waiting: this.#inbox.count })
  }

  #broke(error: unknown): void {
    const stack = error instanceof Error ? (error.stack ?? error.message) : String(error)
    this.#end({ code: "defect", detail: stack })
  }

  #end(stop: HostStop): void {
    if (this.#kernel === null && stop.code !== "defect") return
    this.stop()
    const told = this.#stopped
    this.#stopped = null
    told?.(stop)
  }
}

/** What others take this store's word by. That a request cannot be served promises nothing. */
function isSpeech(effect: Effect): boolean {
  switch (effect.type) {
    case "send":
      return true
    case "reply":
      return effect.reply.type === "ok"
    case "adminReply":
      return effect.reply.type === "accepted"
    case "txnReply":
      return effect.reply.type !== "error"
    default:
      return false
  }
}
