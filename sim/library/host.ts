import { invariant } from "#kernel"
import { below, draw, PURPOSE } from "../draws.ts"
import { Clock } from "../env/clock.ts"
import { INBOX_MAX, Process } from "../env/process.ts"
import { EVENT } from "../events.ts"
import type { Member } from "../faults/stage.ts"
import type { PlanHost } from "../plan/plan.ts"
import { NO_EVENT, type Handle, type Scheduler } from "../scheduler.ts"
import type { ClockTally, TimerSkew } from "../store-host.ts"
import { StepDice } from "./dice.ts"
import type { Caller, NodeEnv } from "./machine.ts"
import { copyPlain, freezePlain } from "./plain.ts"
import { Breach, type AnyEffect, type AnyInput, type Runner } from "./runner.ts"
import { NodeStorage, type Sync, type WriteOutcome } from "./storage.ts"

/** Inputs without their stamps, as they wait in an inbox. */
type Unstamped<T> = T extends unknown ? Omit<T, "now" | "wall"> : never
type Waiting = Unstamped<AnyInput>

/** A node that stopped itself is started again after this long. */
const STOP_RESTART_US = 1_000_000

type Timer = {
  readonly name: string
  readonly at: number
  handle: Handle
  fired: boolean
  /** A bad timer fires before its time, once. */
  isEarly: boolean
}

/** What crosses between nodes. */
export type Envelope = { readonly from: number; readonly to: number; readonly message: unknown }

/** What a node says to a client. */
export type Reply =
  | { readonly type: "answer"; readonly caller: Caller; readonly answer: unknown }
  | {
      readonly type: "refusal"
      readonly caller: Caller
      readonly reason: string
      readonly tryNode: number | null
    }

/** What a node's host tells the world about. */
export interface NodeWatcher {
  /** Before its effects are carried out. */
  stepped(node: number, input: AnyInput, effects: readonly AnyEffect[], effectsText: string): void
  /** After that: the moment of checks. */
  done(node: number): void
  marked(name: string): void
  observed(node: number, what: unknown): void
  send(envelope: Envelope): void
  reply(node: number, reply: Reply): void
  stops(node: number, reason: string, restartUs: number): void
  violated(oracle: string, message: string): void
  /** The run has its verdict: nothing more is carried out. */
  readonly stopped: boolean
}

/**
 * One node: a process that runs a machine of yours, with a clock, timers and a disk. It is to `Machine` what
 * `StoreHost` is to the kernel: it hands inputs over in turns, carries effects out in order, decides nothing.
 */
export class MachineHost implements Member {
  readonly node: number
  readonly env: NodeEnv
  readonly clock: Clock = new Clock()
  readonly process: Process
  readonly storage: NodeStorage
  readonly clockTallies: ClockTally[] = []
  readonly timerSkews: TimerSkew[] = []
  /** Starts of this node so far. */
  boots = 0
  alive = false
  state: unknown = null
  readonly #seed: number
  readonly #runner: Runner
  readonly #scheduler: Scheduler
  readonly #watcher: NodeWatcher
  readonly #timers = new Map<string, Timer>()
  /** Of this process. */
  #steps = 0
  #skewed = 0

  constructor(
    seed: number,
    env: NodeEnv,
    runner: Runner,
    scheduler: Scheduler,
    host: PlanHost,
    watcher: NodeWatcher,
  ) {
    this.#seed = seed
    this.node = env.node
    this.env = env
    this.#runner = runner
    this.#scheduler = scheduler
    this.#watcher = watcher
    this.process = new Process(seed, env.node, scheduler, host.turnUsMax)
    this.storage = new NodeStorage(seed, env.node, scheduler, host)
  }

  /** Inputs not yet handed over. */
  get inboxCount(): number {
    return this.process.count
  }

  /** Starts the process from what is on disk. */
  boot(): void {
    invariant(!this.alive, "Cannot boot a node: it is running")
    const now = this.#scheduler.now
    const count = this.boots++
    this.clock.boot(now, 1_000_000 + draw(this.#seed, PURPOSE.monoBase, this.node, 0, count) * 256)
    this.#steps = 0
    const durable = copyPlain(this.storage.open(), "durable")
    this.#guarded(() => {
      this.state = this.#runner.init(this.env)
      this.alive = true
      this.#step({ type: "started", boot: this.boots, durable }, now)
      this.storage.flush()
    })
  }

