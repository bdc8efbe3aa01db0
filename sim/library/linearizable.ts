import type { Check } from "./checks.ts"
import type { Call } from "./clients.ts"
import { plainText } from "./plain.ts"

/**
 * What a server does that serves one call at a time.
 *
 * `step` gives the state after a call, or null when a server in this state would not have answered so.
 * `answer` is undefined when nobody heard one: then it gives the state the call would leave.
 */
export type Model<S, Q, A> = {
  readonly init: S
  step(state: S, request: Q, answer: A | undefined): { readonly state: S } | null
  /** Calls with different names share nothing, so each name is judged alone. */
  readonly part?: (request: Q) => string
}

export type CallsVerdict = {
  readonly verdict: "valid" | "invalid" | "unknown"
  /** Attempts to place a call. */
  readonly steps: number
  /** Why it is invalid, or null. */
  readonly explanation: string | null
}

const STEPS_MAX = 1_000_000
/** Calls told of the best order that was found. */
const TOLD = 6

/**
 * Whether calls are linearizable: is there one order of them, each between its start and its end, in which
 * your model answers what was heard? Calls that failed are left out, and those of unknown outcome may have
 * their effect at any time after their start, or never.
 *
 * The search of Wing and Gong (1993) with the memo of Lowe (2017), as in Athalye's porcupine: entries of calls
 * and returns in order of time, lifted out when a call is placed. For histories of the kernel's own requests
 * there is a faster one (`checkLinearizable`).
 */
export function checkCalls<S, Q, A>(
  history: readonly Call<Q, A>[],
  model: Model<S, Q, A>,
  options: { readonly stepsMax?: number } = {},
): CallsVerdict {
  let left = options.stepsMax ?? STEPS_MAX
  const budget = left
  const parts = new Map<string, Call<Q, A>[]>()
  for (const call of history) {
    if (call.outcome === "fail") continue
    const part = model.part?.(call.request) ?? ""
    const calls = parts.get(part)
    if (calls === undefined) parts.set(part, [call])
    else calls.push(call)
  }
  let isUnknown = false
  for (const calls of parts.values()) {
    const { verdict, steps, explanation } = searched(calls, model, left)
    left -= steps
    if (verdict === "invalid") return { verdict, steps: budget - left, explanation }
    isUnknown ||= verdict === "unknown"
  }
  return { verdict: isUnknown ? "unknown" : "valid", steps: budget - left, explanation: null }
}

/** The check of a run's history at its end. */
export function linearizable<S, Q, A>(
  model: Model<S, Q, A>,
  options: { readonly name?: string; readonly stepsMax?: number } = {},
): Check<unknown, Q, A> {
  return {
    name: options.name ?? "linearizable",
    when: "end",
    check: ({ history }) => {
      const { verdict, explanation, steps } = checkCalls(history, model, options)
      return verdict === "unknown"
        ? { unknown: `no order was found or excluded in ${steps} steps` }
        : explanation
    },
  }
}

type Entry<Q, A> = {
  readonly call: Call<Q, A>
  readonly index: number
  /** Of a required call; null for a return, and for a call that need not have happened. */
  returns: Entry<Q, A> | null
  /** Of a call that need not have happened: an equal one before it, which is placed first. */
  twin: Entry<Q, A> | null
  readonly isCall: boolean
  prev: Entry<Q, A> | null
  next: Entry<Q, A> | null
}

