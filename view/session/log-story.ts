import type { Entry, Frame, Observation } from "#kernel"
import { integers } from "./columns.ts"

type LogChanged = Extract<Observation, { readonly type: "logChanged" }>

/** One place in a replica's log. */
export type LogPlace = { readonly index: number; readonly term: number; readonly digest: number }

/** What stood in the log of every replica at any event, as the replicas told it, and where an entry was first seen. */
export class LogStory {
  readonly #events = integers()
  readonly #stores = integers()
  readonly #groups = integers()
  readonly #indexes = integers()
  /** Where the entries of a change begin in the two columns that follow. */
  readonly #starts = integers()
  readonly #terms = integers()
  readonly #digests = integers()
  /** By digest: the event of a frame that carried the entry. */
  readonly #carriedBy = new Map<number, number>()

  changed(event: number, store: number, { group, index, terms, digests }: LogChanged): void {
    this.#events.push(event)
    this.#stores.push(store)
    this.#groups.push(group)
    this.#indexes.push(index)
    this.#starts.push(this.#terms.length)
    for (let i = 0; i < terms.length; i++) {
      this.#terms.push(terms[i]!)
      this.#digests.push(digests[i]! | 0)
    }
  }

  sawFrame(event: number, frame: Frame): void {
    for (const message of frame.messages) {
      if (message.type !== "appendEntries") continue
      for (const { digestLow } of message.entries) {
        if (!this.#carriedBy.has(digestLow | 0)) this.#carriedBy.set(digestLow | 0, event)
      }
    }
  }

  /** The event of a frame that carried the entry of this digest; null when none did. */
  carrierOf(digest: number): number | null {
    return this.#carriedBy.get(digest | 0) ?? null
  }

  /** The last `count` places of the log after this event, ascending. */
  tail(event: number, store: number, group: number, count: number): readonly LogPlace[] {
    const changes = this.#events.countUpTo(event)
    let log: LogPlace[] = []
    for (let change = 0; change < changes; change++) {
      if (this.#stores.at(change) !== store || this.#groups.at(change) !== group) continue
      const from = this.#indexes.at(change)
      if (log.length > 0) log = log[0]!.index >= from ? [] : log.slice(0, from - log[0]!.index)
      const start = this.#starts.at(change)
      const end = change + 1 < this.#starts.length ? this.#starts.at(change + 1) : this.#terms.length
      for (let i = start; i < end; i++) {
        log.push({ index: from + i - start, term: this.#terms.at(i), digest: this.#digests.at(i) })
      }
      if (log.length > 4 * count) log = log.slice(-2 * count)
    }
    return log.slice(-count)
  }
}

export function entryOf(frame: Frame, digest: number): Entry | null {
  for (const message of frame.messages) {
    if (message.type !== "appendEntries") continue
    const found = message.entries.find((entry) => (entry.digestLow | 0) === (digest | 0))
    if (found !== undefined) return found
  }
  return null
}
