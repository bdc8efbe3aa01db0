import type { LogIndex, Lsn, ReplicaId } from "../ids.ts"
import { invariant } from "../lib/invariant.ts"
import type { Member } from "../range/descriptor.ts"
import { depart, sayDeparted } from "./departing.ts"
import { becomeFollower, resetElectionDeadline } from "./role.ts"
import { fortify, hearStatement, holdsLease, noteFortifier } from "./lease.ts"
import { leaveJoint } from "./membership.ts"
import type { AppendEntries, AppendReply, Heartbeat, HeartbeatReply, RaftMessage, Stored } from "./message.ts"
import { Progress } from "./progress.ts"
import { includes, isJoint, isVoter, memberOf, members, quorumIndex } from "./quorum.ts"
import { checkRegression } from "./regression.ts"
import {
  askRepair,
  confirmRepairs,
  handleStored,
  mayAcknowledge,
  sayStored,
  storedIndex,
  storedUpTo,
} from "./repair.ts"
import type { Outbox, RaftState, StepContext } from "./state.ts"
import { makeEntry, type Configuration, type Entry, type LogEnd, type Payload } from "./types.ts"

/**
 * The log from leader to followers: append, acknowledge, commit. Raft (extended version), §5.3 and §5.4;
 * pipelining within a window: Raft thesis, §10.2.1.
 */

/** Bytes of entries in an append when the follower's log is not known to match, or its store has much to do. */
const PROBE_BYTES_MAX = 16 << 10

/** Appends one entry of the leader's own term. */
export function appendOwn(state: RaftState, payload: Payload, context: StepContext, out: Outbox): Entry {
  invariant(state.role === "leader", "Cannot append: only a leader may")
  const entry = makeEntry(state.log.lastIndex + 1, state.term, payload)
  store(state, [entry], context.nextLsn, out)
  return entry
}

function store(state: RaftState, entries: readonly Entry[], lsn: Lsn, out: Outbox): void {
  const first = entries[0]!.index
  invariant(first > state.commitIndex, "Cannot overwrite a committed entry")
  state.log.append(entries, lsn)
  out.push({ type: "persist", item: { type: "entries", group: state.group, entries } })
  out.push({
    type: "observe",
    observation: {
      type: "logChanged",
      group: state.group,
      replica: state.replica,
      index: first,
      terms: entries.map((entry) => entry.term),
      digests: entries.map((entry) => entry.digestLow),
    },
  })
  if (state.configurations.appended(entries)) configurationChanged(state, out)
}

/** The configuration in force is another one: by an append, or because its entry was cut away. */
function configurationChanged(state: RaftState, out: Outbox): void {
  const { group, replica } = state
  const { current: configuration, currentIndex: index } = state.configurations
  out.push({
    type: "observe",
    observation: { type: "configurationChanged", group, replica, index, configuration },
  })
}

/** Makes the leader's list of peers follow the configuration in force. */
export function reconcilePeers(state: RaftState, before: Configuration, context: StepContext): void {
  const after = state.configurations.current
  for (const member of members(after)) {
    if (member.replica === state.replica || state.progress.has(member.replica)) continue
    // From the entry that names it on: there is something to send, so an idle group creates it too.
    state.progress.set(member.replica, new Progress(member.replica, state.log.lastIndex, context.mono))
  }
  for (const member of members(before)) {
    // It still has to learn that it was removed; until then it is sent to, and counted for nothing.
    if (memberOf(after, member.replica) === null && member.replica !== state.replica) depart(state, member)
  }
}

// ── Leader: sending ────────────────────────────────────────────────────────────────────────────────

export function broadcastAppend(state: RaftState, context: StepContext, out: Outbox): void {
  for (const member of peers(state)) sendAppends(state, member, context, out)
}

/** Members of the configuration in force other than this one, and those that are leaving. */
export function peers(state: RaftState): readonly Member[] {
  const configuration = state.configurations.current
  if (state.peersOf !== configuration) {
    state.peersOf = configuration
    state.peers = members(configuration).filter((member) => member.replica !== state.replica)
  }
  return state.departing.length === 0 ? state.peers : [...state.peers, ...state.departing]
}

