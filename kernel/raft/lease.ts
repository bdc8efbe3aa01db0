import type { LogIndex, Mono, ReplicaId, StoreId, Term, Wall } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { SupportChange, SupportName } from "../liveness/support.ts"
import { below } from "../lib/rng.ts"
import type { Member } from "../range/descriptor.ts"
import type { DeFortify, Heartbeat, HeartbeatReply } from "./message.ts"
import { hasQuorum, isJoint, memberOf, members } from "./quorum.ts"
import type { Outbox, RaftState, StepContext } from "./state.ts"

/**
 * Leases that rest on the support between stores. A member that supports its leader's store promises not
 * to depose the leader while that support stands (it is *fortified*); a leader fortified by a quorum serves
 * reads alone, and says nothing while there is nothing to say. Renewing the support of two stores renews
 * every lease between them, without a message of any group.
 *
 * The idea of store liveness and fortified leaders is CockroachDB's ("Leader leases", 2024); that leases
 * must be counted from the request: Gray and Cheriton, "Leases" (1989).
 */

/** What a follower has promised: not to depose the leader of `term`, who lives on `store`, in this epoch. */
export type Promised = { readonly term: Term; readonly store: StoreId; readonly epoch: number }

/** What a leader was told by a member in its term. */
export type Fortifier = SupportName & { readonly commitIndex: LogIndex }

/** What a leader with a lease said last: everything acknowledged before `wall`, by its clock, is committed by `commitIndex`. */
export type Statement = { readonly wall: Wall; readonly commitIndex: LogIndex }

/** All that a group remembers of leases. */
export class LeaseState {
  /** Follower: null when it is free to vote. */
  promised: Promised | null = null
  /** Leaders up to this term have said that they claim nothing any more. */
  freedOf: Term = 0
  statement: Statement | null = null
  /** Follower: the leader it has promised itself to said that it will be silent. */
  leaderRests = false
  /** Leader: who is fortified in its term. */
  readonly fortifiers: Map<ReplicaId, Fortifier> = new Map()
  /** Leader: nothing is sent, no time is waited for. */
  isResting = false
  /** It led this term and gave up; whoever promised it something is told until a newer leader is known. 0: none. */
  gaveUp: Term = 0

  save(sink: Sink): void {
    sink.bool(this.promised !== null)
    sink.uint(this.promised?.term ?? 0)
    sink.uint(this.promised?.store ?? 0)
    sink.uint(this.promised?.epoch ?? 0)
    sink.uint(this.freedOf)
    sink.bool(this.statement !== null)
    sink.uint(this.statement?.wall ?? 0)
    sink.uint(this.statement?.commitIndex ?? 0)
    sink.bool(this.leaderRests)
    sink.uint(this.fortifiers.size)
    for (const [replica, fortifier] of [...this.fortifiers].sort((a, b) => a[0] - b[0])) {
      sink.uint(replica)
      sink.uint(fortifier.incarnation)
      sink.uint(fortifier.boot)
      sink.uint(fortifier.epoch)
      sink.uint(fortifier.commitIndex)
    }
    sink.bool(this.isResting)
    sink.uint(this.gaveUp)
  }

  static load(reader: ByteReader): LeaseState {
    const lease = new LeaseState()
    const isPromised = reader.bool()
    const promised = { term: reader.uint(), store: reader.uint(), epoch: reader.uint() }
    lease.promised = isPromised ? promised : null
    lease.freedOf = reader.uint()
    const isStated = reader.bool()
    const statement = { wall: reader.uint(), commitIndex: reader.uint() }
    lease.statement = isStated ? statement : null
    lease.leaderRests = reader.bool()
    for (let left = reader.count(5); left > 0; left--) {
      lease.fortifiers.set(reader.uint(), {
        incarnation: reader.uint(),
        boot: reader.uint(),
        epoch: reader.uint(),
        commitIndex: reader.uint(),
      })
    }
    lease.isResting = reader.bool()
    lease.gaveUp = reader.uint()
    return lease
  }
}

// ── Follower ───────────────────────────────────────────────────────────────────────────────────────

