import { invariant, plainRequest, RECOURSE, type KvReply, type KvRequest } from "#kernel"
import { INSTANT_NEVER, type KvOp, type Operation, type Outcome } from "../check/history.ts"
import { checkCommitOrder } from "../check/exactly-once.ts"
import { checkLinearizable } from "../check/linearizable.ts"
import type { Found } from "../judge.ts"
import { RANGE_DESCRIPTOR, type Scope } from "./scope.ts"

/** What clients asked and heard so far, by number: equal numbers are equal histories. */
export type History = number

type Event =
  | { readonly type: "asked"; readonly op: number }
  | { readonly type: "heard"; readonly op: number; readonly reply: KvReply }

const KEY = "a"
const DEADLINE_US = 10_000_000
const STEPS_MAX = 10_000_000

/**
 * Every operation has a client of its own, who asks once and takes the answer as it leaves the store: one that is
 * under way for longer only allows more orders of what was asked.
 */
export class Clients {
  readonly #ops: Scope["operations"]
  readonly #histories: (readonly Event[])[] = [[]]
  readonly #known = new Map<string, History>([["", 0]])
  readonly #names: string[] = [""]
  readonly #verdicts = new Map<History, Found | null>()

  constructor(ops: Scope["operations"]) {
    this.#ops = ops
  }

  get count(): number {
    return this.#ops.length
  }

  request(op: number): KvRequest {
    return plainRequest(RANGE_DESCRIPTOR, this.#kvOps(op), { id: op + 1, deadlineUs: DEADLINE_US })
  }

  name(history: History): string {
    return this.#names[history]!
  }

  asked(history: History, op: number): History {
    return this.#with(history, { type: "asked", op }, `?${op}`)
  }

  /** Only the first answer to an operation counts. */
  heard(history: History, op: number, reply: KvReply): History {
    const events = this.#histories[history]!
    if (events.some((event) => event.type === "heard" && event.op === op)) return history
    return this.#with(history, { type: "heard", op, reply }, `!${op}${JSON.stringify(reply)}`)
  }

  /** Why no single store could have answered like this; null when one could. */
  judge(history: History): Found | null {
    const known = this.#verdicts.get(history)
    if (known !== undefined) return known
    const found = judge(this.#operations(history))
    this.#verdicts.set(history, found)
    return found
  }

  text(op: number): string {
    const asked = this.#kvOps(op)[0]!
    return asked.type === "put" ? `put ${asked.key} = ${asked.value}` : `get ${KEY}`
  }

  #kvOps(op: number): readonly KvOp[] {
    return this.#ops[op] === "put"
      ? [{ type: "put", key: KEY, value: `v${op + 1}` }]
      : [{ type: "get", key: KEY }]
  }

  #with(history: History, event: Event, name: string): History {
    const whole = `${this.#names[history]!}${name}`
    const known = this.#known.get(whole)
    if (known !== undefined) return known
    const number = this.#histories.length
    this.#histories.push([...this.#histories[history]!, event])
    this.#names.push(whole)
    this.#known.set(whole, number)
    return number
  }

  /** Times are places in the order of what was asked and heard. */
  #operations(history: History): readonly Operation[] {
    const operations: Operation[] = []
    const events = this.#histories[history]!
    for (const [invokedAt, event] of events.entries()) {
      if (event.type !== "asked") continue
      const { op } = event
      const endedAt = events.findIndex((other) => other.type === "heard" && other.op === op)
      const end = events[endedAt]
      const reply = end?.type === "heard" ? end.reply : null
      operations.push({
        id: op,
        process: op,
        request: this.#kvOps(op),
        invokedAt,
        endedAt: reply === null ? INSTANT_NEVER : endedAt,
        outcome: outcomeOf(reply),
        results: reply?.type === "ok" ? reply.results : null,
        commitTs: reply?.type === "ok" ? reply.commitTs : 0,
        token: null,
        retries: 0,
      })
    }
    return operations
  }
}

function outcomeOf(reply: KvReply | null): Outcome {
  if (reply === null) return "info"
  if (reply.type === "ok") return "ok"
  return RECOURSE[reply.error.code] === "unknown" ? "info" : "fail"
}

function judge(operations: readonly Operation[]): Found | null {
  const order = checkCommitOrder(operations)[0]
  if (order !== undefined) return { oracle: "LIN-commit-order", message: order.message }
  const { verdict, explanation } = checkLinearizable(operations, { stepsMax: STEPS_MAX })
  // A few operations on one key: there is no history for which the steps do not suffice.
  invariant(verdict !== "unknown", "Cannot judge a small history within the steps")
  if (verdict === "valid") return null
  return {
    oracle: "LIN-linearizable",
    message: explanation?.lines.join("\n") ?? "The history is not linearizable",
  }
}
