import {
  Digest,
  invariant,
  volumeOfTenant,
  type AdminReply,
  type AdminRequest,
  type BootStamp,
  type ClusterBootstrap,
  type Effect,
  type Frame,
  type GroupStatus,
  type Input,
  type KernelConfig,
  type KvReply,
  type KvRequest,
  type Lane,
  type Observation,
} from "#kernel"
import type { OnlineChecker, Violation, WorldView } from "./check/checker.ts"
import { SiteMeter } from "./coverage/site-meter.ts"
import { StepMeter } from "./coverage/step-meter.ts"
import { between, draw, PURPOSE } from "./draws.ts"
import { Clock } from "./env/clock.ts"
import { Disk, type DiskOperation } from "./env/disk.ts"
import { Network } from "./env/network.ts"
import { Process } from "./env/process.ts"
import { HostSwitches } from "./env/switches.ts"
import { EVENT } from "./events.ts"
import { classify } from "./faults/atlas.ts"
import { CATALOGUE } from "./faults/catalogue.ts"
import { ADMIN_SESSIONS_FROM, FaultInjector, type FaultCounts } from "./faults/injector.ts"
import type { FaultRun, Stage } from "./faults/stage.ts"
import type { KernelBuild } from "./kernel-build.ts"
import { quietAt, runUs } from "./phases.ts"
import type { FaultKind, Plan } from "./plan/plan.ts"
import { NO_EVENT, Scheduler, type Handle } from "./scheduler.ts"
import { StoreHost, type HostWatcher } from "./store-host.ts"
import { TraceHash } from "./trace/hash.ts"
import { effectText, type Listener, type Note } from "./trace/recorder.ts"
import { Zombie, type ZombieWatcher } from "./zombie.ts"

const CLUSTER = "orrery-sim"

/** To start again by itself would show a store the same directory: it stays down until someone has seen to it. */
const WAITS_FOR_OPERATOR: ReadonlySet<string> = new Set([
  "corruptSystemVolume",
  "corruptSingleReplica",
  "identityMismatch",
])

/** The clients of a run, as the world calls them. */
export interface ClientPort {
  replied(client: number, store: number, reply: KvReply): void
  /** The time a client asked for with `setClientTimer` has come. */
  timerFired(client: number): void
}

export type WorldOptions = {
  readonly plan: Plan
  readonly build: KernelBuild
  readonly checkers: readonly OnlineChecker[]
  readonly clients: ClientPort | null
  readonly listener: Listener | null
  /** False counts events and hashes none. */
  readonly hash?: boolean
}

/**
 * A cluster, its clients, the network between them, disks, clocks, and what goes wrong, all under one
 * seed. It owns time: one event after the other, in an order that the plan alone decides.
 */
export class World implements WorldView, Stage, HostWatcher, ZombieWatcher {
  readonly plan: Plan
  readonly seed: number
  readonly storeCount: number
  readonly groups: readonly number[]
  readonly network: Network
  readonly trace: TraceHash
  readonly sites: SiteMeter = new SiteMeter()
  readonly steps: StepMeter = new StepMeter()
  /** The first broken promise; nothing happens after it. */
  violation: Violation | null = null
  /** Whether a quiet part is on. */
  quiet = false
  /** Stores that stopped themselves, by code. */
  readonly fatals: Map<string, number> = new Map()
  readonly #marks: Map<string, number> = new Map()
  readonly #scheduler = new Scheduler()
  readonly #hosts: readonly StoreHost[]
  readonly #faults: FaultInjector
  readonly #clients: ClientPort | null
  readonly #clientTimers: Handle[] = []
  readonly #listener: Listener | null
  readonly #restarts: Handle[]
  readonly #restartAt: number[]
  /** Why a store stopped itself and waits for someone to do something about it; null when it does not. */
  readonly #halts: (string | null)[]
  readonly #onCrash: readonly OnlineChecker[]
  readonly #onBoot: readonly OnlineChecker[]
  readonly #onStop: readonly OnlineChecker[]
  readonly #onStep: readonly OnlineChecker[]
  readonly #onObserve: readonly OnlineChecker[]
  readonly #onRelease: readonly OnlineChecker[]
  readonly #onSync: readonly OnlineChecker[]
  readonly #isUndetectable: boolean
  #begun = false

