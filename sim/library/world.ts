import { Digest, invariant, TRACE_CHECKPOINT_EVENTS } from "#kernel"
import type { Violation } from "../check/checker.ts"
import { between, draw, PURPOSE } from "../draws.ts"
import { Network, type FrameCodec } from "../env/network.ts"
import { EVENT } from "../events.ts"
import { FaultInjector, type FaultCounts } from "../faults/injector.ts"
import type { FaultRun } from "../faults/stage.ts"
import { quietAt } from "../phases.ts"
import type { FaultKind } from "../plan/plan.ts"
import { NO_EVENT, Scheduler, type Handle } from "../scheduler.ts"
import type { CallHost } from "./clients.ts"
import { MACHINE_CATALOGUE, type MachineStage } from "./faults.ts"
import { MachineHost, type Envelope, type NodeWatcher, type Reply, type Timer } from "./host.ts"
import type { Caller, MessageCodec } from "./machine.ts"
import { nodesOf, type MachinePlan } from "./plan.ts"
import { plainText } from "./plain.ts"
import type { AnyEffect, AnyInput, Runner } from "./runner.ts"
import { writeText, type Sync } from "./storage.ts"

type Request = { readonly caller: Caller; readonly request: unknown }

/** What the world tells its run about. */
export interface MachineWatcher {
  replied(client: number, reply: Reply): void
  timerFired(client: number): void
  /** A step is over, and so are its effects. */
  stepped(node: number, input: AnyInput, effects: readonly AnyEffect[]): void
  observed(node: number, what: unknown): void
  /** A crash, a start, a fault, a part of a round, in words. */
  happened(what: string): void
}

/**
 * Nodes that run a machine of yours, their clients, the network between them, disks, clocks, and what goes
 * wrong, all under one seed: the world of the kernel with other inhabitants. The same scheduler, network,
 * clocks, processes and faults; only the disk and the host are theirs.
 */
export class MachineWorld implements MachineStage, NodeWatcher, CallHost {
  readonly plan: MachinePlan
  readonly seed: number
  readonly storeCount: number
  readonly network: Network<Envelope, Request, Reply>
  /** The first broken promise; nothing happens after it. */
  violation: Violation | null = null
  quiet = false
  /** Number of the last event: one for each step of a machine. */
  event = 0
  readonly checkpoints: string[] = []
  readonly #digest = new Digest()
  readonly #marks = new Map<string, number>()
  readonly #scheduler = new Scheduler()
  readonly #hosts: readonly MachineHost[]
  readonly #faults: FaultInjector<MachineStage>
  readonly #runner: Runner
  readonly #watcher: MachineWatcher
  readonly #eventsMax: number
  readonly #clientTimers: Handle[] = []
  readonly #restarts: Handle[]
  readonly #restartAt: number[]
  #last: { readonly input: AnyInput; readonly effects: readonly AnyEffect[] } | null = null
  #begun = false

