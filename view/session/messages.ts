import { isStoreMessage, type Frame, type PeerMessage } from "#kernel"
import { bytes, floats, integers, shorts } from "./columns.ts"

/** What a message on the diagram is, by the most telling part of its frame; later ones are more telling. */
export const MESSAGE_KINDS = [
  "liveness",
  "heartbeat",
  "read",
  "append",
  "snapshot",
  "scrub",
  "repair",
  "transfer",
  "vote",
  "request",
  "reply",
  "refusal",
] as const
export type MessageKind = (typeof MESSAGE_KINDS)[number]

/** Numbers of one event, and of one message, in the rows of a scene. */
export const EVENT_FIELDS = 4
export const MESSAGE_FIELDS = 7

const NUMBER_OF: ReadonlyMap<MessageKind, number> = new Map(MESSAGE_KINDS.map((kind, index) => [kind, index]))

export function messageKind(message: PeerMessage): MessageKind {
  if (isStoreMessage(message)) return "liveness"
  switch (message.type) {
    case "heartbeat":
    case "heartbeatReply":
      return "heartbeat"
    case "appendEntries":
    case "appendReply":
    case "stored":
      return "append"
    case "voteRequest":
    case "voteReply":
      return "vote"
    case "snapshotOffer":
    case "snapshotChunk":
    case "snapshotAnswer":
    case "snapshotReply":
      return "snapshot"
    case "scrubState":
    case "scrubReply":
    case "scrubVerdict":
      return "scrub"
    case "repairAsk":
    case "repairAnswer":
    case "absent":
    case "removed":
      return "repair"
    case "timeoutNow":
    case "deFortify":
      return "transfer"
  }
}

export function frameKind(frame: Frame): MessageKind {
  let best = 0
  for (const message of frame.messages) best = Math.max(best, NUMBER_OF.get(messageKind(message))!)
  return MESSAGE_KINDS[best]!
}

/** No event: it was lost, is still under way, or nobody knows where it came from. */
export const NONE = -1

/**
 * All that crossed the network: from which lane to which, when it left and when whoever it was for took it in. What
 * arrived more than once has a row for each time. Rows are in the order in which they left.
 */
export class Messages {
  readonly #kind = bytes()
  readonly #from = shorts()
  readonly #to = shorts()
  readonly #sentAt = floats()
  readonly #sentEvent = integers()
  readonly #tookAt = floats()
  readonly #tookEvent = integers()
  /** Arrivals beyond the first: message, place, time, event. */
  readonly again: {
    readonly id: number
    readonly to: number
    readonly at: number
    readonly event: number
  }[] = []

  get count(): number {
    return this.#kind.length
  }

  send(kind: MessageKind, from: number, to: number, at: number, event: number): number {
    this.#kind.push(NUMBER_OF.get(kind)!)
    this.#from.push(from)
    this.#to.push(to)
    this.#sentAt.push(at)
    this.#sentEvent.push(event)
    this.#tookAt.push(NONE)
    this.#tookEvent.push(NONE)
    return this.count - 1
  }

  /** `to` is where it really came to: a fault may have led it astray. */
  take(id: number, to: number, at: number, event: number): void {
    if (this.#tookAt.at(id) !== NONE) this.again.push({ id, to, at, event })
    else {
      this.#to.set(id, to)
      this.#tookAt.set(id, at)
      this.#tookEvent.set(id, event)
    }
  }

  kind(id: number): MessageKind {
    return MESSAGE_KINDS[this.#kind.at(id)]!
  }

  from(id: number): number {
    return this.#from.at(id)
  }

  to(id: number): number {
    return this.#to.at(id)
  }

  sentAt(id: number): number {
    return this.#sentAt.at(id)
  }

  /** The last event of the sender before it left. */
  sentEvent(id: number): number {
    return this.#sentEvent.at(id)
  }

  /** `NONE` when it never arrived. */
  tookAt(id: number): number {
    return this.#tookAt.at(id)
  }

  tookEvent(id: number): number {
    return this.#tookEvent.at(id)
  }

  /** How many had left by then. */
  sentUpTo(time: number): number {
    return this.#sentAt.countUpTo(time)
  }
}
