/**
 * Stores whose disks lost something, and know it. What such a replica held and promised before is remembered here
 * (its ghost), until a leader has repaired it: it may not speak as if it remembered, and while it keeps silent what it
 * held still counts as held, for without its vote nobody is elected who lacks it.
 */
import type { Configuration, RaftMessage } from "#kernel"
import type { WorldView } from "./checker.ts"
import { DurableReplica, nameOf, type ReplicaMirror, type StoreMirror } from "./mirror.ts"
import { checkRecovered, forgetUnderWay } from "./wal.ts"

type End = { readonly index: number; readonly term: number }

/** The first step after a boot whose disk may have been damaged since the last one. */
export function bootEndedDamaged(world: WorldView, store: StoreMirror, isForgetful: boolean): void {
  forgetUnderWay(store)
  for (const replica of store.replicas) {
    if (replica.removed) continue
    const durable = store.durables[replica.group.id]
    const wasHere = durable !== undefined && durable.replica === replica.id
    if (!replica.saidTerm || !replica.saidLog) {
      if (wasHere) lose(store, replica, durable)
      continue
    }
    if (replica.lost) comeBack(world, replica, isForgetful)
    if (isForgetful) {
      replica.ghost = null
      if (wasHere) remember(replica, durable)
    } else if (wasHere && replica.role !== "recovering") bootedWhole(world, replica, durable)
    else if (wasHere) replica.ghost ??= copyOf(durable)
    trust(store, replica)
  }
}

/** One that holds all that an earlier one held takes its place. */
function remember({ before }: ReplicaMirror, durable: DurableReplica): void {
  const kept = before.filter(({ log, applied }) => {
    const last = Math.max(log.last, applied)
    return !durable.holds(last, log.digestAt(last))
  })
  before.splice(0, before.length, ...kept, copyOf(durable))
}

/** The boot did not speak of it: under its name nothing will be said again, unless all of it comes to light. */
function lose(store: StoreMirror, replica: ReplicaMirror, durable: DurableReplica): void {
  replica.lost = true
  replica.ghost ??= durable
  store.durables[replica.group.id] = undefined
}

/** It says that it is whole: then it has what the disk held, and if that was damaged and not repaired, what it held before. */
function bootedWhole(world: WorldView, replica: ReplicaMirror, durable: DurableReplica): void {
  if (replica.ghost === null) checkRecovered(world, replica, durable)
  else if (!remembers(replica)) {
    world.report(
      "WAL-release",
      `${nameOf(replica)} boots as if it were whole; it was damaged before, and nobody has repaired it.`,
    )
  }
  replica.ghost = null
}

/** What could not be read may be readable again, if the store had done nothing about it yet. */
function comeBack(world: WorldView, replica: ReplicaMirror, isForgetful: boolean): void {
  if (isForgetful || replica.role === "recovering" || remembers(replica)) replica.lost = false
  else checkName(world, replica)
}

/** Whether it boots with all it held when it was last heard of. */
function remembers({ ghost, log, bootTerm, bootVote, bootApplied }: ReplicaMirror): boolean {
  if (ghost === null || bootTerm < ghost.term) return false
  if (bootTerm === ghost.term && ghost.votedFor !== 0 && bootVote !== ghost.votedFor) return false
  for (let index = Math.max(log.base, ghost.log.base, bootApplied) + 1; index <= ghost.log.last; index++)
    if (log.digestAt(index) !== ghost.log.digestAt(index)) return false
  return true
}

/** What the boot says is what the disk holds. */
function trust(store: StoreMirror, replica: ReplicaMirror): void {
  const durable = store.durable(replica.group.id)
  durable.replica = replica.id
  durable.term = replica.bootTerm
  durable.votedFor = replica.bootVote
  // Where the log begins later, a checkpoint held what came before, whether it can be read or not.
  durable.applied = Math.max(replica.bootApplied, replica.saidLog ? replica.log.base : 0)
  // What was on its way there went with the process: its number is given again.
  store.volume(replica.group.volume).checkpoints = []
  durable.snapshotIndex = 0
  durable.log.copy(replica.log)
  replica.ackedIndex = 0
}

function copyOf(durable: DurableReplica): DurableReplica {
  const copy = new DurableReplica()
  copy.replica = durable.replica
  copy.term = durable.term
  copy.votedFor = durable.votedFor
  copy.applied = durable.applied
  copy.log.copy(durable.log)
  return copy
}

/**
 * A learner that gave no vote promised nothing that counts: no leader that has heard of it makes it again, and one that has
 * not begins with it at nothing.
 */
export function everVoted({ id, group, ghost }: ReplicaMirror): boolean {
  if (ghost === null || ghost.votedFor !== 0) return true
  const isVoterOf = ({ voters, outgoing }: Configuration): boolean =>
    [...voters, ...outgoing].some((member) => member.replica === id)
  return (
    group.configs.some(({ configuration }) => isVoterOf(configuration)) ||
    group.members.some(({ configuration }) => isVoterOf(configuration))
  )
}

/** It says something of itself. */
export function checkName(world: WorldView, replica: ReplicaMirror): void {
  if (!replica.lost) return
  world.report("IDENT-name", `${nameOf(replica)} speaks; its memory was lost, and its name with it.`)
}

/** What leaves a replica that is not repaired must be true of what it held before. */
export function checkDamaged(world: WorldView, replica: ReplicaMirror, message: RaftMessage): void {
  checkName(world, replica)
  const { ghost } = replica
  if (ghost === null || replica.role !== "recovering") return
  const isVoteLost =
    replica.bootTerm < ghost.term ||
    (replica.bootTerm === ghost.term && ghost.votedFor !== 0 && replica.bootVote !== ghost.votedFor)
  switch (message.type) {
    case "voteRequest":
      if (!message.preVote) report(world, replica, "campaigns")
      break
    case "voteReply": {
      if (message.preVote || !message.granted) break
      if (isVoteLost && message.term <= ghost.term) report(world, replica, "votes, and had lost a vote,")
      const asked = replica.askedBy.get(message.to)
      const end = endOf(ghost)
      if (asked !== undefined && isShorter(asked, end))
        report(world, replica, `votes for a log that ends at ${asked.index}; it held one up to ${end.index},`)
      break
    }
    case "heartbeatReply":
      if (isVoteLost) report(world, replica, "confirms a leader, and had lost a vote,")
      break
    case "appendReply":
      if (message.success && message.matchIndex >= firstMissing(replica, ghost))
        report(world, replica, `acknowledges ${message.matchIndex}`)
      break
    default:
      break
  }
}

function report(world: WorldView, replica: ReplicaMirror, what: string): void {
  world.report("IDENT-damaged", `${nameOf(replica)} ${what} before it is repaired.`)
}

function endOf(durable: DurableReplica): End {
  return { index: durable.log.last, term: durable.log.termAt(durable.log.last) }
}

function isShorter(end: End, than: End): boolean {
  return end.term < than.term || (end.term === than.term && end.index < than.index)
}

/** The first index at which the log it booted with lacks what its disk held. */
function firstMissing(replica: ReplicaMirror, ghost: DurableReplica): number {
  const first = Math.max(ghost.applied, ghost.log.base) + 1
  for (let index = first; index <= ghost.log.last; index++) {
    if (index > replica.bootLast) return index
  }
  return Number.MAX_SAFE_INTEGER
}
