import type { Member } from "../range/descriptor.ts"
import { CATCH_UP_ENTRIES } from "./change.ts"
import { isFortifiedBy } from "./lease.ts"
import { isJoint } from "./quorum.ts"
import type { RaftState, StepContext } from "./state.ts"

/**
 * Voters that may take over from this leader at once, by replica: who has its log but for the last few entries, keeps
 * its promise to this leader (so it answers in this term, with nothing to repair), and asks to be counted alive, so
 * that others can promise themselves to it. None while something else is under way.
 */
export function heirs(state: RaftState, context: StepContext): readonly Member[] {
  const { current } = state.configurations
  const isBusy = state.transfer !== null || state.termStartIndex > state.commitIndex || isJoint(current)
  if (state.role !== "leader" || isBusy) return NOBODY
  return current.voters
    .filter((member) => {
      const progress = state.progress.get(member.replica)
      return (
        member.replica !== state.replica &&
        !state.lost.has(member.replica) &&
        progress?.state === "replicate" &&
        progress.matchIndex + CATCH_UP_ENTRIES >= state.log.lastIndex &&
        isFortifiedBy(state, member.replica, context) &&
        context.support.givenTo(member.store, context.mono) !== 0
      )
    })
    .sort((a, b) => a.replica - b.replica)
}

const NOBODY: readonly Member[] = []
