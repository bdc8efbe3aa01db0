import type { LogIndex, ReplicaId, Term } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import type { Member } from "../range/descriptor.ts"
import type { AppendEntries, Heartbeat, RepairAnswer, RepairAsk, Stored } from "./message.ts"
import { hasQuorum, memberOf } from "./quorum.ts"
import { changeRole } from "./role.ts"
import type { Outbox, RaftState, StepContext } from "./state.ts"
import type { LogEnd } from "./types.ts"

/**
 * A replica whose disk has lost something it may have promised, until a leader has given it back. After Alagappan et
 * al., "Protocol-Aware Recovery for Consensus-Based Storage" (FAST 2018): a damaged entry is neither kept nor cut
 * away, but fetched; and who cannot say what it promised promises nothing new.
 */
export type Recovery = {
  /** It acknowledges nothing at or past this index before repair. */
  readonly firstDamaged: LogIndex
  /** Where the log ended before the damage; null when nobody remembers. */
  readonly end: LogEnd | null
  /** Term, vote and end are known from intact identifiers: it may vote, as the log that ends there. */
  readonly identified: boolean
  /** Names this start: an answer to the question of an earlier one may be too low. */
  readonly nonce: number
  /** A leader of `repairTerm` had no entry after this one when it was asked, and was no deposed leader then. */
  repairTo: LogIndex | null
  repairTerm: Term
}

/** A question that the leader answers once a quorum without the one who asked has confirmed it. */
export type RepairQuestion = {
  readonly nonce: number
  readonly index: LogIndex
  readonly round: number
  readonly confirmedBy: ReplicaId[]
}

export function newRecovery(
  firstDamaged: LogIndex,
  end: LogEnd | null,
  identified: boolean,
  nonce: number,
): Recovery {
  return { firstDamaged, end, identified, nonce, repairTo: null, repairTerm: 0 }
}

// ── The damaged replica ────────────────────────────────────────────────────────────────────────────

/** The leader of this term has shown that the two logs agree up to `index`. */
export function storedUpTo(state: RaftState, index: LogIndex, out: Outbox): void {
  state.stored = Math.max(storedIndex(state), index)
  state.storedTerm = state.term
  checkRepaired(state, out)
}

/**
 * Up to here this log is that of the leader of this term, as it has shown since this process started. Whatever it remembers
 * of an earlier one may not be here any more: the disk may be damaged, or an old image of itself, and nobody know yet.
 */
export function storedIndex(state: RaftState): LogIndex {
  return state.storedTerm === state.term ? state.stored : 0
}

/** Whether what would be an acknowledgement of `index` may count as one. */
export function mayAcknowledge(state: RaftState, index: LogIndex): boolean {
  const { recovery } = state
  return recovery === null || (recovery.identified && index < recovery.firstDamaged)
}

/** In place of an acknowledgement, or before a refusal: what is here, and that it counts for nothing. */
export function sayStored(
  state: RaftState,
  message: AppendEntries | Heartbeat,
  to: Member,
  out: Outbox,
): void {
  const { recovery } = state
  if (recovery === null) return
  out.push({
    type: "send",
    to,
    lane: message.type === "heartbeat" ? "liveness" : "raft",
    barrier: 0,
    message: {
      type: "stored",
      group: state.group,
      from: state.replica,
      to: message.from,
      term: state.term,
      matchIndex: storedIndex(state),
      lastIndex: state.log.lastIndex,
      sentMono: message.type === "heartbeat" ? message.sentMono : 0,
    },
  })
}

/** Every heartbeat is a chance to ask how far this log must be repaired, until there is an answer in this term. */
export function askRepair(state: RaftState, message: Heartbeat, to: Member, out: Outbox): void {
  const { recovery } = state
  if (recovery === null || (recovery.repairTo !== null && recovery.repairTerm === state.term)) return
  out.push({
    type: "send",
    to,
    lane: "liveness",
    barrier: 0,
    message: {
      type: "repairAsk",
      group: state.group,
      from: state.replica,
      to: message.from,
      term: state.term,
      nonce: recovery.nonce,
    },
  })
}

export function handleRepairAnswer(state: RaftState, message: RepairAnswer, out: Outbox): void {
  const { recovery } = state
  if (recovery === null || message.nonce !== recovery.nonce || message.term !== state.term) return
  recovery.repairTo = message.index
  recovery.repairTerm = message.term
  checkRepaired(state, out)
}

/**
 * Damage is behind this replica once it durably holds all it may have acknowledged, as a leader has it: up to where a
 * confirmed leader's log ended after the damage was done, or up to where its own did, if that is remembered.
 */
