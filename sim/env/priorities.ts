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

/**
 * An order among streams of messages, as probabilistic concurrency testing has one among threads (Burckhardt et al.,
 * ASPLOS 2010): random at first, and at a few random moments whoever speaks goes behind all others. There the first
 * thread alone runs. Here time goes on, so the lower a stream the later it is, in even steps up to `slowestUs`: what is
 * sent on a higher one less than their distance later overtakes it. Within a stream everything arrives as it was sent.
 *
 * Each stream's place is drawn for itself, so that the others keep their order when one is left out.
 */
export class Priorities {
  readonly #spec: PrioritySpec
  readonly #endpointCount: number
  readonly #laneCount: number
  /** By stream; −1 is one that has no place. */
  readonly #levels: Int32Array
  readonly #levelMax: number
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
    const ranked = streams
      .map((stream) => ({ stream, drawn: draw(seed, PURPOSE.priority, id, stream, 0) }))
      .sort((a, b) => a.drawn - b.drawn || a.stream - b.stream)
    this.#levels = new Int32Array(spec.by === "link" ? endpointCount * endpointCount : endpointCount).fill(-1)
    for (const [level, { stream }] of ranked.entries()) this.#levels[stream] = level
    this.#levelMax = Math.max(1, streams.length - 1 + spec.changes)
    const lastsUs = Math.max(1, span.until - span.from)
    this.#moments = Array.from({ length: spec.changes }, (_, change) => ({
      at: span.from + below(draw(seed, PURPOSE.priorityChange, id, 0, change), lastsUs),
      level: streams.length + change,
    })).sort((a, b) => a.at - b.at || a.level - b.level)
    this.#lastArrivals = new Float64Array(endpointCount * endpointCount * laneCount)
  }

  /** How long a message that is sent now takes, which would have taken `latencyUs`. */
  latencyOf(from: number, to: number, lane: number, now: number, latencyUs: number): number {
    const stream = this.#streamOf(from, to)
    for (let next = this.#moments[this.#passed]; next !== undefined && next.at <= now;) {
      this.#levels[stream] = next.level
      next = this.#moments[++this.#passed]
    }
    const level = Math.max(0, this.#levels[stream]!)
    const slot = (from * this.#endpointCount + to) * this.#laneCount + lane
    const late = Math.floor((level * this.#spec.slowestUs) / this.#levelMax)
    const at = Math.max(now + latencyUs + late, this.#lastArrivals[slot]!)
    this.#lastArrivals[slot] = at
    return at - now
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
