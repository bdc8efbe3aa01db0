import type { GroupId, StoreId } from "../ids.ts"
import { members } from "../raft/quorum.ts"
import type { Configuration } from "../raft/types.ts"

type Known = {
  readonly configuration: Configuration
  readonly leaderStore: StoreId
  readonly stores: readonly StoreId[]
}

/**
 * Which groups of this store have to do with which other store, so that what happens between two stores
 * touches those groups alone. Follows the replicas; never saved.
 */
export class GroupIndex {
  readonly #known = new Map<GroupId, Known>()
  readonly #groups = new Map<StoreId, Set<GroupId>>()

  /** What a replica here believes: its configuration, and whose store it has promised its vote not to depose (0: none). */
  note(group: GroupId, configuration: Configuration, leaderStore: StoreId): void {
    const known = this.#known.get(group)
    if (known !== undefined && known.configuration === configuration && known.leaderStore === leaderStore)
      return
    const stores = members(configuration).map((member) => member.store)
    if (leaderStore !== 0 && !stores.includes(leaderStore)) stores.push(leaderStore)
    for (const store of known?.stores ?? [])
      if (!stores.includes(store)) this.#groups.get(store)?.delete(group)
    for (const store of stores) {
      const groups = this.#groups.get(store)
      if (groups === undefined) this.#groups.set(store, new Set([group]))
      else groups.add(group)
    }
    this.#known.set(group, { configuration, leaderStore, stores })
  }

  forget(group: GroupId): void {
    for (const store of this.#known.get(group)?.stores ?? []) this.#groups.get(store)?.delete(group)
    this.#known.delete(group)
  }

  /** Ascending. */
  groupsOn(store: StoreId): readonly GroupId[] {
    return [...(this.#groups.get(store) ?? [])].sort((a, b) => a - b)
  }

  /** Stores with which a group is shared, ascending. */
  stores(): readonly StoreId[] {
    const stores: StoreId[] = []
    for (const [store, groups] of this.#groups) if (groups.size > 0) stores.push(store)
    return stores.sort((a, b) => a - b)
  }
}