export function checkRepaired(state: RaftState, out: Outbox): void {
  const { recovery } = state
  if (recovery === null || state.storedTerm !== state.term) return
  const held = Math.min(state.stored, state.log.durableIndex)
  const isAnswered = recovery.repairTo !== null && recovery.repairTerm === state.term
  const isRepaired =
    (isAnswered && held >= recovery.repairTo!) || (recovery.identified && held >= recovery.end!.index)
  if (!isRepaired) return
  state.recovery = null
  out.push({ type: "persist", item: { type: "repaired", group: state.group } })
  out.push({ type: "observe", observation: { type: "mark", name: "raft.repair.done" } })
  if (state.role === "recovering" && !state.stateDamaged) changeRole(state, "follower", out)
}

// ── The leader ─────────────────────────────────────────────────────────────────────────────────────

/** It counts for nothing whatever it acknowledged before; entries go on to it from where its log agrees. */
export function handleStored(state: RaftState, message: Stored, context: StepContext): void {
  const progress = state.progress.get(message.from)
  if (progress === undefined) return
  progress.heardAt = context.mono
  progress.known = true
  progress.forgot()
  if (message.matchIndex > 0) progress.stored(Math.min(message.matchIndex, state.log.lastIndex))
}

/** The answer waits for a round that begins after the question came. */
export function handleRepairAsk(state: RaftState, message: RepairAsk, out: Outbox): void {
  if (!state.progress.has(message.from) || state.questions.get(message.from)?.nonce === message.nonce) return
  const round = state.reads.request()
  const index = state.log.lastIndex
  state.questions.set(message.from, { nonce: message.nonce, index, round, confirmedBy: [] })
  out.push({ type: "observe", observation: { type: "mark", name: "raft.repair.asked" } })
}

/**
 * `from` follows this leader still, in a round sent after the question came. The replica that asked is not counted: it
 * may have voted for a later leader and not know. With a quorum of the others there was none when it asked, so this log
 * holds all that was ever committed by its word, and all that it was sent in this term.
 */
export function confirmRepairs(state: RaftState, from: ReplicaId, round: number, out: Outbox): void {
  if (state.questions.size === 0) return
  for (const [asker, question] of [...state.questions].sort((a, b) => a[0] - b[0])) {
    if (question.round <= round && from !== asker && !question.confirmedBy.includes(from))
      question.confirmedBy.push(from)
    const isConfirmed = hasQuorum(
      state.configurations.current,
      (replica) => replica !== asker && (replica === state.replica || question.confirmedBy.includes(replica)),
    )
    const to = memberOf(state.configurations.current, asker)
    if (!isConfirmed || to === null) continue
    state.questions.delete(asker)
    out.push({
      type: "send",
      to,
      lane: "liveness",
      barrier: 0,
      message: {
        type: "repairAnswer",
        group: state.group,
        from: state.replica,
        to: asker,
        term: state.term,
        nonce: question.nonce,
        index: question.index,
      },
    })
  }
}

// ── As bytes ───────────────────────────────────────────────────────────────────────────────────────

export function writeRecovery(recovery: Recovery | null, sink: Sink): void {
  sink.bool(recovery !== null)
  if (recovery === null) return
  sink.uint(recovery.firstDamaged)
  sink.bool(recovery.end !== null)
  sink.uint(recovery.end?.index ?? 0)
  sink.uint(recovery.end?.term ?? 0)
  sink.bool(recovery.identified)
  sink.uint(recovery.nonce)
  sink.bool(recovery.repairTo !== null)
  sink.uint(recovery.repairTo ?? 0)
  sink.uint(recovery.repairTerm)
}

export function readRecovery(reader: ByteReader): Recovery | null {
  if (!reader.bool()) return null
  const firstDamaged = reader.uint()
  const hasEnd = reader.bool()
  const end = { index: reader.uint(), term: reader.uint() }
  const identified = reader.bool()
  const nonce = reader.uint()
  const isAnswered = reader.bool()
  const repairTo = reader.uint()
  return {
    firstDamaged,
    end: hasEnd ? end : null,
    identified,
    nonce,
    repairTo: isAnswered ? repairTo : null,
    repairTerm: reader.uint(),
  }
}

export function writeQuestions(questions: ReadonlyMap<ReplicaId, RepairQuestion>, sink: Sink): void {
  sink.uint(questions.size)
  for (const [asker, question] of [...questions].sort((a, b) => a[0] - b[0])) {
    sink.uint(asker)
    sink.uint(question.nonce)
    sink.uint(question.index)
    sink.uint(question.round)
    sink.uint(question.confirmedBy.length)
    for (const replica of question.confirmedBy) sink.uint(replica)
  }
}

export function readQuestions(reader: ByteReader): Map<ReplicaId, RepairQuestion> {
  const questions = new Map<ReplicaId, RepairQuestion>()
  for (let left = reader.count(5); left > 0; left--) {
    const asker = reader.uint()
    const nonce = reader.uint()
    const index = reader.uint()
    const round = reader.uint()
    const confirmedBy: ReplicaId[] = []
    for (let replicas = reader.count(); replicas > 0; replicas--) confirmedBy.push(reader.uint())
    questions.set(asker, { nonce, index, round, confirmedBy })
  }
  return questions
}
