import type { Base } from "../engine/base.ts"
import type { ReadView } from "../engine/engine.ts"
import { isGatewayMessage } from "../gateway/message.ts"
import type { GroupId, Incarnation, LogIndex, Lsn, Term, VolumeId } from "../ids.ts"
import { SYSTEM_VOLUME, volumeOfTenant } from "../ids.ts"
import { ByteReader, type Sink } from "../lib/bytes.ts"
import { invariant, unreachable } from "../lib/invariant.ts"
import { below, Sfc32 } from "../lib/rng.ts"
import type { Outdated, StoreHeartbeat } from "../liveness/message.ts"
import { Pulse, type GroupChange } from "../liveness/pulse.ts"
import { StoreSupport } from "../liveness/support.ts"
import type { RaftMessage } from "../raft/message.ts"
import type { AdminRequest, KvRequest } from "../range/request.ts"
import { SnapshotTraffic } from "../snapshot/traffic.ts"
import { ClockGuard } from "../time/clock-guard.ts"
import { sayAbsent, sayNotHere, sayNotYet, sayOutdated } from "./answers.ts"
import { Agenda } from "./agenda.ts"
import { bearReplica, bootstrapAll } from "./birth.ts"
import { bootStore } from "./boot.ts"
import type { KernelConfig } from "./config.ts"
import { Drain } from "./drain.ts"
import type { Effect } from "./effect.ts"
import { FRAME_VERSION } from "./frame-codec.ts"
import { Gate, type Ranges } from "./gate.ts"
import { destroyBuried, giveUpImage, Graveyard } from "./graveyard.ts"
import type { Frame, Input, Stamp } from "./input.ts"
import { identityOf, lifeOf, Peers } from "./peers.ts"
import { isImage, NO_PROCESS, readProcess, writeProcess, type Process } from "./process.ts"
import type { Moment, Replica } from "./replica.ts"
import { Replicas } from "./replicas.ts"
import { PHASES, type Phase } from "./phase.ts"
import type { BootStamp, GroupStatus, Identity, VolumeImage } from "./status.ts"
import type { Volume } from "./volume.ts"
import { areTenantsDurable, loadVolumes, saveVolumes, witnessDurable } from "./volumes.ts"

/** Keys of the store's own timers; groups have ids between them. */
const HOUSEKEEPING = 0
const SUPPORT_ENDS: number = Number.MAX_SAFE_INTEGER
const GATEWAY: number = Number.MAX_SAFE_INTEGER - 2

/** Where effects gather between two steps: nothing is ever added to it. */
const NO_EFFECTS: Effect[] = []

/**
 * One store. `step` is the only way in: an input with both clocks, out come effects in the order they
 * are to be carried out. DESIGN §2.
 */
export class Kernel {
  readonly #config: KernelConfig
  #process: Process = NO_PROCESS
  /** Said once for all frames: neither a boot nor a life changes while a process runs. */
  #identity: Identity | null = null
  #phase: Phase = "booting"
  /** The frame of the system volume that the phase waits for. */
  #phaseLsn: Lsn = 0
  #volumes = new Map<VolumeId, Volume>()
  #replicas = new Replicas()
  #graveyard = new Graveyard()
  #drain = new Drain()
  #unlisted = new Map<VolumeId, Incarnation>()
  #peers = new Peers()
  #pulse: Pulse
  #agenda = new Agenda()
  #traffic: SnapshotTraffic
  #gate: Gate
  #guard: ClockGuard
  #salts: Sfc32
  #chance: Sfc32
  #out: Effect[] = []

  private constructor(config: KernelConfig, guard: ClockGuard, salts: Sfc32, chance: Sfc32, pulse: Pulse) {
    this.#config = config
    this.#guard = guard
    this.#salts = salts
    this.#chance = chance
    this.#pulse = pulse
    this.#traffic = new SnapshotTraffic(config.limits)
    this.#gate = Gate.open(config, NO_PROCESS, 0)
  }

