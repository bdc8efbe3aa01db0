import type { LogIndex, Mono, ReplicaId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { hasQuorum, members } from "../raft/quorum.ts"
import type { Configuration } from "../raft/types.ts"

/** The hash of a range's state at one applied index. */
export type StateSum = { readonly index: LogIndex; readonly high: number; readonly low: number }

/**
 * What a round came to. `wrong`: these differ from what a majority has. `diverged`: all have answered and no
 * majority has one state, so nobody can say which is right. `unknown`: too few answered.
 */
export type Verdict =
  | { readonly type: "agree" }
  | { readonly type: "wrong"; readonly replicas: readonly ReplicaId[] }
  | { readonly type: "diverged" }
  | { readonly type: "unknown"; readonly differs: boolean }

/** Every so many entries the hash is kept for a statement that comes late … */
const STRIDE = 16
/** … and so many of these are kept. */
const KEPT_MAX = 16

type Round = { readonly sum: StateSum; readonly answers: Map<ReplicaId, StateSum>; readonly deadline: Mono }
type Awaited = { readonly sum: StateSum; readonly leader: ReplicaId; readonly term: number }

/**
 * Replicas of a range compare their states at one applied index: the leader states its hash, every member
 * answers with its own at that index, and what a majority of the configuration has is right. One round at a
 * time; a member that has not applied as far answers when it has.
 */
export class Comparison {
  /** Ascending by index. */
  readonly #kept: StateSum[] = []
  #awaited: Awaited | null = null
  /** The index it last answered for, to its leader. */
  #answered: LogIndex = 0
  #round: Round | null = null

  get round(): StateSum | null {
    return this.#round === null ? null : this.#round.sum
  }

  get deadline(): Mono {
    return this.#round === null ? Number.MAX_SAFE_INTEGER : this.#round.deadline
  }

  /** After every entry applied: whether a statement waits for just this one. */
  applied(sum: StateSum): boolean {
    if (sum.index % STRIDE === 0) {
      this.#kept.push(sum)
      if (this.#kept.length > KEPT_MAX) this.#kept.shift()
    }
    return this.#awaited !== null && this.#awaited.sum.index <= sum.index
  }

  /** A snapshot has taken the place of the state: what was kept is of another one. */
  forget(): void {
    this.#kept.length = 0
    this.#awaited = null
    this.#answered = 0
    this.#round = null
  }

  // ── Leader ─────────────────────────────────────────────────────────────────────────────────────

  /** Begins a round at the index that others can say most about: the newest, if nothing follows it. */
  begin(own: ReplicaId, now: StateSum, isIdle: boolean, deadline: Mono): StateSum {
    const sum = isIdle ? now : (this.#kept.at(-1) ?? now)
    this.#round = { sum, answers: new Map([[own, sum]]), deadline }
    return sum
  }

  /** True when it is an answer to the round under way, and differs. */
  answer(replica: ReplicaId, sum: StateSum): boolean {
    const round = this.#round
    if (round === null || sum.index !== round.sum.index) return false
    round.answers.set(replica, sum)
    return !isEqual(sum, round.sum)
  }

  /** What is known by now. */
  verdict(configuration: Configuration): Verdict {
    const answers = this.#round === null ? [] : [...this.#round.answers]
    for (const [, right] of answers) {
      const has = (replica: ReplicaId): boolean => {
        const sum = this.#round!.answers.get(replica)
        return sum !== undefined && isEqual(sum, right)
      }
      if (!hasQuorum(configuration, has)) continue
      const wrong = answers.filter(([, sum]) => !isEqual(sum, right)).map(([replica]) => replica)
      return wrong.length === 0 ? { type: "agree" } : { type: "wrong", replicas: wrong.sort((a, b) => a - b) }
    }
    if (this.#isAnswered(configuration)) return { type: "diverged" }
    const [first] = answers
    return { type: "unknown", differs: answers.some(([, sum]) => !isEqual(sum, first![1])) }
  }

  /** Whether every member has answered, so that waiting on brings nothing. */
  isComplete(configuration: Configuration): boolean {
    return this.#round !== null && this.#isAnswered(configuration)
  }

  #isAnswered(configuration: Configuration): boolean {
    return members(configuration).every(({ replica }) => this.#round?.answers.has(replica) === true)
  }

  end(): void {
    this.#round = null
  }

  // ── Member ─────────────────────────────────────────────────────────────────────────────────────

  /** Takes in what the leader of `term` states. */
  stated(sum: StateSum, leader: ReplicaId, term: number): void {
    this.#awaited = { sum, leader, term }
  }

  /** The statement waited for, and this replica's own state there; null until then, or when it is not known. */
  takeAnswer(now: StateSum): (Awaited & { readonly own: StateSum }) | null {
    const awaited = this.#awaited
    if (awaited === null || now.index < awaited.sum.index) return null
    this.#awaited = null
    const { index } = awaited.sum
    const own = now.index === index ? now : this.#kept.find((kept) => kept.index === index)
    if (own === undefined) return null
    this.#answered = index
    return { ...awaited, own }
  }

  /** Whether a verdict on this index is one on what this replica answered. */
  answeredAt(index: LogIndex): boolean {
    return index !== 0 && this.#answered === index
  }

  save(sink: Sink): void {
    sink.uint(this.#kept.length)
    for (const sum of this.#kept) writeSum(sum, sink)
    sink.bool(this.#awaited !== null)
    if (this.#awaited !== null) {
      writeSum(this.#awaited.sum, sink)
      sink.uint(this.#awaited.leader)
      sink.uint(this.#awaited.term)
    }
    sink.uint(this.#answered)
    sink.bool(this.#round !== null)
    if (this.#round === null) return
    writeSum(this.#round.sum, sink)
    sink.uint(this.#round.deadline)
    sink.uint(this.#round.answers.size)
    for (const [replica, sum] of this.#round.answers) {
      sink.uint(replica)
      writeSum(sum, sink)
    }
  }

  static load(reader: ByteReader): Comparison {
    const comparison = new Comparison()
    for (let left = reader.count(9); left > 0; left--) comparison.#kept.push(readSum(reader))
    if (reader.bool()) {
      comparison.#awaited = { sum: readSum(reader), leader: reader.uint(), term: reader.uint() }
    }
    comparison.#answered = reader.uint()
    if (!reader.bool()) return comparison
    const sum = readSum(reader)
    const deadline = reader.uint()
    const answers = new Map<ReplicaId, StateSum>()
    for (let left = reader.count(10); left > 0; left--) answers.set(reader.uint(), readSum(reader))
    comparison.#round = { sum, answers, deadline }
    return comparison
  }
}

export function isEqual(a: StateSum, b: StateSum): boolean {
  return a.high === b.high && a.low === b.low
}

function writeSum(sum: StateSum, sink: Sink): void {
  sink.uint(sum.index)
  sink.u32(sum.high)
  sink.u32(sum.low)
}

function readSum(reader: ByteReader): StateSum {
  return { index: reader.uint(), high: reader.u32(), low: reader.u32() }
}
