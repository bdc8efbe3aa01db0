import type { Mono } from "../ids.ts"
import type { Member } from "../range/descriptor.ts"
import { couldLead } from "./heirs.ts"
import { endRest } from "./lease.ts"
import { isJoint } from "./quorum.ts"
import type { RaftState, StepContext } from "./state.ts"

/** A leader that gives its office away by itself: who may have it, and when. Raft thesis, §3.10. */

/** An heir has spoken within so many heartbeats: whoever is asked and does not take over costs an election. */
const SILENT_HEARTBEATS_MAX = 3

/** Other voters that have spoken since then, those with most of the log first. */
export function votersHeard(state: RaftState, since: Mono): readonly Member[] {
  const { current } = state.configurations
  if (isJoint(current)) return []
  const spoken = current.voters.filter(({ replica }) => {
    const progress = state.progress.get(replica)
    return progress !== undefined && progress.heardAt >= since
  })
  const matchOf = ({ replica }: Member): number => state.progress.get(replica)!.matchIndex
  return spoken.sort((a, b) => matchOf(b) - matchOf(a))
}

/** Whether the store of another voter lives and may lead, as far as this store knows. */
export function othersLive(state: RaftState, { support, mono }: StepContext): boolean {
  return state.configurations.current.voters.some(
    ({ replica, store }) => replica !== state.replica && support.givenTo(store, mono) !== 0,
  )
}

/**
 * What became of an offer. `made`: a transfer is under way, begun now or before. `later`: nobody is fit to lead at this moment, or
 * this leader has no office to give yet. `alone`: no other voter lives.
 */
export type Offer = "made" | "under way" | "later" | "alone"

/**
 * Begins to hand leadership over to one that is fit; `tries`: how many of them were asked before. A leader that rests has not
 * heard of anybody for long: it is `woken` to hear who lives, now and then, since it may rest again at once.
 */
export function offerLeadership(
  state: RaftState,
  tries: number,
  woken: boolean,
  context: StepContext,
): Offer {
  if (state.transfer !== null) return "under way"
  if (!othersLive(state, context)) return "alone"
  if (woken) endRest(state, context)
  if (state.termStartIndex > state.commitIndex) return "later"
  const { heartbeatUs, electionUsMax } = state.timing
  const fit = votersHeard(state, context.mono - SILENT_HEARTBEATS_MAX * heartbeatUs).filter((member) =>
    couldLead(state, member, context),
  )
  const heir = fit[tries % fit.length]
  if (heir === undefined) return "later"
  state.transfer = { target: heir.replica, deadline: context.mono + electionUsMax, asked: false }
  return "made"
}