/** As many appends as the window lets through; none when there is nothing new. */
export function sendAppends(state: RaftState, to: Member, context: StepContext, out: Outbox): void {
  const progress = state.progress.get(to.replica)
  if (progress === undefined || progress.state === "snapshot") return
  while (progress.nextIndex <= state.log.lastIndex) {
    if (progress.state === "probe" && progress.probeSent) return
    if (
      progress.state === "replicate" &&
      (progress.inflightMessages >= state.limits.windowMessagesMax ||
        progress.inflightBytes >= state.limits.windowBytesMax ||
        (progress.inflightMessages >= 1 && context.switches.on("windowOfOne")))
    ) {
      out.push({ type: "observe", observation: { type: "mark", name: "raft.window.full" } })
      return
    }
    if (progress.inflightMessages >= 1 && isPaced(state, to, progress, context)) {
      out.push({ type: "observe", observation: { type: "mark", name: "raft.window.storeFull" } })
      return
    }
    if (!sendAppend(state, to, progress, true, context, out)) return
  }
}

/**
 * So much is on its way to this store, from all groups led here, that each sends it one small append at a time: none
 * waits for the others to be answered, and what is in flight stays within a budget.
 */
function isPaced(state: RaftState, to: Member, progress: Progress, context: StepContext): boolean {
  const beside = context.budget.bytesBeside(state.group, to.store)
  return beside + progress.inflightBytes >= state.limits.peerBytesMax
}

/** One append from `nextIndex`; an empty one when `withEntries` is false. False when a snapshot goes instead. */
function sendAppend(
  state: RaftState,
  to: Member,
  progress: Progress,
  withEntries: boolean,
  context: StepContext,
  out: Outbox,
): boolean {
  // A voter has a memory, or had one: it is never made anew under its name.
  const isBirth = !progress.known && includes(state.configurations.current.learners, to.replica)
  // Rows do not make a replica, an append does: one that is not there yet is made first, wherever the log begins by now.
  if (isBirth && progress.nextIndex <= state.log.start.index) progress.becomeProbe(state.log.firstIndex)
  const prevIndex = progress.nextIndex - 1
  const prevTerm = state.log.termAt(prevIndex)
  if (prevTerm === null) {
    startSnapshot(state, to, progress, context, out)
    return false
  }
  const bytesMax =
    progress.state === "probe" || isPaced(state, to, progress, context)
      ? Math.min(PROBE_BYTES_MAX, state.limits.appendBytesMax)
      : state.limits.appendBytesMax
  let entries = withEntries ? state.log.slice(progress.nextIndex, bytesMax) : []
  if (entries.length > 1 && context.switches.on("appendOfOne")) entries = entries.slice(0, 1)
  progress.waitingSince = context.mono
  if (progress.state === "probe") progress.probeSent = true
  else if (entries.length > 0) {
    let bytes = 0
    for (const entry of entries) bytes += entry.length
    progress.sent(entries.at(-1)!.index, bytes)
  }
  progress.toldCommit = Math.max(progress.toldCommit, Math.min(state.commitIndex, prevIndex + entries.length))
  out.push({
    type: "send",
    to,
    lane: "raft",
    barrier: 0,
    message: {
      type: "appendEntries",
      group: state.group,
      from: state.replica,
      to: to.replica,
      term: state.term,
      prevIndex,
      prevTerm,
      leaderCommit: state.commitIndex,
      entries,
      descriptor: isBirth ? state.descriptor : null,
      incarnation: isBirth ? to.incarnation : 0,
    },
  })
  return true
}

/** Nothing but a snapshot helps this follower, if it stays: it gets nothing else until it has taken one in. */
function startSnapshot(
  state: RaftState,
  to: Member,
  progress: Progress,
  context: StepContext,
  out: Outbox,
): void {
  if (memberOf(state.configurations.current, to.replica) === null)
    return sayDeparted(state, to, progress, context, out)
  progress.becomeSnapshot(state.log.start.index, context.mono)
  out.push({ type: "observe", observation: { type: "mark", name: "raft.snapshot.needed" } })
  out.push({ type: "sendSnapshot", to })
}

