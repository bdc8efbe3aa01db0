import { below, draw, PURPOSE } from "../draws.ts"

/** What counts as one stream of messages: a link in one direction, all that one sends, all that is sent to one. */
export type StreamsBy = "link" | "sender" | "receiver"

export type PrioritySpec = {
  readonly by: StreamsBy
  /** How much later than it would be a message of the last stream is. */
  readonly slowestUs: number
  /** So often the stream that speaks is put behind all others. */
  readonly changes: number
}

/** So many times later is a stream than the one before it: a chain of so many messages overtakes one of the next stream. */
const STEP = 4

/**
 * An order among streams of messages, as probabilistic concurrency testing has one among threads (Burckhardt et al.,
 * ASPLOS 2010): random at first, and at a few random moments whoever speaks goes behind others. There the first
 * thread alone runs. Here time goes on, so the last stream is late by `slowestUs`, the one before it by a quarter of that,
 * and so on: whole chains of messages on the streams before it overtake one that waits. Within a stream everything
 * arrives as it was sent.
 *
 * Each stream's place is drawn for itself, so that the others keep their order when one is left out.
 */
export class Priorities {
  readonly #spec: PrioritySpec
  readonly #endpointCount: number
  readonly #laneCount: number
  /** The last stream first. */
  #order: { readonly stream: number; readonly level: number }[]
  /** By stream: how late it is. */
  readonly #lateUs: Float64Array
  /** Ascending; each with the level it sends a stream to. */
  readonly #moments: readonly { readonly at: number; readonly level: number }[]
  #passed = 0
  readonly #lastArrivals: Float64Array

  constructor(
    spec: PrioritySpec,
    key: { readonly seed: number; readonly id: number },
    span: { readonly from: number; readonly until: number },
    links: readonly { readonly from: number; readonly to: number }[],
    endpointCount: number,
    laneCount: number,
  ) {
    this.#spec = spec
    this.#endpointCount = endpointCount
    this.#laneCount = laneCount
    const { seed, id } = key
    const streams = [...new Set(links.map(({ from, to }) => this.#streamOf(from, to)))]
    // Below every level that is drawn are those of the changes.
    this.#order = streams.map((stream) => ({
      stream,
      level: spec.changes + draw(seed, PURPOSE.priority, id, stream, 0),
    }))
    this.#lateUs = new Float64Array(spec.by === "link" ? endpointCount * endpointCount : endpointCount)
    this.#arrange()
    const lastsUs = Math.max(1, span.until - span.from)
    this.#moments = Array.from({ length: spec.changes }, (_, level) => ({
      at: span.from + below(draw(seed, PURPOSE.priorityChange, id, 0, level), lastsUs),
      level,
    })).sort((a, b) => a.at - b.at || a.level - b.level)
    this.#lastArrivals = new Float64Array(endpointCount * endpointCount * laneCount)
  }

  /** How long a message that is sent now takes, which would have taken `latencyUs`. */
  latencyOf(from: number, to: number, lane: number, now: number, latencyUs: number): number {
    const stream = this.#streamOf(from, to)
    for (let next = this.#moments[this.#passed]; next !== undefined && next.at <= now;) {
      const { level } = next
      this.#order = this.#order.map((place) => (place.stream === stream ? { stream, level } : place))
      this.#arrange()
      next = this.#moments[++this.#passed]
    }
    const slot = (from * this.#endpointCount + to) * this.#laneCount + lane
    const at = Math.max(now + latencyUs + this.#lateUs[stream]!, this.#lastArrivals[slot]!)
    this.#lastArrivals[slot] = at
    return at - now
  }

  #arrange(): void {
    this.#order.sort((a, b) => a.level - b.level || a.stream - b.stream)
    let lateUs = this.#spec.slowestUs
    for (const { stream } of this.#order) {
      this.#lateUs[stream] = lateUs
      lateUs = Math.floor(lateUs / STEP)
    }
  }

  #streamOf(from: number, to: number): number {
    switch (this.#spec.by) {
      case "link":
        return from * this.#endpointCount + to
      case "sender":
        return from
      case "receiver":
        return to
    }
  }
}
