import type { KernelError } from "../errors.ts"
import type { GroupId, LogIndex, ReplicaId, StoreId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Support, SupportChange } from "../liveness/support.ts"
import { unreachable } from "../lib/invariant.ts"
import type { Offer } from "../raft/hand-over.ts"
import { isScrubMessage, type RaftMessage, type SnapshotChunk, type SnapshotOffer } from "../raft/message.ts"
import { Raft, type RaftEvent } from "../raft/raft.ts"
import type { RaftEffect, StepContext } from "../raft/state.ts"
import type { Batch } from "../raft/types.ts"
import type { Member } from "../range/descriptor.ts"
import type { AdminRequest, KvRequest } from "../range/request.ts"
import { RangeService } from "../range/service.ts"
import type { ReadPath, ServiceContext } from "../range/service-context.ts"
import { StateMachine } from "../range/state-machine.ts"
import type { SnapshotTraffic } from "../snapshot/traffic.ts"
import type { TxnId, TxnState } from "../txn/protocol.ts"
import type { KernelConfig } from "./config.ts"
import type { Desk } from "./desk.ts"
import type { Effect } from "./effect.ts"
import type { FrameHeader, Stamp } from "./input.ts"
import { isRefounding, refoundedAt } from "./refound.ts"
import { ReplicaScrub } from "./replica-scrub.ts"
import type { Observation } from "./observation.ts"
import { Snapshots } from "./snapshots.ts"
import type { GroupStatus } from "./status.ts"
import { StoreBudget } from "./store-budget.ts"
import type { Volume } from "./volume.ts"

/** One moment, as every replica of the store sees it. */
export type Moment = Stamp & {
  readonly isFenced: boolean
  readonly isDraining: boolean
  /** The support between this store and the others. */
  readonly support: Support
  readonly out: Effect[]
  /** What snapshots of all its replicas share. */
  readonly traffic: SnapshotTraffic
  /** For the gateway of this store. */
  readonly desk: Desk
}

/** A store that distrusts its clock, or whose disk hangs, leads nothing. */
function mayLead(moment: Moment): boolean {
  return !moment.isFenced && moment.support.isAsking
}

/**
 * One replica: a Raft group, the range it replicates and the service before it, joined. What Raft wants
 * persisted goes to the volume's log, what it commits to the state machine, what is applied to the
 * clients that wait for it; in this order, within one step.
 */
export class Replica {
  readonly volume: Volume
  readonly raft: Raft
  readonly machine: StateMachine
  readonly service: RangeService
  readonly snapshots: Snapshots
  readonly scrub: ReplicaScrub
  readonly #config: KernelConfig
  /** It was removed from its group; it only waits for its tombstone to be durable. */
  isRemoved = false
  /** Something gathered that leaves when the turn ends. */
  isDirty = false
  /** Who sent the snapshot whose checkpoint is awaited. */
  #snapshotFrom: Member | null = null
  #budget = new StoreBudget()
  /** What only its leader remembers, for the next one. */
  readonly #memory = (): string => this.service.memory
  /** Where its log, as far as this process has known it, founds the group anew; 0 when it does not. */
  #recoveredAt: LogIndex

  constructor(
    config: KernelConfig,
    volume: Volume,
    raft: Raft,
    machine: StateMachine,
    service?: RangeService,
  ) {
    this.#config = config
    this.volume = volume
    this.raft = raft
    this.machine = machine
    this.scrub = new ReplicaScrub(raft, machine, config)
    this.service = service ?? new RangeService(machine, config.timing, config.limits)
    this.snapshots = new Snapshots(config, volume, raft, machine)
    this.#recoveredAt = raft.log.length === 0 ? 0 : refoundedAt(raft.log.slice(raft.log.firstIndex, Infinity))
  }

  /** What it has in hand counts with what the other replicas of its store have. */
  share(budget: StoreBudget): void {
    this.#budget = budget
    budget.note(this.raft, this.service.size)
  }

