import type { KernelError } from "../errors.ts"
import type { Member } from "../range/descriptor.ts"
import type { AdminRequest } from "../range/request.ts"
import {
  enterJointToPromote,
  onStore,
  voterOn,
  withLearner,
  withoutReplica,
  withoutStore,
} from "./membership.ts"
import type { Absent } from "./message.ts"
import { isJoint, isVoter, memberOf } from "./quorum.ts"
import { appendConfiguration, sendAppends } from "./replication.ts"
import { missRefused } from "./regression.ts"
import { becomeFollower, PROMOTION_ELECTIONS } from "./role.ts"
import type { Outbox, RaftState, StepContext, Transfer } from "./state.ts"

/**
 * Who takes part and who leads, changed by a leader: at an operator's request, when a learner has caught up, and by
 * itself when a member's memory is gone. Raft (extended version), §6; Raft thesis, §3.10 and §4.2.
 */

/** Entries a learner may lag by and still be promoted, and a voter and still take over. */
export const CATCH_UP_ENTRIES = 16

/** One change at a time, and none before this leader has committed an entry of its own term. */
function isBusy(state: RaftState): boolean {
  const { current, currentIndex } = state.configurations
  return isJoint(current) || currentIndex > state.commitIndex || state.termStartIndex > state.commitIndex
}

/** Null when what was asked for is under way, else why not. */
export function administer(
  state: RaftState,
  action: AdminRequest["action"],
  context: StepContext,
  out: Outbox,
): KernelError | null {
  const { current } = state.configurations
  if (state.role !== "leader")
    return { code: "notLeader", hint: memberOf(current, state.leader)?.store ?? null, term: state.term }
  if (action.type === "transferLeader") return askTransfer(state, action.store, context)
  if (isBusy(state) || state.transfer !== null) return { code: "membershipBusy" }
  const there = onStore(current, action.store)
  if (action.type === "removeReplica") {
    if (there === null)
      return { code: "badRequest", reason: `Cannot remove: store ${action.store} holds no replica` }
    if (current.voters.every((member) => member.store === action.store)) {
      return { code: "badRequest", reason: "Cannot remove the last voter" }
    }
    appendConfiguration(state, withoutStore(current, action.store), context, out)
    return null
  }
  if (current.promoting.length > 0) return { code: "membershipBusy" }
  if (there !== null)
    return { code: "badRequest", reason: `Cannot add: store ${action.store} holds a replica` }
  addLearner(state, action, action.type === "addVoter", context, out)
  return null
}

function askTransfer(state: RaftState, store: number, context: StepContext): KernelError | null {
  const { current } = state.configurations
  const target = voterOn(current, store)
  if (target === null || isJoint(current)) {
    return { code: "badRequest", reason: `Cannot transfer leadership: store ${store} holds no voter` }
  }
  if (target.replica === state.replica) return null
  if (state.transfer !== null || state.termStartIndex > state.commitIndex) return { code: "membershipBusy" }
  state.transfer = {
    target: target.replica,
    deadline: context.mono + state.timing.electionUsMax,
    asked: false,
  }
  return null
}

function addLearner(
  state: RaftState,
  place: Pick<Member, "store" | "incarnation">,
  promotes: boolean,
  context: StepContext,
  out: Outbox,
): void {
  state.promotionDeadline = context.mono + PROMOTION_ELECTIONS * state.timing.electionUsMax
  const { current } = state.configurations
  const next = withLearner(current, state.term, place.store, place.incarnation, promotes)
  appendConfiguration(state, next, context, out)
}

export function transferLeadership(
  state: RaftState,
  transfer: Transfer,
  context: StepContext,
  out: Outbox,
): void {
  const target = memberOf(state.configurations.current, transfer.target)
  if (context.mono >= transfer.deadline || target === null) {
    out.push({ type: "observe", observation: { type: "mark", name: "raft.transfer.abandoned" } })
    state.transfer = null
    // The timestamps were given away: this leader may assign none again in its term.
    if (transfer.asked || state.stateDamaged) becomeFollower(state, state.term, 0, context, out)
    return
  }
  const progress = state.progress.get(transfer.target)
  if (transfer.asked || progress === undefined || progress.matchIndex < state.log.lastIndex) return
  transfer.asked = true
  out.push({
    type: "send",
    to: target,
    lane: "raft",
    barrier: 0,
    message: {
      type: "timeoutNow",
      group: state.group,
      from: state.replica,
      to: target.replica,
      term: state.term,
      highWater: context.highWater,
      memory: context.memory(),
    },
  })
}

