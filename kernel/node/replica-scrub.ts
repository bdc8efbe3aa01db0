import type { LogIndex, Mono, ReplicaId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { unreachable } from "../lib/invariant.ts"
import type { ScrubMessage } from "../raft/message.ts"
import { isJoint, memberOf, members } from "../raft/quorum.ts"
import type { Raft } from "../raft/raft.ts"
import { Comparison, isEqual, type StateSum } from "../range/comparison.ts"
import type { Member } from "../range/descriptor.ts"
import { shownRow, writtenSince } from "../range/first-difference.ts"
import type { StateMachine } from "../range/state-machine.ts"
import type { KernelConfig } from "./config.ts"
import type { Effect } from "./effect.ts"

/** One moment, and where what is to be done goes. */
type Moment = { readonly mono: Mono; readonly out: Effect[] }

/**
 * The scrub of one replica. Alone: its rows are counted again and must add up to the hash kept along the way.
 * With its peers: at one applied index all must have one hash. What is found wrong is marked damaged, and so
 * replaced by a snapshot like anything else that is; a replica that finds nobody to believe refuses.
 */
export class ReplicaScrub {
  readonly #raft: Raft
  readonly #machine: StateMachine
  readonly #config: Pick<KernelConfig, "timing" | "limits">
  #comparison = new Comparison()
  /** When the next pass over the rows begins, and the next comparison if this replica leads. */
  #passDueAt: Mono = 0
  #compareDueAt: Mono = 0
  /** Leader: the index at which all have agreed last. What rots there after that is found by counting. */
  #agreedIndex: LogIndex = 0
  /** When the last pass ended; 0 for never. */
  #passedAt: Mono = 0

  constructor(raft: Raft, machine: StateMachine, config: Pick<KernelConfig, "timing" | "limits">) {
    this.#raft = raft
    this.#machine = machine
    this.#config = config
  }

  /** Rows that a store counts in one housekeeping. */
  get rowsMax(): number {
    const perSecond = this.#config.limits.scrubRowsPerSecond
    return Math.max(1, Math.floor((perSecond * this.#config.timing.livenessUs) / 1_000_000))
  }

  get passedAt(): Mono {
    return this.#passedAt
  }

  get #sum(): StateSum {
    const { appliedIndex: index, hashHigh: high, hashLow: low } = this.#machine
    return { index, high, low }
  }

  get #isIdle(): boolean {
    return this.#machine.isDamaged || this.#raft.isInstalling || this.#machine.appliedIndex === 0
  }

  /** Whether a pass is under way or due. */
  wantsRows(mono: Mono): boolean {
    return !this.#isIdle && (this.#machine.scrub.isUnderWay || mono >= this.#passDueAt)
  }

  /** Counts at most `limit` rows, and gives how many it has. */
  countRows(limit: number, moment: Moment): number {
    const step = this.#machine.scrubRows(limit)
    if (step.outcome === "going") return step.rows
    this.#passedAt = moment.mono
    this.#passDueAt = moment.mono + this.#config.timing.scrubPeriodUs
    if (step.outcome === "differs") this.#mark("range.scrub.differs", moment)
    return step.rows
  }

  /** Whether it leads, and a comparison is to begin or to be given up. */
  wantsComparison(mono: Mono): boolean {
    if (this.#isIdle || !this.#raft.isLeader) return this.#comparison.round !== null
    return mono >= (this.#comparison.round === null ? this.#compareDueAt : this.#comparison.deadline)
  }

  /** Begins a comparison, or waits no longer for answers to the one under way. */
  compare(moment: Moment): void {
    if (this.#isIdle || !this.#raft.isLeader) return this.#comparison.end()
    if (this.#comparison.round !== null) return this.#decide(true, moment)
    if (this.#machine.appliedIndex < this.#raft.termStartIndex) return
    const { configuration, replica, lastIndex } = this.#raft
    const others = members(configuration).filter((member) => member.replica !== replica)
    this.#compareDueAt = moment.mono + this.#config.timing.scrubPeriodUs
    if (others.length === 0 || isJoint(configuration) || this.#machine.appliedIndex === this.#agreedIndex)
      return
    const isQuiet = this.#machine.appliedIndex === lastIndex
    const deadline = moment.mono + 2 * this.#config.timing.electionUsMax
    const sum = this.#comparison.begin(replica, this.#sum, isQuiet, deadline)
    for (const member of others) this.#send(member, { type: "scrubState", ...sum }, moment)
  }

  /** An entry was applied. */
  applied(moment: Moment): void {
    if (this.#comparison.applied(this.#sum)) this.#answer(moment)
  }

  /** A store of the group may have started anew: what it agreed to before it did says nothing of what it read then. */
  peersChanged(): void {
    this.#agreedIndex = 0
  }

  /**
   * A snapshot up to `index` is about to take the place of the state. What was wrong with one that is damaged is told
   * while it is still there; it is repaired whether or not that can be said.
   */
  replacing(index: LogIndex, moment: Moment): void {
    const { group, replica, log } = this.#raft
    const { appliedIndex } = this.#machine
    if (!this.#machine.isDamaged) return
    const { rows, isWhole } = writtenSince(log, appliedIndex, index)
    const difference = this.#machine.differsFromStaged(rows)
    if (difference === null) return this.#mark("range.repair.sameRows", moment)
    this.#mark("range.repair.differs", moment)
    const { space, key } = shownRow(difference.space, difference.key)
    const { kind } = difference
    moment.out.push({
      type: "observe",
      observation: {
        type: "stateDiffered",
        group,
        replica,
        index: appliedIndex,
        space,
        key,
        kind,
        isCertain: isWhole,
      },
    })
  }

  /** The state was replaced. */
  replaced(): void {
    this.#agreedIndex = 0
    this.#comparison.forget()
  }

  message(message: ScrubMessage, from: Member, moment: Moment): void {
    const raft = this.#raft
    const known = memberOf(raft.configuration, message.from)
    const isHim = known !== null && known.store === from.store && known.incarnation === from.incarnation
    if (!isHim || message.term !== raft.term || this.#isIdle) return
    const { index, high, low } = message
    switch (message.type) {
      case "scrubState":
        if (raft.isLeader) return
        this.#comparison.stated({ index, high, low }, message.from, message.term)
        return this.#answer(moment)
      case "scrubReply":
        if (!raft.isLeader) return
        if (this.#comparison.answer(message.from, { index, high, low })) this.#noteDifference(moment)
        return this.#decide(this.#comparison.isComplete(raft.configuration), moment)
      case "scrubVerdict":
        if (!raft.isLeader && this.#comparison.answeredAt(index)) this.#judged(message.verdict, moment)
        return
      default:
        return unreachable(message)
    }
  }

  #answer(moment: Moment): void {
    const answer = this.#comparison.takeAnswer(this.#sum)
    const leader = answer === null ? null : memberOf(this.#raft.configuration, answer.leader)
    if (answer === null || leader === null || answer.term !== this.#raft.term) return
    if (!isEqual(answer.own, answer.sum)) this.#noteDifference(moment)
    this.#send(leader, { type: "scrubReply", ...answer.own }, moment)
  }

  /** Somebody is wrong: whoever can tell that it is himself shall know soon. */
  #noteDifference(moment: Moment): void {
    this.#mark("range.scrub.disagree", moment)
    this.#passDueAt = moment.mono
  }

  #decide(isOver: boolean, moment: Moment): void {
    const sum = this.#comparison.round
    if (sum === null) return
    const { configuration, replica } = this.#raft
    const verdict = this.#comparison.verdict(configuration)
    if (!isOver && verdict.type !== "wrong") return
    this.#comparison.end()
    switch (verdict.type) {
      case "agree":
        this.#agreedIndex = sum.index
        if (this.#machine.isDiverged) this.#tellAll("agree", sum, moment)
        return
      case "unknown":
        if (verdict.differs) this.#mark("range.scrub.undecided", moment)
        return
      case "diverged":
        return this.#tellAll("diverged", sum, moment)
      case "wrong":
        for (const wrong of verdict.replicas) {
          const member = memberOf(configuration, wrong)
          if (wrong === replica) this.#judged("wrong", moment)
          else if (member !== null)
            this.#send(member, { type: "scrubVerdict", ...sum, verdict: "wrong" }, moment)
        }
        return
      default:
        return unreachable(verdict)
    }
  }

  #tellAll(verdict: "agree" | "diverged", sum: StateSum, moment: Moment): void {
    const { configuration, replica } = this.#raft
    for (const member of members(configuration)) {
      if (member.replica === replica) this.#judged(verdict, moment)
      else this.#send(member, { type: "scrubVerdict", ...sum, verdict }, moment)
    }
  }

  #judged(verdict: "agree" | "wrong" | "diverged", moment: Moment): void {
    if (verdict === "wrong") {
      this.#mark("range.scrub.wrong", moment)
      this.#machine.markDamaged()
      return
    }
    if (verdict === "diverged") this.#mark("range.scrub.diverged", moment)
    this.#machine.isDiverged = verdict === "diverged"
  }

  #send(to: Member, message: ScrubBody, moment: Moment): void {
    const { group, replica, term } = this.#raft
    const envelope: Envelope = { group, from: replica, to: to.replica, term }
    moment.out.push({
      type: "send",
      to: to.store,
      lane: "raft",
      message: { ...envelope, ...message },
      barrier: null,
    })
  }

  #mark(name: string, moment: Moment): void {
    moment.out.push({ type: "observe", observation: { type: "mark", name } })
  }

  save(sink: Sink): void {
    this.#comparison.save(sink)
    sink.uint(this.#passDueAt)
    sink.uint(this.#compareDueAt)
    sink.uint(this.#agreedIndex)
    sink.uint(this.#passedAt)
  }

  load(reader: ByteReader): void {
    this.#comparison = Comparison.load(reader)
    this.#passDueAt = reader.uint()
    this.#compareDueAt = reader.uint()
    this.#agreedIndex = reader.uint()
    this.#passedAt = reader.uint()
  }
}

type Envelope = {
  readonly group: number
  readonly from: ReplicaId
  readonly to: ReplicaId
  readonly term: number
}
type Body<M> = M extends ScrubMessage ? Omit<M, keyof Envelope> : never
type ScrubBody = Body<ScrubMessage>
