import type { Base } from "../engine/base.ts"
import type { ReadView } from "../engine/engine.ts"
import type { GroupId, Incarnation, LogIndex, Lsn, RangeId, ReplicaId, StoreId, VolumeId } from "../ids.ts"
import { SYSTEM_VOLUME, volumeOfTenant } from "../ids.ts"
import { ByteReader, type Sink } from "../lib/bytes.ts"
import { invariant, unreachable } from "../lib/invariant.ts"
import { readPairs, writePairs } from "../lib/pairs.ts"
import { Sfc32 } from "../lib/rng.ts"
import { RaftLog } from "../raft/log.ts"
import { EMPTY_CONFIGURATION } from "../raft/membership.ts"
import type { RaftMessage } from "../raft/message.ts"
import type { RangeDescriptor } from "../range/descriptor.ts"
import type { AdminRequest, KvRequest } from "../range/request.ts"
import { StateMachine } from "../range/state-machine.ts"
import { ClockGuard } from "../time/clock-guard.ts"
import { bootStore, bootstrapReplica, makeRaft, walPorts } from "./boot.ts"
import type { KernelConfig } from "./config.ts"
import type { Effect } from "./effect.ts"
import { FRAME_VERSION } from "./frame-codec.ts"
import type { Frame, Input, Stamp } from "./input.ts"
import { Replica, type Moment } from "./replica.ts"
import type { BootStamp, GroupStatus, Identity, VolumeImage } from "./status.ts"
import { Timers } from "./timers.ts"
import { Volume } from "./volume.ts"

/**
 * How far a start has come. Nothing is sent or answered before `running`: first the boot number is made
 * durable, then what the bootstrap document places here, then the list of volumes that may acknowledge.
 */
type Phase = "booting" | "bootstrapping" | "listing" | "running" | "stopped"
const PHASES: readonly Phase[] = ["booting", "bootstrapping", "listing", "running", "stopped"]

/** Key of the store's own timer; groups have ids from 1. */
const HOUSEKEEPING = 0
const HOUSEKEEPING_US = 1_000_000

/** Stands between two steps where the effects of one gather: nothing is ever added to it. */
const NO_EFFECTS: Effect[] = []

/**
 * One store. `step` is the only way in: an input with both clocks, out come effects in the order they
 * are to be carried out. DESIGN §2.
 */
export class Kernel {
  readonly #config: KernelConfig
  #incarnation: Incarnation = 0
  #boot = 0
  #phase: Phase = "booting"
  /** The frame of the system volume that the phase waits for. */
  #phaseLsn: Lsn = 0
  #volumes = new Map<VolumeId, Volume>()
  #replicas = new Map<GroupId, Replica>()
  /** Those of `#replicas` by group; null since one came or went. */
  #sorted: readonly Replica[] | null = null
  #groupOfRange = new Map<RangeId, GroupId>()
  #tombstones = new Map<GroupId, ReplicaId>()
  #unlisted = new Map<VolumeId, Incarnation>()
  /** Removed replicas whose tombstone is not durable yet. */
  #dying = new Map<GroupId, Lsn>()
  /** The highest boot seen of each incarnation of a peer: what an older process still says is dropped. */
  #peerBoots = new Map<StoreId, { incarnation: Incarnation; boot: number }>()
  #dirty = new Set<GroupId>()
  #timers = new Timers()
  #wakeRequested: number | null = null
  #guard: ClockGuard
  #salts: Sfc32
  #chance: Sfc32
  #out: Effect[] = []

  private constructor(config: KernelConfig, guard: ClockGuard, salts: Sfc32, chance: Sfc32) {
    this.#config = config
    this.#guard = guard
    this.#salts = salts
    this.#chance = chance
  }