  get group(): GroupId {
    return this.raft.group
  }
  get replica(): ReplicaId {
    return this.raft.replica
  }
  /** No other replica votes: nobody could bring back what this one forgets. */
  get isAlone(): boolean {
    const { voters, outgoing } = this.raft.configuration
    return voters.length > 0 && [...voters, ...outgoing].every((member) => member.replica === this.replica)
  }
  get deadline(): number {
    return Math.min(this.raft.deadline, this.service.deadline, this.snapshots.deadline)
  }

  /** Whether it waits for a time; else nothing is done for it until something happens to it. */
  get isAwake(): boolean {
    return this.deadline < Number.MAX_SAFE_INTEGER
  }

  /** What this replica starts from, for people and checkers. */
  introduce(out: Effect[]): void {
    const { group, replica, term, votedFor, log } = this.raft
    const role = this.raft.role === "follower" && this.raft.isLearner ? "learner" : this.raft.role
    const say = (observation: Observation): void => void out.push({ type: "observe", observation })
    say({ type: "roleChanged", group, replica, term, role })
    if (votedFor !== 0) say({ type: "voted", group, replica, term, votedFor })
    const entries = log.length === 0 ? [] : log.slice(log.firstIndex, Infinity)
    const terms = entries.map((entry) => entry.term)
    const digests = entries.map((entry) => entry.digestLow)
    say({ type: "logChanged", group, replica, index: log.firstIndex, terms, digests })
    const { index, configuration } = this.raft.configurationAt(log.lastIndex)
    say({ type: "configurationChanged", group, replica, index, configuration })
    if (this.machine.appliedIndex > 0) this.#sayApplied(out)
    if (this.machine.isDamaged) say({ type: "mark", name: "range.state.openedDamaged" })
    this.#sayRecoverable(out)
  }

