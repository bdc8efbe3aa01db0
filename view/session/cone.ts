import { NONE } from "./messages.ts"
import type { Run } from "./run.ts"

/** What lies before something: up to which event of each store, and which point of each client. */
export type Cone = {
  readonly of: number
  /** By lane: the last event (of a store) in the cone, 0 for none; for a client the number of its points in it. */
  readonly frontier: readonly number[]
  /** By lane: when that was; -1 for a lane that has no part in it. */
  readonly until: readonly number[]
  /** By lane: the message through which its last part came into the cone; -1 for none, and for the lane of the event itself. */
  readonly through: readonly number[]
  /** Events in the cone. */
  readonly events: number
  /** The chain of messages that ends at the event: each is the last one its taker had taken in before. Newest first. */
  readonly path: readonly number[]
}

const PATH_MAX = 256

/**
 * All that happened before an event: what its store did earlier, what was sent to it before, what their senders did
 * before that, and so on. Lamport (1978). Lanes are totally ordered, so the cone is one place on each of them.
 */
export function coneOf(run: Run, event: number): Cone {
  const { recorder } = run
  const { messages, storeCount, laneCount } = recorder
  const frontier = Array.from<number>({ length: laneCount }).fill(0)
  const through = Array.from<number>({ length: laneCount }).fill(NONE)
  /** Events (or points) of each lane that were looked at: all before them are in the cone. */
  const seen = Array.from<number>({ length: laneCount }).fill(0)
  const work: { readonly lane: number; readonly upTo: number; readonly message: number }[] = []
  if (event > 0) work.push({ lane: recorder.stores.at(event - 1) - 1, upTo: event, message: NONE })
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    const { lane, upTo, message } = next
    if (upTo <= frontier[lane]!) continue
    frontier[lane] = upTo
    through[lane] = message
    if (lane < storeCount) {
      const own = recorder.eventsOf[lane]!
      const end = own.countUpTo(upTo)
      for (let i = seen[lane]!; i < end; i++) came(recorder.took.at(own.at(i) - 1))
      seen[lane] = end
    } else {
      const points = recorder.clientPoints[lane - storeCount]!
      for (let i = seen[lane]!; i < upTo; i++) if (!points[i]!.sent) came(points[i]!.message)
      seen[lane] = upTo
    }
  }
  const until = frontier.map((place, lane) =>
    place === 0
      ? NONE
      : lane < storeCount
        ? recorder.times.at(place - 1)
        : recorder.clientPoints[lane - storeCount]![place - 1]!.at,
  )
  const events = seen.slice(0, storeCount).reduce((sum, count) => sum + count, 0)
  return { of: event, frontier, until, through, events, path: pathTo(run, event) }

  /** A message in the cone brings its sender into it, up to where it left. */
  function came(message: number): void {
    if (message === NONE) return
    const lane = messages.from(message)
    const upTo = lane < storeCount ? messages.sentEvent(message) : pointOf(run, lane, message) + 1
    if (upTo > frontier[lane]!) work.push({ lane, upTo, message })
  }
}

/** Place of the message among the points of the client that sent it. */
function pointOf({ recorder }: Run, lane: number, message: number): number {
  const points = recorder.clientPoints[lane - recorder.storeCount]!
  let low = 0
  let high = points.length
  const at = recorder.messages.sentAt(message)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (points[middle]!.at < at) low = middle + 1
    else high = middle
  }
  for (let i = low; i < points.length && points[i]!.at === at; i++) {
    if (points[i]!.message === message && points[i]!.sent) return i
  }
  return low - 1
}

function pathTo(run: Run, event: number): readonly number[] {
  const { recorder } = run
  const { messages, storeCount } = recorder
  const path: number[] = []
  for (let at = event; at > 0 && path.length < PATH_MAX;) {
    const own = recorder.eventsOf[recorder.stores.at(at - 1) - 1]!
    let index = own.countUpTo(at) - 1
    while (index >= 0 && recorder.took.at(own.at(index) - 1) === NONE) index--
    if (index < 0) break
    const message = recorder.took.at(own.at(index) - 1)
    path.push(message)
    if (messages.from(message) >= storeCount) break
    at = messages.sentEvent(message)
  }
  return path
}