  /** Starts a store from what its host read of its directory. Call `turnEnded` next. */
  static open(
    config: KernelConfig,
    images: readonly VolumeImage[],
    boot: BootStamp,
  ): { readonly kernel: Kernel; readonly effects: readonly Effect[] } {
    const chance = new Sfc32(boot.seedHigh, boot.seedLow)
    const salts = new Sfc32(chance.u32(), chance.u32())
    const kernel = new Kernel(
      config,
      new ClockGuard(config.timing.clockBoundUs, boot.mono, boot.wall),
      salts,
      chance,
    )
    const booted = bootStore(config, images, boot, salts, chance)
    if ("code" in booted) {
      kernel.#phase = "stopped"
      return { kernel, effects: [{ type: "fatal", code: booted.code, detail: booted.detail }] }
    }
    kernel.#incarnation = booted.incarnation
    kernel.#boot = booted.boot
    kernel.#volumes = new Map(booted.volumes)
    kernel.#tombstones = new Map(booted.tombstones)
    kernel.#unlisted = new Map(booted.unlisted)
    for (const replica of booted.replicas) kernel.#adopt(replica)
    kernel.#phaseLsn = kernel.#system.wal.nextLsn
    const effects: Effect[] = [...booted.effects]
    for (const replica of kernel.#sortedReplicas()) replica.introduce(effects)
    // From the first moment on: a disk that is full at the start is asked again.
    kernel.#timers.atLatest(HOUSEKEEPING, boot.mono + HOUSEKEEPING_US)
    effects.push({ type: "wakeAt", mono: boot.mono })
    return { kernel, effects }
  }

  get #system(): Volume {
    return this.#volumes.get(SYSTEM_VOLUME)!
  }

  identity(): Identity {
    const { cluster, store } = this.#config
    return { cluster, store, incarnation: this.#incarnation, boot: this.#boot, configEpoch: 0 }
  }

  status(): readonly GroupStatus[] {
    return this.#sortedReplicas().map((replica) => replica.status())
  }

  view(volume: VolumeId): ReadView {
    const found = this.#volumes.get(volume)
    invariant(found !== undefined, "Cannot view a volume this store does not have")
    return found.view
  }

  #sortedReplicas(): readonly Replica[] {
    this.#sorted ??= [...this.#replicas.values()].sort((a, b) => a.group - b.group)
    return this.#sorted
  }

  step(input: Input): readonly Effect[] {
    if (this.#phase === "stopped") return []
    const out: Effect[] = []
    this.#out = out
    if (input.type === "turnEnded") this.#turnEnded(input)
    else {
      if (this.#guard.check(input.mono, input.wall)) this.#fencingChanged(input)
      this.#handle(input)
    }
    this.#out = NO_EFFECTS
    return out
  }

  #moment(stamp: Stamp): Moment {
    return { mono: stamp.mono, wall: stamp.wall, isFenced: this.#guard.isFenced, out: this.#out }
  }

  #handle(input: Exclude<Input, { type: "turnEnded" }>): void {
    switch (input.type) {
      case "wake":
        this.#wakeRequested = null
        return this.#wake(input)
      case "frame":
        return this.#frame(input.frame, input)
      case "request":
        return this.#request(input.session, input.request, input)
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
        return this.#volume(input.volume).wal.segmentCreated(input.segment)
      case "segmentRefused":
        this.#mark("wal.diskFull")
        return this.#volume(input.volume).wal.segmentRefused(input.segment)
      case "checkpointSynced":
        return this.#checkpointSynced(input.volume, input.checkpoint, input)
      case "checkpointRefused":
        this.#mark("engine.checkpoint.refused")
        return this.#volume(input.volume).checkpointRefused(input.checkpoint)
      case "checkpointFailed":
        return this.#stop("checkpointFailed", `The base of volume ${input.volume} could not be written`)
      default:
        return unreachable(input)
    }
  }

  #volume(id: VolumeId): Volume {
    const volume = this.#volumes.get(id)
    invariant(volume !== undefined, "An input speaks of a volume this store does not have")
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
      this.#bootstrap(stamp)
      this.#phase = "bootstrapping"
    }
    if (this.#phase === "bootstrapping" && this.#isEverythingDurable()) {
      for (const [volume, incarnation] of this.#unlisted) {
        this.#phaseLsn = this.#system.append({ type: "volume", volume, incarnation })
      }
      this.#unlisted.clear()
      this.#phase = "listing"
    }
    if (this.#phase === "listing" && this.#system.wal.durableLsn >= this.#phaseLsn) {
      this.#phase = "running"
      for (const replica of this.#sortedReplicas()) this.#touched(replica)
    }
  }