/** Authority for the followers and one round for all reads that wait. */
export function broadcastHeartbeat(state: RaftState, context: StepContext, out: Outbox): void {
  state.heartbeatDeadline = context.mono + state.timing.heartbeatUs
  // Before it has committed an entry of its own term it may not know all that earlier leaders committed.
  const mayState = state.termStartIndex <= state.commitIndex && holdsLease(state, context)
  const round = state.reads.isWanted ? state.reads.start(state.commitIndex) : state.reads.round
  for (const member of peers(state)) {
    const progress = state.progress.get(member.replica)
    if (progress === undefined) continue
    out.push({
      type: "send",
      to: member,
      lane: "liveness",
      barrier: 0,
      message: {
        type: "heartbeat",
        group: state.group,
        from: state.replica,
        to: member.replica,
        term: state.term,
        // Never beyond what this follower is known to have: its log may differ after that.
        leaderCommit: Math.min(state.commitIndex, progress.matchIndex),
        round,
        sentMono: context.mono,
        statedWall: mayState ? context.wall : 0,
        statedCommit: mayState ? state.commitIndex : 0,
        life: context.support.life,
        rests: state.lease.isResting,
      },
    })
    progress.toldCommit = Math.max(progress.toldCommit, Math.min(state.commitIndex, progress.matchIndex))
    probeAgain(state, member, progress, context, out)
  }
  if (state.reads.isWaiting) confirmReads(state, state.replica, round, out)
}

/**
 * One that has not answered in this term may not know yet that it holds a replica: a heartbeat does not
 * tell it, and the append that would have may be lost.
 */
function probeAgain(
  state: RaftState,
  to: Member,
  progress: Progress,
  context: StepContext,
  out: Outbox,
): void {
  if (progress.known || progress.state !== "probe" || !progress.probeSent) return
  if (context.mono - progress.waitingSince < state.timing.electionUsMin) return
  progress.probeSent = false
  // Also where nothing comes after it: the log may begin behind the entry that named it.
  sendAppend(state, to, progress, progress.nextIndex <= state.log.lastIndex, context, out)
}

function confirmReads(state: RaftState, from: ReplicaId, round: number, out: Outbox): void {
  const confirmed = state.reads.confirm(from, round, state.configurations.current, state.replica)
  if (confirmed !== null) out.push({ type: "readConfirmed", round: confirmed.round, index: confirmed.index })
}

// ── Follower ───────────────────────────────────────────────────────────────────────────────────────

export function handleAppendEntries(
  state: RaftState,
  message: AppendEntries,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  followLeader(state, message, context, out)
  state.lease.leaderRests = false
  if (state.installing !== null) return
  const { prevIndex, prevTerm, entries } = message
  if (prevIndex < state.log.start.index) {
    // What lies before is committed and applied here; the leader's log agrees with it.
    acknowledge(state, message, from, state.log.start.index, context, out)
    return
  }
  if (state.log.termAt(prevIndex) !== prevTerm) {
    out.push({ type: "observe", observation: { type: "mark", name: "raft.append.rejected" } })
    reject(state, message, from, context, out)
    return
  }
  let fresh = 0
  while (fresh < entries.length && state.log.termAt(entries[fresh]!.index) === entries[fresh]!.term) fresh++
  if (fresh < entries.length) {
    if (entries[fresh]!.index <= state.log.lastIndex) {
      out.push({ type: "observe", observation: { type: "mark", name: "raft.append.overwritten" } })
    }
    store(state, entries.slice(fresh), context.nextLsn, out)
  }
  const matchIndex = prevIndex + entries.length
  if (!state.wantsSnapshot) advanceCommit(state, Math.min(message.leaderCommit, matchIndex), out)
  acknowledge(state, message, from, matchIndex, context, out)
}

/** An append or heartbeat of the current term comes from its one leader. */
function followLeader(
  state: RaftState,
  message: AppendEntries | Heartbeat,
  context: StepContext,
  out: Outbox,
): void {
  invariant(state.role !== "leader" || message.term > state.term, "Two leaders in one term")
  if (message.term > state.term || state.role === "candidate" || state.leader !== message.from) {
    becomeFollower(state, message.term, message.from, context, out)
  } else {
    resetElectionDeadline(state, context)
  }
  state.leaderHeardAt = context.mono
}

function acknowledge(
  state: RaftState,
  message: AppendEntries,
  to: Member,
  matchIndex: LogIndex,
  context: StepContext,
  out: Outbox,
): void {
  storedUpTo(state, matchIndex, out)
  if (!mayAcknowledge(state, matchIndex)) return sayStored(state, message, to, out)
  const lsn = Math.max(state.hardStateLsn, state.log.lsnAt(matchIndex))
  out.push({
    type: "send",
    to,
    lane: "raft",
    barrier: lsn > context.durableLsn ? lsn : 0,
    message: {
      type: "appendReply",
      group: state.group,
      from: state.replica,
      to: message.from,
      term: state.term,
      success: true,
      matchIndex,
      rejectedIndex: 0,
      hintIndex: 0,
      hintTerm: 0,
      wantsSnapshot: state.wantsSnapshot,
    },
  })
}

