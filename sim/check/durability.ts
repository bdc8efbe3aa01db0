/**
 * What left a store must rest on what its disk holds: votes, acknowledgements, and the terms both name.
 * Judged at the moment of release against `DurableReplica`, whatever barrier the kernel gave the send.
 */
import type { RaftMessage } from "#kernel"
import type { WorldView } from "./checker.ts"
import { ABSENT } from "./entry-log.ts"
import { nameOf, type DurableReplica, type LogItem, type ReplicaMirror, type StoreMirror } from "./mirror.ts"
import { checkSnapshotConfiguration } from "./quorums.ts"
import { checkOneVote } from "./raft.ts"

/** The disk confirmed these items: a crash will not take them. */
export function applyItems(store: StoreMirror, items: readonly LogItem[]): void {
  for (const item of items) {
    switch (item.type) {
      case "entries": {
        const durable = store.durable(item.group)
        for (let i = 0; i < item.entries.length; i++) {
          const entry = item.entries[i]!
          if (i === 0) durable.log.truncate(entry.index)
          durable.log.push(entry.term, entry.digestLow)
        }
        break
      }
      case "hardState": {
        // As written, not the larger one: a term that a broken kernel overwrites with a smaller one is gone.
        const durable = store.durable(item.group)
        durable.term = item.term
        durable.votedFor = item.votedFor
        break
      }
      case "logStart": {
        const durable = store.durable(item.group)
        durable.log.cut(item.index, item.term)
        if (item.index >= durable.snapshotIndex) durable.snapshotIndex = 0
        break
      }
      case "replicaCreated": {
        const durable = store.durables[item.descriptor.groupId]
        // Written again before a segment is released, it says nothing new.
        if (durable !== undefined && durable.replica !== 0 && durable.replica !== item.replica) {
          store.durables[item.descriptor.groupId] = undefined
        }
        store.durable(item.descriptor.groupId).replica = item.replica
        break
      }
      case "replicaRemoved":
        store.durables[item.group] = undefined
        break
      default:
        break
    }
  }
}

export function messageReleased(
  world: WorldView,
  store: StoreMirror,
  replica: ReplicaMirror,
  message: RaftMessage,
): void {
  // What it still had to say when it was destroyed counts for nothing: a committed configuration left it out.
  if (replica.removed) return
  switch (message.type) {
    case "voteRequest":
      if (message.preVote) return
      promise(replica, message.term)
      voteReleased(world, store, replica, message.term, replica.id)
      return
    case "voteReply":
      if (message.preVote || !message.granted) return
      promise(replica, message.term)
      voteReleased(world, store, replica, message.term, message.to)
      return
    case "appendReply":
      if (!message.success) return
      promise(replica, message.term)
      checkDurableTerm(world, store, replica, message.term, "acknowledges an append")
      acknowledged(world, store, replica, message.term, message.matchIndex)
      return
    case "heartbeatReply":
      promise(replica, message.term)
      checkDurableTerm(world, store, replica, message.term, "acknowledges a heartbeat")
      return
    case "snapshotAnswer":
      promise(replica, message.term)
      checkDurableTerm(world, store, replica, message.term, "answers for a snapshot")
      return
    case "snapshotReply":
      if (!message.success) return
      promise(replica, message.term)
      checkDurableTerm(world, store, replica, message.term, "acknowledges a snapshot")
      checkSnapshotConfiguration(world, replica)
      snapshotAcknowledged(world, store, replica, message.lastIndex)
      return
    case "appendEntries":
    case "heartbeat":
    case "timeoutNow":
    case "deFortify":
    case "snapshotOffer":
    case "snapshotChunk":
      promise(replica, message.term)
      return
    case "stored":
    case "repairAsk":
      // A damaged replica promises nothing by them.
      return
    case "repairAnswer":
      promise(replica, message.term)
      return
    case "absent":
      // Said by a store, of one it does not have.
      return
    case "removed":
      // Anyone may tell a replica that, in a term that is not durable yet.
      return
    case "scrubState":
    case "scrubReply":
    case "scrubVerdict":
      // They speak of what is committed, and bind nobody in any term.
      return
  }
}

function promise(replica: ReplicaMirror, term: number): void {
  if (term > replica.promisedTerm) replica.promisedTerm = term
}

function voteReleased(
  world: WorldView,
  store: StoreMirror,
  replica: ReplicaMirror,
  term: number,
  votedFor: number,
): void {
  checkOneVote(world, replica, replica.promisedVotes, term, votedFor)
  const durable = store.durables[replica.group.id]
  // In a later term it cannot vote in this one again.
  if (durable !== undefined && durable.term > term) return
  if (durable !== undefined && durable.term === term && durable.votedFor === votedFor) return
  world.report(
    "RAFT-vote-durable",
    `${nameOf(replica)} lets its vote for replica ${votedFor} in term ${term} out; its disk holds term ${durable?.term ?? 0} and a vote for ${durable?.votedFor ?? 0}.`,
  )
}

function checkDurableTerm(
  world: WorldView,
  store: StoreMirror,
  replica: ReplicaMirror,
  term: number,
  verb: string,
): void {
  const durable = store.durables[replica.group.id]
  if (durable !== undefined && durable.term >= term) return
  world.report(
    "RAFT-ack-durable",
    `${nameOf(replica)} ${verb} in term ${term}; its disk holds term ${durable?.term ?? 0}.`,
  )
}

function acknowledged(
  world: WorldView,
  store: StoreMirror,
  replica: ReplicaMirror,
  term: number,
  matchIndex: number,
): void {
  // A newer leader may have replaced by now what was true when it was said.
  if (replica.heardTerm > term) return
  if (term > replica.ackedTerm) replica.ackedIndex = 0
  replica.ackedTerm = term
  if (matchIndex > replica.ackedIndex) replica.ackedIndex = matchIndex
  const durable = store.durables[replica.group.id]
  if (durable !== undefined && isHeld(durable, replica, matchIndex)) return
  world.report(
    "RAFT-ack-durable",
    `${nameOf(replica)} acknowledges ${matchIndex} in term ${term}; its disk holds a checkpoint at ${durable?.applied ?? 0} and the log from ${(durable?.log.base ?? 0) + 1} to ${durable?.log.last ?? 0}.`,
  )
}

function isHeld(durable: DurableReplica, replica: ReplicaMirror, index: number): boolean {
  const digest = replica.log.digestAt(index)
  if (digest !== ABSENT) return durable.holds(index, digest)
  // No longer in memory, or never: only presence can be asked.
  return (
    durable.applied >= index || (durable.isWhole && index <= durable.log.last && index <= replica.log.last)
  )
}

function snapshotAcknowledged(
  world: WorldView,
  store: StoreMirror,
  replica: ReplicaMirror,
  index: number,
): void {
  const durable = store.durables[replica.group.id]
  // Who holds the log up to there needs no snapshot of it.
  if (durable !== undefined && isHeld(durable, replica, index)) return
  world.report(
    "RAFT-ack-durable",
    `${nameOf(replica)} acknowledges a snapshot at ${index}; its last durable checkpoint is at ${durable?.applied ?? 0}.`,
  )
}