  /** Starts a store from what its host read of its directory. Call `turnEnded` next. */
  static open(
    config: KernelConfig,
    images: readonly VolumeImage[],
    boot: BootStamp,
  ): { readonly kernel: Kernel; readonly effects: readonly Effect[] } {
    const chance = new Sfc32(boot.seedHigh, boot.seedLow)
    const salts = new Sfc32(chance.u32(), chance.u32())
    const { timing, store } = config
    const guard = new ClockGuard(timing.clockBoundUs, boot.mono, boot.wall)
    const booted = bootStore(config, images, boot, salts, chance)
    const self = "code" in booted ? NO_PROCESS : booted.process
    const support = new StoreSupport(timing, self.incarnation, self.boot, boot.mono, self.boot <= 1)
    const kernel = new Kernel(config, guard, salts, chance, new Pulse(timing, store, support))
    if ("code" in booted) {
      kernel.#phase = "stopped"
      const { code, detail, effects } = booted
      return { kernel, effects: [...effects, { type: "fatal", code, detail }] }
    }
    kernel.#process = self
    kernel.#gate = Gate.open(config, self, boot.wall)
    kernel.#volumes = new Map(booted.volumes)
    kernel.#graveyard = new Graveyard(booted.tombstones)
    kernel.#unlisted = new Map(booted.unlisted)
    for (const replica of booted.replicas) kernel.#replicas.add(replica)
    kernel.#phaseLsn = kernel.#system.wal.nextLsn
    const effects: Effect[] = [...booted.effects]
    for (const replica of kernel.#replicas.all()) replica.introduce(effects)
    // From the first moment on: a disk that is full at the start is asked again. Stores do not beat together.
    kernel.#agenda.timers.atLatest(HOUSEKEEPING, boot.mono + 1 + below(chance, timing.livenessUs))
    effects.push({ type: "wakeAt", mono: boot.mono })
    return { kernel, effects }
  }

  get #system(): Volume {
    return this.#volumes.get(SYSTEM_VOLUME)!
  }

  identity(): Identity {
    this.#identity ??= identityOf(this.#config, this.#process, [...this.#volumes.values()])
    return this.#identity
  }

  status(): readonly GroupStatus[] {
    return this.#replicas.all().map((replica) => replica.status())
  }

