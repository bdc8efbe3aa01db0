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