  constructor(options: WorldOptions) {
    const { plan, build } = options
    const checkers: readonly OnlineChecker[] = [...options.checkers, this.sites, this.steps]
    const { cluster, workload } = plan
    this.plan = plan
    this.trace = new TraceHash(options.hash)
    this.seed = plan.seed
    this.storeCount = cluster.stores + cluster.spares
    this.groups = cluster.ranges.map((range) => range.descriptor.groupId)
    this.#isUndetectable = classify(plan) === "undetectable"
    this.#clients = options.clients
    this.#listener = options.listener
    this.#onCrash = checkers.filter((checker) => checker.storeCrashed !== undefined)
    this.#onBoot = checkers.filter((checker) => checker.storeBooted !== undefined)
    this.#onStop = checkers.filter((checker) => checker.storeStopped !== undefined)
    this.#onStep = checkers.filter((checker) => checker.stepped !== undefined)
    this.#onObserve = checkers.filter((checker) => checker.observed !== undefined)
    this.#onSync = checkers.filter((checker) => checker.synced !== undefined)
    this.#onRelease = checkers.filter((checker) => checker.released !== undefined)
    const scheduler = this.#scheduler
    this.network = new Network(plan.seed, scheduler, plan.host, build, this.storeCount, workload.clients)
    const bootstrap = bootstrapOf(plan)
    const hosts: StoreHost[] = []
    for (let store = 1; store <= this.storeCount; store++) {
      const switches = new HostSwitches()
      const config: KernelConfig = {
        cluster: CLUSTER,
        store,
        tenants: cluster.tenants,
        bootstrap: store <= cluster.stores ? bootstrap : null,
        places: bootstrap.groups,
        timing: cluster.config.timing,
        limits: cluster.config.limits,
        switches,
      }
      const volumes = cluster.tenants.map((tenant) => volumeOfTenant(tenant))
      const parts = {
        clock: new Clock(),
        disk: new Disk(plan.seed, store, scheduler, plan.host, volumes),
        process: new Process(plan.seed, store, scheduler, plan.host.turnUsMax),
        switches,
      }
      hosts.push(new StoreHost(plan.seed, config, build, scheduler, parts, this.storeCount, this))
    }
    this.#hosts = hosts
    this.#restarts = hosts.map(() => NO_EVENT)
    this.#restartAt = hosts.map(() => 0)
    this.#halts = hosts.map(() => null)
    this.#faults = new FaultInjector(this, CATALOGUE, scheduler, plan.phases, plan.faults, () => {
      const standings = this.sites.look(this)
      return ({ fault, stores }) => this.sites.struck(fault.kind, stores, standings)
    })
    // The parts of a round come before the faults of the same moment.
    for (let round = 0; round < plan.phases.rounds; round++) {
      const faultsAt = quietAt(plan.phases, round) - plan.phases.faultsUs
      scheduler.schedule(faultsAt, EVENT.phase, 0, 0, null)
      scheduler.schedule(quietAt(plan.phases, round), EVENT.phase, 0, 1, null)
    }
    this.#faults.schedule()
  }

  get now(): number {
    return this.#scheduler.now
  }

  /** Number of the last event: one for each step of a kernel. */
  get event(): number {
    return this.trace.events
  }

  get stopped(): boolean {
    return this.violation !== null
  }

  /** Runs until this time, or until the first violation: false after one. */
  runUntil(time: number): boolean {
    const scheduler = this.#scheduler
    if (!this.#begun) {
      this.#begun = true
      for (let store = 1; store <= this.plan.cluster.stores && !this.stopped; store++) this.#boot(store)
    }
    while (this.violation === null && scheduler.next(time)) this.#happen(scheduler)
    return this.violation === null
  }

  /** The whole run of the plan. */
  run(): boolean {
    return this.runUntil(runUs(this.plan.phases))
  }

  /** Ends the run: the first report is its verdict. */
  report(oracle: string, message: string): void {
    this.violation ??= { oracle, message, at: this.now, event: this.event }
  }

  // What clients do.

  clientSend(client: number, store: number, request: KvRequest): void {
    this.#note({ type: "requestSent", client, store, request })
    this.network.sendRequest(client, store, request)
  }

  /** One timer a client: it replaces the one before. Null takes it away. */
  setClientTimer(client: number, at: number | null): void {
    this.#scheduler.cancel(this.#clientTimers[client] ?? NO_EVENT)
    this.#clientTimers[client] =
      at === null
        ? NO_EVENT
        : this.#scheduler.schedule(Math.max(at, this.now), EVENT.clientTimer, client, 0, null)
  }

  // What tests, checkers and reports ask.

  host(store: number): StoreHost {
    const host = this.#hosts[store - 1]
    invariant(host !== undefined, () => `Cannot find store ${store}: the cluster has ${this.storeCount}`)
    return host
  }

  isUp(store: number): boolean {
    return this.host(store).alive
  }

  /** What the groups of a store say of themselves; nothing while it is down. */
  statusOf(store: number): readonly GroupStatus[] {
    return this.host(store).kernel?.status() ?? []
  }

  leaseHolders(group: number): readonly { readonly store: number; readonly term: number }[] {
    const holders: { readonly store: number; readonly term: number }[] = []
    for (const { store, kernel, clock } of this.#hosts) {
      if (kernel === null) continue
      const term = kernel.leaseTerm(group, { mono: clock.mono(this.now), wall: clock.wall(this.now) })
      if (term > 0) holders.push({ store, term })
    }
    return holders
  }

  leaderOf(group: number): number {
    let leader = 0
    let termMax = -1
    for (const host of this.#hosts) {
      for (const status of this.statusOf(host.store)) {
        if (status.group !== group || status.role !== "leader" || status.term <= termMax) continue
        leader = host.store
        termMax = status.term
      }
    }
    return leader
  }

  membersOf(group: number): readonly number[] {
    const stores = new Set<number>()
    const leader = this.leaderOf(group)
    const status =
      leader === 0 ? undefined : this.statusOf(leader).find((candidate) => candidate.group === group)
    const planned = this.plan.cluster.ranges.find((range) => range.descriptor.groupId === group)
    const configuration = status?.configuration ?? planned?.configuration
    if (configuration === undefined) return []
    for (const member of configuration.voters) stores.add(member.store)
    for (const member of configuration.outgoing) stores.add(member.store)
    return [...stores].sort((x, y) => x - y)
  }

  faultRuns(): readonly FaultRun[] {
    return this.#faults.runs
  }

  faultCounts(): Readonly<Partial<Record<FaultKind, FaultCounts>>> {
    return this.#faults.counts()
  }

  /** Times each mark was hit, by name. */
  marks(): Readonly<Record<string, number>> {
    const names = [...this.#marks.keys()].sort((x, y) => (x < y ? -1 : x > y ? 1 : 0))
    return Object.fromEntries(names.map((name) => [name, this.#marks.get(name)!]))
  }

  /** Of every kernel's saved bytes and every disk. */
  stateDigest(): string {
    const digest = new Digest()
    for (const host of this.#hosts) {
      digest.uint(host.store)
      digest.bool(host.alive)
      host.kernel?.save(digest)
      host.disk.digest(digest)
    }
    return digest.hex()
  }

  // What faults do.

  crash(store: number, powerLoss: boolean, restartAt: number): boolean {
    if (this.host(store).boots === 0) return false
    const wasAlive = this.#kill(store, powerLoss)
    this.#restartLater(store, Math.max(this.#restartAt[store - 1]!, restartAt))
    return wasAlive
  }

  #kill(store: number, powerLoss: boolean): boolean {
    const host = this.host(store)
    const wasAlive = host.alive
    if (wasAlive) {
      host.crash(powerLoss)
      this.#listener?.happened(
        this.now,
        this.event,
        `store ${store} ${powerLoss ? "loses power" : "crashes"}`,
      )
      this.#note({ type: "stopped", store, powerLoss })
      for (const checker of this.#onCrash) checker.storeCrashed!(this, store, powerLoss)
    } else if (powerLoss) host.disk.losePower()
    return wasAlive
  }

  raise(store: number, run: FaultRun, hearsPpm: number, restartAt: number): boolean {
    const host = this.host(store)
    const remains = host.remains()
    if (remains === null) return false
    this.crash(store, false, restartAt)
    host.zombie?.end()
    const fault = { id: run.fault.id, hearsPpm, tally: run.tally }
    host.zombie = new Zombie(
      fault,
      { seed: this.seed, scheduler: this.#scheduler, watcher: this },
      host,
      remains,
    )
    return true
  }

  recover(store: number, group: number, generation: number, restartAt: number): boolean {
    const range = this.plan.cluster.ranges.find(({ descriptor }) => descriptor.groupId === group)
    const member = range?.configuration.voters.find((voter) => voter.store === store)
    if (member === undefined || this.host(store).boots === 0) return false
    this.crash(store, false, restartAt)
    const { replica, incarnation } = member
    this.host(store).orders = [{ group, replica, incarnation, generation }]
    return true
  }

  bear(store: number): void {
    const host = this.host(store)
    if (host.boots === 0) this.#boot(store)
  }

  actAt(run: FaultRun, act: number, at: number): Handle {
    return this.#scheduler.schedule(at, EVENT.faultActs, run.index, act, null)
  }

  ask(run: FaultRun, store: number, request: AdminRequest): void {
    this.host(store).adminArrived(ADMIN_SESSIONS_FROM + run.index, request)
  }

  violated(oracle: string, message: string): void {
    this.report(oracle, message)
  }

  /**
   * Whatever a kernel throws is its bug and the end of the run; but among stores that forgot what they
   * promised, to stop loudly is all that can be asked of one that finds out.
   */
  threw(store: number, text: string, restartUs: number): void {
    if (this.#isUndetectable) this.fatal(store, "invariant", text, restartUs)
    else this.report("RES-invariant", `Store ${store} broke its own rule. ${text}`)
  }

  // What hosts tell.

  opened(store: number, boot: BootStamp, effects: readonly Effect[]): void {
    this.trace.opened(store, boot, effects)
    const number = this.host(store).kernel!.identity().boot
    if (this.#listener !== null) {
      this.#listener.happened(this.now, this.event, `store ${store} starts (boot ${number})`)
      this.#note({ type: "started", store, boot: number })
      for (const effect of effects) this.#listener.happened(this.now, this.event, `  ${effectText(effect)}`)
    }
    for (const checker of this.#onBoot) checker.storeBooted!(this, store, number)
  }

  stepped(store: number, input: Input, effects: readonly Effect[]): void {
    this.trace.stepped(store, input, effects)
    this.#listener?.stepped(this.now, this.event, store, input, effects)
    for (let i = 0; i < this.#onStep.length; i++) this.#onStep[i]!.stepped!(this, store, input, effects)
  }

  /** Hashed and told like any step, and no checker's business: it is not the store that does it. */
  zombieStepped(store: number, input: Input, effects: readonly Effect[]): void {
    this.trace.stepped(store, input, effects)
    this.#listener?.stepped(this.now, this.event, store, input, effects)
  }

  observed(store: number, observation: Observation): void {
    if (observation.type === "mark") {
      this.#marks.set(observation.name, (this.#marks.get(observation.name) ?? 0) + 1)
    }
    for (let i = 0; i < this.#onObserve.length; i++) this.#onObserve[i]!.observed!(this, store, observation)
  }

  released(store: number, effect: Effect): void {
    for (let i = 0; i < this.#onRelease.length; i++) this.#onRelease[i]!.released!(this, store, effect)
  }

  synced(store: number, volume: number, lsn: number): void {
    for (const checker of this.#onSync) checker.synced!(this, store, volume, lsn)
  }

  sendFrame(from: number, to: number, lane: Lane, frame: Frame): void {
    if (this.#listener !== null) this.#note({ type: "frameSent", from, to, frame })
    this.network.sendFrame(from, to, lane, frame)
  }

  reply(store: number, session: number, reply: KvReply): void {
    this.#note({ type: "replySent", store, client: session, reply })
    this.network.sendReply(store, session, reply)
  }

  adminReply(_store: number, session: number, reply: AdminReply): void {
    this.#faults.answered(session, reply.type === "accepted")
  }

  /** No workload asks for transactions yet. */
  txnReply(): void {}

  fatal(store: number, code: string, detail: string, restartUs: number): void {
    this.fatals.set(code, (this.fatals.get(code) ?? 0) + 1)
    this.#listener?.happened(this.now, this.event, `store ${store} stops itself: ${code}, ${detail}`)
    for (const checker of this.#onStop) checker.storeStopped!(this, store, code)
    const waits = WAITS_FOR_OPERATOR.has(code)
    this.#halts[store - 1] = waits ? code : null
    if (waits && !this.quiet) {
      this.#kill(store, false)
      return
    }
    const drawn = draw(this.seed, PURPOSE.restartDelay, store, 0, this.host(store).boots)
    this.crash(store, false, this.now + between(drawn, Math.floor(restartUs / 2), restartUs))
    this.#attend(store, true)
  }

  /**
   * The operator comes: a store that does not know itself gets a new disk, and so does one that has another's though
   * nobody exchanges disks now (`isQuiet`). Any other is tried again as it is.
   */
  #attend(store: number, isQuiet: boolean): void {
    const code = this.#halts[store - 1]!
    this.#halts[store - 1] = null
    if (code !== "corruptSystemVolume" && !(isQuiet && code === "identityMismatch")) return
    this.host(store).disk.wipe(null)
    this.#listener?.happened(this.now, this.event, `store ${store} gets an empty disk`)
  }

  #happen(event: Scheduler): void {
    const a = event.a
    const payload = event.payload
    switch (event.kind) {
      case EVENT.frame: {
        const to = event.b
        if (!this.network.arrives(a, payload)) break
        const frame = this.network.frameOf(payload)
        if (frame !== null) this.#hosts[to]!.frameArrived(frame)
        break
      }
      case EVENT.request: {
        const to = event.b
        const client = this.network.clientOf(Math.floor(a / this.network.endpointCount))
        if (this.network.arrives(a, payload)) this.#hosts[to]!.requestArrived(client, payload as KvRequest)
        break
      }
      case EVENT.reply: {
        const client = this.network.clientOf(event.b)
        const store = Math.floor(a / this.network.endpointCount) + 1
        if (!this.network.arrives(a, payload)) break
        this.#note({ type: "replyArrived", client, store, reply: payload as KvReply })
        this.#clients?.replied(client, store, payload as KvReply)
        break
      }
      case EVENT.turn:
        this.#hosts[a - 1]!.turn()
        break
      case EVENT.wake:
        this.#hosts[a - 1]!.woken()
        break
      case EVENT.zombieWake:
        this.#hosts[a - 1]!.zombie?.woken()
        break
      case EVENT.disk:
        this.#hosts[a - 1]!.diskDone(payload as DiskOperation)
        break
      case EVENT.restart:
        this.#restarts[a - 1] = NO_EVENT
        this.#boot(a)
        break
      case EVENT.faultBegins: {
        const run = this.#faults.runs[a]!
        const { fault } = run
        this.#listener?.happened(this.now, this.event, `fault ${fault.id} begins: ${fault.kind}`)
        this.#faults.begins(a)
        this.#note({ type: "faultBegan", run })
        break
      }
      case EVENT.faultActs:
        this.#faults.acts(a, event.b)
        break
      case EVENT.faultEnds: {
        const run = this.#faults.runs[a]!
        const { fault } = run
        if (fault.until > fault.at) this.#listener?.happened(this.now, this.event, `fault ${fault.id} ends`)
        this.#faults.ends(a)
        this.#note({ type: "faultEnded", run })
        break
      }
      case EVENT.phase:
        this.#phase(event.b === 1)
        break
      case EVENT.clientTimer:
        this.#clientTimers[a] = NO_EVENT
        this.#clients?.timerFired(a)
        break
    }
  }

  #note(note: Note): void {
    this.#listener?.noted?.(this.now, this.event, note)
  }

  /** In a quiet part nothing is wrong: faults are lifted, and who was down starts at once. */
  #phase(quiet: boolean): void {
    this.quiet = quiet
    this.#listener?.happened(this.now, this.event, quiet ? "quiet" : "faults may strike")
    if (!quiet) return
    this.#faults.liftAll()
    for (const host of this.#hosts) {
      if (host.boots === 0 || host.alive) continue
      this.#attend(host.store, false)
      this.#restartLater(host.store, this.now)
    }
  }

  #restartLater(store: number, at: number): void {
    this.#scheduler.cancel(this.#restarts[store - 1]!)
    this.#restartAt[store - 1] = at
    this.#restarts[store - 1] = this.#scheduler.schedule(at, EVENT.restart, store, 0, null)
  }

  #boot(store: number): void {
    this.host(store).boot()
  }
}

/** The birth document of the cluster. A store's first incarnation is the one its replicas are named with. */
function bootstrapOf(plan: Plan): ClusterBootstrap {
  const { stores, ranges } = plan.cluster
  const incarnations = new Map<number, number>()
  for (const { configuration } of ranges) {
    for (const member of [...configuration.voters, ...configuration.outgoing, ...configuration.learners]) {
      incarnations.set(member.store, member.incarnation)
    }
  }
  return {
    cluster: CLUSTER,
    stores: Array.from({ length: stores }, (_, index) => ({
      store: index + 1,
      incarnation: incarnations.get(index + 1) ?? 1 + draw(plan.seed, PURPOSE.incarnation, index + 1, 0, 0),
      region: "r1",
      zone: `z${index + 1}`,
    })),
    groups: ranges,
  }
}
