import type { LogIndex, ReplicaId, StoreId, Term } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { SupportChange } from "../liveness/support.ts"
import { invariant, unreachable } from "../lib/invariant.ts"
import { Sfc32 } from "../lib/rng.ts"
import type { KernelError } from "../errors.ts"
import type { Limits, Timing } from "../node/config.ts"
import { NO_SWITCHES } from "../node/switches.ts"
import type { Member, RangeDescriptor } from "../range/descriptor.ts"
import type { AdminRequest } from "../range/request.ts"
import {
  countVotes,
  electionTimedOut,
  handleTimeoutNow,
  handleVoteReply,
  handleVoteRequest,
} from "./election.ts"
import { forgetDeparted, tellRemoved } from "./departing.ts"
import { administer, memberAbsent, promote, replaceLost, transferLeadership } from "./change.ts"
import { offerLeadership, type Offer } from "./hand-over.ts"
import {
  endRest,
  handleDeFortify,
  holdsLease,
  isFortified,
  LeaseState,
  mayRest,
  promiseEnded,
  quorumIsActive,
  type Statement,
} from "./lease.ts"
import { RaftLog } from "./log.ts"
import { heirs } from "./heirs.ts"
import { ConfigurationLog, EMPTY_CONFIGURATION } from "./membership.ts"
import { isScrubMessage, type RaftMessage, type SnapshotOffer } from "./message.ts"
import type { Follower } from "./progress.ts"
import { includes, memberOf } from "./quorum.ts"
import { ReadIndexQueue } from "./read-index.ts"
import {
  advanceLeaderCommit,
  appendOwn,
  broadcastAppend,
  broadcastHeartbeat,
  handleAppendEntries,
  handleAppendReply,
  handleHeartbeat,
  handleHeartbeatReply,
  handleStoredReply,
  peers,
  refuseOldLeader,
} from "./replication.ts"
import { isRefused, noteSpeaker } from "./regression.ts"
import { checkRepaired, handleRepairAnswer, handleRepairAsk, type Recovery } from "./repair.ts"
import { becomeFollower, resetElectionDeadline } from "./role.ts"
import { loadHead, loadState, saveState } from "./saved.ts"
import {
  handleSnapshotAnswer,
  handleSnapshotChunk,
  handleSnapshotOffer,
  handleSnapshotReply,
  RaftSnapshots,
  snapshotDurable,
  snapshotReceived,
} from "./snapshot.ts"
import { askDeadlineOf, askForState, knownLeader, stateDamaged } from "./state-damage.ts"
import type { Outbox, Speaker, RaftEffect, RaftState, StepContext, Transfer } from "./state.ts"
import type { Configuration, LogEnd, Payload } from "./types.ts"

const NOTHING_SENT: readonly never[] = []

/** What happens to one replica of a group. */
export type RaftEvent =
  | {
      readonly type: "messageReceived"
      readonly message: RaftMessage
      readonly from: Member
      readonly speaker: Speaker
    }
  /** A deadline asked for by `deadline` has passed, or may have. */
  | { readonly type: "timePassed" }
  /** The log is durable further than before. */
  | { readonly type: "logSynced" }
  /** Leader only: append this. Its index is `lastIndex` afterwards. */
  | { readonly type: "proposed"; readonly payload: Payload }
  /** Everything the host had was handed over: what gathered meanwhile leaves together. */
  | { readonly type: "turnEnded" }
  /** All of a snapshot that was offered is here. */
  | { readonly type: "snapshotReceived"; readonly offer: SnapshotOffer; readonly from: Member }
  /** The checkpoint that contains it is durable. */
  | { readonly type: "snapshotSynced"; readonly from: Member }
  /** The support between this store and one with which the group has to do is not what it was. */
  | { readonly type: "supportChanged"; readonly change: SupportChange }
  /** The state machine found itself damaged. */
  | { readonly type: "stateDamaged" }

/** What a replica starts from: a bootstrap, a recovered log, or nothing. */
export type RaftStart = {
  readonly term: Term
  readonly votedFor: ReplicaId
  readonly log: RaftLog
  readonly commitIndex: LogIndex
  readonly configurationIndex: LogIndex
  readonly configuration: Configuration
  readonly recovery: Recovery | null
}

