import type { GroupId, ReplicaId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { readPairs, writePairs } from "../lib/pairs.ts"
import { Sfc32 } from "../lib/rng.ts"
import {
  readDescriptor,
  readMember,
  writeDescriptor,
  writeMember,
  type RangeDescriptor,
} from "../range/descriptor.ts"
import { LeaseState } from "./lease.ts"
import { RaftLog } from "./log.ts"
import { ConfigurationLog } from "./membership.ts"
import { readMessage, writeMessage } from "./message.ts"
import { Progress } from "./progress.ts"
import { ReadIndexQueue } from "./read-index.ts"
import { readQuestions, readRecovery, writeQuestions, writeRecovery } from "./repair.ts"
import type { RaftState } from "./state.ts"

/**
 * All a group remembers, as bytes. Written and read again it is the same machine: what stands in one of the two
 * functions stands in the other, in the same order, and maps are written by ascending id.
 */

type Writable = { -readonly [Key in keyof RaftState]: RaftState[Key] }

const ROLES = ["follower", "candidate", "leader", "recovering"] as const

export function saveState(state: RaftState, sink: Sink): void {
  sink.uint(state.group)
  sink.uint(state.replica)
  writeDescriptor(state.descriptor, sink)
  state.rng.save(sink)
  sink.uint(state.term)
  sink.uint(state.votedFor)
  sink.uint(state.hardStateLsn)
  sink.u8(ROLES.indexOf(state.role))
  sink.uint(state.leader)
  state.log.save(sink)
  sink.uint(state.commitIndex)
  state.configurations.save(sink)
  sink.uint(state.electionDeadline)
  sink.uint(state.leaderHeardAt)
  sink.bool(state.preVoting)
  sink.bool(state.transferHighWater !== null)
  sink.uint(state.transferHighWater ?? 0)
  sink.str(state.transferMemory)
  sink.uint(state.transferTerm)
  sink.uint(state.votes.size)
  for (const [replica, granted] of [...state.votes].sort((a, b) => a[0] - b[0])) {
    sink.uint(replica)
    sink.bool(granted)
  }
  sink.uint(state.progress.size)
  for (const [, progress] of [...state.progress].sort((a, b) => a[0] - b[0])) progress.save(sink)
  writePairs(state.lost, sink)
  writePairs(state.refused, sink)
  writePairs(state.vouched, sink)
  writeQuestions(state.questions, sink)
  sink.uint(state.departing.length)
  for (const member of state.departing) writeMember(member, sink)
  sink.uint(state.heartbeatDeadline)
  sink.uint(state.quorumDeadline)
  sink.uint(state.termStartIndex)
  state.reads.save(sink)
  state.lease.save(sink)
  sink.bool(state.transfer !== null)
  if (state.transfer !== null) {
    sink.uint(state.transfer.target)
    sink.uint(state.transfer.deadline)
    sink.bool(state.transfer.asked)
  }
  sink.uint(state.promotionDeadline)
  sink.bool(state.installing !== null)
  if (state.installing !== null) writeMessage(state.installing, sink, true)
  sink.bool(state.wantsSnapshot)
  writeRecovery(state.recovery, sink)
  sink.uint(state.stored)
  sink.uint(state.storedTerm)
  sink.bool(state.stateDamaged)
  sink.uint(state.askDeadline)
}

/** What a machine is made of; the rest of the bytes go to `loadState`. */
export function loadHead(reader: ByteReader): {
  readonly group: GroupId
  readonly replica: ReplicaId
  readonly descriptor: RangeDescriptor
} {
  return { group: reader.uint(), replica: reader.uint(), descriptor: readDescriptor(reader) }
}

/** `into` is as a new machine is made: its collections are empty. */
export function loadState(into: RaftState, reader: ByteReader): void {
  const state: Writable = into
  state.rng = Sfc32.load(reader)
  state.term = reader.uint()
  state.votedFor = reader.uint()
  state.hardStateLsn = reader.uint()
  state.role = ROLES[reader.u8()] ?? "follower"
  state.leader = reader.uint()
  state.log = RaftLog.load(reader)
  state.commitIndex = reader.uint()
  state.configurations = ConfigurationLog.load(reader)
  state.electionDeadline = reader.uint()
  state.leaderHeardAt = reader.uint()
  state.preVoting = reader.bool()
  const handedOver = reader.bool()
  const highWater = reader.uint()
  state.transferHighWater = handedOver ? highWater : null
  state.transferMemory = reader.str()
  state.transferTerm = reader.uint()
  for (let left = reader.count(2); left > 0; left--) state.votes.set(reader.uint(), reader.bool())
  for (let left = reader.count(12); left > 0; left--) {
    const progress = Progress.load(reader)
    state.progress.set(progress.replica, progress)
  }
  state.lost = readPairs(reader)
  state.refused = readPairs(reader)
  state.vouched = readPairs(reader)
  state.questions = readQuestions(reader)
  for (let left = reader.count(3); left > 0; left--) state.departing.push(readMember(reader))
  state.heartbeatDeadline = reader.uint()
  state.quorumDeadline = reader.uint()
  state.termStartIndex = reader.uint()
  state.reads = ReadIndexQueue.load(reader)
  state.lease = LeaseState.load(reader)
  state.transfer = reader.bool()
    ? { target: reader.uint(), deadline: reader.uint(), asked: reader.bool() }
    : null
  state.promotionDeadline = reader.uint()
  if (reader.bool()) {
    const message = readMessage(reader)
    state.installing = message.type === "snapshotOffer" ? message : null
  }
  state.wantsSnapshot = reader.bool()
  state.recovery = readRecovery(reader)
  state.stored = reader.uint()
  state.storedTerm = reader.uint()
  state.stateDamaged = reader.bool()
  state.askDeadline = reader.uint()
}
