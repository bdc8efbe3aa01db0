import type { Mono } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { invariant } from "../lib/invariant.ts"
import type { Stamp } from "../node/input.ts"

/** What a flow yields: it goes on when all of `requests` are answered, or `forUs` microseconds have passed. */
export type Pause<Request> = { readonly requests: readonly Request[]; readonly forUs: number | null }

/** Why a flow is told to come to an end. `exhausted`: it has been resumed with more than may be kept. */
export const CANCEL_REASONS = ["cancelled", "deadline", "deadlock", "exhausted"] as const
export type CancelReason = (typeof CANCEL_REASONS)[number]

/**
 * What a flow is resumed with. `answers` are those of the pause, in the order of its requests, null where none had
 * come. `cancelled` comes once, at the most; a flow may still pause after it, to leave nothing behind.
 */
export type Resumption<Answer> = Stamp & {
  readonly cancelled: CancelReason | null
  readonly answers: readonly (Answer | null)[]
}

/**
 * Reads nothing but what it was begun and resumed with, and changes nothing that outlives it.
 */
export type Flow<Request, Answer, Result> = Generator<Pause<Request>, Result, Resumption<Answer>>

/** How the answers of a flow are kept. */
export type AnswerCodec<Answer> = {
  write(answer: Answer, sink: Sink): void
  read(reader: ByteReader): Answer
  /** About as many bytes as it takes to keep it. */
  weigh(answer: Answer): number
}

/** What a flow may be resumed with, in bytes as the codec weighs them, and 32 for each resumption. */
export const FLOW_BYTES_MAX: number = 32 << 20
const RESUMPTION_BYTES = 32

/** What became of a flow by one more step: it has paused again, or has ended. */
export type Advanced<Request, Result> =
  | { readonly type: "paused"; readonly requests: readonly Request[] }
  | { readonly type: "ended"; readonly result: Result }
  /** Some of what it waits for is still to come. */
  | { readonly type: "waits" }

const WAITS = { type: "waits" } as const
const NO_ANSWERS: readonly never[] = []

/**
 * A flow under way. Requests are known by the pause they stand in, counted from 0, and their place in it; an answer to
 * an earlier pause is dropped.
 */
export class FlowRun<Request, Answer, Result> {
  readonly #codec: AnswerCodec<Answer>
  #flow: Flow<Request, Answer, Result>
  readonly #inputs: Resumption<Answer>[] = []
  #bytes = 0
  #requests: readonly Request[] = []
  #answers: (Answer | null)[] = []
  #missing = 0
  #deadline: Mono | null = null
  #cancelled: CancelReason | null = null
  #ended = false

  /** Does nothing before it is begun. */
  constructor(flow: Flow<Request, Answer, Result>, codec: AnswerCodec<Answer>) {
    this.#flow = flow
    this.#codec = codec
  }