  #isEverythingDurable(): boolean {
    for (const volume of this.#volumes.values())
      if (volume.id !== SYSTEM_VOLUME && volume.barrier !== null) return false
    return true
  }

  /** A volume that was never listed has acknowledged nothing: the document may still be applied to it. */
  #bootstrap(stamp: Stamp): void {
    for (const bootstrap of this.#config.bootstrap?.groups ?? []) {
      const id = volumeOfTenant(bootstrap.descriptor.tenant)
      const volume = this.#volumes.get(id)
      const incarnation = this.#unlisted.get(id)
      const { groupId } = bootstrap.descriptor
      if (volume === undefined || incarnation === undefined || this.#replicas.has(groupId)) continue
      const replica = bootstrapReplica(this.#config, volume, bootstrap, incarnation, this.#chance, stamp.mono)
      if (replica === null) continue
      this.#adopt(replica)
      replica.introduce(this.#out)
    }
  }

  #adopt(replica: Replica): void {
    this.#replicas.set(replica.group, replica)
    this.#sorted = null
    this.#groupOfRange.set(replica.machine.descriptor.rangeId, replica.group)
  }

  // ── Time ─────────────────────────────────────────────────────────────────────────────────────────

  #wake(stamp: Stamp): void {
    for (let key = this.#timers.popDue(stamp.mono); key !== null; key = this.#timers.popDue(stamp.mono)) {
      if (key === HOUSEKEEPING) {
        this.#housekeep(stamp)
        continue
      }
      const replica = this.#replicas.get(key)
      if (this.#phase !== "running" || replica === undefined || replica.isRemoved) continue
      if (replica.deadline <= stamp.mono) replica.timePassed(this.#moment(stamp))
      this.#touched(replica)
    }
  }

  #housekeep(stamp: Stamp): void {
    this.#timers.atLatest(HOUSEKEEPING, stamp.mono + HOUSEKEEPING_US)
    for (const volume of this.#volumes.values()) {
      volume.retry()
      const identifiers = volume.id === SYSTEM_VOLUME ? [] : volume.wal.takeWitnessed()
      // A second witness of what was durable, on another log than the one that says so.
      if (identifiers.length > 0 && this.#phase === "running")
        this.#system.append({ type: "witness", volume: volume.id, identifiers })
    }
    if (this.#phase !== "running") return
    for (const replica of this.#sortedReplicas()) {
      if (!replica.raft.isLeader || replica.isRemoved) continue
      replica.tidy(this.#moment(stamp))
      this.#touched(replica)
    }
  }

  #fencingChanged(stamp: Stamp): void {
    const isFenced = this.#guard.isFenced
    this.#out.push({ type: "observe", observation: { type: "fenced", reason: "clock", fenced: isFenced } })
    this.#mark(isFenced ? "clock.fenced" : "clock.unfenced")
    if (!isFenced || this.#phase !== "running") return
    for (const replica of this.#sortedReplicas()) {
      if (!replica.raft.isLeader) continue
      replica.timePassed(this.#moment(stamp))
      this.#touched(replica)
    }
  }

  /** After anything happened to a replica: when it wants to be woken, whether it has something to send. */
  #touched(replica: Replica): void {
    if (replica.isRemoved) return this.#bury(replica)
    if (replica.isDirty) this.#dirty.add(replica.group)
    this.#timers.atLatest(replica.group, replica.deadline)
  }

  #turnEnded(stamp: Stamp): void {
    if (this.#phase !== "running") this.#advancePhase(stamp)
    while (this.#dirty.size > 0) {
      const groups = [...this.#dirty]
      this.#dirty.clear()
      for (const group of groups) {
        const replica = this.#replicas.get(group)
        if (replica === undefined || replica.isRemoved) continue
        replica.turnEnded(this.#moment(stamp))
        this.#touched(replica)
      }
    }
    for (const volume of this.#volumes.values()) {
      volume.endTurn(this.#config.limits.checkpointLogBytes, this.#appliedIn, this.#out)
    }
    const earliest = this.#timers.earliest
    if (earliest !== this.#wakeRequested) {
      this.#wakeRequested = earliest
      this.#out.push({ type: "wakeAt", mono: earliest })
    }
  }

  /** A field, so that every volume is handed the same function every turn. */
  readonly #appliedIn = (volume: Volume): ReadonlyMap<GroupId, LogIndex> => {
    const applied = new Map<GroupId, LogIndex>()
    for (const replica of this.#sortedReplicas()) {
      if (replica.volume === volume) applied.set(replica.group, replica.machine.appliedIndex)
    }
    return applied
  }

  // ── Peers ────────────────────────────────────────────────────────────────────────────────────────

  #frame(frame: Frame, stamp: Stamp): void {
    const { header } = frame
    const isOurs = header.cluster === this.#config.cluster && header.toStore === this.#config.store
    if (this.#phase !== "running" || !isOurs || header.version !== FRAME_VERSION) return
    if (!this.#isCurrentBoot(header.fromStore, header.fromIncarnation, header.fromBoot)) {
      this.#mark("frame.oldBoot")
      return
    }
    this.#guard.frameReceived(header.fromStore, header.wall, stamp.mono, stamp.wall)
    for (const message of frame.messages) this.#message(message, frame, stamp)
  }

  #isCurrentBoot(store: StoreId, incarnation: Incarnation, boot: number): boolean {
    const seen = this.#peerBoots.get(store)
    if (seen === undefined || seen.incarnation !== incarnation) {
      this.#peerBoots.set(store, { incarnation, boot })
      return true
    }
    if (boot < seen.boot) return false
    seen.boot = boot
    return true
  }

  #message(message: RaftMessage, frame: Frame, stamp: Stamp): void {
    const { header } = frame
    if (message.type === "heartbeatReply") {
      const roundTripUs = Math.max(0, stamp.mono - message.sentMono)
      this.#guard.answerReceived(header.fromStore, header.wall, roundTripUs, stamp.mono, stamp.wall)
    }
    if (message.type === "voteRequest" && this.#guard.isAhead(header.wall, stamp.wall)) {
      // Whoever leads stamps what all must live with: not one whose clock runs away.
      this.#mark("clock.candidateRefused")
      return
    }
    const replica = this.#replicas.get(message.group)
    if (replica === undefined) return this.#createReplica(message, stamp)
    if (message.to !== replica.replica) {
      // A store holds one replica of a group: a younger one means that this one was removed.
      if (message.to > replica.replica && !replica.isRemoved) {
        this.#mark("raft.membership.superseded")
        replica.isRemoved = true
        this.#bury(replica)
      }
      return
    }
    if (replica.isRemoved) return
    const from = { replica: message.from, store: header.fromStore, incarnation: header.fromIncarnation }
    replica.message(message, from, this.#moment(stamp))
    this.#touched(replica)
  }

  /** Only a message that describes the range, for a replica younger than any buried here, makes one. */
  #createReplica(message: RaftMessage, stamp: Stamp): void {
    const descriptor = describedBy(message)
    if (descriptor === null || descriptor.groupId !== message.group) return
    if (message.to <= (this.#tombstones.get(message.group) ?? 0)) return
    const volume = this.#volumes.get(volumeOfTenant(descriptor.tenant))
    if (volume === undefined) return
    this.#mark("raft.membership.replicaCreated")
    volume.appendFor(message.group, { type: "replicaCreated", replica: message.to, descriptor })
    const start = {
      term: 0,
      votedFor: 0,
      log: new RaftLog({ index: 0, term: 0 }),
      commitIndex: 0,
      configurationIndex: 0,
      configuration: EMPTY_CONFIGURATION,
      recovery: null,
    }
    const raft = makeRaft(
      this.#config,
      message.group,
      message.to,
      descriptor,
      start,
      this.#chance,
      stamp.mono,
    )
    const replica = new Replica(
      this.#config,
      volume,
      raft,
      StateMachine.create(volume.engine, descriptor, message.to),
    )
    this.#adopt(replica)
    replica.introduce(this.#out)
    this.#touched(replica)
    // The message comes again; by then the creation is on its way to the disk.
  }

  /** A removed replica leaves a tombstone before anything of it goes. */
  #bury(replica: Replica): void {
    if (this.#dying.has(replica.group)) return
    const { group } = replica
    this.#timers.forget(group)
    this.#dirty.delete(group)
    this.#dying.set(group, this.#system.append({ type: "tombstone", group, replica: replica.replica }))
  }

  #destroyBuried(): void {
    for (const [group, lsn] of this.#dying) {
      if (lsn > this.#system.wal.durableLsn) continue
      this.#dying.delete(group)
      const replica = this.#replicas.get(group)!
      this.#tombstones.set(group, Math.max(replica.replica, this.#tombstones.get(group) ?? 0))
      replica.machine.destroy()
      replica.volume.append({ type: "replicaRemoved", group, replica: replica.replica })
      this.#replicas.delete(group)
      this.#sorted = null
      this.#groupOfRange.delete(replica.machine.descriptor.rangeId)
      this.#out.push({
        type: "observe",
        observation: { type: "replicaRemoved", group, replica: replica.replica },
      })
    }
  }

  // ── Clients ──────────────────────────────────────────────────────────────────────────────────────

  #request(session: number, request: KvRequest, stamp: Stamp): void {
    const group = this.#groupOfRange.get(request.rangeId)
    const replica = group === undefined ? undefined : this.#replicas.get(group)
    if (this.#phase === "running" && replica !== undefined && !replica.isRemoved) {
      replica.request(session, request, this.#moment(stamp))
      this.#touched(replica)
      return
    }
    const barrier = this.#phase === "running" ? null : { volume: SYSTEM_VOLUME, lsn: this.#phaseLsn }
    const error =
      this.#phase === "running"
        ? ({ code: "notLeader", hint: null, term: 0 } as const)
        : ({ code: "recovering" } as const)
    this.#out.push({ type: "reply", session, reply: { type: "error", id: request.id, error }, barrier })
  }

  #admin(session: number, request: AdminRequest, stamp: Stamp): void {
    const replica = this.#replicas.get(request.group)
    if (this.#phase === "running" && replica !== undefined && !replica.isRemoved) {
      replica.administer(session, request, this.#moment(stamp))
      this.#touched(replica)
      return
    }
    const barrier = this.#phase === "running" ? null : { volume: SYSTEM_VOLUME, lsn: this.#phaseLsn }
    const error = { code: "notLeader", hint: null, term: 0 } as const
    this.#out.push({ type: "adminReply", session, reply: { type: "error", id: request.id, error }, barrier })
  }

  // ── Disk ─────────────────────────────────────────────────────────────────────────────────────────

  #appendSynced(id: VolumeId, lsn: Lsn, stamp: Stamp): void {
    const volume = this.#volume(id)
    for (const group of volume.synced(lsn)) {
      const replica = this.#replicas.get(group)
      if (replica === undefined || replica.isRemoved) continue
      if (this.#phase === "running") replica.logSynced(this.#moment(stamp))
      if (replica.raft.needsSync(volume.wal.durableLsn)) volume.stillAwaits(group)
      if (this.#phase === "running") this.#touched(replica)
    }
    if (id === SYSTEM_VOLUME && this.#dying.size > 0) this.#destroyBuried()
  }

  #checkpointSynced(id: VolumeId, checkpoint: number, stamp: Stamp): void {
    const volume = this.#volume(id)
    const applied = volume.checkpointSynced(checkpoint)
    for (const replica of this.#sortedReplicas()) {
      if (replica.volume !== volume || replica.isRemoved) continue
      const durable = applied.get(replica.group) ?? 0
      if (replica.raft.isInstalling && durable >= replica.machine.snapshotIndex) {
        replica.snapshotSynced(this.#moment(stamp))
        this.#touched(replica)
      }
      replica.compact(durable)
    }
    volume.wal.release((group) => this.#replicas.get(group)?.raft.log.start.index ?? 0)
  }

  // ── The whole state ──────────────────────────────────────────────────────────────────────────────

  /** Canonical bytes of everything this store remembers but its base. Only between two steps. */
  save(sink: Sink): void {
    sink.uint(this.#incarnation)
    sink.uint(this.#boot)
    sink.u8(PHASES.indexOf(this.#phase))
    sink.uint(this.#phaseLsn)
    this.#guard.save(sink)
    this.#salts.save(sink)
    this.#chance.save(sink)
    sink.uint(this.#volumes.size)
    for (const volume of this.#volumes.values()) {
      sink.uint(this.#unlisted.get(volume.id) ?? 0)
      volume.save(sink)
    }
    sink.uint(this.#replicas.size)
    for (const replica of this.#sortedReplicas()) replica.save(sink)
    writePairs(this.#tombstones, sink)
    writePairs(this.#dying, sink)
    sink.uint(this.#peerBoots.size)
    for (const [store, seen] of [...this.#peerBoots].sort((a, b) => a[0] - b[0])) {
      sink.uint(store)
      sink.uint(seen.incarnation)
      sink.uint(seen.boot)
    }
    sink.uint(this.#dirty.size)
    for (const group of this.#dirty) sink.uint(group)
    const timers = this.#timers.entries()
    sink.uint(timers.length)
    for (const [key, time] of timers) {
      sink.uint(key)
      sink.uint(time)
    }
    sink.bool(this.#wakeRequested !== null)
    sink.uint(this.#wakeRequested ?? 0)
  }

  /** The store that `save` described, over the same bases. */
  static load(config: KernelConfig, bytes: Uint8Array, bases: ReadonlyMap<VolumeId, Base>): Kernel {
    const reader = new ByteReader(bytes)
    const incarnation = reader.uint()
    const boot = reader.uint()
    const phase = PHASES[reader.u8()]!
    const phaseLsn = reader.uint()
    const guard = ClockGuard.load(reader, config.timing.clockBoundUs)
    const salts = Sfc32.load(reader)
    const kernel = new Kernel(config, guard, salts, Sfc32.load(reader))
    kernel.#incarnation = incarnation
    kernel.#boot = boot
    kernel.#phase = phase
    kernel.#phaseLsn = phaseLsn
    for (let left = reader.count(); left > 0; left--) {
      const unlisted = reader.uint()
      const volume = Volume.load(
        reader,
        (id, itsIncarnation) => walPorts(config, itsIncarnation, id, salts),
        (id) => bases.get(id)!,
      )
      if (unlisted !== 0) kernel.#unlisted.set(volume.id, unlisted)
      kernel.#volumes.set(volume.id, volume)
    }
    for (let left = reader.count(); left > 0; left--) {
      kernel.#adopt(Replica.load(reader, config, (id) => kernel.#volumes.get(id)!))
    }
    kernel.#tombstones = readPairs(reader)
    kernel.#dying = readPairs(reader)
    for (let left = reader.count(3); left > 0; left--) {
      kernel.#peerBoots.set(reader.uint(), { incarnation: reader.uint(), boot: reader.uint() })
    }
    for (let left = reader.count(); left > 0; left--) kernel.#dirty.add(reader.uint())
    for (let left = reader.count(2); left > 0; left--) {
      const key = reader.uint()
      kernel.#timers.atLatest(key, reader.uint())
    }
    const isWakeRequested = reader.bool()
    const wake = reader.uint()
    kernel.#wakeRequested = isWakeRequested ? wake : null
    invariant(!reader.failed && reader.remaining === 0, "The saved kernel cannot be read")
    return kernel
  }
}

function describedBy(message: RaftMessage): RangeDescriptor | null {
  return message.type === "appendEntries" || message.type === "installSnapshot" ? message.descriptor : null
}
