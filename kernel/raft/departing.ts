import type { ReplicaId } from "../ids.ts"
import type { Member } from "../range/descriptor.ts"
import { isGone } from "./membership.ts"
import type { Progress } from "./progress.ts"
import { memberOf } from "./quorum.ts"
import type { Outbox, RaftState, StepContext } from "./state.ts"

/**
 * Members that leave. Each is sent to, and counted for nothing, until it has been told that it was removed: that is all
 * it lacks. No snapshot is brought to one, which would hold the log and a place in the store's traffic for rows that go
 * with their replica, or for a replica that is there no more.
 */

/** The configuration in force names it no more. What is on its way to it of a snapshot is for nobody. */
export function depart(state: RaftState, member: Member): void {
  const progress = state.progress.get(member.replica)
  if (progress?.state === "snapshot") progress.becomeProbe(progress.matchIndex + 1)
  state.departing.push(member)
}

/** The entry that removed it, or what comes before that, has left the log: it is told in so many words, once that is committed. */
export function sayDeparted(
  state: RaftState,
  to: Member,
  progress: Progress,
  context: StepContext,
  out: Outbox,
): void {
  progress.becomeProbe(progress.nextIndex)
  progress.probeSent = true
  progress.waitingSince = context.mono
  if (!tellRemoved(state, to.replica, to, out)) return
  out.push({ type: "observe", observation: { type: "mark", name: "raft.membership.toldBehindLog" } })
}

/** A replica that a committed configuration no longer names would campaign for ever: it is told. */
export function tellRemoved(state: RaftState, replica: ReplicaId, to: Member, out: Outbox): boolean {
  const { configuration } = state.configurations.at(state.commitIndex)
  if (!isGone(configuration, state.log.termAt(state.commitIndex) ?? 0, replica)) return false
  if (memberOf(state.configurations.current, replica) !== null) return false
  out.push({
    type: "send",
    to,
    lane: "raft",
    barrier: 0,
    message: { type: "removed", group: state.group, from: state.replica, to: replica, term: state.term },
  })
  return true
}

/** Whoever was told of the commit, or has been silent for long, is sent to no more. */
export function forgetDeparted(state: RaftState, context: StepContext): void {
  const silentSince = context.mono - 2 * state.timing.electionUsMax
  state.departing = state.departing.filter((member) => {
    const progress = state.progress.get(member.replica)
    const stays =
      progress !== undefined &&
      progress.heardAt > silentSince &&
      progress.toldCommit < state.configurations.currentIndex
    if (!stays) state.progress.delete(member.replica)
    return stays
  })
}