  /** The process dies where it stands; with `powerLoss` its machine does. */
  crash(powerLoss: boolean): void {
    this.alive = false
    this.state = null
    this.process.die()
    this.storage.crash(powerLoss)
    for (const timer of this.#timers.values()) this.#scheduler.cancel(timer.handle)
    this.#timers.clear()
  }

  messageArrived({ from, to, message }: Envelope): void {
    // As any transport does that knows whom it speaks for: what is not for this node is dropped.
    if (!this.alive || to !== this.node) return
    // Nobody shares what a machine may change.
    const own = this.#runner.machine.inPlace === true ? copyPlain(message, "message") : message
    this.process.arrive("frame", 0, 0, { type: "message", from, message: own } satisfies Waiting)
    this.#watchInbox()
  }

  requestArrived(caller: Caller, request: unknown): void {
    if (!this.alive) return
    const own = this.#runner.machine.inPlace === true ? copyPlain(request, "request") : request
    this.process.arrive("request", 0, 0, { type: "request", caller, request: own } satisfies Waiting)
    this.#watchInbox()
  }

  syncDone(sync: Sync): void {
    const outcomes = this.storage.complete(sync)
    for (const outcome of outcomes) this.#completed(outcome)
    if (this.alive) this.storage.flush()
  }

  /** The time of a timer has come, if the clock agrees. */
  timerDue(timer: Timer): void {
    timer.handle = NO_EVENT
    if (this.#timers.get(timer.name) !== timer) return
    if (!timer.isEarly && this.clock.mono(this.#scheduler.now) < timer.at) {
      this.#arm(timer)
      return
    }
    timer.fired = true
    this.process.arrive("wake", 0, 0, timer)
  }

  /** The clock was tampered with: timers may be due at another true time. */
  clockChanged(): void {
    for (const timer of this.#timers.values()) {
      if (timer.fired) continue
      this.#scheduler.cancel(timer.handle)
      this.#arm(timer)
    }
  }

  /** Goes on after a pause. */
  resumed(): void {
    if (this.alive && !this.process.paused && this.process.count > 0) this.process.askForTurn()
  }

  /** Hands over what waits. */
  turn(): void {
    if (!this.alive) return
    const own = this.process
    own.beginTurn()
    if (own.paused) return
    const now = this.#scheduler.now
    if (this.clock.faulty) {
      for (const { id, tally } of this.clockTallies) if (this.clock.shows(now, id)) tally.changes++
    }
    const isWhole = this.#guarded(() => {
      for (let i = 0; i < own.count; i++) {
        const input = this.#inputAt(i)
        if (input === null) continue
        this.#step(input, now)
        if (!this.alive || this.#watcher.stopped) return
      }
      this.storage.flush()
    })
    if (isWhole && this.alive) own.endTurn()
  }

  /** Replaces the state by what its own saved data give. False when the two would save other data. */
  reload(): boolean {
    let isSame = true
    this.#guarded(() => {
      const { state, same } = this.#runner.reload(this.state, this.env)
      this.state = state
      isSame = same
    })
    return isSame
  }

  /** Null for a timer that was replaced or taken away after it had fired. */
  #inputAt(index: number): Waiting | null {
    const payload = this.process.payloads[index]
    if (this.process.kinds[index] !== "wake") return payload as Waiting
    const timer = payload as Timer
    if (this.#timers.get(timer.name) !== timer) return null
    this.#timers.delete(timer.name)
    return { type: "timer", timer: timer.name }
  }

