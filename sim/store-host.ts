import {
  barrierOf,
  frameHeader,
  InvariantError,
  invariant,
  ByteWriter,
  unreachable,
  type AdminReply,
  type AdminRequest,
  type BootStamp,
  type Effect,
  type Frame,
  type Input,
  type KernelConfig,
  type KvReply,
  type KvRequest,
  type Lane,
  type TxnReply,
  type Observation,
  type PeerMessage,
  type RecoverOrder,
} from "#kernel"
import { below, draw, PURPOSE } from "./draws.ts"
import type { Clock } from "./env/clock.ts"
import type { Disk, DiskOperation } from "./env/disk.ts"
import type { Tally } from "./env/link-overlay.ts"
import { INBOX_MAX, type Process } from "./env/process.ts"
import type { HostSwitches } from "./env/switches.ts"
import { EVENT } from "./events.ts"
import type { KernelBuild, StoreKernel } from "./kernel-build.ts"
import { NO_EVENT, type Handle, type Scheduler } from "./scheduler.ts"
import type { Remains, Zombie } from "./zombie.ts"

/** Effects of one store that wait for a barrier. */
export const HELD_MAX = 200_000
/** A store that stopped itself is started again after this long. */
const FATAL_RESTART_US = 1_000_000

const LANES: readonly Lane[] = ["liveness", "raft", "bulk"]
const LANE_COUNT = 3

/** What a host tells the world about. */
export interface HostWatcher {
  opened(store: number, boot: BootStamp, effects: readonly Effect[]): void
  stepped(store: number, input: Input, effects: readonly Effect[]): void
  observed(store: number, observation: Observation): void
  released(store: number, effect: Effect): void
  /** The disk has it; the kernel hears of it with its next turn. */
  synced(store: number, volume: number, lsn: number): void
  sendFrame(from: number, to: number, lane: Lane, frame: Frame): void
  reply(store: number, session: number, reply: KvReply): void
  adminReply(store: number, session: number, reply: AdminReply): void
  txnReply(store: number, session: number, reply: TxnReply): void
  /** The store asked to be stopped; it is, and comes back after `restartUs`. */
  fatal(store: number, code: string, detail: string, restartUs: number): void
  violated(oracle: string, message: string): void
  /** Its kernel threw: the process cannot go on. */
  threw(store: number, text: string, restartUs: number): void
  /** The run has its verdict: nothing more is carried out. */
  readonly stopped: boolean
}

/** Wake-ups that come up to `earlyUs` too early or `lateUs` too late. */
export type TimerSkew = {
  readonly id: number
  readonly earlyUs: number
  readonly lateUs: number
  readonly tally: Tally
}

/** A clock fault in force, with its count. */
export type ClockTally = { readonly id: number; readonly tally: Tally }

/**
 * One store: a process that runs a kernel on a machine with a clock and a disk. It hands inputs over in
 * turns and carries out effects in order; it decides nothing.
 *
 * Effects without a barrier leave in the turn that emitted them, the others as soon as the volume is
 * durable up to theirs, in the order they were emitted. A group lives in one volume, so its messages keep
 * their order; those of two volumes may pass each other. What leaves for one peer on one lane at one
 * moment is one frame.
 */
export class StoreHost {
  readonly store: number
  readonly clock: Clock
  readonly disk: Disk
  readonly process: Process
  readonly switches: HostSwitches
  readonly clockTallies: ClockTally[] = []
  /** Null while the process is down. */
  kernel: StoreKernel | null = null
  /** Starts of this store so far. */
  boots = 0
  /** Steps since the start of the run. */
  steps = 0
  heldPeak = 0
  /** What its operator says to the next start, and to no other. */
  orders: readonly RecoverOrder[] = []
  /** An old process of this store that does not know it was replaced. */
  zombie: Zombie | null = null
  /** How far ahead of what it is its frames claim its wall clock to be. */
  readonly claims: { readonly id: number; readonly aheadUs: number; readonly tally: Tally }[] = []
  readonly timerSkews: TimerSkew[] = []

  readonly #seed: number
  readonly #config: KernelConfig
  readonly #build: KernelBuild
  readonly #scheduler: Scheduler
  readonly #watcher: HostWatcher
  readonly #held: Effect[] = []
  readonly #outbox: (PeerMessage[] | null)[]
  /** Slots of the outbox in use, in the order of their first message. */
  readonly #outgoing: number[] = []
  #wakeMono: number | null = null
  #wakeHandle: Handle = NO_EVENT
  #wakeAt = 0
  /** It has spoken: the document of its birth was carried out and is not shown again, whatever becomes of its disk. */
  #isBorn = false
  #isEarly = false
  #wokenEarlyFor: number | null = null
  #wakesSkewed = 0

