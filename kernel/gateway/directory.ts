import type { RangeId, StoreId, TenantId } from "../ids.ts"
import type { ByteReader, Sink } from "../lib/bytes.ts"
import { readDescriptor, writeDescriptor, type RangeDescriptor } from "../range/descriptor.ts"
import type { Bootstrap } from "../raft/types.ts"
import type { KeySpan } from "../txn/protocol.ts"

/** Where a range is, as far as this gateway has heard. */
type Place = {
  descriptor: RangeDescriptor
  /** Stores with a replica, those of the document first. */
  readonly stores: StoreId[]
  leader: StoreId | null
}

/**
 * Which range holds a key, and which store leads it: begun with the document of the cluster's birth, corrected by what
 * answers teach. Never a truth: a range that is asked wrongly says so.
 */
export class Directory {
  readonly #places = new Map<RangeId, Place>()
  /** All that a range was ever on. */
  readonly #stores = new Set<StoreId>()
  /** Ranges of a tenant by start, made when asked for. */
  #sorted = new Map<TenantId, readonly RangeDescriptor[]>()

  static of(groups: readonly Bootstrap[]): Directory {
    const directory = new Directory()
    for (const { descriptor, configuration } of groups) {
      const stores = [...configuration.voters, ...configuration.learners].map((member) => member.store)
      directory.#put({ descriptor, stores, leader: null })
    }
    return directory
  }

  /** A descriptor that somebody answered with, or that of a replica here; `store` has one of its replicas. */
  learn(descriptor: RangeDescriptor, store: StoreId): void {
    const known = this.#places.get(descriptor.rangeId)
    if (known === undefined) {
      this.#put({ descriptor, stores: [store], leader: null })
      this.#sorted.delete(descriptor.tenant)
      return
    }
    this.#note(known, store)
    if (descriptor.generation <= known.descriptor.generation) return
    known.descriptor = descriptor
    this.#sorted.delete(descriptor.tenant)
  }

  /** `store` led it a moment ago, or is said to; null: nobody knows. */
  noteLeader(range: RangeId, store: StoreId | null): void {
    const place = this.#places.get(range)
    if (place === undefined) return
    place.leader = store
    if (store !== null) this.#note(place, store)
  }

  #put(place: Place): void {
    this.#places.set(place.descriptor.rangeId, place)
    for (const store of place.stores) this.#stores.add(store)
  }

  #note(place: Place, store: StoreId): void {
    if (place.stores.includes(store)) return
    place.stores.push(store)
    this.#stores.add(store)
  }

  /** Whether any range is known to have been there. */
  hasStore(store: StoreId): boolean {
    return this.#stores.has(store)
  }

  get(range: RangeId): RangeDescriptor | null {
    return this.#places.get(range)?.descriptor ?? null
  }

  /** Whom to ask at the given try: its leader first, then one store after another. */
  storeOf(range: RangeId, tries: number): StoreId | null {
    const place = this.#places.get(range)
    if (place === undefined) return null
    if (place.leader !== null && tries === 0) return place.leader
    return place.stores[tries % place.stores.length] ?? null
  }

  /** The ranges that hold these spans, by start, each once; null where a part of one lies in none that is known. */
  cover(tenant: TenantId, spans: readonly KeySpan[]): readonly RangeDescriptor[] | null {
    const all = this.#of(tenant)
    const found = new Set<RangeDescriptor>()
    for (const { start, end } of spans) {
      let at = start
      let isWhole = false
      for (const range of all) {
        if (range.end !== "" && range.end <= at) continue
        if (range.start > at) break
        found.add(range)
        isWhole = range.end === "" || (end !== "" && end <= range.end)
        if (isWhole) break
        at = range.end
      }
      if (!isWhole) return null
    }
    return all.filter((range) => found.has(range))
  }

  /** Where two overlap, the younger generation holds what both claim: it was made of the older one. */
  #of(tenant: TenantId): readonly RangeDescriptor[] {
    const known = this.#sorted.get(tenant)
    if (known !== undefined) return known
    const ranges = [...this.#places.values()].flatMap(({ descriptor }) =>
      descriptor.tenant === tenant ? [descriptor] : [],
    )
    ranges.sort((a, b) => (a.start === b.start ? b.generation - a.generation : a.start < b.start ? -1 : 1))
    this.#sorted.set(tenant, ranges)
    return ranges
  }

  save(sink: Sink): void {
    sink.uint(this.#places.size)
    for (const { descriptor, stores, leader } of this.#places.values()) {
      writeDescriptor(descriptor, sink)
      sink.uint(stores.length)
      for (const store of stores) sink.uint(store)
      sink.uint(leader ?? 0)
    }
  }

  static load(reader: ByteReader): Directory {
    const directory = new Directory()
    for (let left = reader.count(9); left > 0; left--) {
      const descriptor = readDescriptor(reader)
      const stores: StoreId[] = []
      for (let more = reader.count(); more > 0; more--) stores.push(reader.uint())
      const leader = reader.uint()
      directory.#put({ descriptor, stores, leader: leader === 0 ? null : leader })
    }
    return directory
  }
}