/** Whether a promise to a leader stands: it grants no vote, its own included, and raises no term for one. */
export function isFortified(state: RaftState, context: StepContext): boolean {
  const { promised } = state.lease
  if (promised === null) return false
  return context.support.givenTo(promised.store, context.mono) === promised.epoch
}

/** The same for one that may have forgotten what it promised before it was started again. */
export function mayNotVote(state: RaftState, context: StepContext): boolean {
  return context.mono < context.support.forgetfulUntil || isFortified(state, context)
}

/** Its leader has spoken. Gives the epoch in which it is fortified from now on, or 0. */
export function fortify(state: RaftState, message: Heartbeat, from: Member, context: StepContext): number {
  const { lease } = state
  // A word that was under way while its speaker gave up binds nobody again.
  if (message.term <= lease.freedOf) return 0
  const epoch = context.support.givenIn(from.store, message.life, context.mono)
  if (epoch === 0) return 0
  const { promised } = lease
  if (
    promised === null ||
    promised.term !== message.term ||
    promised.epoch !== epoch ||
    promised.store !== from.store
  )
    lease.promised = { term: message.term, store: from.store, epoch }
  return epoch
}

/** What its leader says of itself, and with a lease of the state of the group. */
export function hearStatement(state: RaftState, message: Heartbeat): void {
  const { lease } = state
  lease.leaderRests = message.rests
  if (message.statedWall > (lease.statement?.wall ?? 0))
    lease.statement = { wall: message.statedWall, commitIndex: message.statedCommit }
}

/** The support was the silence to wait for: what is left is that not all begin at once. */
export function awaitStagger(state: RaftState, mono: Mono): void {
  state.electionDeadline = mono + below(state.rng, state.timing.staggerUs)
}

/**
 * A candidate was refused by one that lives: it has a rival, or came before somebody's promise had ended. Whoever wins
 * speaks at once, so the next attempt need not wait for a silence; its draws lie further apart than those of the stagger
 * that did not keep them apart.
 */
export function awaitRival(state: RaftState, mono: Mono): void {
  const { staggerUs } = state.timing
  const again = mono + staggerUs + below(state.rng, 2 * staggerUs)
  state.electionDeadline = Math.min(state.electionDeadline, again)
}

/** The leader it follows has given up its office, and with it every lease. */
export function handleDeFortify(
  state: RaftState,
  message: DeFortify,
  from: Member,
  context: StepContext,
): void {
  const { lease } = state
  const { promised } = lease
  lease.freedOf = Math.max(lease.freedOf, message.term)
  const isOurs = promised !== null && promised.store === from.store && promised.term <= message.term
  if (isOurs) lease.promised = null
  const wasLeader = state.leader === message.from && state.term === message.term
  if ((!isOurs && !wasLeader) || state.role !== "follower" || state.term > message.term) return
  state.leader = 0
  awaitStagger(state, context.mono)
}

/**
 * Support for the store of its leader is not what it was. True when the leader lives but is owed nothing any
 * more, so that there is a silence to wait for again.
 */
export function promiseEnded(
  state: RaftState,
  change: SupportChange,
  context: StepContext,
  out: Outbox,
): boolean {
  const { promised } = state.lease
  if (promised === null || promised.store !== change.store || isFortified(state, context)) return false
  state.lease.promised = null
  if (state.role !== "follower") return false
  if (change.type === "givenRenewed") return true
  out.push({ type: "observe", observation: { type: "mark", name: "raft.lease.promiseEnded" } })
  state.leader = 0
  awaitStagger(state, context.mono)
  return false
}

// ── Leader ─────────────────────────────────────────────────────────────────────────────────────────

/** Whether this member's promise to this leader stands for certain. */
export function isFortifiedBy(state: RaftState, replica: ReplicaId, context: StepContext): boolean {
  const fortifier = state.lease.fortifiers.get(replica)
  if (fortifier === undefined) return false
  const member = memberOf(state.configurations.current, replica)
  if (member === null) return false
  const had = context.support.hadFrom(member.store, context.mono, context.wall)
  return had !== null && isSame(had, fortifier) && had.epoch === fortifier.epoch
}

