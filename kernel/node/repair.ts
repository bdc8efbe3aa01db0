import type { StoreId } from "../ids.ts"
import type { RaftMessage } from "../raft/message.ts"
import type { Effect } from "./effect.ts"
import type { FrameHeader } from "./input.ts"
import type { Moment, Replica } from "./replica.ts"

/** Groups led here that bring in a new replica at the same time: each may need a whole snapshot. */
const REPLACEMENTS_MAX = 2

/**
 * Lets groups whose members have lost their memory take a step towards whole membership, a few at a time: when a disk
 * is gone, every group on it is missed in the same second. Gives the replicas that did.
 */
export function replaceLost(replicas: readonly Replica[], moment: Moment): readonly Replica[] {
  const stepped: Replica[] = []
  let underWay = 0
  for (const replica of replicas) if (replica.raft.isPromoting) underWay++
  for (const replica of replicas) {
    if (!replica.raft.hasLost || replica.isRemoved) continue
    if (underWay >= REPLACEMENTS_MAX && !replica.raft.isPromoting) continue
    if (!replica.raft.isPromoting) underWay++
    replica.replaceLost(moment)
    stepped.push(replica)
  }
  return stepped
}

/** A leader speaks to one that is not here, and will not be under that name. */
export function sayAbsent(message: RaftMessage, to: StoreId, out: Effect[]): void {
  if (message.type !== "heartbeat") return
  const { group, term, sentMono } = message
  out.push({ type: "observe", observation: { type: "mark", name: "raft.membership.saidAbsent" } })
  out.push({
    type: "send",
    to,
    lane: "liveness",
    barrier: null,
    message: { type: "absent", group, from: message.to, to: message.from, term, sentMono },
  })
}

/** Mostly the process that is told so is gone, and the one in its place knows better; but it may be an old image. */
export function sayOutdated({ fromStore, fromIncarnation }: FrameHeader, boot: number, out: Effect[]): void {
  out.push({
    type: "send",
    to: fromStore,
    lane: "liveness",
    barrier: null,
    message: { type: "outdated", group: 0, from: 0, to: 0, term: 0, incarnation: fromIncarnation, boot },
  })
}