/** Sets the leader back to where the two logs may still agree. */
function reject(
  state: RaftState,
  message: AppendEntries,
  to: Member,
  context: StepContext,
  out: Outbox,
): void {
  const hint = state.log.lastIndexWithTermAtMost(message.prevIndex, message.prevTerm)
  // A leader holds what was acknowledged against a refusal of it.
  sayStored(state, message, to, out)
  refuse(state, message.from, to, message.prevIndex, hint, context, out)
}

/** To a leader of an older term: it steps down when it sees ours. */
export function refuseOldLeader(
  state: RaftState,
  message: RaftMessage,
  to: Member,
  context: StepContext,
  out: Outbox,
): void {
  refuse(state, message.from, to, 0, { index: 0, term: 0 }, context, out)
}

/** A refusal of `rejectedIndex`; 0: of nothing, for the sake of what else it says. */
export function refuse(
  state: RaftState,
  replica: ReplicaId,
  to: Member,
  rejectedIndex: LogIndex,
  hint: LogEnd,
  context: StepContext,
  out: Outbox,
): void {
  out.push({
    type: "send",
    to,
    lane: "raft",
    barrier: state.hardStateLsn > context.durableLsn ? state.hardStateLsn : 0,
    message: {
      type: "appendReply",
      group: state.group,
      from: state.replica,
      to: replica,
      term: state.term,
      success: false,
      matchIndex: 0,
      rejectedIndex,
      hintIndex: hint.index,
      hintTerm: hint.term,
      wantsSnapshot: state.wantsSnapshot,
    },
  })
}

export function handleHeartbeat(
  state: RaftState,
  message: Heartbeat,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  followLeader(state, message, context, out)
  hearStatement(state, message)
  const epoch = fortify(state, message, from, context)
  // A heartbeat vouches for what was acknowledged, maybe before a start; what is in its place now may be another entry.
  if (state.installing === null && !state.wantsSnapshot)
    advanceCommit(state, Math.min(message.leaderCommit, storedIndex(state)), out)
  askRepair(state, message, from, out)
  sayStored(state, message, from, out)
  // It might confirm a leader against whom it voted, or end before what it acknowledged, and not know.
  if (state.recovery !== null) return
  out.push({
    type: "send",
    to: from,
    lane: "liveness",
    barrier: state.hardStateLsn > context.durableLsn ? state.hardStateLsn : 0,
    message: {
      type: "heartbeatReply",
      group: state.group,
      from: state.replica,
      to: message.from,
      term: state.term,
      round: message.round,
      sentMono: message.sentMono,
      lastIndex: state.log.lastIndex,
      commitIndex: state.commitIndex,
      home: context.support.incarnation,
      boot: context.support.boot,
      epoch,
    },
  })
}

// ── Leader: answers ────────────────────────────────────────────────────────────────────────────────

export function handleAppendReply(
  state: RaftState,
  message: AppendReply,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  const progress = state.progress.get(message.from)
  if (progress === undefined) return
  progress.heardAt = context.mono
  progress.known = true
  if (message.success) {
    invariant(message.matchIndex <= state.log.lastIndex, "A follower acknowledges what was never sent")
    const news = progress.acknowledged(message.matchIndex)
    if (progress.state === "probe") progress.becomeReplicate()
    else if (progress.state === "snapshot" && progress.matchIndex >= progress.snapshotIndex)
      progress.becomeProbe(0)
    if (news) advanceLeaderCommit(state, context, out)
  }
  if (message.wantsSnapshot) {
    if (progress.state !== "snapshot") startSnapshot(state, from, progress, context, out)
    return
  }
  if (!message.success) {
    if (message.rejectedIndex === 0 || message.rejectedIndex <= progress.matchIndex) return
    // In `replicate` the follower may reject several appends in flight: one step back answers them all.
    if (progress.state === "probe" && message.rejectedIndex !== progress.nextIndex - 1) return
    if (progress.state === "snapshot") return
    const hint = state.log.lastIndexWithTermAtMost(message.hintIndex, message.hintTerm)
    progress.becomeProbe(Math.min(message.rejectedIndex, hint.index + 1))
  }
  sendAppends(state, from, context, out)
}

