import type { LogIndex, Lsn, Mono, ReplicaId } from "../ids.ts"
import type { Member } from "../range/descriptor.ts"
import type { SnapshotAnswer, SnapshotChunk, SnapshotOffer, SnapshotReply } from "./message.ts"
import { storedUpTo } from "./repair.ts"
import { sendAppends } from "./replication.ts"
import { becomeFollower, changeRole, resetElectionDeadline } from "./role.ts"
import type { Outbox, RaftState, StepContext } from "./state.ts"

/**
 * The whole state in place of a log that is gone. Raft (extended version), §7. What is said here is when one
 * is needed, taken in and answered for; how its rows travel lies in `kernel/snapshot`.
 */

/** Longest silences for which a leader keeps the log that follows a snapshot just taken in. */
const HOLD_ELECTIONS = 8

export function handleSnapshotOffer(
  state: RaftState,
  message: SnapshotOffer,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  followSender(state, message, context, out)
  const isStale = state.wantsSnapshot && message.head.id.index < state.commitIndex
  if (state.installing === null && !isStale && answersFor(state, message, from, context, out)) return
  out.push({ type: "snapshotOffered", message, from, isStale })
}

export function handleSnapshotChunk(
  state: RaftState,
  message: SnapshotChunk,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  followSender(state, message, context, out)
  if (state.installing === null) out.push({ type: "snapshotChunk", message, from })
}

function followSender(
  state: RaftState,
  message: SnapshotOffer | SnapshotChunk,
  context: StepContext,
  out: Outbox,
): void {
  if (message.term > state.term || state.role === "candidate" || state.leader !== message.from) {
    becomeFollower(state, message.term, message.from, context, out)
  } else resetElectionDeadline(state, context)
  state.leaderHeardAt = context.mono
}

/** What is here already answers for the snapshot: nothing of it is wanted. */
function answersFor(
  state: RaftState,
  message: SnapshotOffer,
  from: Member,
  context: StepContext,
  out: Outbox,
): boolean {
  // Damaged rows answer for nothing, whatever index they were said to be of.
  if (state.wantsSnapshot) return false
  const { index, term } = message.head.id
  if (index <= state.commitIndex) {
    // Everything in it is here already: what this replica has committed answers for it.
    replySnapshot(state, message, from, context, out)
    return true
  }
  if (state.log.termAt(index) !== term || state.log.durableIndex < index) return false
  // The log reaches as far and agrees there, so it holds all the snapshot holds (log matching).
  out.push({ type: "observe", observation: { type: "mark", name: "raft.snapshot.logAgrees" } })
  state.commitIndex = index
  const { group, replica, term: ownTerm } = state
  out.push({ type: "observe", observation: { type: "committed", group, replica, term: ownTerm, index } })
  replySnapshot(state, message, from, context, out)
  return true
}

/** All of it is here and adds up. It may have been overtaken by the log meanwhile. */
export function snapshotReceived(
  state: RaftState,
  message: SnapshotOffer,
  from: Member,
  context: StepContext,
  out: Outbox,
): void {
  if (state.installing !== null || answersFor(state, message, from, context, out)) return
  // Damaged rows are no reason to go back to before what was committed.
  if (message.head.id.index < state.commitIndex) return
  out.push({ type: "observe", observation: { type: "mark", name: "raft.snapshot.installed" } })
  state.installing = message
  out.push({ type: "installSnapshot", message, from })
}

/**
 * The state machine holds the snapshot and its checkpoint is durable. Only now does the log go and the
 * acknowledgement leave: a crash before this point finds the old state and the old log.
 */
export function snapshotDurable(state: RaftState, from: Member, context: StepContext, out: Outbox): void {
  const message = state.installing
  if (message === null) return
  state.installing = null
  state.wantsSnapshot = false
  const { id, configuration, configurationIndex } = message.head
  const start = { index: id.index, term: id.term }
  if (state.log.termAt(start.index) === start.term) state.log.compact(start.index)
  else state.log.reset(start)
  state.configurations.reset(configurationIndex, configuration)
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
  if (state.stateDamaged) {
    out.push({ type: "observe", observation: { type: "mark", name: "raft.state.repaired" } })
    state.stateDamaged = false
    if (state.role === "recovering" && state.recovery === null) changeRole(state, "follower", out)
  }
  storedUpTo(state, start.index, out)
  replySnapshot(state, message, from, context, out)
}

