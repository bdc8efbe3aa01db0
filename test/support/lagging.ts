import { assert } from "vitest"
import type { Limits } from "#kernel/node/config.ts"
import { Cluster, configOf, type Store } from "./store-rig.ts"

export type Lagging = { readonly cluster: Cluster; readonly leader: Store; readonly follower: Store }

/**
 * A cluster whose follower has slept through so many writes of 100 bytes and more, the first of which its leader's log
 * does not have any more. It can be heard again: what comes next is a snapshot.
 */
export function lagging(limits: Partial<Limits>, writes: number): Lagging {
  const cluster = new Cluster([1, 2, 3], (id) => {
    const config = configOf(id)
    return { ...config, limits: { ...config.limits, logKeepEntries: 2, ...limits } }
  })
  const leader = cluster.elect()
  const follower = cluster.stores.find((store) => store !== leader)!
  leader.request([{ type: "put", key: "k0", value: "old" }], { id: 1 })
  cluster.settle()
  cluster.cut.add(follower.id)
  for (let i = 0; i < writes; i++) {
    leader.request([{ type: "put", key: `k${i}`, value: "v".repeat(100) }], { id: i + 2 })
    cluster.settle()
  }
  cluster.pass(300_000)
  assert.isAbove(leader.status!.firstIndex, follower.status!.lastIndex + 1)
  cluster.cut.clear()
  for (const store of cluster.stores) store.marks.length = 0
  return { cluster, leader, follower }
}