  /** A run of this many steps is taken for one that never ends. */
  constructor(plan: MachinePlan, runner: Runner, watcher: MachineWatcher, eventsMax: number) {
    this.plan = plan
    this.#eventsMax = eventsMax
    this.seed = plan.seed
    this.storeCount = plan.cluster.stores
    this.#runner = runner
    this.#watcher = watcher
    const scheduler = this.#scheduler
    const { codec } = runner.machine
    const host = codec === undefined ? { ...plan.host, transport: "objects" as const } : plan.host
    const envelopes = codec === undefined ? NO_CODEC : envelopeCodec(codec)
    this.network = new Network(plan.seed, scheduler, host, envelopes, this.storeCount, plan.workload.clients)
    const nodes = nodesOf(this.storeCount)
    this.#hosts = nodes.map(
      (node) => new MachineHost(plan.seed, { node, nodes }, runner, scheduler, plan.host, this),
    )
    this.#restarts = nodes.map(() => NO_EVENT)
    this.#restartAt = nodes.map(() => 0)
    this.#faults = new FaultInjector<MachineStage>(
      this,
      MACHINE_CATALOGUE,
      scheduler,
      plan.phases,
      plan.faults,
    )
    for (let round = 0; round < plan.phases.rounds; round++) {
      const at = quietAt(plan.phases, round)
      scheduler.schedule(at - plan.phases.faultsUs, EVENT.phase, 0, 0, null)
      scheduler.schedule(at, EVENT.phase, 0, 1, null)
    }
    this.#faults.schedule()
  }

  get now(): number {
    return this.#scheduler.now
  }

  get stopped(): boolean {
    return this.violation !== null
  }

  /** Runs until this time, or until the first violation: false after one. */
  runUntil(time: number): boolean {
    const scheduler = this.#scheduler
    if (!this.#begun) {
      this.#begun = true
      for (const host of this.#hosts) if (!this.stopped) this.#boot(host)
    }
    while (this.violation === null && scheduler.next(time)) this.#happen(scheduler)
    return this.violation === null
  }

  /** Ends the run: the first report is its verdict. */
  violated(oracle: string, message: string): void {
    this.violation ??= { oracle, message, at: this.now, event: this.event }
  }

  // What clients do.

  clientSend(node: number, caller: Caller, request: unknown): void {
    this.network.sendRequest(caller.client, node, { caller, request })
  }

  setClientTimer(client: number, at: number | null): void {
    this.#scheduler.cancel(this.#clientTimers[client] ?? NO_EVENT)
    this.#clientTimers[client] =
      at === null
        ? NO_EVENT
        : this.#scheduler.schedule(Math.max(at, this.now), EVENT.clientTimer, client, 0, null)
  }

  // What checks and reports ask.

  host(node: number): MachineHost {
    const host = this.#hosts[node - 1]
    invariant(host !== undefined, () => `Cannot find node ${node}: there are ${this.storeCount}`)
    return host
  }

  faultCounts(): Readonly<Partial<Record<FaultKind, FaultCounts>>> {
    return this.#faults.counts()
  }

  /** Times each mark was hit, by name. */
  marks(): Readonly<Record<string, number>> {
    const names = [...this.#marks.keys()].sort((x, y) => (x < y ? -1 : x > y ? 1 : 0))
    return Object.fromEntries(names.map((name) => [name, this.#marks.get(name)!]))
  }

  traceHash(): string {
    return this.#digest.hex()
  }

  /** Of every state and every disk. */
  stateDigest(): string {
    const digest = new Digest()
    for (const host of this.#hosts) {
      digest.uint(host.node)
      digest.bool(host.alive)
      if (host.alive) writeText(digest, this.#runner.text(host.state))
      host.storage.digest(digest)
    }
    return digest.hex()
  }

  // What faults ask and do.

  /** The first node that says it leads; 0 when none does. */
  leaderOf(): number {
    const leads = (host: MachineHost): boolean => host.alive && this.#runner.leads(host.state)
    return this.#hosts.find(leads)?.node ?? 0
  }

  membersOf(): readonly number[] {
    return nodesOf(this.storeCount)
  }

  crash(node: number, powerLoss: boolean, restartAt: number): boolean {
    const host = this.host(node)
    const wasAlive = host.alive
    if (wasAlive) {
      host.crash(powerLoss)
      this.#watcher.happened(`node ${node} ${powerLoss ? "loses power" : "crashes"}`)
    } else if (powerLoss) host.storage.losePower()
    const at = Math.max(this.#restartAt[node - 1]!, restartAt)
    this.#restartLater(node, at)
    return wasAlive
  }

  actAt(run: FaultRun, act: number, at: number): Handle {
    return this.#scheduler.schedule(at, EVENT.faultActs, run.index, act, null)
  }

  // What hosts tell.

  stepped(node: number, input: AnyInput, effects: readonly AnyEffect[], effectsText: string): void {
    const digest = this.#digest
    digest.uint(node)
    writeText(digest, plainText(input, "input"))
    writeText(digest, effectsText)
    this.event++
    if (this.event >= this.#eventsMax) {
      this.violated("RES-busy", `After ${this.event} steps the run is not over: do the machines ever rest?`)
    }
    if (this.event % TRACE_CHECKPOINT_EVENTS === 0) this.checkpoints.push(digest.hex())
    this.#last = { input, effects }
  }

  done(node: number): void {
    const last = this.#last!
    if (!this.stopped) this.#watcher.stepped(node, last.input, last.effects)
  }

  marked(name: string): void {
    this.#marks.set(name, (this.#marks.get(name) ?? 0) + 1)
  }

  observed(node: number, what: unknown): void {
    this.#watcher.observed(node, what)
  }

  send(envelope: Envelope): void {
    this.network.sendFrame(envelope.from, envelope.to, "raft", envelope)
  }

  reply(node: number, reply: Reply): void {
    const { client } = reply.caller
    if (client >= 0 && client < this.plan.workload.clients) this.network.sendReply(node, client, reply)
  }

  stops(node: number, reason: string, restartUs: number): void {
    this.#watcher.happened(`node ${node} stops itself: ${reason}`)
    const drawn = draw(this.seed, PURPOSE.restartDelay, node, 0, this.host(node).boots)
    this.crash(node, false, this.now + between(drawn, Math.floor(restartUs / 2), restartUs))
  }

  #happen(event: Scheduler): void {
    const a = event.a
    const b = event.b
    const payload = event.payload
    switch (event.kind) {
      case EVENT.frame: {
        if (!this.network.arrives(a, payload)) break
        const envelope = this.network.frameOf(payload)
        if (envelope !== null) this.#hosts[b]!.messageArrived(envelope)
        break
      }
      case EVENT.request: {
        if (!this.network.arrives(a, payload)) break
        const { caller, request } = payload as Request
        this.#hosts[b]!.requestArrived(caller, request)
        break
      }
      case EVENT.reply:
        if (this.network.arrives(a, payload))
          this.#watcher.replied(this.network.clientOf(b), payload as Reply)
        break
      case EVENT.turn:
        this.host(a).turn()
        break
      case EVENT.wake:
        this.host(a).timerDue(payload as Timer)
        break
      case EVENT.disk:
        this.host(a).syncDone(payload as Sync)
        break
      case EVENT.restart:
        this.#restarts[a - 1] = NO_EVENT
        if (!this.host(a).alive) this.#boot(this.host(a))
        break
      case EVENT.faultBegins:
        this.#watcher.happened(`fault ${this.plan.faults[a]!.id} (${this.plan.faults[a]!.kind}) begins`)
        this.#faults.begins(a)
        break
      case EVENT.faultEnds:
        this.#watcher.happened(`fault ${this.plan.faults[a]!.id} (${this.plan.faults[a]!.kind}) is over`)
        this.#faults.ends(a)
        break
      case EVENT.faultActs:
        this.#faults.acts(a, b)
        break
      case EVENT.phase:
        this.#phase(b === 1)
        break
      case EVENT.clientTimer:
        this.#watcher.timerFired(a)
        break
    }
  }

  /** In a quiet part nothing is wrong: faults are lifted, and who was down starts at once. */
  #phase(quiet: boolean): void {
    this.quiet = quiet
    this.#watcher.happened(quiet ? "quiet" : "faults may strike")
    if (!quiet) return
    this.#faults.liftAll()
    for (const host of this.#hosts) if (!host.alive) this.#restartLater(host.node, this.now)
  }

  #restartLater(node: number, at: number): void {
    this.#scheduler.cancel(this.#restarts[node - 1]!)
    this.#restartAt[node - 1] = at
    this.#restarts[node - 1] = this.#scheduler.schedule(at, EVENT.restart, node, 0, null)
  }

  #boot(host: MachineHost): void {
    this.#watcher.happened(`node ${host.node} starts (boot ${host.boots + 1})`)
    host.boot()
  }
}

/** Without a codec messages have no bytes, and one that is corrupted is lost. */
const NO_CODEC: FrameCodec<Envelope> = {
  encodeFrame: () => new Uint8Array(1),
  decodeFrame: () => null,
}

const HEADER_BYTES = 3

/** The way's own part, which a transport protects by a sum, then the machine's bytes, which it does not. */
function envelopeCodec(codec: MessageCodec<unknown>): FrameCodec<Envelope> {
  return {
    encodeFrame({ from, to, message }) {
      const own = codec.encode(message)
      const bytes = new Uint8Array(HEADER_BYTES + own.length)
      bytes.set([from, to, from ^ (to << 1) ^ 0x5a])
      bytes.set(own, HEADER_BYTES)
      return bytes
    },
    decodeFrame(bytes) {
      const [from, to, sum] = bytes
      if (from === undefined || to === undefined || sum !== ((from ^ (to << 1) ^ 0x5a) & 0xff)) return null
      const message = codec.decode(bytes.subarray(HEADER_BYTES))
      return message === null ? null : { from, to, message }
    },
  }
}
