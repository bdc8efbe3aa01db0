import { frameHeader, type Identity, type Lane, type PeerMessage, type StoreId, type Wall } from "#kernel"
import type { PeerLinks } from "./ports.ts"

const LANES: readonly Lane[] = ["liveness", "raft", "bulk"]
/** Messages in one frame; a reader takes no more than 65,536. */
const FRAME_MESSAGES_MAX = 1 << 14

/** What was released since the last flush. What leaves for one peer on one lane at one moment is one frame. */
export class Outbox {
  readonly #waiting = new Map<number, PeerMessage[]>()
  /** Slots with messages, in the order of their first one. */
  #slots: number[] = []

  add(to: StoreId, lane: Lane, message: PeerMessage): void {
    const slot = to * LANES.length + LANES.indexOf(lane)
    const messages = this.#waiting.get(slot)
    if (messages !== undefined) {
      messages.push(message)
      return
    }
    this.#waiting.set(slot, [message])
    this.#slots.push(slot)
  }

  get isEmpty(): boolean {
    return this.#slots.length === 0
  }

  /** `wall` is now: receivers hold it against their own clock. */
  flush(identity: Identity, wall: Wall, links: PeerLinks): void {
    const slots = this.#slots
    this.#slots = []
    for (const slot of slots) {
      const messages = this.#waiting.get(slot)!
      this.#waiting.delete(slot)
      const to = Math.floor(slot / LANES.length)
      const header = frameHeader(identity, to, wall)
      const lane = LANES[slot % LANES.length]!
      if (messages.length <= FRAME_MESSAGES_MAX) {
        links.send(to, lane, { header, messages })
        continue
      }
      for (let from = 0; from < messages.length; from += FRAME_MESSAGES_MAX) {
        links.send(to, lane, { header, messages: messages.slice(from, from + FRAME_MESSAGES_MAX) })
      }
    }
  }

  clear(): void {
    this.#waiting.clear()
    this.#slots = []
  }
}