export function handleHeartbeatReply(
  state: RaftState,
  message: HeartbeatReply,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  const progress = state.progress.get(message.from)
  if (progress === undefined) return
  if (checkRegression(state, message, progress, from, context, out)) return
  progress.heardAt = context.mono
  noteFortifier(state, message)
  confirmReads(state, message.from, message.round, out)
  confirmRepairs(state, message.from, message.round, out)
  sendAgain(state, message, from, progress, context, out)
}

/** A damaged follower: it is sent what it lacks, as any other. */
export function handleStoredReply(
  state: RaftState,
  message: Stored,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  const progress = state.progress.get(message.from)
  if (progress === undefined) return
  handleStored(state, message, context)
  if (message.sentMono > 0) sendAgain(state, message, from, progress, context, out)
  else sendAppends(state, from, context, out)
}

/** What it answers to a heartbeat shows that something sent before did not arrive. */
export function sendAgain(
  state: RaftState,
  message: HeartbeatReply | Stored,
  from: Member,
  progress: Progress,
  context: StepContext,
  out: Outbox,
): void {
  if (progress.state === "snapshot") return
  // It was told, and does not know that it has what is committed: it has forgotten, and nobody saw it start anew.
  const isUnsure =
    message.type === "heartbeatReply" &&
    message.commitIndex < Math.min(state.commitIndex, progress.matchIndex)
  if (progress.matchIndex >= state.log.lastIndex && progress.known && !isUnsure) return
  // Something was sent, long enough ago, and neither accepted nor refused: it or its answer was lost.
  if (progress.waitingSince + state.timing.heartbeatUs <= message.sentMono) {
    if (progress.state === "replicate" && message.lastIndex + 1 < progress.nextIndex) {
      progress.becomeProbe(message.lastIndex + 1)
    }
    progress.probeSent = false
    sendAppend(
      state,
      from,
      progress,
      progress.state === "probe" && progress.nextIndex <= state.log.lastIndex,
      context,
      out,
    )
  }
  sendAppends(state, from, context, out)
}

/**
 * An entry is committed when a quorum has it durably and it is of this leader's term; all before it
 * are committed with it. §5.4.2: never by counting replicas of an older term's entry.
 */
export function advanceLeaderCommit(state: RaftState, context: StepContext, out: Outbox): void {
  if (state.commitIndex === state.log.lastIndex) return
  const configuration = state.configurations.current
  const index = quorumIndex(configuration, (replica) =>
    replica === state.replica ? state.log.durableIndex : (state.progress.get(replica)?.matchIndex ?? 0),
  )
  if (index <= state.commitIndex || index > state.log.lastIndex) return
  if (state.log.termAt(index) !== state.term) return
  advanceCommit(state, index, out)
  configurationCommitted(state, context, out)
}

function advanceCommit(state: RaftState, index: LogIndex, out: Outbox): void {
  if (index <= state.commitIndex) return
  invariant(index <= state.log.lastIndex, "Cannot commit beyond the end of the log")
  state.commitIndex = index
  const { group, replica, term } = state
  out.push({ type: "observe", observation: { type: "committed", group, replica, term, index } })
}

/** What the leader does next once the configuration in force is committed. */
function configurationCommitted(state: RaftState, context: StepContext, out: Outbox): void {
  const { current, currentIndex } = state.configurations
  if (currentIndex > state.commitIndex) return
  if (isJoint(current)) {
    out.push({ type: "observe", observation: { type: "mark", name: "raft.membership.leftJoint" } })
    appendConfiguration(state, leaveJoint(current), context, out)
  } else if (!isVoter(current, state.replica)) {
    // A leader that is not in the new configuration manages the change and steps down when it holds.
    out.push({ type: "observe", observation: { type: "mark", name: "raft.membership.leaderRemoved" } })
    for (const member of peers(state)) {
      const progress = state.progress.get(member.replica)
      if (progress !== undefined && progress.state === "replicate")
        sendAppend(state, member, progress, false, context, out)
    }
    becomeFollower(state, state.term, 0, context, out)
  }
}

export function appendConfiguration(
  state: RaftState,
  configuration: Configuration,
  context: StepContext,
  out: Outbox,
): void {
  const before = state.configurations.current
  appendOwn(state, { type: "configuration", configuration }, context, out)
  reconcilePeers(state, before, context)
  // The new quorum may be satisfied already by what is durable here.
  advanceLeaderCommit(state, context, out)
}