function searched<S, Q, A>(
  calls: readonly Call<Q, A>[],
  model: Model<S, Q, A>,
  stepsMax: number,
): CallsVerdict {
  const first = linked(calls)
  let open = calls.filter((call) => call.outcome === "ok").length
  const placed = new Uint32Array(Math.ceil(calls.length / 32))
  const seen = new Set<string>()
  const stack: { readonly entry: Entry<Q, A>; readonly state: S; readonly text: string }[] = []
  let state = model.init
  let text = plainText(state, "state")
  let best: { readonly order: readonly Call<Q, A>[]; readonly stuck: Call<Q, A> | null } = {
    order: [],
    stuck: null,
  }
  let steps = 0
  let entry = first.next
  // A call that need not have happened is tried when none that did can come next: it is seldom the answer.
  let isOptional = false
  while (open > 0) {
    if (entry !== null && entry.isCall) {
      const isTurn = isOptional === (entry.call.outcome !== "ok")
      if (!isTurn || (entry.twin !== null && !isPlaced(placed, entry.twin.index))) {
        entry = entry.next
        continue
      }
      if (steps >= stepsMax) return { verdict: "unknown", steps, explanation: null }
      steps++
      const { call, index } = entry
      const isRequired = call.outcome === "ok"
      const next = model.step(state, call.request, isRequired ? (call.answer as A) : undefined)
      const nextText = next === null ? "" : plainText(next.state, "state")
      // A call that need not have happened, and changes nothing, is in nobody's way: it did not happen.
      if (next !== null && (isRequired || nextText !== text)) {
        placed[index >>> 5]! ^= 1 << (index & 31)
        const configuration = `${placed.join()} ${nextText}`
        if (!seen.has(configuration)) {
          seen.add(configuration)
          stack.push({ entry, state, text })
          state = next.state
          text = nextText
          lift(entry)
          if (isRequired) open--
          entry = first.next
          isOptional = false
          continue
        }
        placed[index >>> 5]! ^= 1 << (index & 31)
      }
      entry = entry.next
      continue
    }
    if (!isOptional) {
      isOptional = true
      entry = first.next
      continue
    }
    // A return whose call is not placed: whatever was placed before it was placed wrongly.
    if (stack.length >= best.order.length) {
      best = { order: stack.map((step) => step.entry.call), stuck: entry?.call ?? best.stuck }
    }
    const last = stack.pop()
    if (last === undefined) return { verdict: "invalid", steps, explanation: told(best) }
    state = last.state
    text = last.text
    placed[last.entry.index >>> 5]! ^= 1 << (last.entry.index & 31)
    putBack(last.entry)
    isOptional = last.entry.call.outcome !== "ok"
    if (!isOptional) open++
    entry = last.entry.next
  }
  return { verdict: "valid", steps, explanation: null }
}

/** Calls and returns in order of time; at one instant calls come first: two that only touch are concurrent. */
function linked<Q, A>(calls: readonly Call<Q, A>[]): Entry<Q, A> {
  const entries: { readonly at: number; readonly rank: number; readonly entry: Entry<Q, A> }[] = []
  for (let index = 0; index < calls.length; index++) {
    const call = calls[index]!
    const start: Entry<Q, A> = {
      call,
      index,
      returns: null,
      twin: null,
      isCall: true,
      prev: null,
      next: null,
    }
    entries.push({ at: call.invokedAt, rank: 0, entry: start })
    if (call.outcome !== "ok") continue
    const end: Entry<Q, A> = { call, index, returns: null, twin: null, isCall: false, prev: null, next: null }
    start.returns = end
    entries.push({ at: call.endedAt, rank: 1, entry: end })
  }
  entries.sort((a, b) => a.at - b.at || a.rank - b.rank || a.entry.index - b.entry.index)
  const head: Entry<Q, A> = {
    call: calls[0]!,
    index: -1,
    returns: null,
    twin: null,
    isCall: false,
    prev: null,
    next: null,
  }
  let last = head
  const equals = new Map<string, Entry<Q, A>>()
  for (const { entry } of entries) {
    if (entry.isCall && entry.call.outcome !== "ok") {
      const text = plainText(entry.call.request, "request")
      entry.twin = equals.get(text) ?? null
      equals.set(text, entry)
    }
    entry.prev = last
    last.next = entry
    last = entry
  }
  return head
}

function isPlaced(placed: Uint32Array, index: number): boolean {
  return ((placed[index >>> 5]! >>> (index & 31)) & 1) === 1
}

function lift<Q, A>(entry: Entry<Q, A>): void {
  unlink(entry)
  if (entry.returns !== null) unlink(entry.returns)
}

/** The other way round, so that each finds its neighbours as it left them. */
function putBack<Q, A>(entry: Entry<Q, A>): void {
  if (entry.returns !== null) relink(entry.returns)
  relink(entry)
}

function unlink<Q, A>(entry: Entry<Q, A>): void {
  entry.prev!.next = entry.next
  if (entry.next !== null) entry.next.prev = entry.prev
}

function relink<Q, A>(entry: Entry<Q, A>): void {
  entry.prev!.next = entry
  if (entry.next !== null) entry.next.prev = entry
}

function told<Q, A>(best: {
  readonly order: readonly Call<Q, A>[]
  readonly stuck: Call<Q, A> | null
}): string {
  const lines = ["No order of the calls explains their answers."]
  if (best.stuck !== null) lines.push(`This one has no place: ${callText(best.stuck)}`)
  if (best.order.length > 0) {
    lines.push(`The longest order places ${best.order.length} before it, the last of them:`)
    for (const call of best.order.slice(-TOLD)) lines.push(`  ${callText(call)}`)
  }
  return lines.join("\n")
}

function callText<Q, A>({ id, client, request, answer, outcome, invokedAt, endedAt }: Call<Q, A>): string {
  const what = `call ${id} of client ${client}: ${plainText(request, "request")}`
  if (outcome !== "ok") return `${what}, from ${invokedAt} µs, never heard of again`
  return `${what} -> ${plainText(answer, "answer")}, from ${invokedAt} to ${endedAt} µs`
}
