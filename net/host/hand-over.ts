import { setTimeout as pause } from "node:timers/promises"
import type { AdminRequest, GroupStatus, StoreId } from "#kernel"

/** Sessions of clients are numbered from 1: answers to this one are nobody's. */
const NO_SESSION = 0
const LOOK_MS = 10
/** A store that has not taken a group over by then may never: another one is asked for. */
const TRY_MS = 500

/** A store that may lead groups. */
export interface Leading {
  groups(): readonly GroupStatus[]
  admin(session: number, request: AdminRequest): void
}

/**
 * Hands the groups that a store leads to voters that can be reached, so that nobody has to find out by a timeout that it
 * is gone. Resolves when it leads none that another could, and knows who does, or when the time is over; gives how many
 * groups it still leads. It is a courtesy: whatever comes of it, the store may end.
 */
export async function handOver(
  store: Leading,
  own: StoreId,
  reachable: () => ReadonlySet<StoreId>,
  waitMsMax: number,
): Promise<number> {
  const asked = new Map<number, { tries: number; atMs: number }>()
  const endMs = performance.now() + waitMsMax
  for (;;) {
    const nowMs = performance.now()
    const peers = reachable()
    let left = 0
    let isDue = false
    for (const status of store.groups()) {
      if (status.role !== "leader") {
        // Whom it was given to is not known yet: clients would be sent nowhere.
        if (asked.has(status.group) && status.leader === 0) isDue = true
        continue
      }
      left++
      const heirs = heirsOf(status, own, peers)
      if (heirs.length === 0) continue
      isDue = true
      const known = asked.get(status.group) ?? { tries: 0, atMs: Number.NEGATIVE_INFINITY }
      if (nowMs - known.atMs < TRY_MS) continue
      asked.set(status.group, { tries: known.tries + 1, atMs: nowMs })
      const heir = heirs[known.tries % heirs.length]!
      store.admin(NO_SESSION, {
        id: 0,
        group: status.group,
        action: { type: "transferLeader", store: heir },
      })
    }
    if (!isDue || nowMs >= endMs) return left
    await pause(LOOK_MS)
  }
}

/** Voters elsewhere that can be reached, those with the least on its way to them first. */
function heirsOf(
  { configuration, sending }: GroupStatus,
  own: StoreId,
  reachable: ReadonlySet<StoreId>,
): readonly StoreId[] {
  const owed = new Map(sending.map(({ store, bytes }) => [store, bytes]))
  return configuration.voters
    .map(({ store }) => store)
    .filter((store) => store !== own && reachable.has(store))
    .toSorted((a, b) => (owed.get(a) ?? 0) - (owed.get(b) ?? 0))
}