  /** Nobody can repair it: what an operator must name to have it go on without what is lost. */
  #sayRecoverable(out: Effect[]): void {
    if (!this.machine.isDamaged || !this.isAlone) return
    const { group, replica, machine, volume } = this
    const { generation } = machine.descriptor
    const order = { group, replica, incarnation: volume.incarnation, generation }
    out.push({ type: "observe", observation: { type: "recoverable", order } })
  }

  #sayApplied(out: Effect[]): void {
    const { machine } = this
    out.push({
      type: "observe",
      observation: {
        type: "applied",
        group: this.group,
        replica: this.replica,
        index: machine.appliedIndex,
        term: machine.appliedTerm,
        digest: 0,
        hashHigh: machine.hashHigh,
        hashLow: machine.hashLow,
      },
    })
  }

  message(message: RaftMessage, from: Member, header: FrameHeader, moment: Moment): void {
    if (isScrubMessage(message)) {
      this.scrub.message(message, from, moment)
      return this.#settle(moment)
    }
    const speaker = { home: header.fromIncarnation, boot: header.fromBoot }
    this.#step({ type: "messageReceived", message, from, speaker }, moment)
  }

  timePassed(moment: Moment): void {
    if (moment.mono >= this.service.deadline) {
      this.service.timePassed(this.#serviceContext(moment))
      this.#putAway(moment)
    }
    if (moment.mono >= this.raft.deadline || (this.raft.isLeader && !mayLead(moment))) {
      this.#step({ type: "timePassed" }, moment)
    } else this.#settle(moment)
  }

  /** The support between this store and another, with which the group has to do, is not what it was. */
  supportChanged(change: SupportChange, moment: Moment): void {
    this.scrub.peersChanged()
    this.#step({ type: "supportChanged", change }, moment)
  }

  logSynced(moment: Moment): void {
    this.#step({ type: "logSynced" }, moment)
  }

  /** The checkpoint that contains an installed snapshot is durable. */
  snapshotSynced(moment: Moment): void {
    const from = this.#snapshotFrom
    this.#snapshotFrom = null
    if (from !== null) this.#step({ type: "snapshotSynced", from }, moment)
  }

  turnEnded(moment: Moment): void {
    this.isDirty = false
    this.#step({ type: "turnEnded" }, moment)
    this.isDirty = false
  }

  request(session: number, request: KvRequest, moment: Moment): void {
    this.service.request(session, request, this.#serviceContext(moment), this.#readPath(moment))
    this.#settle(moment)
  }

  /** What the store's gateway has found out for this range; null: nothing. */
  pushed(txn: TxnId, state: TxnState | null, moment: Moment): void {
    this.service.pushed(txn, state)
    this.#settle(moment)
  }

  /** Whether a read that arrives now is served without asking anybody. */
  holdsLease(moment: Moment): boolean {
    // Before an entry of its own term is applied it may not know all that earlier leaders committed.
    const { raft, machine } = this
    return machine.appliedIndex >= raft.termStartIndex && raft.holdsLease(this.#raftContext(moment))
  }

  #readPath(moment: Moment): ReadPath {
    const { raft, machine } = this
    const { leaseUs, clockBoundUs } = this.#config.timing
    const say = (observation: Observation): void => void moment.out.push({ type: "observe", observation })
    return {
      leaseIndex: () => {
        if (!this.holdsLease(moment)) return null
        say({ type: "leaseRead", group: raft.group, replica: raft.replica, term: raft.term })
        return raft.commitIndex
      },
      nextRound: () => {
        this.isDirty = true
        return raft.requestRead()
      },
      closedTs: () => machine.lowWater,
      timelineWall: () => {
        const statement = raft.statement(this.#raftContext(moment))
        if (statement === null || statement.commitIndex > machine.appliedIndex) return null
        const ageUs = moment.wall - statement.wall
        // One from the future shows that the two clocks are further apart than they may be.
        if (ageUs > leaseUs || ageUs < -clockBoundUs) return null
        return statement.wall
      },
    }
  }

  administer(session: number, request: AdminRequest, moment: Moment): void {
    const { error, effects } = this.raft.administer(request.action, this.#raftContext(moment))
    this.isDirty = true
    const { id } = request
    const reply =
      error === null ? ({ type: "accepted", id } as const) : ({ type: "error", id, error } as const)
    moment.out.push({ type: "adminReply", session, reply, barrier: null })
    this.#carryOut(effects, moment)
    this.#settle(moment)
  }

  /** Begins to hand leadership over, after so many tries. */
  offer(tries: number, woken: boolean, moment: Moment): Offer {
    this.isDirty = true
    const { offer, effects } = this.raft.offer(tries, woken, this.#raftContext(moment))
    this.#carryOut(effects, moment)
    this.#settle(moment)
    return offer
  }

  /** The next step on the way to members that all remember. */
  replaceLost(moment: Moment): void {
    this.isDirty = true
    this.#carryOut(this.raft.replaceLost(this.#raftContext(moment)), moment)
    this.#settle(moment)
  }

  /** Who could lead in its place from now on, as far as the group can tell. */
  heirs(moment: Moment): readonly Member[] {
    return this.raft.heirs(this.#raftContext(moment))
  }

  /** Leaves its office to the voter on this store, if that is ready soon. */
  handOver(store: StoreId, moment: Moment): void {
    this.isDirty = true
    const action = { type: "transferLeader", store } as const
    this.#carryOut(this.raft.administer(action, this.#raftContext(moment)).effects, moment)
    this.#settle(moment)
  }

  /** Counts some rows again; gives how many. */
  countRows(limit: number, moment: Moment): number {
    const rows = this.scrub.countRows(limit, moment)
    this.#settle(moment)
    return rows
  }

  /** Compares states with the others of the group. */
  compare(moment: Moment): void {
    this.scrub.compare(moment)
    this.#settle(moment)
  }

  /** Housekeeping: moves the horizon of tokens when it is time to. */
  tidy(moment: Moment): void {
    const { housekeeping } = this.service
    const context = this.#serviceContext(moment)
    this.#log([housekeeping.moveHorizon(context), housekeeping.moveThreshold(context)], moment)
    this.#settle(moment)
  }

  #log(batches: readonly (Batch | null)[], moment: Moment): void {
    for (const batch of batches) if (batch !== null) this.#append(batch, moment)
  }

  #putAway(moment: Moment): void {
    const { housekeeping } = this.service
    const context = this.#serviceContext(moment)
    const tokens = housekeeping.forgetTokens(context)
    this.#log([tokens, housekeeping.collectRecords(context), housekeeping.collectVersions(context)], moment)
  }

  #step(event: RaftEvent, moment: Moment): void {
    this.#carryOut(this.raft.step(event, this.#raftContext(moment)), moment)
    this.#settle(moment)
  }

  #raftContext(moment: Moment): StepContext {
    return {
      mono: moment.mono,
      wall: moment.wall,
      nextLsn: this.volume.wal.nextLsn,
      durableLsn: this.volume.wal.durableLsn,
      fenced: !mayLead(moment),
      draining: moment.isDraining,
      support: moment.support,
      highWater: this.service.highWater,
      memory: this.#memory,
      budget: this.#budget,
      switches: this.#config.switches,
    }
  }

  get #refusal(): KernelError | null {
    const { raft, machine } = this
    if (machine.isDamaged) return { code: this.isAlone ? "corruptSingleReplica" : "recovering" }
    if (machine.isDiverged) return { code: "replicasDiverged" }
    return raft.role === "recovering" ? { code: "recovering" } : null
  }

  #serviceContext(moment: Moment): ServiceContext {
    const { raft } = this
    return {
      mono: moment.mono,
      wall: moment.wall,
      isLeader: raft.isLeader,
      refusal: this.#refusal,
      leaderStore: raft.transfer === null ? raft.storeOf(raft.leader) : raft.storeOf(raft.transfer.target),
      term: raft.term,
      isTransferring: raft.transfer !== null,
      isFenced: moment.isFenced,
      isDiskFull: this.volume.isFull,
      isDiskExhausted: this.volume.wal.exhausted,
      termStartIndex: raft.termStartIndex,
      uncommittedBytes: raft.uncommittedBytes,
      pendingLogBytes: this.volume.wal.pendingBytes,
      requestsBeside: this.#budget.requestsBeside(raft.group),
      switches: this.#config.switches,
    }
  }

  #carryOut(effects: readonly RaftEffect[], moment: Moment): void {
    for (const effect of effects) {
      switch (effect.type) {
        case "persist":
          this.volume.appendFor(this.group, effect.item)
          break
        case "send":
          moment.out.push({
            type: "send",
            to: effect.to.store,
            lane: effect.lane,
            message: effect.message,
            barrier: effect.barrier === 0 ? null : { volume: this.volume.id, lsn: effect.barrier },
          })
          break
        case "sendSnapshot":
          // Whoever may have lost some of it has nothing to give.
          if (this.machine.isDamaged) this.raft.snapshots.givenUp(effect.to.replica)
          else this.snapshots.begin(effect.to, moment)
          break
        case "snapshotOffered":
          this.snapshots.offered(effect.message, effect.from, effect.isStale, moment)
          break
        case "snapshotChunk":
          this.#snapshotChunk(effect.message, effect.from, moment)
          break
        case "snapshotAnswered":
          this.snapshots.answered(effect.message, moment)
          break
        case "installSnapshot":
          this.#installSnapshot(effect.message, effect.from, moment)
          break
        case "readConfirmed":
          this.service.readConfirmed(effect.round, effect.index)
          break
        case "becameLeader":
          this.#lead(effect.highWater, effect.memory, moment)
          break
        case "lostLeadership":
          this.service.lostLeadership(this.#serviceContext(moment))
          break
        case "removed":
          this.isRemoved = true
          break
        case "observe":
          moment.out.push(effect)
          break
        default:
          unreachable(effect)
      }
    }
  }

  /** The first entry of a term says below which timestamp this leader assigns nothing. */
  #lead(highWater: number | null, memory: string | null, moment: Moment): void {
    // A fenced store gives up in the very step in which it won.
    if (!this.raft.isLeader) return
    const lowWater = this.service.becameLeader(highWater, this.#serviceContext(moment), memory)
    const { group, replica } = this
    moment.out.push({
      type: "observe",
      observation: { type: "lowWaterSet", group, replica, timestamp: lowWater },
    })
    const { descriptor, leaseSequence } = this.machine
    this.#append(
      { generation: descriptor.generation, leaseSequence, closedTs: lowWater, minVersion: 1, writes: [] },
      moment,
    )
  }

  #append(batch: Batch, moment: Moment): LogIndex {
    this.isDirty = true
    const effects = this.raft.step(
      { type: "proposed", payload: { type: "batch", batch } },
      this.#raftContext(moment),
    )
    const index = this.raft.lastIndex
    this.#carryOut(effects, moment)
    return index
  }

  /** Applies what is committed and does what has become possible by it. */
  #settle(moment: Moment): void {
    const { raft, machine, service, snapshots } = this
    const mayApply = !raft.isInstalling && !this.isRemoved && !machine.checkDamage()
    if (mayApply && machine.appliedIndex < raft.commitIndex) this.#apply(moment)
    if (raft.isLeader && service.hasWork) {
      const context = this.#serviceContext(moment)
      for (let batch = service.pump(context); batch !== null; batch = service.pump(context)) {
        service.proposed(this.#append(batch, moment))
      }
    }
    snapshots.tidy(moment)
    snapshots.pump(moment)
    if (machine.isDamaged && !raft.isStateDamaged) {
      this.#carryOut(raft.step({ type: "stateDamaged" }, this.#raftContext(moment)), moment)
      this.#sayRecoverable(moment.out)
    }
    this.#budget.note(raft, service.size)
    moment.desk.take(service.drain(), this.group, machine.descriptor, moment.out)
  }

  #apply(moment: Moment): void {
    const { raft, machine, service } = this
    // A follower waits for no entry, and is spared the look around.
    const context = service.hasProposals ? this.#serviceContext(moment) : null
    while (machine.appliedIndex < raft.commitIndex) {
      const entry = raft.log.entryAt(machine.appliedIndex + 1)
      const applied = machine.apply(entry)
      if (applied === null) return
      if (entry.payload.type !== "batch") raft.descriptor = machine.descriptor
      if (isRefounding(entry))
        moment.out.push({ type: "observe", observation: { type: "mark", name: "range.refounded" } })
      moment.out.push({
        type: "observe",
        observation: {
          type: "applied",
          group: raft.group,
          replica: raft.replica,
          index: entry.index,
          term: entry.term,
          digest: entry.digestLow,
          hashHigh: machine.hashHigh,
          hashLow: machine.hashLow,
        },
      })
      this.scrub.applied(moment)
      if (context !== null) service.applied(entry, applied, context)
    }
  }

  #snapshotChunk(message: SnapshotChunk, from: Member, moment: Moment): void {
    const offer = this.snapshots.chunk(message, from, moment)
    if (offer === null) return
    const event = { type: "snapshotReceived", offer, from } as const
    this.#carryOut(this.raft.step(event, this.#raftContext(moment)), moment)
    if (!this.raft.isInstalling) this.snapshots.discard(moment)
  }

  #installSnapshot(message: SnapshotOffer, from: Member, moment: Moment): void {
    this.#snapshotFrom = from
    this.scrub.replacing(message.head.id.index, moment)
    this.snapshots.install(message, moment)
    this.raft.descriptor = this.machine.descriptor
    this.scrub.replaced()
    this.#sayApplied(moment.out)
  }

  /** Forgets the log that a durable checkpoint contains, but for what followers may still ask. */
  compact(durableApplied: LogIndex, moment: Moment): void {
    if (this.machine.isDamaged) return
    const { limits, switches } = this.#config
    const { isFull } = this.volume
    const isPinning = isFull || this.volume.isPinning(this.group, limits.pinnedSegmentsMax)
    // A few entries of a group that writes little would keep all that others wrote since; on a full disk any would.
    if (isPinning && !isFull)
      moment.out.push({ type: "observe", observation: { type: "mark", name: "wal.unpinned" } })
    const spares = isPinning ? 0 : limits.logKeepEntries
    const keep = spares > 0 && switches.on("keepNoEntries") ? 0 : spares
    const wanted = Math.min(durableApplied, this.raft.commitIndex) - keep
    const index = this.snapshots.releasable(wanted, moment)
    if (index <= this.raft.log.start.index || this.raft.isInstalling) return
    const term = this.raft.log.termAt(index)
    if (term === null) return
    this.raft.compact(index)
    this.volume.append({ type: "logStart", group: this.group, index, term })
  }

  status(): GroupStatus {
    const { raft, machine, service } = this
    return {
      group: raft.group,
      replica: raft.replica,
      role: raft.role === "follower" && raft.isLearner ? "learner" : raft.role,
      term: raft.term,
      leader: raft.leader,
      votedFor: raft.votedFor,
      lastIndex: raft.lastIndex,
      durableIndex: raft.log.durableIndex,
      commitIndex: raft.commitIndex,
      appliedIndex: machine.appliedIndex,
      firstIndex: raft.log.firstIndex,
      configuration: raft.configuration,
      descriptor: machine.descriptor,
      hashHigh: machine.hashHigh,
      hashLow: machine.hashLow,
      waitingRequests: service.size,
      sending: raft.sending(),
      recoveredAt: this.#recoveredAt,
      followers: raft.followers(),
      state: machine.isDamaged ? "damaged" : machine.isDiverged ? "diverged" : "whole",
      size: machine.size,
      checkpoint: this.volume.durable,
      scrub: { passes: machine.scrub.passes, mono: this.scrub.passedAt, key: machine.scrub.place.key },
    }
  }

  save(sink: Sink): void {
    sink.uint(this.volume.id)
    this.raft.save(sink)
    this.machine.save(sink)
    this.service.save(sink)
    this.scrub.save(sink)
    sink.bool(this.isRemoved)
    sink.bool(this.isDirty)
    sink.uint(this.#recoveredAt)
    sink.bool(this.#snapshotFrom !== null)
    sink.uint(this.#snapshotFrom?.replica ?? 0)
    sink.uint(this.#snapshotFrom?.store ?? 0)
    sink.uint(this.#snapshotFrom?.incarnation ?? 0)
    this.snapshots.save(sink)
  }

  static load(reader: ByteReader, config: KernelConfig, volumeOf: (id: number) => Volume): Replica {
    const volume = volumeOf(reader.uint())
    const raft = Raft.load(reader, config.timing, config.limits)
    const machine = StateMachine.load(reader, volume.engine, raft.descriptor, raft.replica)
    const service = RangeService.load(reader, machine, config.timing, config.limits)
    const replica = new Replica(config, volume, raft, machine, service)
    replica.scrub.load(reader)
    replica.isRemoved = reader.bool()
    replica.isDirty = reader.bool()
    replica.#recoveredAt = reader.uint()
    const hasSender = reader.bool()
    const from = { replica: reader.uint(), store: reader.uint(), incarnation: reader.uint() }
    replica.#snapshotFrom = hasSender ? from : null
    replica.snapshots.load(reader)
    return replica
  }
}
