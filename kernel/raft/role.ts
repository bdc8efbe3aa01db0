import type { Term } from "../ids.ts"
import { below } from "../lib/rng.ts"
import { sendDeFortify } from "./lease.ts"
import { Progress } from "./progress.ts"
import { includes, members } from "./quorum.ts"
import { missRefused } from "./regression.ts"
import type { Outbox, RaftState, Role, StepContext } from "./state.ts"

/** What a replica sheds and takes on as it becomes follower, candidate or leader. Raft (extended version), §5.1. */

/** How many longest silences a learner may take to catch up before the change is given up. */
export const PROMOTION_ELECTIONS = 15

/** Draws the next silence this replica will bear. */
export function resetElectionDeadline(
  state: RaftState,
  { mono, switches }: Pick<StepContext, "mono" | "switches">,
): void {
  const { electionUsMin, electionUsMax } = state.timing
  let silenceUs = electionUsMin + below(state.rng, electionUsMax - electionUsMin)
  if (switches.on("electionSoonest")) silenceUs = electionUsMin
  else if (switches.on("electionLatest")) silenceUs = electionUsMax - 1
  state.electionDeadline = mono + silenceUs
}

export function persistHardState(state: RaftState, context: StepContext, out: Outbox): void {
  state.hardStateLsn = context.nextLsn
  out.push({
    type: "persist",
    item: { type: "hardState", group: state.group, term: state.term, votedFor: state.votedFor },
  })
}

export function changeRole(state: RaftState, role: Role, out: Outbox): void {
  if (state.role === role) return
  if (state.role === "leader") out.push({ type: "lostLeadership" })
  state.role = role
  observeRole(state, out)
}

export function observeRole(state: RaftState, out: Outbox): void {
  const { group, replica, term } = state
  const learns = state.role === "follower" && includes(state.configurations.current.learners, replica)
  const role = learns ? "learner" : state.role
  out.push({ type: "observe", observation: { type: "roleChanged", group, replica, term, role } })
}

/** Follows in `term`, which is this replica's own or a higher one. `leader` 0: not known yet. */
export function becomeFollower(
  state: RaftState,
  term: Term,
  leader: number,
  context: StepContext,
  out: Outbox,
): void {
  const wasLeader = state.role === "leader"
  const ledTerm = state.term
  if (term > state.term) {
    state.term = term
    state.votedFor = 0
    persistHardState(state, context, out)
  }
  state.leader = leader
  state.preVoting = false
  state.votes.clear()
  state.transfer = null
  state.reads.clear()
  const { lease } = state
  if (leader !== 0) lease.gaveUp = 0
  else if (wasLeader) {
    lease.gaveUp = ledTerm
    sendDeFortify(state, out)
  }
  if (wasLeader) {
    state.progress.clear()
    state.lost.clear()
    state.questions.clear()
    state.departing = []
    lease.fortifiers.clear()
    lease.isResting = false
  }
  if (wasLeader || leader !== 0 || state.role === "candidate") resetElectionDeadline(state, context)
  if (state.stateDamaged) state.wantsSnapshot = true
  changeRole(state, state.recovery === null && !state.stateDamaged ? "follower" : "recovering", out)
}

export function becomeLeader(state: RaftState, context: StepContext, out: Outbox): void {
  state.leader = state.replica
  state.votes.clear()
  state.reads.clear()
  state.lease.promised = null
  state.lease.fortifiers.clear()
  state.lease.isResting = false
  state.lease.gaveUp = 0
  state.transfer = null
  state.departing = []
  state.progress.clear()
  state.lost.clear()
  state.questions.clear()
  for (const member of members(state.configurations.current)) {
    if (member.replica === state.replica) continue
    state.progress.set(member.replica, new Progress(member.replica, state.log.lastIndex + 1, context.mono))
  }
  state.heartbeatDeadline = context.mono
  state.quorumDeadline = context.mono + state.timing.electionUsMax
  state.promotionDeadline = context.mono + PROMOTION_ELECTIONS * state.timing.electionUsMax
  missRefused(state)
  state.termStartIndex = state.log.lastIndex + 1
  const handedOver = state.transferTerm === state.term ? state.transferHighWater : null
  const memory = handedOver === null ? null : state.transferMemory
  state.transferHighWater = null
  state.transferMemory = ""
  // Whoever owns the state machine appends the first entry of the term: it knows the low-water to log.
  out.push({ type: "becameLeader", index: state.termStartIndex, highWater: handedOver, memory })
}
