import type { Member } from "../range/descriptor.ts"
import { CATCH_UP_ENTRIES } from "./change.ts"
import { isFortifiedBy } from "./lease.ts"
import { isJoint } from "./quorum.ts"
import type { RaftState, StepContext } from "./state.ts"

/** Whether a voter could lead at once: it has the log but for the last few entries, and its store asks to be counted alive. */
export function couldLead(state: RaftState, { replica, store }: Member, context: StepContext): boolean {
  const progress = state.progress.get(replica)
  return (
    replica !== state.replica &&
    !state.lost.has(replica) &&
    progress?.state === "replicate" &&
    progress.matchIndex + CATCH_UP_ENTRIES >= state.log.lastIndex &&
    context.support.givenTo(store, context.mono) !== 0
  )
}

/**
 * Voters that may take over from this leader, by replica: who could lead, and keeps its promise to this leader, so that
 * it answers in this term, with nothing to repair. None while something else is under way.
 */
export function heirs(state: RaftState, context: StepContext): readonly Member[] {
  const { current } = state.configurations
  const isBusy = state.transfer !== null || state.termStartIndex > state.commitIndex || isJoint(current)
  if (state.role !== "leader" || isBusy) return NOBODY
  return current.voters
    .filter((member) => couldLead(state, member, context) && isFortifiedBy(state, member.replica, context))
    .sort((a, b) => a.replica - b.replica)
}

const NOBODY: readonly Member[] = []
