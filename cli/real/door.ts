import type { GroupStatus, KvReply, KvRequest } from "#kernel"

/** What a store says of itself, as far as this folder reads it. */
export type StoreReport = {
  readonly store: number
  readonly groups: readonly GroupStatus[]
  /** Volumes that may have held replicas of which it knows nothing any more; absent where its version does not say. */
  readonly forgetful?: readonly number[]
  /** Of the file system that holds its data; null when it does not say. */
  readonly disk: { readonly usedBytes: number; readonly freeBytes: number } | null
}

/** The way into a running cluster: what carries the requests of a workload's clients, and asks stores how they are. */
export interface ClusterDoor {
  /** Those it knows the addresses of, ascending. */
  readonly stores: readonly number[]
  /**
   * Sends a request of a client to a store, by a session of that client's own. `heard` is called at most once, and never
   * from within: with the answer, or with what is known when the session breaks, `overloaded` if the request never left
   * and `outcomeUnknown` if it did. An answer that is late is not waited for: who asks has a timeout. The same request
   * may be sent again while it is on its way.
   */
  send(client: number, store: number, request: KvRequest, heard: (reply: KvReply) => void): void
  /** Null when the store does not say within `timeoutMs`. */
  report(store: number, timeoutMs: number): Promise<StoreReport | null>
  close(): Promise<void>
}