function replySnapshot(
  state: RaftState,
  message: SnapshotOffer,
  to: Member,
  context: StepContext,
  out: Outbox,
): void {
  // Where the log answers for the snapshot, it must be durable as far as that.
  const { index } = message.head.id
  const lsn = Math.max(state.hardStateLsn, state.log.lsnAt(Math.min(index, state.log.lastIndex)))
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
      lastIndex: index,
      success: true,
    },
  })
}

export function handleSnapshotAnswer(
  state: RaftState,
  message: SnapshotAnswer,
  context: StepContext,
  out: Outbox,
): void {
  const progress = state.progress.get(message.from)
  if (progress === undefined) return
  progress.heardAt = context.mono
  progress.known = true
  if (progress.state === "snapshot") out.push({ type: "snapshotAnswered", message })
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
  if (message.success) {
    progress.acknowledged(message.lastIndex)
    // It has a way to go to the end of the log, and must not find its beginning gone when it gets there.
    const until = context.mono + HOLD_ELECTIONS * state.timing.electionUsMax
    progress.hold(message.lastIndex, until)
  }
  progress.becomeProbe(progress.matchIndex + 1)
  sendAppends(state, from, context, out)
}

/** `carried`: bytes of the snapshot that have arrived, of a state that had `stateBytes` when it was begun, 0 for unknown. */
export type Hold = { readonly index: LogIndex; readonly carried: number; readonly stateBytes: number }

/** What whoever carries the rows asks Raft, and tells it. */
export class RaftSnapshots {
  readonly #state: RaftState

  constructor(state: RaftState) {
    this.#state = state
  }

  /** The one taken in whose checkpoint is not durable yet. */
  get installing(): SnapshotOffer | null {
    return this.#state.installing
  }

  /** A leader brings somebody up by a snapshot now: its group is not at rest. */
  get isSending(): boolean {
    for (const progress of this.#state.progress.values()) if (progress.state === "snapshot") return true
    return false
  }

  get isWanted(): boolean {
    return this.#state.wantsSnapshot
  }

  /** Whether this replica is brought up by a snapshot. */
  awaits(replica: ReplicaId): boolean {
    return this.#state.role === "leader" && this.#state.progress.get(replica)?.state === "snapshot"
  }

  /** The snapshot on its way to this replica ends at `index`: what comes after it stays. `stateBytes` 0: not counted. */
  begun(replica: ReplicaId, index: LogIndex, stateBytes: number): void {
    const progress = this.#state.progress.get(replica)
    if (progress?.state !== "snapshot") return
    progress.snapshotIndex = index
    progress.stateBytes = stateBytes
  }

  /** Nothing came of it: the leader asks again where the follower stands. */
  givenUp(replica: ReplicaId): void {
    const progress = this.#state.progress.get(replica)
    if (progress?.state === "snapshot") progress.becomeProbe(progress.matchIndex + 1)
  }

  /** So many bytes of the snapshot on its way to this replica have arrived. */
  carried(replica: ReplicaId, bytes: number): void {
    const progress = this.#state.progress.get(replica)
    if (progress?.state === "snapshot") progress.carried = bytes
  }

  /** Who needs the log after an index for a snapshot on its way or just taken in. */
  holds(mono: Mono): readonly Hold[] {
    const holds: Hold[] = []
    for (const progress of this.#state.progress.values()) {
      const index = progress.releasable(this.#state.log.lastIndex, mono)
      if (index < Infinity) holds.push({ index, carried: progress.carried, stateBytes: progress.stateBytes })
    }
    return holds
  }

  /** What an answer that names the term waits for; 0: nothing. */
  termBarrier(durableLsn: Lsn): Lsn {
    const { hardStateLsn } = this.#state
    return hardStateLsn > durableLsn ? hardStateLsn : 0
  }
}
