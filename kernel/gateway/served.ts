import type { StoreId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { ASKS_MAX } from "../limits.ts"

type Asker = {
  /** The process that asks. */
  nonce: number
  /** Serial by the asker's own id. */
  readonly serials: Map<number, number>
  /** Ids of what must not be done twice and was taken, in the order in which it was; none at or below `forgotten` is known. */
  readonly once: Set<number>
  forgotten: number
}

/** So many ids of each asker are remembered; what is older than all of them is taken for done. */
const ONCE_MAX = 4_096

/**
 * What other stores ask the ranges here, from when it comes until it is answered. A request that comes again meanwhile is
 * not carried out twice; those of a process that is gone are forgotten, and so are their answers.
 */
export class Served {
  readonly #askers = new Map<StoreId, Asker>()
  /** By serial, the number under which the range knows it. */
  readonly #asks = new Map<number, { readonly store: StoreId; readonly id: number }>()
  #serial = 0

  /**
   * The serial under which it is to be carried out. `known`: it is under way already; or was carried out, and is `once` at
   * the most: a network may say a thing twice.
   */
  take(store: StoreId, nonce: number, id: number, once: boolean): number | "known" | "full" {
    let asker = this.#askers.get(store)
    if (asker !== undefined && asker.nonce !== nonce) {
      for (const serial of asker.serials.values()) this.#asks.delete(serial)
      asker = undefined
    }
    if (asker === undefined) {
      asker = { nonce, serials: new Map(), once: new Set(), forgotten: 0 }
      this.#askers.set(store, asker)
    }
    if (asker.serials.has(id)) return "known"
    if (once && (id <= asker.forgotten || asker.once.has(id))) return "known"
    if (asker.serials.size >= ASKS_MAX) return "full"
    if (once) remember(asker, id)
    const serial = ++this.#serial
    asker.serials.set(id, serial)
    this.#asks.set(serial, { store, id })
    return serial
  }

  /** Whose it was that is answered now; null: nobody waits for it any more. */
  finish(serial: number): { readonly store: StoreId; readonly nonce: number; readonly id: number } | null {
    const ask = this.#asks.get(serial)
    if (ask === undefined) return null
    this.#asks.delete(serial)
    const asker = this.#askers.get(ask.store)!
    asker.serials.delete(ask.id)
    return { store: ask.store, nonce: asker.nonce, id: ask.id }
  }

  save(sink: Sink): void {
    sink.uint(this.#serial)
    sink.uint(this.#askers.size)
    for (const [store, { nonce, serials, once, forgotten }] of this.#askers) {
      sink.uint(store)
      sink.uint(nonce)
      sink.uint(serials.size)
      for (const [id, serial] of serials) {
        sink.uint(id)
        sink.uint(serial)
      }
      sink.uint(once.size)
      for (const id of once) sink.uint(id)
      sink.uint(forgotten)
    }
  }

  static load(reader: ByteReader): Served {
    const served = new Served()
    served.#serial = reader.uint()
    for (let left = reader.count(3); left > 0; left--) {
      const store = reader.uint()
      const asker: Asker = { nonce: reader.uint(), serials: new Map(), once: new Set(), forgotten: 0 }
      served.#askers.set(store, asker)
      for (let more = reader.count(2); more > 0; more--) {
        const id = reader.uint()
        const serial = reader.uint()
        asker.serials.set(id, serial)
        served.#asks.set(serial, { store, id })
      }
      for (let more = reader.count(); more > 0; more--) asker.once.add(reader.uint())
      asker.forgotten = reader.uint()
    }
    return served
  }
}

function remember(asker: Asker, id: number): void {
  asker.once.add(id)
  if (asker.once.size <= ONCE_MAX) return
  for (const oldest of asker.once) {
    asker.once.delete(oldest)
    asker.forgotten = Math.max(asker.forgotten, oldest)
    return
  }
}
