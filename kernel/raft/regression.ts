import type { ReplicaId } from "../ids.ts"
import type { Member } from "../range/descriptor.ts"
import type { HeartbeatReply, RaftMessage } from "./message.ts"
import type { Progress } from "./progress.ts"
import { memberOf } from "./quorum.ts"
import type { Outbox, Speaker, RaftState, StepContext } from "./state.ts"

/**
 * Members that forgot and do not know: a disk that lied about a sync, an old image of a disk. What such a one says of
 * itself it believes; but a leader remembers what it acknowledged. DESIGN §4, "Identity".
 */

/**
 * Holds what a member says of its log's end against what it acknowledged: to this leader in this term, or of what was
 * committed, in any. Messages overtake each other, so it is judged by the answer to a heartbeat that was sent after the
 * acknowledgement had arrived. True when it went back: then it is believed no more.
 */
export function checkRegression(
  state: RaftState,
  message: HeartbeatReply,
  progress: Progress,
  from: Member,
  context: StepContext,
  out: Outbox,
): boolean {
  // A clock that stands still gives both one time: then nobody knows which came first.
  if (message.sentMono <= progress.provenAt) return false
  const committed = state.vouched.get(message.from) ?? 0
  if (message.lastIndex >= Math.max(progress.proven, committed)) {
    progress.proven = Math.max(progress.proven, progress.matchIndex)
    progress.provenAt = context.mono
    const vouched = Math.min(progress.matchIndex, state.commitIndex)
    if (vouched > committed) state.vouched.set(message.from, vouched)
    return false
  }
  refuse(state, from, progress, out)
  return true
}

function refuse(state: RaftState, from: Member, progress: Progress, out: Outbox): void {
  const { group, replica } = state
  state.refused.set(from.replica, from.incarnation)
  state.lost.set(from.replica, from.incarnation)
  progress.forgot()
  out.push({ type: "observe", observation: { type: "mark", name: "raft.member.refused" } })
  out.push({
    type: "observe",
    observation: { type: "memberRefused", group, replica, member: from.replica, store: from.store },
  })
}

/**
 * A member was started anew. Mostly it has all that it acknowledged, but its disk may be an old image or damaged, and its
 * log end where it did and yet be another: what the leader tells it is committed must not rest on what an earlier process
 * has acknowledged. So it is asked again, by an append where that was.
 */
export function noteSpeaker(state: RaftState, replica: ReplicaId, speaker: Speaker, out: Outbox): void {
  const progress = state.progress.get(replica)
  if (progress === undefined) return
  const { home, boot } = progress
  if (home === speaker.home && boot === speaker.boot) return
  progress.home = speaker.home
  progress.boot = speaker.boot
  if (boot === 0) return
  out.push({ type: "observe", observation: { type: "mark", name: "raft.member.restarted" } })
  progress.restarted()
}

/** What a member that is not believed says counts for nothing; what it is told, and what it leads, is another matter. */
export function isRefused(state: RaftState, message: RaftMessage): boolean {
  if (state.refused.size === 0 || !state.refused.has(message.from)) return false
  switch (message.type) {
    case "voteRequest":
    case "voteReply":
    case "appendReply":
    case "heartbeatReply":
    case "snapshotReply":
    case "stored":
    case "repairAsk":
      return true
    default:
      return false
  }
}

/** A new leader goes on with what it knows from an earlier term, or from the one before it. */
export function missRefused(state: RaftState): void {
  const { configuration } = state.configurations.at(state.commitIndex)
  for (const [replica, incarnation] of state.refused) {
    if (memberOf(state.configurations.current, replica) !== null) state.lost.set(replica, incarnation)
    else if (memberOf(configuration, replica) === null) state.refused.delete(replica)
  }
  for (const replica of state.vouched.keys()) {
    if (memberOf(configuration, replica) === null) state.vouched.delete(replica)
  }
}