  /** Volumes that may have held replicas of which nothing is known any more. */
  get forgetful(): ReadonlySet<VolumeId> {
    return new Set(this.#volumes.get(SYSTEM_VOLUME)?.wal.ledger.forgetful.keys())
  }

  /** It was told to drain, and there is nothing more to wait for: stop it. */
  isDrained(): boolean {
    return this.#drain.isOver
  }

  /** The term in which this store leads the group and may serve reads alone at this moment; 0: it may not. */
  leaseTerm(group: GroupId, stamp: Stamp): Term {
    const replica = this.#replicas.get(group)
    if (replica === undefined || this.#phase !== "running" || replica.isRemoved) return 0
    const isFenced = !this.#guard.trusts(stamp.mono, stamp.wall)
    return replica.holdsLease({ ...this.#moment(stamp), isFenced, out: [] }) ? replica.raft.term : 0
  }

  view(volume: VolumeId): ReadView {
    return this.#volume(volume).view
  }

  step(input: Input): readonly Effect[] {
    if (this.#phase === "stopped") return []
    const out: Effect[] = []
    this.#out = out
    if (input.type === "turnEnded") this.#turnEnded(input)
    else {
      if (this.#guard.check(input.mono, input.wall)) this.#fencingChanged(input)
      this.#handle(input)
      this.#serveGate(input)
    }
    this.#out = NO_EFFECTS
    return out
  }

  #moment(stamp: Stamp): Moment {
    const { mono, wall } = stamp
    const { isFenced } = this.#guard
    const [isDraining, support] = [this.#drain.isOn, this.#pulse.support]
    const [out, traffic, desk] = [this.#out, this.#traffic, this.#gate.desk]
    return { mono, wall, isFenced, isDraining, support, out, traffic, desk }
  }

  #handle(input: Exclude<Input, { type: "turnEnded" }>): void {
    switch (input.type) {
      case "wake":
        this.#agenda.woken()
        return this.#wake(input)
      case "frame":
        return this.#frame(input.frame, input)
      case "request":
        return this.#request(input.session, input.request, input)
      case "txn":
        if (this.#phase === "running")
          return this.#gate.request(input, this.#guard.isFenced, this.#drain.isOn)
        return void this.#out.push(sayNotYet(input.session, input.request.id, this.#phaseLsn))
      case "admin":
        return this.#admin(input.session, input.request, input)
      case "appendSynced":
        return this.#appendSynced(input.volume, input.lsn, input)
      case "appendFailed":
        // What reached the disk is not known, and asking again proves nothing.
        return this.#stop(
          "syncFailed",
          `A write or sync of the log of volume ${input.volume} failed at frame ${input.lsn}`,
        )
      case "segmentCreated":
      case "segmentRefused":
      case "checkpointRefused":
        return this.#volume(input.volume).told(input, this.#out)
      case "checkpointSynced":
        return this.#checkpointSynced(input.volume, input.checkpoint, input)
      case "checkpointFailed":
        return this.#stop("checkpointFailed", `The base of volume ${input.volume} could not be written`)
      case "drain":
        return this.#drain.begin(this.#replicas)
      default:
        return unreachable(input)
    }
  }

  #volume(id: VolumeId): Volume {
    const volume = this.#volumes.get(id)
    invariant(volume !== undefined, "Cannot speak of a volume this store does not have")
    return volume
  }

  #mark(name: string): void {
    this.#out.push({ type: "observe", observation: { type: "mark", name } })
  }

  #stop(code: Extract<Effect, { type: "fatal" }>["code"], detail: string): void {
    this.#out.push({ type: "fatal", code, detail })
    this.#phase = "stopped"
  }

  // ── Start ────────────────────────────────────────────────────────────────────────────────────────

  #advancePhase(stamp: Stamp): void {
    if (this.#phase === "booting" && this.#system.wal.durableLsn >= this.#phaseLsn) {
      const born = bootstrapAll(
        this.#config,
        this.#volumes,
        this.#unlisted,
        this.#replicas,
        this.#chance,
        stamp.mono,
      )
      for (const replica of born) replica.introduce(this.#out)
      this.#phase = "bootstrapping"
    }
    if (this.#phase === "bootstrapping" && areTenantsDurable(this.#volumes)) {
      for (const [volume, incarnation] of this.#unlisted) {
        this.#phaseLsn = this.#system.append({ type: "volume", volume, incarnation })
      }
      this.#unlisted.clear()
      this.#phase = "listing"
    }
    if (this.#phase === "listing" && this.#system.wal.durableLsn >= this.#phaseLsn) {
      this.#phase = "running"
      for (const replica of this.#replicas.all()) this.#touched(replica, stamp)
      for (const { machine } of this.#replicas.all()) this.#gate.learn(machine.descriptor)
      this.#beat(stamp)
    }
    if (this.#phase === "outdated" && this.#system.wal.durableLsn >= this.#phaseLsn) {
      this.#stop("outdatedImage", "The disk is an old image of itself: its replicas were given up")
    }
  }

  // ── Time ─────────────────────────────────────────────────────────────────────────────────────────

  #wake(stamp: Stamp): void {
    const { timers } = this.#agenda
    for (let key = timers.popDue(stamp.mono); key !== null; key = timers.popDue(stamp.mono)) {
      if (key === HOUSEKEEPING) this.#housekeep(stamp)
      else if (key === SUPPORT_ENDS) this.#supportChanged(this.#pulse.timePassed(stamp), stamp)
      else if (key === GATEWAY) this.#gate.timePassed(stamp)
      else this.#wakeReplica(key, stamp)
    }
  }

  #wakeReplica(group: GroupId, stamp: Stamp): void {
    const replica = this.#replicas.get(group)
    if (this.#phase !== "running" || replica === undefined || replica.isRemoved) return
    if (replica.deadline <= stamp.mono) replica.timePassed(this.#moment(stamp))
    this.#touched(replica, stamp)
  }

  #housekeep(stamp: Stamp): void {
    this.#agenda.timers.atLatest(HOUSEKEEPING, stamp.mono + this.#config.timing.livenessUs)
    for (const volume of this.#volumes.values()) volume.retry()
    witnessDurable(this.#volumes, this.#phase === "running")
    if (this.#phase !== "running") return
    this.#beat(stamp)
    this.#gate.tell(this.#out)
    const awake = this.#agenda.awake().map((group) => this.#replicas.get(group)!)
    const tended = this.#replicas.tend(awake, this.#pulse.room, this.#moment(stamp))
    for (const replica of tended) this.#touched(replica, stamp)
  }

  /** Heartbeats to the stores this one shares groups with. */
  #beat(stamp: Stamp): void {
    const wasAsking = this.#pulse.support.isAsking
    const volumes = this.#volumes.values()
    this.#supportChanged(this.#pulse.beat(volumes, this.#isOut, stamp, this.#out), stamp)
    if (wasAsking && !this.#pulse.support.isAsking) this.#standDown(stamp)
  }

  #supportChanged(changes: readonly GroupChange[], stamp: Stamp): void {
    for (const { group, change } of changes) {
      const replica = this.#replicas.get(group)
      if (replica === undefined || replica.isRemoved) continue
      replica.supportChanged(change, this.#moment(stamp))
      this.#touched(replica, stamp)
    }
    const { deadline } = this.#pulse
    if (deadline <= stamp.mono + this.#config.timing.livenessUs)
      this.#agenda.timers.atLatest(SUPPORT_ENDS, deadline)
  }

  #fencingChanged(stamp: Stamp): void {
    const isFenced = this.#guard.isFenced
    this.#out.push({ type: "observe", observation: { type: "fenced", reason: "clock", fenced: isFenced } })
    this.#mark(isFenced ? "clock.fenced" : "clock.unfenced")
    if (this.#phase !== "running") return
    this.#supportChanged(this.#pulse.fencingChanged(this.#isOut, stamp, this.#out), stamp)
    if (isFenced) this.#standDown(stamp)
  }

  /** It asks nobody to count on it. */
  get #isOut(): boolean {
    return this.#guard.isFenced || this.#drain.hasLeft
  }

  #goOnDraining(stamp: Stamp): void {
    const { heartbeatUs } = this.#config.timing
    const offered = this.#drain.step(this.#replicas, this.#agenda.timers, heartbeatUs, this.#moment(stamp))
    for (const replica of offered) this.#touched(replica, stamp)
    if (this.#drain.hasLeft && this.#phase === "running")
      this.#supportChanged(this.#pulse.fencingChanged(true, stamp, this.#out), stamp)
  }

  /** This store leads nothing any more. */
  #standDown(stamp: Stamp): void {
    for (const replica of this.#replicas.all()) {
      if (!replica.raft.isLeader) continue
      replica.timePassed(this.#moment(stamp))
      this.#touched(replica, stamp)
    }
  }

  /** After anything happened to a replica: when it wants to be woken, whether it has something to send. */
  #touched(replica: Replica, stamp: Stamp): void {
    if (replica.isRemoved) return this.#bury(replica, stamp)
    this.#drain.note(replica)
    this.#pulse.note(replica.group, replica.raft.configuration, replica.raft.promisedTo)
    this.#agenda.note(replica)
  }

  #turnEnded(stamp: Stamp): void {
    if (this.#phase !== "running") this.#advancePhase(stamp)
    if (this.#drain.isUnderWay) this.#goOnDraining(stamp)
    this.#serveGate(stamp)
    while (this.#agenda.hasDirty) {
      for (const group of this.#agenda.takeDirty()) {
        const replica = this.#replicas.get(group)
        if (replica === undefined || replica.isRemoved) continue
        replica.turnEnded(this.#moment(stamp))
        this.#touched(replica, stamp)
      }
      this.#serveGate(stamp)
    }
    for (const volume of this.#volumes.values()) {
      // Before anything of a new life is written, the system volume has it on its list.
      if (this.#phase === "booting" && volume.id !== SYSTEM_VOLUME) continue
      volume.endTurn(this.#config, this.#appliedIn, this.#out)
    }
    this.#agenda.askWake(this.#out)
  }

  /** A field, so that every volume is handed the same function every turn. */
  readonly #appliedIn = (volume: Volume): ReadonlyMap<GroupId, LogIndex> => this.#replicas.appliedIn(volume)

  // ── Peers ────────────────────────────────────────────────────────────────────────────────────────

  #frame(frame: Frame, stamp: Stamp): void {
    const { header } = frame
    const isOurs = header.cluster === this.#config.cluster && header.toStore === this.#config.store
    if (this.#phase !== "running" || !isOurs || header.version !== FRAME_VERSION) return
    const heard = this.#peers.heard(header)
    if (heard !== null) {
      this.#mark(header.fromBoot < heard.boot ? "frame.oldBoot" : "frame.otherProcess")
      this.#out.push(sayOutdated(header.fromStore, heard))
      return
    }
    this.#guard.frameReceived(header.fromStore, header.wall, stamp.mono)
    for (const message of frame.messages) {
      if (message.type === "storeHeartbeat") this.#storeHeartbeat(message, frame, stamp)
      else if (message.type === "outdated") this.#toldOutdated(message)
      else if (isGatewayMessage(message)) this.#gate.message(message, header, stamp)
      else this.#message(message, frame, stamp)
      if (this.#phase !== "running") return
    }
  }

  #storeHeartbeat(message: StoreHeartbeat, { header }: Frame, stamp: Stamp): void {
    const roundTripUs = this.#pulse.roundTripUs(message, stamp.mono)
    if (roundTripUs !== null)
      this.#guard.answerReceived(header.fromStore, header.wall, roundTripUs, stamp.mono)
    this.#supportChanged(this.#pulse.heard(header, message, stamp, this.#out), stamp)
  }

  #message(message: RaftMessage, frame: Frame, stamp: Stamp): void {
    const { header } = frame
    // It does not name the boot in which the heartbeat left: not for a store that distrusts its clock.
    if (message.type === "heartbeatReply" && !this.#guard.isFenced) {
      this.#guard.answerReceived(header.fromStore, header.wall, stamp.mono - message.sentMono, stamp.mono)
    }
    if (message.type === "voteRequest" && this.#guard.isAhead(header.wall, stamp.wall)) {
      // Whoever leads stamps what all must live with: not one whose clock runs away.
      this.#mark("clock.candidateRefused")
      return
    }
    const replica = this.#replicas.get(message.group)
    if (message.type === "heartbeat" && (replica === undefined || message.to < replica.replica)) {
      this.#mark("raft.membership.saidAbsent")
      this.#out.push(sayAbsent(message, header.fromStore))
    }
    if (replica === undefined) return this.#createReplica(message, stamp)
    if (message.to !== replica.replica) {
      // A store holds one replica of a group: a younger one means that this one was removed.
      if (message.to > replica.replica && !replica.isRemoved) {
        this.#mark("raft.membership.superseded")
        replica.isRemoved = true
        this.#bury(replica, stamp)
      }
      return
    }
    if (replica.isRemoved) return
    const incarnation = lifeOf(header, replica.volume.id)
    const from = { replica: message.from, store: header.fromStore, incarnation }
    replica.message(message, from, header, this.#moment(stamp))
    this.#touched(replica, stamp)
  }

  /**
   * This very life had a later boot than this one, or another process under the same: the disk is an old image of
   * itself, and what it promised since is not on it. Under its old names it must not say one word more. So everything here is buried, the boot that peers
   * have seen is taken over, and when that is durable the store starts anew: with nothing, its groups miss it.
   */
  #toldOutdated(message: Outdated): void {
    if (this.#phase !== "running" || !isImage(this.#process, message)) return
    this.#mark("node.image.old")
    const given = giveUpImage(this.#replicas.all(), this.#system, message.boot)
    if (given.type === "alone") return this.#stop("corruptSingleReplica", given.detail)
    for (const { group } of this.#replicas.all()) this.#agenda.forget(group)
    this.#phaseLsn = given.lsn
    this.#phase = "outdated"
  }

  /**
   * Only a message that describes the range, for a replica younger than any buried here and named with the life this
   * volume is in, makes one.
   */
  #createReplica(message: RaftMessage, stamp: Stamp): void {
    if (message.type !== "appendEntries" || message.descriptor?.groupId !== message.group) return
    if (this.#graveyard.holds(message.group, message.to)) return
    const volume = this.#volumes.get(volumeOfTenant(message.descriptor.tenant))
    if (volume === undefined || volume.incarnation !== message.incarnation) return
    this.#mark("raft.membership.replicaCreated")
    const { descriptor, to } = message
    const replica = bearReplica(this.#config, volume, to, descriptor, this.#chance, stamp.mono)
    this.#replicas.add(replica)
    replica.introduce(this.#out)
    this.#gate.learn(descriptor)
    this.#touched(replica, stamp)
    // The message comes again; by then the creation is on its way to the disk.
  }

  /** A removed replica leaves a tombstone before anything of it goes. */
  #bury(replica: Replica, stamp: Stamp): void {
    const { group } = replica
    if (this.#graveyard.isDying(group)) return
    this.#pulse.forget(group)
    this.#agenda.forget(group)
    this.#traffic.forget(group)
    this.#graveyard.bury(group, this.#system.append({ type: "tombstone", group, replica: replica.replica }))
    // It led, and will not be there to repeat that it does no more.
    if (replica.raft.owesDeFortify) this.#supportChanged(this.#pulse.giveUp(stamp, this.#out), stamp)
  }

  // ── Clients ──────────────────────────────────────────────────────────────────────────────────────

  #request(session: number, request: KvRequest, stamp: Stamp): void {
    const replica = this.#replicas.ofRange(request.rangeId)
    if (this.#phase === "running" && replica !== undefined && !replica.isRemoved) {
      replica.request(session, request, this.#moment(stamp))
      this.#touched(replica, stamp)
      return
    }
    const mayBeForgotten = replica === undefined && this.forgetful.has(volumeOfTenant(request.tenant))
    const said = sayNotHere("reply", session, request.id, this.#phase, this.#phaseLsn, mayBeForgotten)
    if (said.type === "reply") this.#gate.desk.reply(session, said.reply, said.barrier, this.#out)
  }

  /** What the gateway and the ranges here have to say to each other. */
  #serveGate(stamp: Stamp): void {
    if (this.#phase !== "running" || !this.#gate.isBusy) return
    this.#gate.serve(this.#ranges, this.#out, stamp)
    const { deadline } = this.#gate
    if (deadline < Number.MAX_SAFE_INTEGER) this.#agenda.timers.atLatest(GATEWAY, deadline)
  }

  readonly #ranges: Ranges = {
    request: (session, request, stamp) => this.#request(session, request, stamp),
    pushed: ({ group, txn, state }, stamp) => {
      const replica = this.#replicas.get(group)
      if (replica === undefined || replica.isRemoved) return
      replica.pushed(txn, state, this.#moment(stamp))
      this.#touched(replica, stamp)
    },
  }

  #admin(session: number, request: AdminRequest, stamp: Stamp): void {
    const replica = this.#replicas.get(request.group)
    if (this.#phase === "running" && replica !== undefined && !replica.isRemoved) {
      replica.administer(session, request, this.#moment(stamp))
      this.#touched(replica, stamp)
      return
    }
    this.#out.push(sayNotHere("adminReply", session, request.id, this.#phase, this.#phaseLsn, false))
  }

  // ── Disk ─────────────────────────────────────────────────────────────────────────────────────────

  #appendSynced(id: VolumeId, lsn: Lsn, stamp: Stamp): void {
    const volume = this.#volume(id)
    for (const group of volume.synced(lsn)) {
      const replica = this.#replicas.get(group)
      if (replica === undefined || replica.isRemoved) continue
      if (this.#phase === "running") replica.logSynced(this.#moment(stamp))
      if (replica.raft.needsSync(volume.wal.durableLsn)) volume.stillAwaits(group)
      if (this.#phase === "running") this.#touched(replica, stamp)
    }
    if (id === SYSTEM_VOLUME && this.#graveyard.hasDying)
      destroyBuried(this.#graveyard, this.#replicas, this.#system.wal.durableLsn, this.#out)
  }

  #checkpointSynced(id: VolumeId, checkpoint: number, stamp: Stamp): void {
    const volume = this.#volume(id)
    const applied = volume.checkpointSynced(checkpoint, stamp.mono)
    for (const replica of this.#replicas.all()) {
      if (replica.volume !== volume || replica.isRemoved) continue
      const durable = applied.get(replica.group) ?? 0
      if (replica.snapshots.isSwitchedIn(checkpoint)) {
        replica.snapshotSynced(this.#moment(stamp))
        this.#touched(replica, stamp)
      }
      replica.compact(durable, this.#moment(stamp))
    }
    volume.wal.release((group) => this.#replicas.get(group)?.raft.log.start.index ?? 0)
  }

  // ── The whole state ──────────────────────────────────────────────────────────────────────────────

  /** Canonical bytes of everything this store remembers but its base. Only between two steps. */
  save(sink: Sink): void {
    writeProcess(this.#process, sink)
    sink.u8(PHASES.indexOf(this.#phase))
    sink.uint(this.#phaseLsn)
    this.#guard.save(sink)
    this.#salts.save(sink)
    this.#chance.save(sink)
    this.#pulse.save(sink)
    saveVolumes(this.#volumes, this.#unlisted, sink)
    this.#replicas.save(sink)
    this.#graveyard.save(sink)
    this.#drain.save(sink)
    this.#peers.save(sink)
    this.#traffic.save(sink)
    this.#agenda.save(sink)
    this.#gate.save(sink)
  }

  /** The store that `save` described, over the same bases. */
  static load(config: KernelConfig, bytes: Uint8Array, bases: ReadonlyMap<VolumeId, Base>): Kernel {
    const reader = new ByteReader(bytes)
    const process = readProcess(reader)
    const phase = PHASES[reader.u8()]!
    const phaseLsn = reader.uint()
    const guard = ClockGuard.load(reader, config.timing.clockBoundUs)
    const salts = Sfc32.load(reader)
    const chance = Sfc32.load(reader)
    const kernel = new Kernel(config, guard, salts, chance, Pulse.load(reader, config.timing, config.store))
    kernel.#process = process
    kernel.#phase = phase
    kernel.#phaseLsn = phaseLsn
    loadVolumes(reader, config, salts, bases, kernel.#volumes, kernel.#unlisted)
    kernel.#replicas = Replicas.load(reader, config, (id) => kernel.#volumes.get(id)!)
    kernel.#graveyard = Graveyard.load(reader)
    kernel.#drain = Drain.load(reader)
    kernel.#peers = Peers.load(reader)
    kernel.#traffic = SnapshotTraffic.load(reader, config.limits)
    const all = kernel.#replicas.all()
    for (const { group, raft, isRemoved } of all)
      if (!isRemoved) kernel.#pulse.note(group, raft.configuration, raft.promisedTo)
    kernel.#agenda = Agenda.load(reader, all, phase === "running")
    kernel.#gate = Gate.load(reader, config, process)
    invariant(!reader.failed && reader.remaining === 0, "The saved kernel cannot be read")
    return kernel
  }
}