  constructor(
    seed: number,
    config: KernelConfig,
    build: KernelBuild,
    scheduler: Scheduler,
    parts: {
      readonly clock: Clock
      readonly disk: Disk
      readonly process: Process
      readonly switches: HostSwitches
    },
    storeCount: number,
    watcher: HostWatcher,
  ) {
    this.#seed = seed
    this.store = config.store
    this.#config = config
    this.#build = build
    this.#scheduler = scheduler
    this.clock = parts.clock
    this.disk = parts.disk
    this.process = parts.process
    this.switches = parts.switches
    this.#watcher = watcher
    const slots = (storeCount + 1) * LANE_COUNT
    this.#outbox = Array.from<PeerMessage[] | null>({ length: slots }).fill(null)
  }

  /** Inputs not yet handed over. */
  get inboxCount(): number {
    return this.process.count
  }

  /** Effects whose barrier is not met. */
  get heldCount(): number {
    return this.#held.length
  }

  get alive(): boolean {
    return this.kernel !== null
  }

  /** What lives on when the process is started anew without being stopped; null while it is down. */
  remains(): Remains | null {
    if (this.kernel === null) return null
    return {
      kernel: this.kernel,
      mono: this.clock.mono(this.#scheduler.now),
      wakeMono: this.#wakeMono,
    }
  }

  /** Starts the process from what is on disk. */
  boot(): void {
    invariant(this.kernel === null, "Cannot boot a store: it is running")
    const now = this.#scheduler.now
    const count = this.boots++
    const base = draw(this.#seed, PURPOSE.monoBase, this.store, 0, count)
    this.clock.boot(now, 1_000_000 + base * 256)
    const boot: BootStamp = {
      mono: this.clock.mono(now),
      wall: this.clock.wall(now),
      seedHigh: draw(this.#seed, PURPOSE.bootSeedHigh, this.store, 0, count),
      seedLow: draw(this.#seed, PURPOSE.bootSeedLow, this.store, 0, count),
    }
    const born = this.#isBorn ? { ...this.#config, bootstrap: null } : this.#config
    const config = this.orders.length === 0 ? born : { ...born, recover: this.orders }
    this.orders = []
    try {
      const { kernel, effects } = this.#build.open(config, this.disk.images(), boot)
      this.kernel = kernel
      this.#watcher.opened(this.store, boot, effects)
      this.#carryOutAll(effects)
      this.#step({ type: "turnEnded", mono: boot.mono, wall: boot.wall })
      this.#flush()
    } catch (error) {
      this.#threw(error)
    }
  }

  /** The process dies where it stands; with `powerLoss` its machine does. */
  crash(powerLoss: boolean): void {
    this.kernel = null
    this.process.die()
    this.disk.crash(powerLoss)
    this.#held.length = 0
    this.#clearOutbox()
    this.#scheduler.cancel(this.#wakeHandle)
    this.#wakeHandle = NO_EVENT
    this.#wakeMono = null
    this.#isEarly = false
  }

  frameArrived(frame: Frame): void {
    this.zombie?.frameArrived(frame)
    if (this.kernel === null) return
    this.process.arrive("frame", 0, 0, frame)
    this.#watchInbox()
  }

  requestArrived(session: number, request: KvRequest): void {
    if (this.kernel === null) return
    this.process.arrive("request", session, 0, request)
    this.#watchInbox()
  }

  adminArrived(session: number, request: AdminRequest): void {
    if (this.kernel !== null) this.process.arrive("admin", session, 0, request)
  }

  /** It is to be stopped soon: its kernel is told, and says when it is ready. */
  drain(): void {
    if (this.kernel !== null) this.process.arrive("drain", 0, 0, null)
  }

  /** The disk has finished an operation: barriers may be met, and the kernel is told. */
  diskDone(operation: DiskOperation): void {
    const outcome = this.disk.complete(operation)
    if (outcome === null || this.kernel === null) return
    if (outcome === "appendSynced") this.#watcher.synced(this.store, operation.volume, operation.number)
    // The system call returns to a process that stands still: what it holds waits until it goes on.
    if (outcome === "appendSynced" && !this.process.paused) this.#releaseHeld()
    this.process.arrive(outcome, operation.volume, operation.number, null)
  }

  /** The wake-up's time has come, if the clock agrees. */
  woken(): void {
    this.#wakeHandle = NO_EVENT
    const at = this.#wakeMono
    if (at === null) return
    if (this.clock.mono(this.#scheduler.now) < at && !this.#isEarly) {
      this.#armWake()
      return
    }
    this.#wokenEarlyFor = this.#isEarly ? at : null
    this.#isEarly = false
    this.#wakeMono = null
    this.process.arrive("wake", 0, 0, null)
  }

  /** The clock was tampered with: the wake-up may be due at another true time. */
  clockChanged(): void {
    this.#scheduler.cancel(this.#wakeHandle)
    this.#wakeHandle = NO_EVENT
    if (this.#wakeMono !== null) this.#armWake()
  }

  /** Goes on after a pause. */
  resumed(): void {
    if (this.kernel === null || this.process.paused) return
    this.#releaseHeld()
    if (this.process.count > 0) this.process.askForTurn()
  }

  /** Hands over what waits, then ends the turn. */
  turn(): void {
    if (this.kernel === null) return
    const own = this.process
    own.beginTurn()
    if (own.paused) return
    const now = this.#scheduler.now
    const mono = this.clock.mono(now)
    const wall = this.clock.wall(now)
    if (this.clock.faulty) this.#countStamps(now)
    try {
      for (let i = 0; i < own.count; i++) {
        this.#step(this.#inputAt(i, mono, wall))
        if (this.kernel === null || this.#watcher.stopped) return
      }
      this.#step({ type: "turnEnded", mono, wall })
      if (this.kernel === null) return
      this.#flush()
    } catch (error) {
      this.#threw(error)
      return
    }
    own.endTurn()
  }

  /** Replaces the kernel by what its own saved bytes give. False when the two would save other bytes. */
  reload(): boolean {
    const kernel = this.kernel
    invariant(kernel !== null, "Cannot reload a kernel: the store is down")
    try {
      const before = new ByteWriter(4096)
      kernel.save(before)
      const bytes = before.finish()
      const loaded = this.#build.load(this.#config, bytes, this.disk.bases())
      const after = new ByteWriter(bytes.length)
      loaded.save(after)
      this.kernel = loaded
      return sameBytes(after.view(), bytes)
    } catch (error) {
      this.#threw(error)
      return true
    }
  }

  /** Lets out what waits for barriers met by now. */
  #releaseHeld(): void {
    const held = this.#held
    let kept = 0
    try {
      for (let i = 0; i < held.length; i++) {
        const effect = held[i]!
        if (this.#mayLeave(effect)) this.#release(effect)
        else held[kept++] = effect
      }
      held.length = kept
      this.#flush()
    } catch (error) {
      this.#threw(error)
    }
  }

  #inputAt(index: number, mono: number, wall: number): Input {
    const own = this.process
    const id = own.ids[index]!
    const number = own.numbers[index]!
    const payload = own.payloads[index]
    const kind = own.kinds[index]!
    switch (kind) {
      case "wake":
        return { type: "wake", mono, wall }
      case "frame":
        return { type: "frame", mono, wall, frame: payload as Frame }
      case "request":
        return { type: "request", mono, wall, session: id, request: payload as KvRequest }
      case "admin":
        return { type: "admin", mono, wall, session: id, request: payload as AdminRequest }
      case "drain":
        return { type: "drain", mono, wall }
      case "appendSynced":
        return { type: "appendSynced", mono, wall, volume: id, lsn: number }
      case "appendFailed":
        return { type: "appendFailed", mono, wall, volume: id, lsn: number }
      case "segmentCreated":
        return { type: "segmentCreated", mono, wall, volume: id, segment: number }
      case "segmentRefused":
        return { type: "segmentRefused", mono, wall, volume: id, segment: number, code: "diskFull" }
      case "checkpointSynced":
        return { type: "checkpointSynced", mono, wall, volume: id, checkpoint: number }
      case "checkpointRefused":
        return { type: "checkpointRefused", mono, wall, volume: id, checkpoint: number, code: "diskFull" }
      case "checkpointFailed":
        return { type: "checkpointFailed", mono, wall, volume: id, checkpoint: number }
      default:
        return unreachable(kind)
    }
  }

  #step(input: Input): void {
    if (this.kernel === null) return
    const effects = this.kernel.step(input)
    this.steps++
    this.#watcher.stepped(this.store, input, effects)
    this.#carryOutAll(effects)
  }

  #carryOutAll(effects: readonly Effect[]): void {
    for (let i = 0; i < effects.length && this.kernel !== null; i++) {
      const effect = effects[i]!
      if (effect.type === "observe") this.#watcher.observed(this.store, effect.observation)
      else if (this.#mayLeave(effect)) this.#release(effect)
      else this.#hold(effect)
    }
  }

  #mayLeave(effect: Effect): boolean {
    const barrier = barrierOf(effect)
    return barrier === null || this.disk.durableLsn(barrier.volume) >= barrier.lsn
  }

  #hold(effect: Effect): void {
    this.#held.push(effect)
    if (this.#held.length <= this.heldPeak) return
    this.heldPeak = this.#held.length
    if (this.heldPeak > HELD_MAX) {
      const message = `Store ${this.store} holds ${this.heldPeak} effects back for barriers, more than ${HELD_MAX}`
      this.#watcher.violated("RES-held-effects", message)
    }
  }

  #release(effect: Effect): void {
    this.#watcher.released(this.store, effect)
    switch (effect.type) {
      case "send": {
        this.#isBorn = true
        const slot = effect.to * LANE_COUNT + laneIndex(effect.lane)
        const waiting = this.#outbox[slot]
        if (waiting === undefined)
          throw new InvariantError(`Cannot send to store ${effect.to}: no such store`)
        if (waiting !== null) {
          waiting.push(effect.message)
          break
        }
        this.#outbox[slot] = [effect.message]
        this.#outgoing.push(slot)
        break
      }
      case "reply":
        if (effect.reply.type === "ok") this.#isBorn = true
        this.#watcher.reply(this.store, effect.session, effect.reply)
        break
      case "adminReply":
        this.#watcher.adminReply(this.store, effect.session, effect.reply)
        break
      case "txnReply":
        if (effect.reply.type !== "error") this.#isBorn = true
        this.#watcher.txnReply(this.store, effect.session, effect.reply)
        break
      case "append":
        this.disk.append(effect.volume, effect.lsn, effect.segment, effect.offset, effect.bytes)
        break
      case "createSegment":
        this.disk.createSegment(effect.volume, effect.segment, effect.sizeBytes, effect.header)
        break
      case "releaseSegments":
        this.disk.releaseSegments(effect.volume, effect.below)
        break
      case "writeWitness":
        this.disk.writeWitness(effect.volume, effect.bytes)
        break
      case "checkpoint":
        this.disk.checkpoint(effect.volume, effect.checkpoint, effect.changes)
        break
      case "wakeAt":
        this.#wakeMono = effect.mono
        this.#armWake()
        break
      case "fatal": {
        const restartUs = this.disk.failedRestartUs ?? FATAL_RESTART_US
        this.disk.failedRestartUs = null
        this.#flush()
        this.#watcher.fatal(this.store, effect.code, effect.detail, restartUs)
        break
      }
      case "observe":
        break
    }
  }

  #flush(): void {
    const kernel = this.kernel
    if (this.#outgoing.length === 0 || kernel === null) return
    const identity = kernel.identity()
    let wall = this.clock.wall(this.#scheduler.now)
    for (const { aheadUs, tally } of this.claims) {
      wall += aheadUs
      tally.changes++
    }
    for (let i = 0; i < this.#outgoing.length; i++) {
      const slot = this.#outgoing[i]!
      const messages = this.#outbox[slot]!
      this.#outbox[slot] = null
      const to = Math.floor(slot / LANE_COUNT)
      const frame: Frame = {
        header: frameHeader(identity, to, wall),
        messages,
      }
      this.#watcher.sendFrame(this.store, to, LANES[slot % LANE_COUNT]!, frame)
    }
    this.#outgoing.length = 0
  }

  #clearOutbox(): void {
    for (const slot of this.#outgoing) this.#outbox[slot] = null
    this.#outgoing.length = 0
  }

  /** A timer already set for an earlier time stays: it looks again when it fires. */
  #armWake(): void {
    const now = this.#scheduler.now
    const due = this.#wakeMono === null ? null : this.clock.trueTimeOf(now, this.#wakeMono)
    if (due === null) return
    const at = this.timerSkews.length === 0 ? due : this.#skewed(now, due)
    if (this.#wakeHandle !== NO_EVENT) {
      if (this.#wakeAt <= at) return
      this.#scheduler.cancel(this.#wakeHandle)
    }
    this.#isEarly = at < due
    this.#wakeAt = at
    this.#wakeHandle = this.#scheduler.schedule(at, EVENT.wake, this.store, 0, null)
  }

  /** When a bad timer fires instead. */
  #skewed(now: number, due: number): number {
    let at = due
    for (const { id, earlyUs, lateUs, tally } of this.timerSkews) {
      const drawn = draw(this.#seed, PURPOSE.timerSkew, id, this.store, this.#wakesSkewed++)
      const skew = below(drawn, earlyUs + lateUs + 1) - earlyUs
      // Asked for again, it comes at its time: it is too early once.
      if (skew === 0 || (skew < 0 && this.#wokenEarlyFor === this.#wakeMono)) continue
      at = Math.max(now, at + skew)
      tally.changes++
    }
    return at
  }

  /** A process that runs keeps its inbox short. */
  #watchInbox(): void {
    if (this.process.paused || this.process.count < INBOX_MAX) return
    const message = `Store ${this.store} has ${INBOX_MAX} inputs waiting although it runs`
    this.#watcher.violated("RES-inbox", message)
  }

  #countStamps(now: number): void {
    for (const { id, tally } of this.clockTallies) if (this.clock.shows(now, id)) tally.changes++
  }

  #threw(error: unknown): void {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error)
    this.#watcher.threw(this.store, text, FATAL_RESTART_US)
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

function laneIndex(lane: Lane): number {
  return lane === "raft" ? 1 : lane === "liveness" ? 0 : 2
}
