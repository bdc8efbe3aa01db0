import type { Mono } from "../ids.ts"
import type { Member } from "../range/descriptor.ts"
import { votersHeard } from "./hand-over.ts"
import { memberOf } from "./quorum.ts"
import { becomeFollower, changeRole } from "./role.ts"
import type { Outbox, RaftState, StepContext } from "./state.ts"

/**
 * A replica whose state machine cannot be trusted any more, and whose log can. It votes and acknowledges
 * by its log, as ever: what it promised with it stands. It leads nothing, and asks its leader for the whole
 * state until a snapshot has taken the place of what was lost. Protocol-aware recovery for consensus-based
 * storage (Alagappan et al., FAST 2018), §3.4, for the snapshot; DESIGN §4, engine.
 */
export function stateDamaged(state: RaftState, context: StepContext, out: Outbox): void {
  if (state.stateDamaged) return
  state.stateDamaged = true
  state.askDeadline = context.mono
  out.push({ type: "observe", observation: { type: "mark", name: "raft.state.damaged" } })
  // One that leads has nobody to ask before it follows again.
  if (state.role !== "leader") state.wantsSnapshot = true
  if (state.role === "leader") handOver(state, context, out)
  else if (state.role === "candidate") becomeFollower(state, state.term, 0, context, out)
  else changeRole(state, "recovering", out)
}

/**
 * Leadership goes to the voter that has most of the log, whoever can be reached; where there is none, or
 * the configuration allows no transfer, this replica steps down at once.
 */
export function handOver(state: RaftState, context: StepContext, out: Outbox): void {
  if (state.transfer !== null) return
  const target = votersHeard(state, context.mono - state.timing.electionUsMax)[0]
  if (target === undefined) {
    becomeFollower(state, state.term, 0, context, out)
    return
  }
  const deadline = context.mono + state.timing.electionUsMax
  state.transfer = { target: target.replica, deadline, asked: false }
}

function wants(state: RaftState): boolean {
  return state.stateDamaged && state.installing === null && state.role !== "leader"
}

/** When to ask again, if at all. One that does not know where its leader lives waits to be spoken to. */
export function askDeadlineOf(state: RaftState): Mono {
  return wants(state) && knownLeader(state) !== null ? state.askDeadline : Number.MAX_SAFE_INTEGER
}

/** Asks the leader for its state, but not with every message of it. The answer acknowledges nothing. */
export function askForState(
  state: RaftState,
  leader: Member | null,
  context: StepContext,
  out: Outbox,
): void {
  if (leader === null || !wants(state) || context.mono < state.askDeadline) return
  state.askDeadline = context.mono + state.timing.electionUsMin
  out.push({ type: "observe", observation: { type: "mark", name: "raft.state.asked" } })
  out.push({
    type: "send",
    to: leader,
    lane: "raft",
    barrier: state.hardStateLsn > context.durableLsn ? state.hardStateLsn : 0,
    message: {
      type: "appendReply",
      group: state.group,
      from: state.replica,
      to: leader.replica,
      term: state.term,
      success: false,
      matchIndex: 0,
      rejectedIndex: 0,
      hintIndex: 0,
      hintTerm: 0,
      wantsSnapshot: true,
    },
  })
}

/** The leader that is known, if its place is. */
export function knownLeader(state: RaftState): Member | null {
  return state.leader === 0 ? null : memberOf(state.configurations.current, state.leader)
}