  #step(waiting: Waiting, at: number): void {
    const input: AnyInput = { ...waiting, now: this.clock.mono(at), wall: this.clock.wall(at) }
    const step = this.#steps++
    const dice = (): StepDice => new StepDice(this.#seed, this.node, this.boots, step)
    const { state, effects, effectsText } = this.#runner.step(this.env, this.state, input, dice)
    this.state = state
    this.#watcher.stepped(this.node, input, effects, effectsText)
    for (const effect of effects) {
      if (!this.alive || this.#watcher.stopped) break
      this.#carryOut(effect)
    }
    this.#watcher.done(this.node)
  }

  #carryOut(effect: AnyEffect): void {
    switch (effect.type) {
      case "send": {
        if (!this.env.nodes.includes(effect.to)) throw refused(`send to node ${effect.to}: there is none`)
        const message = freezePlain(copyPlain(effect.message, "a message"))
        this.#watcher.send({ from: this.node, to: effect.to, message })
        break
      }
      case "reply":
        this.#watcher.reply(this.node, {
          type: "answer",
          caller: effect.caller,
          answer: freezePlain(copyPlain(effect.answer, "an answer")),
        })
        break
      case "refuse":
        this.#watcher.reply(this.node, {
          type: "refusal",
          caller: effect.caller,
          reason: effect.reason,
          tryNode: effect.tryNode,
        })
        break
      case "setTimer": {
        const { timer: name, afterUs } = effect
        if (!Number.isSafeInteger(afterUs) || afterUs < 0) {
          throw refused(`set timer ${name} to ${afterUs}: it takes whole microseconds, 0 or more`)
        }
        this.#clearTimer(name)
        const timer: Timer = {
          name,
          at: this.clock.mono(this.#scheduler.now) + afterUs,
          handle: NO_EVENT,
          fired: false,
          isEarly: false,
        }
        this.#timers.set(name, timer)
        this.#arm(timer)
        break
      }
      case "clearTimer":
        this.#clearTimer(effect.timer)
        break
      case "write":
        this.storage.ask({
          name: effect.write,
          set: Object.entries(copyPlain(effect.set, "a durable value")),
          truncate: effect.truncate,
          append: copyPlain(effect.append, "an entry of the log"),
        })
        break
      case "mark":
        this.#watcher.marked(effect.name)
        break
      case "observe":
        this.#watcher.observed(this.node, freezePlain(copyPlain(effect.what, "an observation")))
        break
      case "stop":
        this.#watcher.stops(this.node, effect.reason, this.storage.takeRestartUs() ?? STOP_RESTART_US)
        break
      default:
        throw refused(`carry out an effect: there is no type ${JSON.stringify((effect as AnyEffect).type)}`)
    }
  }

  #completed({ write, failed }: WriteOutcome): void {
    if (!this.alive) return
    if (failed === null)
      this.process.arrive("appendSynced", 0, 0, { type: "written", write } satisfies Waiting)
    else {
      const waiting: Waiting = { type: "writeFailed", write, reason: failed }
      this.process.arrive("appendFailed", 0, 0, waiting)
    }
  }

  #clearTimer(name: string): void {
    const timer = this.#timers.get(name)
    if (timer === undefined) return
    this.#scheduler.cancel(timer.handle)
    this.#timers.delete(name)
  }

  #arm(timer: Timer): void {
    const now = this.#scheduler.now
    const due = this.clock.trueTimeOf(now, timer.at)
    let at = due ?? 0
    for (const { id, earlyUs, lateUs, tally } of due === null ? [] : this.timerSkews) {
      const drawn = draw(this.#seed, PURPOSE.timerSkew, id, this.node, this.#skewed++)
      const skew = below(drawn, earlyUs + lateUs + 1) - earlyUs
      if (skew !== 0) tally.changes++
      at = Math.max(now, at + skew)
    }
    timer.isEarly = due !== null && at < due
    timer.handle = due === null ? NO_EVENT : this.#scheduler.schedule(at, EVENT.wake, this.node, 0, timer)
  }

  /** A process that runs keeps its inbox short. */
  #watchInbox(): void {
    if (this.process.paused || this.process.count < INBOX_MAX) return
    this.#watcher.violated("RES-inbox", `Node ${this.node} has ${INBOX_MAX} inputs waiting although it runs`)
  }

  /** A broken promise of the machine is the end of the run: false. */
  #guarded(act: () => void): boolean {
    try {
      act()
      return true
    } catch (error) {
      if (!(error instanceof Breach)) throw error
      this.#watcher.violated(error.oracle, `Node ${this.node}. ${error.message}`)
      return false
    }
  }
}

function refused(what: string): Breach {
  return new Breach("RES-threw", `Cannot ${what}`)
}

export type { Timer }
