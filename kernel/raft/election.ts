import type { LogIndex, Mono, Term } from "../ids.ts"
import type { Member } from "../range/descriptor.ts"
import { othersLive } from "./hand-over.ts"
import { awaitRival, awaitStagger, mayNotVote, sendDeFortify } from "./lease.ts"
import type { TimeoutNow, VoteReply, VoteRequest } from "./message.ts"
import { hasQuorum, includes, isVoter, members, quorumLost } from "./quorum.ts"
import { becomeFollower, becomeLeader, changeRole, persistHardState, resetElectionDeadline } from "./role.ts"
import type { Outbox, RaftState, StepContext } from "./state.ts"
import type { LogEnd } from "./types.ts"

/**
 * Elections: pre-vote, vote, and the rules by which a fresh leader is left in peace.
 * Raft (extended version), §5.2 and §5.4.1; pre-vote and leader stickiness: Raft thesis, §9.6 and §4.2.3.
 */

/** Whether the leader was heard of so lately that nobody should be made to depose it. */
export function leaderIsFresh(state: RaftState, now: Mono): boolean {
  return state.leader !== 0 && now - state.leaderHeardAt < state.timing.electionUsMin
}

function lastLog(state: RaftState): { readonly index: LogIndex; readonly term: Term } {
  return { index: state.log.lastIndex, term: state.log.lastTerm }
}

/** The silence lasted too long: ask whether an election could be won, without disturbing anyone. */
export function electionTimedOut(state: RaftState, context: StepContext, out: Outbox): void {
  resetElectionDeadline(state, context)
  // It will not campaign, whoever leads: and whoever led, as far as it knows, is the one to ask.
  if (state.stateDamaged) return
  state.leader = 0
  sendDeFortify(state, out)
  if (mayNotVote(state, context)) {
    out.push({ type: "observe", observation: { type: "mark", name: "raft.election.heldBack" } })
    const { forgetfulUntil } = context.support
    if (context.mono < forgetfulUntil) awaitStagger(state, forgetfulUntil)
    // A leader whose store lives is silent without having said so: asked, it speaks, or somebody says what became of
    // it or of this replica. Nobody is elected by that.
    else if (state.recovery === null) requestVotes(state, true, false, out)
    return
  }
  if (state.recovery !== null || state.installing !== null || context.fenced) return
  if (!isVoter(state.configurations.current, state.replica)) {
    // It can win nothing. But whoever was removed, or given a place by an entry that was never committed,
    // hears of it when it asks; else it would wait for ever.
    requestVotes(state, true, false, out)
    return
  }
  if (context.draining && othersLive(state, context)) {
    out.push({ type: "observe", observation: { type: "mark", name: "raft.election.leftToOthers" } })
    return
  }
  out.push({ type: "observe", observation: { type: "mark", name: "raft.election.timedOut" } })
  campaign(state, true, false, context, out)
}

function campaign(
  state: RaftState,
  preVote: boolean,
  transfer: boolean,
  context: StepContext,
  out: Outbox,
): void {
  if (!preVote) {
    state.term++
    state.votedFor = state.replica
    persistHardState(state, context, out)
    const { group, replica, term } = state
    out.push({ type: "observe", observation: { type: "voted", group, replica, term, votedFor: replica } })
  }
  state.preVoting = preVote
  state.votes.clear()
  changeRole(state, "candidate", out)
  if (preVote) state.votes.set(state.replica, true)
  requestVotes(state, preVote, transfer, out)
  countVotes(state, context, out)
}

function requestVotes(state: RaftState, preVote: boolean, transfer: boolean, out: Outbox): void {
  const { index: lastIndex, term: lastTerm } = lastLog(state)
  for (const member of members(state.configurations.current)) {
    if (member.replica === state.replica || includes(state.configurations.current.learners, member.replica))
      continue
    out.push({
      type: "send",
      to: member,
      lane: "raft",
      barrier: preVote ? 0 : state.hardStateLsn,
      message: {
        type: "voteRequest",
        group: state.group,
        from: state.replica,
        to: member.replica,
        term: preVote ? state.term + 1 : state.term,
        preVote,
        transfer,
        lastIndex,
        lastTerm,
      },
    })
  }
}

