import type { GroupId, StoreId } from "../ids.ts"
import type { Raft } from "../raft/raft.ts"

/** What one replica adds to what its store has in hand. */
type Share = { requests: number; readonly bytes: Map<StoreId, number> }

/**
 * What all replicas of a store have in hand together: requests that wait, and entries on their way to each other
 * store. The window of one follower bounds what one group may send; a store that is slow is slow for all of its
 * groups, and theirs add up. Nothing here is saved: it is the sum of what the replicas know.
 */
export class StoreBudget {
  readonly #shares = new Map<GroupId, Share>()
  readonly #bytes = new Map<StoreId, number>()
  #requests = 0

  /** Requests that other groups hold. */
  requestsBeside(group: GroupId): number {
    return this.#requests - (this.#shares.get(group)?.requests ?? 0)
  }

  /** Bytes of entries that other groups have on their way to this store. */
  bytesBeside(group: GroupId, store: StoreId): number {
    return (this.#bytes.get(store) ?? 0) - (this.#shares.get(group)?.bytes.get(store) ?? 0)
  }

  /** After every step of a replica. */
  note(raft: Raft, requests: number): void {
    const { group } = raft
    const sending = raft.sending()
    if (requests === 0 && sending.length === 0) {
      this.forget(group)
      return
    }
    let share = this.#shares.get(group)
    if (share === undefined) {
      share = { requests: 0, bytes: new Map() }
      this.#shares.set(group, share)
    }
    this.#takeBack(share)
    share.requests = requests
    share.bytes.clear()
    this.#requests += requests
    for (const { store, bytes } of sending) {
      share.bytes.set(store, (share.bytes.get(store) ?? 0) + bytes)
      this.#bytes.set(store, (this.#bytes.get(store) ?? 0) + bytes)
    }
  }

  forget(group: GroupId): void {
    const share = this.#shares.get(group)
    if (share === undefined) return
    this.#shares.delete(group)
    this.#takeBack(share)
  }

  #takeBack(share: Share): void {
    this.#requests -= share.requests
    for (const [store, bytes] of share.bytes) this.#bytes.set(store, this.#bytes.get(store)! - bytes)
  }
}

/** For a replica that is alone with itself. */
export const NOTHING_BESIDE: Pick<StoreBudget, "bytesBeside"> = { bytesBeside: () => 0 }
