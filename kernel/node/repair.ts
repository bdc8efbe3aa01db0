import type { Lsn, StoreId } from "../ids.ts"
import type { RaftMessage } from "../raft/message.ts"
import type { Effect } from "./effect.ts"
import type { FrameHeader } from "./input.ts"
import type { Moment, Replica } from "./replica.ts"
import type { Volume } from "./volume.ts"

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

/**
 * What an old image of a disk promised since it was taken is not on it, so under its old names it must not say one word
 * more: everything is buried, and the boot that peers have seen is taken over. When the frame this gives is durable the
 * store starts anew, and its groups miss it. Null where a group would be lost with its only replica.
 */
export function giveUpNames(
  replicas: readonly Replica[],
  system: Volume,
  boot: number,
  out: Effect[],
): Lsn | null {
  out.push({ type: "observe", observation: { type: "mark", name: "node.image.old" } })
  if (replicas.some((replica) => replica.isAlone)) return null
  for (const { group, replica } of replicas) system.append({ type: "tombstone", group, replica })
  return system.append({ type: "boot", boot })
}