/** Learners that have caught up become voters through a joint configuration; late ones are given up. */
export function promote(state: RaftState, context: StepContext, out: Outbox): void {
  if (isBusy(state)) return
  const { current } = state.configurations
  const ready = current.promoting.filter((replica) => {
    const progress = state.progress.get(replica)
    return (
      progress !== undefined &&
      progress.state === "replicate" &&
      progress.matchIndex + CATCH_UP_ENTRIES >= state.log.lastIndex
    )
  })
  if (ready.length > 0) {
    out.push({ type: "observe", observation: { type: "mark", name: "raft.membership.promoted" } })
    appendConfiguration(state, enterJointToPromote(current, ready), context, out)
  } else if (context.mono >= state.promotionDeadline) {
    out.push({ type: "observe", observation: { type: "mark", name: "raft.membership.promotionAbandoned" } })
    // Whose place it was to take is missed again when its store says so again.
    state.lost.clear()
    appendConfiguration(state, withoutReplica(current, current.promoting[0]!), context, out)
  }
}

/**
 * A store says that it holds nothing of a member's name. Only learners are made by a message, and what one has
 * acknowledged counts once it votes: so a voter that is not there, and a learner that was and is not, have lost their
 * memory. A heartbeat sent after the last word of the replica itself is the proof: what was answered before it was made
 * cannot come late and be believed.
 */
export function memberAbsent(
  state: RaftState,
  message: Absent,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  if (state.role !== "leader" || message.term !== state.term) return
  const member = memberOf(state.configurations.current, message.from)
  const progress = state.progress.get(message.from)
  if (member === null || progress === undefined || member.store !== from.store) return
  if (message.sentMono < progress.heardAt) return
  const hasAcknowledged = progress.matchIndex > 0 || progress.proven > 0
  const wasMade = isVoter(state.configurations.current, member.replica) || hasAcknowledged
  if (!wasMade && member.incarnation === from.incarnation) {
    progress.known = false
    if (progress.state !== "snapshot") return
    // Nobody takes in what is on its way: it has to be made first.
    progress.becomeProbe(1)
    sendAppends(state, member, context, out)
    return
  }
  if (state.lost.get(member.replica) === from.incarnation) return
  state.lost.set(member.replica, from.incarnation)
  out.push({ type: "observe", observation: { type: "mark", name: "raft.membership.lost" } })
}

/**
 * One step towards a group whose members all remember: a lost learner gives way to a new one, a lost voter is joined by
 * a learner on the same store under a new name, and stays a voter until that one has caught up: the quorum never
 * shrinks. The swap is the promotion of the learner (`enterJointToPromote`), so a new leader goes on where the old one
 * stopped.
 */
export function replaceLost(state: RaftState, context: StepContext, out: Outbox): void {
  missRefused(state)
  for (const [replica] of state.lost) {
    if (memberOf(state.configurations.current, replica) === null) state.lost.delete(replica)
  }
  if (state.role !== "leader" || state.transfer !== null || isBusy(state)) return
  for (const [replica, incarnation] of [...state.lost].sort((a, b) => a[0] - b[0])) {
    const { current } = state.configurations
    const { store } = memberOf(current, replica)!
    if (!isVoter(current, replica)) {
      const promotes = current.promoting.includes(replica)
      const without = withoutReplica(current, replica)
      state.lost.delete(replica)
      state.promotionDeadline = context.mono + PROMOTION_ELECTIONS * state.timing.electionUsMax
      out.push({ type: "observe", observation: { type: "mark", name: "raft.membership.learnerReplaced" } })
      const next = withLearner(without, state.term, store, incarnation, promotes)
      appendConfiguration(state, next, context, out)
      return
    }
    // One is on its way, there or elsewhere.
    if (current.promoting.length > 0) continue
    out.push({ type: "observe", observation: { type: "mark", name: "raft.membership.voterReplaced" } })
    const before = current.learners.filter((member) => member.store === store)
    for (const learner of before) state.lost.delete(learner.replica)
    addLearner(state, { store, incarnation }, true, context, out)
    return
  }
}