/** Answers pass each other: an epoch that has ended does not come back. */
export function noteFortifier(state: RaftState, message: HeartbeatReply): void {
  const { from, home: incarnation, boot, epoch } = message
  if (epoch === 0) return
  const known = state.lease.fortifiers.get(from)
  const isSameBoot = known !== undefined && isSame(known, { incarnation, boot })
  if (isSameBoot && epoch < known.epoch) return
  if (known !== undefined && known.incarnation === incarnation && boot < known.boot) return
  // What a boot has committed it knows as long as it lives.
  const commitIndex = isSameBoot ? Math.max(known.commitIndex, message.commitIndex) : message.commitIndex
  state.lease.fortifiers.set(from, { incarnation, boot, epoch, commitIndex })
}

function isSame(
  a: Pick<SupportName, "incarnation" | "boot">,
  b: Pick<SupportName, "incarnation" | "boot">,
): boolean {
  return a.incarnation === b.incarnation && a.boot === b.boot
}

/** Whether nobody else can lead this group now. A transfer that was asked for has given that away. */
export function holdsLease(state: RaftState, context: StepContext): boolean {
  if (state.role !== "leader" || context.fenced || !context.support.isAsking) return false
  if (state.transfer !== null && state.transfer.asked) return false
  return hasQuorum(
    state.configurations.current,
    (replica) => replica === state.replica || isFortifiedBy(state, replica, context),
  )
}

/**
 * Whether there is nothing to do until something happens: everyone who can be reached has everything, knows
 * that it is committed and will not campaign. Who cannot be reached is looked after when that changes.
 */
export function mayRest(state: RaftState, context: StepContext): boolean {
  const { current } = state.configurations
  const { lastIndex } = state.log
  if (state.commitIndex !== lastIndex || state.log.durableIndex !== lastIndex) return false
  if (state.termStartIndex > state.commitIndex || isJoint(current) || current.promoting.length > 0)
    return false
  if (state.transfer !== null || state.departing.length > 0 || state.reads.isWaiting) return false
  if (state.lost.size > 0 || state.questions.size > 0) return false
  if (!holdsLease(state, context)) return false
  for (const { replica, store } of members(current)) {
    if (replica === state.replica) continue
    const progress = state.progress.get(replica)
    // It is being brought up, within a bounded time, and the log is held for it.
    if (progress?.state === "snapshot") return false
    if (context.support.hadFrom(store, context.mono, context.wall) === null) continue
    const fortifier = state.lease.fortifiers.get(replica)
    if (progress === undefined || fortifier === undefined || progress.state !== "replicate") return false
    if (progress.matchIndex < lastIndex || fortifier.commitIndex < lastIndex) return false
    if (!isFortifiedBy(state, replica, context)) return false
  }
  return true
}

/** Whether a quorum has been heard of lately, or stands by its promise without a word; a leader without one steps down (check-quorum). */
export function quorumIsActive(state: RaftState, context: StepContext): boolean {
  const since = context.mono - state.timing.electionUsMax
  return hasQuorum(state.configurations.current, (replica) => {
    if (replica === state.replica) return true
    const progress = state.progress.get(replica)
    return (progress !== undefined && progress.heardAt >= since) || isFortifiedBy(state, replica, context)
  })
}

/** There is something to say again. */
export function endRest(state: RaftState, context: StepContext): void {
  const { lease } = state
  if (!lease.isResting) return
  lease.isResting = false
  state.heartbeatDeadline = context.mono
  state.quorumDeadline = context.mono + state.timing.electionUsMax
}

/** Tells all that the leader of `gaveUp` claims nothing any more. */
export function sendDeFortify(state: RaftState, out: Outbox): void {
  const term = state.lease.gaveUp
  if (term === 0) return
  for (const to of members(state.configurations.current)) {
    if (to.replica === state.replica) continue
    out.push({
      type: "send",
      to,
      lane: "raft",
      barrier: 0,
      message: { type: "deFortify", group: state.group, from: state.replica, to: to.replica, term },
    })
  }
}
