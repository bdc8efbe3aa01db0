import type { Member } from "../range/descriptor.ts"
import type { InstallSnapshot, SnapshotReply } from "./message.ts"
import { storedUpTo } from "./repair.ts"
import { sendAppends } from "./replication.ts"
import { becomeFollower, resetElectionDeadline } from "./role.ts"
import type { Outbox, RaftState, StepContext } from "./state.ts"

/** The whole state in place of a log that is gone. Raft (extended version), §7. */

export function handleInstallSnapshot(
  state: RaftState,
  message: InstallSnapshot,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  if (message.term > state.term || state.role === "candidate" || state.leader !== message.from) {
    becomeFollower(state, message.term, message.from, context, out)
  } else resetElectionDeadline(state, context)
  state.leaderHeardAt = context.mono
  if (state.installing !== null) return
  if (message.lastIndex <= state.commitIndex) {
    // Everything in it is here already: what this replica has committed answers for it.
    replySnapshot(state, message, from, context, out)
    return
  }
  if (
    state.log.termAt(message.lastIndex) === message.lastTerm &&
    state.log.durableIndex >= message.lastIndex
  ) {
    // The log reaches as far and agrees there, so it holds all the snapshot holds (log matching).
    out.push({ type: "observe", observation: { type: "mark", name: "raft.snapshot.logAgrees" } })
    state.commitIndex = message.lastIndex
    const { group, replica, term } = state
    out.push({
      type: "observe",
      observation: { type: "committed", group, replica, term, index: message.lastIndex },
    })
    replySnapshot(state, message, from, context, out)
    return
  }
  out.push({ type: "observe", observation: { type: "mark", name: "raft.snapshot.installed" } })
  state.installing = message
  out.push({ type: "installSnapshot", message })
}

/**
 * The state machine holds the snapshot and its checkpoint is durable. Only now does the log go and the
 * acknowledgement leave: a crash before this point finds the old state and the old log.
 */
export function snapshotDurable(state: RaftState, from: Member, context: StepContext, out: Outbox): void {
  const message = state.installing
  if (message === null) return
  state.installing = null
  const start = { index: message.lastIndex, term: message.lastTerm }
  if (state.log.termAt(start.index) === start.term) state.log.compact(start.index)
  else state.log.reset(start)
  state.configurations.reset(message.configurationIndex, message.configuration)
  // What the log still holds after the snapshot is in force from its append, as ever.
  if (state.log.length > 0) state.configurations.appended(state.log.slice(state.log.firstIndex, Infinity))
  state.commitIndex = Math.max(state.commitIndex, start.index)
  const { group, replica } = state
  out.push({ type: "persist", item: { type: "logStart", group, index: start.index, term: start.term } })
  out.push({
    type: "observe",
    observation: { type: "snapshotInstalled", group, replica, index: start.index, term: start.term },
  })
  out.push({
    type: "observe",
    observation: {
      type: "configurationChanged",
      group,
      replica,
      index: state.configurations.currentIndex,
      configuration: state.configurations.current,
    },
  })
  storedUpTo(state, start.index, out)
  replySnapshot(state, message, from, context, out)
}

function replySnapshot(
  state: RaftState,
  message: InstallSnapshot,
  to: Member,
  context: StepContext,
  out: Outbox,
): void {
  // Where the log answers for the snapshot, it must be durable as far as that.
  const lsn = Math.max(state.hardStateLsn, state.log.lsnAt(Math.min(message.lastIndex, state.log.lastIndex)))
  out.push({
    type: "send",
    to,
    lane: "raft",
    barrier: lsn > context.durableLsn ? lsn : 0,
    message: {
      type: "snapshotReply",
      group: state.group,
      from: state.replica,
      to: message.from,
      term: state.term,
      lastIndex: message.lastIndex,
      success: true,
    },
  })
}

export function handleSnapshotReply(
  state: RaftState,
  message: SnapshotReply,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  const progress = state.progress.get(message.from)
  if (progress === undefined) return
  progress.heardAt = context.mono
  progress.known = true
  if (progress.state !== "snapshot") return
  if (message.success) progress.acknowledged(message.lastIndex)
  progress.becomeProbe(progress.matchIndex + 1)
  sendAppends(state, from, context, out)
}