/** A candidate leads when a quorum says so; its own vote counts once it is durable, like any other. */
export function countVotes(state: RaftState, context: StepContext, out: Outbox): void {
  if (state.role !== "candidate") return
  const configuration = state.configurations.current
  if (!state.preVoting && state.hardStateLsn <= context.durableLsn) state.votes.set(state.replica, true)
  if (hasQuorum(configuration, (replica) => state.votes.get(replica) === true)) {
    if (state.preVoting) campaign(state, false, false, context, out)
    // A quorum without oneself does not make a leader either: its term must be durable first.
    else if (state.hardStateLsn <= context.durableLsn) {
      changeRole(state, "leader", out)
      becomeLeader(state, context, out)
    }
  } else if (quorumLost(configuration, (replica) => state.votes.get(replica) === false)) {
    out.push({ type: "observe", observation: { type: "mark", name: "raft.election.lost" } })
    becomeFollower(state, state.term, 0, context, out)
  }
}

/**
 * Answers whatever this replica believes of its own membership: the others may know better.
 * `from` is where the candidate says it lives.
 */
export function handleVoteRequest(
  state: RaftState,
  request: VoteRequest,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  const fresh = leaderIsFresh(state, context.mono) || state.role === "leader"
  // Whoever was asked to take over says so: the leader that asked has given up its lease, and with it fell all
  // that rested on earlier ones.
  const isBound = !request.transfer && mayNotVote(state, context)
  if (isBound || (fresh && !request.transfer && request.term > state.term)) {
    const name = isBound ? "raft.vote.bound" : "raft.vote.leaderFresh"
    out.push({ type: "observe", observation: { type: "mark", name } })
    // Answered, not ignored, so that a candidate cut off in one direction learns to wait; the term stays.
    if (request.preVote || request.term <= state.term) reply(state, request, from, false, context, out)
    return
  }
  if (!request.preVote && request.term > state.term) becomeFollower(state, request.term, 0, context, out)
  const end = { index: request.lastIndex, term: request.lastTerm }
  const upToDate = state.log.isUpToDate(end) && !isBehind(end, state.recovery?.end ?? null)
  const mayVote = state.recovery === null || state.recovery.identified
  if (request.preVote) {
    reply(state, request, from, request.term > state.term && upToDate && mayVote, context, out)
    return
  }
  const free = state.votedFor === 0 || state.votedFor === request.from
  const granted = request.term === state.term && free && upToDate && mayVote && state.role !== "leader"
  if (granted && state.votedFor === 0) {
    state.votedFor = request.from
    // Appended before it is answered: a vote lost in a crash could be given twice in one term.
    persistHardState(state, context, out)
    resetElectionDeadline(state, context)
    const { group, replica, term } = state
    out.push({
      type: "observe",
      observation: { type: "voted", group, replica, term, votedFor: request.from },
    })
  }
  reply(state, request, from, granted, context, out)
}

/** A damaged replica votes as the log it had. */
function isBehind(end: LogEnd, known: LogEnd | null): boolean {
  return known !== null && (end.term < known.term || (end.term === known.term && end.index < known.index))
}

function reply(
  state: RaftState,
  request: VoteRequest,
  to: Member,
  granted: boolean,
  context: StepContext,
  out: Outbox,
): void {
  out.push({
    type: "send",
    to,
    lane: "raft",
    barrier: state.hardStateLsn > context.durableLsn ? state.hardStateLsn : 0,
    message: {
      type: "voteReply",
      group: state.group,
      from: state.replica,
      to: request.from,
      // A granted pre-vote speaks of the term it was asked about, a refusal of the one it knows.
      term: request.preVote && granted ? request.term : state.term,
      preVote: request.preVote,
      granted,
    },
  })
}

export function handleVoteReply(
  state: RaftState,
  message: VoteReply,
  context: StepContext,
  out: Outbox,
): void {
  if (message.term > state.term && !(message.preVote && message.granted)) {
    becomeFollower(state, message.term, 0, context, out)
    return
  }
  if (state.role !== "candidate" || message.preVote !== state.preVoting) return
  const asked = state.preVoting ? state.term + 1 : state.term
  if (message.granted && message.term !== asked) return
  if (!message.granted && message.term < state.term) return
  if (!message.granted) awaitRival(state, context.mono)
  if (!state.votes.has(message.from)) state.votes.set(message.from, message.granted)
  countVotes(state, context, out)
}

/** The leader asks this replica to take over: no pre-vote, and the others need not wait for silence. */
export function handleTimeoutNow(
  state: RaftState,
  message: TimeoutNow,
  context: StepContext,
  out: Outbox,
): void {
  if (message.term !== state.term || state.role !== "follower") return
  if (state.installing !== null || context.fenced || !isVoter(state.configurations.current, state.replica))
    return
  out.push({ type: "observe", observation: { type: "mark", name: "raft.transfer.campaign" } })
  state.lease.promised = null
  state.transferHighWater = message.highWater
  state.transferMemory = message.memory
  state.transferTerm = state.term + 1
  resetElectionDeadline(state, context)
  campaign(state, false, true, context, out)
}