/**
 * One replica of one group as a pure machine: what happened in, what to do out. The order of effects is
 * the order to carry them out in. Raft (extended version), §5 to §8; Raft thesis, §3 to §6.
 */
export class Raft {
  readonly #state: RaftState
  /** Whom this leader brings up by a snapshot, and what it keeps for them. */
  readonly snapshots: RaftSnapshots
  #out: Outbox = []

  constructor(
    group: number,
    replica: ReplicaId,
    descriptor: RangeDescriptor,
    timing: Timing,
    limits: Limits,
    rng: Sfc32,
    start: RaftStart,
    mono: number,
  ) {
    this.#state = {
      group,
      replica,
      descriptor,
      timing,
      limits,
      rng,
      term: start.term,
      votedFor: start.votedFor,
      hardStateLsn: 0,
      role: start.recovery === null ? "follower" : "recovering",
      leader: 0,
      log: start.log,
      commitIndex: start.commitIndex,
      configurations: new ConfigurationLog(start.configurationIndex, start.configuration),
      peers: [],
      peersOf: null,
      electionDeadline: 0,
      leaderHeardAt: 0,
      preVoting: false,
      transferHighWater: null,
      transferMemory: "",
      transferTerm: 0,
      votes: new Map(),
      progress: new Map(),
      lost: new Map(),
      refused: new Map(),
      vouched: new Map(),
      questions: new Map(),
      departing: [],
      heartbeatDeadline: 0,
      quorumDeadline: 0,
      termStartIndex: 0,
      reads: new ReadIndexQueue(),
      transfer: null,
      promotionDeadline: 0,
      lease: new LeaseState(),
      installing: null,
      wantsSnapshot: false,
      recovery: start.recovery,
      stored: 0,
      storedTerm: 0,
      stateDamaged: false,
      askDeadline: 0,
    }
    const state = this.#state
    this.snapshots = new RaftSnapshots(state)
    const unseen = Math.max(state.log.firstIndex, start.configurationIndex + 1)
    if (unseen <= state.log.lastIndex) state.configurations.appended(state.log.slice(unseen, Infinity))
    resetElectionDeadline(state, { mono, switches: NO_SWITCHES })
  }

  get group(): number {
    return this.#state.group
  }
  get replica(): ReplicaId {
    return this.#state.replica
  }
  get role(): RaftState["role"] {
    return this.#state.role
  }
  get isLeader(): boolean {
    return this.#state.role === "leader"
  }
  get isLearner(): boolean {
    return includes(this.configuration.learners, this.#state.replica)
  }
  get term(): Term {
    return this.#state.term
  }
  get votedFor(): ReplicaId {
    return this.#state.votedFor
  }
  get leader(): ReplicaId {
    return this.#state.leader
  }
  get commitIndex(): LogIndex {
    return this.#state.commitIndex
  }
  get lastIndex(): LogIndex {
    return this.#state.log.lastIndex
  }
  get log(): RaftLog {
    return this.#state.log
  }
  get configuration(): Configuration {
    return this.#state.configurations.current
  }
  get transfer(): Transfer | null {
    return this.#state.transfer
  }
  get isStateDamaged(): boolean {
    return this.#state.stateDamaged
  }
  get isInstalling(): boolean {
    return this.#state.installing !== null
  }
  /** The first entry of this leader's term; it serves nothing before it has applied it. */
  get termStartIndex(): LogIndex {
    return this.#state.termStartIndex
  }
  /** Bytes of log after the last committed entry. */
  get uncommittedBytes(): number {
    return this.#state.log.bytesAfter(this.#state.commitIndex)
  }

  /** Entries on their way from this leader, for each member that has not answered for all of its own. */
  sending(): readonly { readonly store: StoreId; readonly bytes: number }[] {
    const state = this.#state
    if (state.role !== "leader") return NOTHING_SENT
    let sending: { readonly store: StoreId; readonly bytes: number }[] | null = null
    for (const { replica, store } of peers(state)) {
      const bytes = state.progress.get(replica)?.inflightBytes ?? 0
      if (bytes > 0) (sending ??= []).push({ store, bytes })
    }
    return sending ?? NOTHING_SENT
  }

  /** What this leader believes of each other member. */
  followers(): readonly Follower[] {
    const state = this.#state
    if (state.role !== "leader") return NOTHING_SENT
    return peers(state).flatMap(({ replica, store }) => {
      const progress = state.progress.get(replica)
      if (progress === undefined) return []
      const { state: phase, matchIndex, nextIndex, inflightBytes } = progress
      return [{ replica, store, state: phase, matchIndex, nextIndex, inflightBytes }]
    })
  }

  get descriptor(): RangeDescriptor {
    return this.#state.descriptor
  }
  set descriptor(descriptor: RangeDescriptor) {
    this.#state.descriptor = descriptor
  }

  configurationAt(index: LogIndex): { readonly index: LogIndex; readonly configuration: Configuration } {
    return this.#state.configurations.at(index)
  }

  storeOf(replica: ReplicaId): StoreId | null {
    return memberOf(this.configuration, replica)?.store ?? null
  }

  /** When `timePassed` is wanted next. */
  get deadline(): number {
    const state = this.#state
    const { lease } = state
    if (state.role !== "leader") {
      // The support it has promised for is its timeout: whoever watches it says when it ends.
      const isBound = lease.promised !== null && lease.leaderRests && state.leader !== 0
      const campaignsAt = isBound && state.role === "follower" ? NEVER : state.electionDeadline
      return Math.min(campaignsAt, askDeadlineOf(state))
    }
    if (lease.isResting) return NEVER
    let deadline = Math.min(state.heartbeatDeadline, state.quorumDeadline)
    if (state.transfer !== null) deadline = Math.min(deadline, state.transfer.deadline)
    return deadline
  }

  /** The store of the leader that this replica has promised not to depose; 0: none. */
  get promisedTo(): StoreId {
    return this.#state.lease.promised?.store ?? 0
  }

  /** This replica led and gave up, and nobody else is known to lead: what it was promised may still stand. */
  get owesDeFortify(): boolean {
    return this.#state.role === "leader" || this.#state.lease.gaveUp !== 0
  }

  /** Whether this replica may serve a read now, without asking anybody. */
  holdsLease(context: StepContext): boolean {
    return holdsLease(this.#state, context)
  }

  /**
   * What this follower knows of its own age: what a leader with a lease stated last. Null without a promise
   * to a leader that stands, or when nothing was stated.
   */
  statement(context: StepContext): Statement | null {
    return this.#state.role === "follower" && isFortified(this.#state, context)
      ? this.#state.lease.statement
      : null
  }

  /** The round that will serve a read that arrives now. */
  requestRead(): number {
    return this.#state.reads.request()
  }

  step(event: RaftEvent, context: StepContext): readonly RaftEffect[] {
    const state = this.#state
    const out = this.#out
    const commitBefore = state.commitIndex
    switch (event.type) {
      case "messageReceived":
        this.#message(event.message, event.from, event.speaker, context, out)
        break
      case "timePassed":
        this.#timePassed(context, out)
        break
      case "logSynced":
        state.log.synced(context.durableLsn)
        if (state.role === "candidate") countVotes(state, context, out)
        else if (state.role === "leader") advanceLeaderCommit(state, context, out)
        checkRepaired(state, out)
        break
      case "proposed":
        endRest(state, context)
        appendOwn(state, event.payload, context, out)
        break
      case "turnEnded":
        if (state.role !== "leader") break
        if (state.reads.isWanted) endRest(state, context)
        broadcastAppend(state, context, out)
        if (state.reads.isWanted) broadcastHeartbeat(state, context, out)
        break
      case "snapshotReceived":
        snapshotReceived(state, event.offer, event.from, context, out)
        break
      case "snapshotSynced":
        snapshotDurable(state, event.from, context, out)
        checkRepaired(state, out)
        break
      case "supportChanged":
        if (promiseEnded(state, event.change, context, out)) resetElectionDeadline(state, context)
        if (state.lease.isResting && !mayRest(state, context)) endRest(state, context)
        break
      case "stateDamaged":
        stateDamaged(state, context, out)
        break
      default:
        unreachable(event)
    }
    if (state.role === "leader") this.#lead(context, out)
    if (state.commitIndex > commitBefore) this.#checkRemoved(out)
    invariant(state.commitIndex <= state.log.lastIndex, "Commit lies beyond the end of the log")
    this.#out = []
    return out
  }

  /** Asks for a change; null when it is under way, else why not. */
  administer(
    action: AdminRequest["action"],
    context: StepContext,
  ): { readonly error: KernelError | null; readonly effects: readonly RaftEffect[] } {
    const out = this.#out
    const error = administer(this.#state, action, context, out)
    if (error === null) endRest(this.#state, context)
    if (error === null && this.#state.role === "leader") this.#lead(context, out)
    this.#out = []
    return { error, effects: out }
  }

  /** Begins to hand leadership over, after so many tries; a leader that is to be stopped asks so. */
  offer(
    tries: number,
    woken: boolean,
    context: StepContext,
  ): { readonly offer: Offer; readonly effects: readonly RaftEffect[] } {
    const out = this.#out
    const offer = offerLeadership(this.#state, tries, woken, context)
    if (offer === "made") this.#lead(context, out)
    this.#out = []
    return { offer, effects: out }
  }

  /** Members whose store says that it holds nothing of their name. */
  get hasLost(): boolean {
    return this.isLeader && this.#state.lost.size > 0
  }

  /** A learner is on its way to take the place of a lost voter, or of any other. */
  get isPromoting(): boolean {
    return this.isLeader && this.configuration.promoting.length > 0
  }

  /** Voters that may take over from this leader at once, by replica. */
  heirs(context: StepContext): readonly Member[] {
    return heirs(this.#state, context)
  }

  /** The next step on the way to whole membership, if one may be taken now. */
  replaceLost(context: StepContext): readonly RaftEffect[] {
    const out = this.#out
    replaceLost(this.#state, context, out)
    this.#out = []
    return out
  }

  #message(message: RaftMessage, from: Member, speaker: Speaker, context: StepContext, out: Outbox): void {
    const state = this.#state
    invariant(message.group === state.group && message.to === state.replica, "A message for another replica")
    if (isScrubMessage(message)) return
    // Said of a replica, and not by it.
    if (message.type === "absent") return memberAbsent(state, message, from, context, out)
    const known = memberOf(state.configurations.current, message.from)
    // A name with another memory behind it: the disk it was given to is gone.
    if (known !== null && (known.store !== from.store || known.incarnation !== from.incarnation)) {
      out.push({ type: "observe", observation: { type: "mark", name: "raft.membership.otherLife" } })
      return
    }
    if (known !== null && isRefused(state, message)) {
      out.push({ type: "observe", observation: { type: "mark", name: "raft.member.notBelieved" } })
      return
    }
    if (message.type === "voteRequest") {
      if (tellRemoved(state, message.from, from, out)) return
      // Somebody knows no leader.
      if (known !== null) endRest(state, context)
      return handleVoteRequest(state, message, from, context, out)
    }
    if (message.type === "voteReply") return handleVoteReply(state, message, context, out)
    if (message.type === "deFortify") return handleDeFortify(state, message, from, context)
    if (message.type === "removed") {
      out.push({ type: "observe", observation: { type: "mark", name: "raft.membership.toldRemoved" } })
      out.push({ type: "removed" })
      return
    }
    if (message.term < state.term) {
      const fromLeader =
        message.type === "appendEntries" || message.type === "heartbeat" || message.type === "snapshotOffer"
      if (fromLeader) refuseOldLeader(state, message, from, context, out)
      return
    }
    switch (message.type) {
      case "appendEntries":
        handleAppendEntries(state, message, from, context, out)
        return askForState(state, from, context, out)
      case "heartbeat":
        handleHeartbeat(state, message, from, context, out)
        return askForState(state, from, context, out)
      case "snapshotOffer":
        return handleSnapshotOffer(state, message, from, context, out)
      case "snapshotChunk":
        return handleSnapshotChunk(state, message, from, context, out)
      case "timeoutNow":
        return handleTimeoutNow(state, message, context, out)
      case "repairAnswer":
        return handleRepairAnswer(state, message, out)
      default:
        break
    }
    if (message.term > state.term) return becomeFollower(state, message.term, 0, context, out)
    if (state.role !== "leader") return
    noteSpeaker(state, message.from, speaker, out)
    switch (message.type) {
      case "appendReply":
        if (!message.success) endRest(state, context)
        return handleAppendReply(state, message, from, context, out)
      case "heartbeatReply":
        return handleHeartbeatReply(state, message, from, context, out)
      case "snapshotAnswer":
        return handleSnapshotAnswer(state, message, context, out)
      case "snapshotReply":
        return handleSnapshotReply(state, message, from, context, out)
      case "stored":
        return handleStoredReply(state, message, from, context, out)
      case "repairAsk":
        return handleRepairAsk(state, message, out)
      default:
        return unreachable(message)
    }
  }

  #checkRemoved(out: Outbox): void {
    const state = this.#state
    const { configuration } = state.configurations.at(state.commitIndex)
    if (state.replica < configuration.nextReplica && memberOf(configuration, state.replica) === null) {
      out.push({ type: "removed" })
    }
  }

  #timePassed(context: StepContext, out: Outbox): void {
    const state = this.#state
    if (state.role !== "leader") {
      if (context.mono >= state.electionDeadline) electionTimedOut(state, context, out)
      askForState(state, knownLeader(state), context, out)
      return
    }
    if (state.lease.isResting) return
    if (context.mono >= state.quorumDeadline) {
      state.quorumDeadline = context.mono + state.timing.electionUsMax
      if (!quorumIsActive(state, context)) {
        out.push({ type: "observe", observation: { type: "mark", name: "raft.leader.lostQuorum" } })
        becomeFollower(state, state.term, 0, context, out)
        return
      }
    }
    if (context.mono < state.heartbeatDeadline) return
    state.lease.isResting = mayRest(state, context)
    if (state.lease.isResting) {
      out.push({ type: "observe", observation: { type: "mark", name: "raft.leader.rests" } })
    }
    broadcastHeartbeat(state, context, out)
  }

  /** What a leader looks after whatever happened: its clock, a transfer, learners, members that left. */
  #lead(context: StepContext, out: Outbox): void {
    const state = this.#state
    if (context.fenced) {
      out.push({ type: "observe", observation: { type: "mark", name: "raft.leader.fenced" } })
      becomeFollower(state, state.term, 0, context, out)
      return
    }
    if (state.transfer !== null) transferLeadership(state, state.transfer, context, out)
    if (state.role !== "leader") return
    if (state.configurations.current.promoting.length > 0) promote(state, context, out)
    if (state.departing.length > 0) forgetDeparted(state, context)
  }

  /** The log up to `index` is in a durable checkpoint and no follower needs it. */
  compact(index: LogIndex): void {
    const state = this.#state
    invariant(index <= state.commitIndex, "Cannot compact what is not committed")
    state.log.compact(index)
    state.configurations.compacted(index)
  }

  /** At a start: the engine says so. */
  openedDamaged(): void {
    const state = this.#state
    state.stateDamaged = true
    state.wantsSnapshot = true
    state.role = "recovering"
  }

  /** Whether something of this replica is not durable yet. */
  needsSync(durableLsn: number): boolean {
    const { log, hardStateLsn } = this.#state
    return log.durableIndex < log.lastIndex || hardStateLsn > durableLsn
  }

  save(sink: Sink): void {
    saveState(this.#state, sink)
  }

  static load(reader: ByteReader, timing: Timing, limits: Limits): Raft {
    const { group, replica, descriptor } = loadHead(reader)
    const start: RaftStart = {
      term: 0,
      votedFor: 0,
      log: new RaftLog(NO_LOG),
      commitIndex: 0,
      configurationIndex: 0,
      configuration: EMPTY_CONFIGURATION,
      recovery: null,
    }
    const throwaway = new Sfc32(0, 0)
    const raft = new Raft(group, replica, descriptor, timing, limits, throwaway, start, 0)
    loadState(raft.#state, reader)
    return raft
  }
}

/** No time is waited for. */
const NEVER: number = Number.MAX_SAFE_INTEGER
const NO_LOG: LogEnd = { index: 0, term: 0 }