  /** The pause it stands in. */
  get pause(): number {
    return this.#inputs.length
  }
  /** When `timePassed` is wanted; null: it waits for answers only. */
  get deadline(): Mono | null {
    return this.#deadline
  }
  get isCancelled(): boolean {
    return this.#cancelled !== null
  }
  /** Requests of this pause that are not answered, each with its place. */
  outstanding(): readonly (readonly [number, Request])[] {
    return this.#requests.flatMap((request, place) =>
      this.#answers[place] === null ? [[place, request] as const] : [],
    )
  }

  begin(stamp: Stamp): Advanced<Request, Result> {
    return this.#went(this.#flow.next(BEGIN), stamp)
  }

  answered(pause: number, place: number, answer: Answer, stamp: Stamp): Advanced<Request, Result> {
    if (this.#ended || pause !== this.pause || this.#answers[place] !== null) return WAITS
    this.#answers[place] = answer
    this.#missing--
    return this.#missing > 0 ? WAITS : this.#resume(null, stamp)
  }

  timePassed(stamp: Stamp): Advanced<Request, Result> {
    if (this.#ended || this.#deadline === null || stamp.mono < this.#deadline) return WAITS
    return this.#resume(null, stamp)
  }

  /** Once: what is told to end is not told again. */
  cancel(reason: CancelReason, stamp: Stamp): Advanced<Request, Result> {
    if (this.#ended || this.#cancelled !== null) return WAITS
    return this.#resume(reason, stamp)
  }

  #resume(reason: CancelReason | null, stamp: Stamp): Advanced<Request, Result> {
    const { mono, wall } = stamp
    for (const answer of this.#answers) if (answer !== null) this.#bytes += this.#codec.weigh(answer)
    this.#bytes += RESUMPTION_BYTES
    const isFull = this.#bytes > FLOW_BYTES_MAX && this.#cancelled === null
    const cancelled = reason ?? (isFull ? "exhausted" : null)
    return this.#feed({ mono, wall, cancelled, answers: this.#answers })
  }

  #feed(input: Resumption<Answer>): Advanced<Request, Result> {
    if (input.cancelled !== null) this.#cancelled = input.cancelled
    this.#inputs.push(input)
    return this.#went(this.#flow.next(input), input)
  }

  #went(next: IteratorResult<Pause<Request>, Result>, stamp: Stamp): Advanced<Request, Result> {
    if (next.done === true) {
      this.#ended = true
      this.#deadline = null
      return { type: "ended", result: next.value }
    }
    const { requests, forUs } = next.value
    invariant(requests.length > 0 || forUs !== null, "A flow cannot wait for nothing")
    this.#requests = requests
    this.#answers = requests.length === 0 ? [] : requests.map(() => null)
    this.#missing = requests.length
    this.#deadline = forUs === null ? null : stamp.mono + forUs
    return { type: "paused", requests }
  }

  /** Of a flow that has begun and not ended. */
  save(sink: Sink): void {
    invariant(!this.#ended, "A flow that has ended is nothing to keep")
    sink.uint(this.#inputs.length)
    for (const { mono, wall, cancelled, answers } of this.#inputs) {
      sink.uint(mono)
      sink.uint(wall)
      sink.u8(cancelled === null ? 0 : 1 + CANCEL_REASONS.indexOf(cancelled))
      this.#saveAnswers(answers, sink)
    }
    this.#saveAnswers(this.#answers, sink)
  }

  #saveAnswers(answers: readonly (Answer | null)[], sink: Sink): void {
    sink.uint(answers.length)
    for (const answer of answers) {
      sink.bool(answer !== null)
      if (answer !== null) this.#codec.write(answer, sink)
    }
  }

  /** `flow` is made as it was for the one that was saved, `begun` when that was begun. */
  static load<Request, Answer, Result>(
    reader: ByteReader,
    flow: Flow<Request, Answer, Result>,
    codec: AnswerCodec<Answer>,
    begun: Stamp,
  ): FlowRun<Request, Answer, Result> {
    const run = new FlowRun<Request, Answer, Result>(flow, codec)
    run.begin(begun)
    for (let left = reader.count(4); left > 0; left--) {
      const [mono, wall] = [reader.uint(), reader.uint()]
      const reason = reader.u8()
      const cancelled = reason === 0 ? null : CANCEL_REASONS[reason - 1]!
      const answers = readAnswers(reader, codec)
      for (const answer of answers) if (answer !== null) run.#bytes += codec.weigh(answer)
      run.#bytes += RESUMPTION_BYTES
      run.#feed({ mono, wall, cancelled, answers })
    }
    run.#answers = readAnswers(reader, codec)
    run.#missing = run.#answers.filter((answer) => answer === null).length
    return run
  }
}

function readAnswers<Answer>(reader: ByteReader, codec: AnswerCodec<Answer>): (Answer | null)[] {
  const answers: (Answer | null)[] = []
  for (let left = reader.count(); left > 0; left--) answers.push(reader.bool() ? codec.read(reader) : null)
  return answers
}

/** A generator drops what it is begun with. */
const BEGIN: Resumption<never> = { mono: 0, wall: 0, cancelled: null, answers: NO_ANSWERS }
